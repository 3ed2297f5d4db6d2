"""What an argument of a message may be, and what is forgiven.

Controllers are not exact: a toggle is a float, a fader ends at 1.0000002, and the bottom of a fader
is minus infinity. What is meant that way is taken; everything else is refused.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rtmss.live.control.osc.codec import Argument

MAX_TEXT = 128
MAX_INT = 2**31 - 1
ROUNDING = 1e-5
"""So far beyond an end of a range, of 1 or of the end if that is larger, a number is at that end;
OSC has short numbers."""

Value = float | bool | str


class RefusedError(ValueError):
    """A message that is answered with `/rtmss/fail` and changes nothing. `code` is one word."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Arg(NamedTuple):
    """One argument. `kind` is float, int, bool or text."""

    kind: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    is_optional: bool = False

    def check(self, value: Argument, tag: str) -> Value:
        """The value, coerced: a gain below the range is silence, as at its lower end.

        Raises:
            RefusedError: it is of another type, not finite, or out of range.
        """
        if self.kind == "text":
            return _text(value)
        if self.kind == "bool" and isinstance(value, bool):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RefusedError("type", f"expected {self.describe()}, got type '{tag}'")
        if self.kind == "bool":
            return self._switch(value)
        if self.kind == "int":
            return self._whole(value)
        return self._number(value)

    def _switch(self, value: float) -> bool:
        for on in (False, True):
            if abs(value - on) <= ROUNDING:
                return on
        raise RefusedError("range", f"expected 0 or 1, got {value:g}")

    def _whole(self, value: float) -> int:
        if not math.isfinite(value):
            raise RefusedError("range", f"expected {self.describe()}, got {value}")
        if value != int(value):
            raise RefusedError("type", f"expected {self.describe()}, got {value:g}")
        if not self.low <= value <= self.high:
            raise RefusedError("range", f"expected {self.describe()}, got {value:g}")
        return int(value)

    def _number(self, value: float) -> float:
        if self.unit == "dB" and value < self.low:
            return float(self.low)
        lowest = self.low - ROUNDING * max(1.0, abs(self.low))
        highest = self.high + ROUNDING * max(1.0, abs(self.high))
        if not (math.isfinite(value) and lowest <= value <= highest):
            raise RefusedError("range", f"expected {self.describe()}, got {value:g}")
        return float(min(max(value, self.low), self.high))

    def describe(self) -> str:
        """`a number from -120 to 12 dB`."""
        if self.kind in {"text", "bool"}:
            return {"text": "a text", "bool": "0 or 1"}[self.kind]
        noun = {"float": "a number", "int": "a whole number"}[self.kind]
        return " ".join(
            filter(
                None,
                [noun, self.range_text("from {} to {}"), self.unit],
            )
        )

    def range_text(self, form: str = "{} .. {}") -> str:
        """The range, or nothing where it is all that the type can carry."""
        return form.format(f"{self.low:g}", f"{self.high:g}") if self.low > -MAX_INT else ""


def _text(value: Argument) -> str:
    if not isinstance(value, str):
        raise RefusedError("type", "expected a text")
    if not value or len(value) > MAX_TEXT or not value.isprintable():
        raise RefusedError("range", f"expected a text of 1 to {MAX_TEXT} printable characters")
    return value
