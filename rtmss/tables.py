"""Tables for the terminal that lose no text, however narrow it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text

from rtmss.console import plain

LONGEST_WORD = 40
"""Cells that a text column may ask for; longer words are broken."""


class WholeTable(Table):
    """A table of which nothing is cut off.

    Texts wrap between words and figures do not wrap. Columns that have no room beside the others
    are printed below them, and the key columns stand at the left of every part.
    """

    def __init__(
        self,
        *heads: str,
        title: str | None = None,
        caption: str | None = None,
        n_keys: int = 1,
        show_header: bool = True,
    ) -> None:
        """Begin a table.

        Args:
            heads: of the columns; those that begin with `>` hold figures, flush right.
            title: above the table.
            caption: below the table.
            n_keys: columns at the left that tell one row from another.
            show_header: print the heads.
        """
        super().__init__(
            title=title,
            caption=caption,
            box=box.SIMPLE_HEAD if show_header else None,
            show_header=show_header,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            header_style="bold",
        )
        self.n_keys = n_keys
        for head in heads:
            self.add_column(
                head.removeprefix(">"),
                justify="right" if head.startswith(">") else "left",
                overflow="fold",
            )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Print the parts, each with widths of its own."""
        room = options.max_width
        parts = list(self._parts(room))
        for number, columns in enumerate(parts):
            part = copy(self)
            widths = _widths(columns, room - _gaps(columns, self.box))
            part.columns = [
                replace(column, width=width, _index=index)
                for index, (column, width) in enumerate(
                    zip(
                        columns,
                        widths,
                        strict=True,
                    )
                )
            ]
            part.title = self.title if number == 0 else None
            part.caption = self.caption if number == len(parts) - 1 else None
            yield from Table.__rich_console__(part, console, options)
            if number < len(parts) - 1:
                yield ""

    def _parts(self, room: int) -> Iterator[list[Column]]:
        """Columns that have room side by side, with the key columns before the others."""
        keys, part = self.columns[: self.n_keys], list(self.columns[: self.n_keys])
        for column in self.columns[self.n_keys :]:
            wanted = [*part, column]
            is_too_wide = sum(map(_least, wanted)) + _gaps(wanted, self.box) > room
            if is_too_wide and len(part) > len(keys):
                yield part
                part = [*keys, column]
            else:
                part = wanted
        yield part


def _gaps(
    columns: Sequence[Column],
    lines: box.Box | None,
) -> int:
    """Cells that stand between columns and beside them."""
    return len(columns) + (len(columns) - 1 if lines else 0)


def _widths(columns: Sequence[Column], room: int) -> list[int]:
    """A width for every column: what it needs, then more where text would wrap."""
    widths = [_least(column) for column in columns]
    while sum(widths) > max(room, len(widths)):
        widths[widths.index(max(widths))] -= 1
    left = max(0, room - sum(widths))
    wanted = [
        max(
            0,
            _most(column) - width,
        )
        for column, width in zip(columns, widths, strict=True)
    ]
    for number, index in enumerate(
        sorted(
            range(len(columns)),
            key=wanted.__getitem__,
        )
    ):
        more = min(wanted[index], left // (len(columns) - number))
        widths[index] += more
        left -= more
    return widths


def _least(column: Column) -> int:
    """Cells without which figures or words would break."""
    if column.justify == "right":
        return _most(column)
    words = (word for line in _lines(column) for word in line.split())
    return min(
        max((Text(word).cell_len for word in words), default=1),
        LONGEST_WORD,
    )


def _most(column: Column) -> int:
    """Cells with which nothing wraps."""
    return (
        max(
            (Text(line).cell_len for line in _lines(column)),
            default=1,
        )
        or 1
    )


def _lines(column: Column) -> Iterator[str]:
    for cell in (column.header, *column.cells):
        yield from (cell.plain if isinstance(cell, Text) else plain(str(cell))).split("\n")
