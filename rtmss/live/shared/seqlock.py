"""One value in shared memory that one process writes and others read, without a lock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value", bound=tuple[Any, ...])


class Record(Generic[Value]):
    """One tuple of numbers in shared memory."""

    def __init__(self, memory: Any, empty: Value) -> None:
        self._memory = memory
        self._empty = empty

    def write(self, value: Value) -> None:
        """Publish a value."""
        version = int(self._memory["version"]) | 1  # odd while being written, also after a writer that was killed
        self._memory["version"] = version
        self._memory["numbers"] = value
        self._memory["version"] = version + 1

    def try_read(self) -> Value | None:
        """The latest value, or None while it is being written: for who cannot wait."""
        version = int(self._memory["version"])
        value = self._value()
        return value if version % 2 == 0 and version == int(self._memory["version"]) else None

    def read(self) -> Value:
        """The latest value."""
        for _ in range(20):
            value = self.try_read()
            if value is not None:
                return value
            time.sleep(1e-5)
        return self._value()  # a writer killed half-way leaves an odd version behind: take what is there

    def _value(self) -> Value:
        if not self._memory["version"]:
            return self._empty
        numbers = zip(self._empty, self._memory["numbers"].tolist(), strict=True)
        make: Callable[..., Value] = type(self._empty)
        return make(*(type(default)(number) for default, number in numbers))
