"""The terminal, for text that came from outside: names, paths, descriptions, messages of other
programs.

Such text is data. Brackets are no markup, control characters are shown and not obeyed, and what the
terminal's encoding lacks is written as an escape. In a pipe lines are as long as they are.
"""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

_PIPE_WIDTH = 4096
"""Columns where there is no terminal: nothing is broken that a script might read."""
_PIPE_HEIGHT = 25
"""Lines where there is no terminal."""
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but tab and line feed, other ends of lines, marks that turn the direction of
writing, and bytes that are no Unicode.
"""


def plain(text: str) -> str:
    """The same text with every character visible that a terminal would obey instead of showing
    it.
    """
    return _UNSAFE.sub(lambda found: _escaped(found[0]), text)


def one_line(text: str) -> str:
    """`plain`, with line feeds shown too."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte of a file name that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class _PlainConsole(Console):
    """A console that obeys nothing in what it prints. Its width is looked up when it prints."""

    _chosen: ConsoleDimensions | None = None
    """Set by hand."""

    @property
    def size(self) -> ConsoleDimensions:
        if self._chosen is not None:
            return self._chosen
        columns = os.environ.get("COLUMNS", "")
        if columns.isdecimal() and int(columns):
            return ConsoleDimensions(int(columns), _PIPE_HEIGHT)
        if not self.file.isatty():
            return ConsoleDimensions(_PIPE_WIDTH, _PIPE_HEIGHT)
        return super().size

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._chosen = ConsoleDimensions(*new_size)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(plain(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            is_safe = segment.control or not _UNSAFE.search(segment.text)
            yield segment if is_safe else Segment(plain(segment.text), segment.style)


def make_console(*, stderr: bool = False) -> Console:
    """A console for standard output or error, on which text stands as it is."""
    return _PlainConsole(stderr=stderr, markup=False, emoji=False, highlight=False)


def can_take(stream: IO[str] | None) -> bool:
    """Whether a line can be written at once: not into a full pipe, nor to a terminal that stands.

    Where the system does not tell, it can.
    """
    try:
        return stream is not None and bool(
            select.select(
                [],
                [stream],
                [],
                0,
            )[1]
        )
    except (OSError, ValueError, TypeError):
        return stream is not None and not stream.closed


def show_all_names() -> None:
    """Let standard output and error write what their encoding lacks as escapes, and never fail at
    it.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
