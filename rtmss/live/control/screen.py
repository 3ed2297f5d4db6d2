"""A terminal that is drawn on and typed at, or a file that is told lines."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from rtmss.console import can_take
from rtmss.live.control.drawing import plain
from rtmss.live.control.mixer_keys import split_keys

try:
    import termios
    import tty

    HAS_KEYS = True
except ImportError:  # Windows
    HAS_KEYS = False


@contextmanager
def _cbreak(keyboard: int) -> Iterator[None]:
    """Keys one by one and unseen, until the end."""
    before = termios.tcgetattr(keyboard)
    before[3] |= termios.ECHO | termios.ICANON  # a process that was killed leaves them off
    tty.setcbreak(keyboard, termios.TCSANOW)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal may have gone
            termios.tcsetattr(keyboard, termios.TCSANOW, before)


class Screen:
    """Drawn on where it is a TTY; given back as it was, whatever happens."""

    def __init__(self, console: Console, keyboard: int) -> None:
        """Touch nothing yet.

        Args:
            console: where something is shown.
            keyboard: file descriptor that keys are read from if it is a TTY.
        """
        self._console = console
        self.keyboard = keyboard
        self._live: Live | None = None
        self.has_keys = False
        """Whether there is a keyboard, and it has not gone."""
        self._pending = ""
        self._on_exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if HAS_KEYS and os.isatty(self.keyboard):
                stack.enter_context(_cbreak(self.keyboard))
                self.has_keys = True
            if self._console.is_terminal and not self._console.is_dumb_terminal:
                self._live = stack.enter_context(
                    Live(console=self._console, screen=True, auto_refresh=False)
                )
            self._on_exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.has_keys, self._live = False, None
        self._on_exit.__exit__(kind, error, trace)

    @property
    def is_drawn_on(self) -> bool:
        """Whether there is a picture; lines are told otherwise."""
        return self._live is not None

    @property
    def can_take(self) -> bool:
        """Whether it can be written to: Ctrl-S stops a terminal, and a pipe may have no reader."""
        return can_take(self._console.file)

    def draw(self, shown: RenderableType) -> None:
        """Show something in the place of what was there."""
        if self._live is not None:
            self._live.update(shown, refresh=True)

    def tell(self, line: str) -> None:
        """Print a line, whatever its characters are; nothing for an empty one."""
        if line:
            self._console.print(Text(plain(line)), soft_wrap=True)

    def tell_lines(self, text: str) -> None:
        """Print lines as they are."""
        self._console.print(Text(text), soft_wrap=True)

    def typed(self) -> list[str]:
        """Keys that were typed since the last call, arrows by name; waits for none."""
        if (
            not self.has_keys
            or not select.select(
                [self.keyboard],
                [],
                [],
                0,
            )[0]
        ):
            return []
        try:
            read = os.read(self.keyboard, 1024)
        except OSError:  # the terminal has gone
            read = b""
        self.has_keys = bool(read)
        keys, self._pending = split_keys(self._pending + read.decode("ascii", "ignore"))
        return keys
