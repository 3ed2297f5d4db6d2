"""Text that came from outside is shown and not obeyed."""

from __future__ import annotations

import contextlib
import io
import os
import sys

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table

from rtmss.console import can_take, make_console, one_line, plain, show_all_names


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[live] :warning: é 🎤", "[live] :warning: é 🎤"),
        ("\x1b[2J\x9b\x7f", "\\x1b[2J\\x9b\\x7f"),
        ("caf\udce9.wav", "caf\\xe9.wav"),
        ("\u202egnp", "\\u202egnp"),
        ("a\u2028b\u2029c\x85d\u061c", "a\\u2028b\\u2029c\\x85d\\u061c"),
        ("a\tb\nc", "a\tb\nc"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_message_stays_on_its_line() -> None:
    assert one_line("a\nb\r\x1b") == "a\\nb\\x0d\\x1b"


def test_tables_and_lines_print_text_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    console = make_console()
    table = Table("name")
    table.add_row("[/b] \x1b[2J " + "x" * 200)
    console.print(table)
    console.print("[/b] \x1b]0;t " + "y" * 200, style="red")
    printed = capsys.readouterr().out
    assert "[/b] \\x1b[2J " + "x" * 200 in printed
    assert "[/b] \\x1b]0;t " + "y" * 200 in printed
    assert "\x1b" not in printed


def test_the_width_is_that_of_the_moment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A console that a program keeps knows nothing of the width at its birth."""
    monkeypatch.setenv("COLUMNS", "20")
    console = make_console()
    console.print("word " * 10)
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 20
    monkeypatch.delenv("COLUMNS")
    console.print("word " * 10)
    assert capsys.readouterr().out == "word " * 10 + "\n"


def test_a_progress_bar_shows_a_name_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(
        TextColumn("{task.description}", markup=False),
        console=make_console(),
    ) as bar:
        bar.add_task("[/b]\x1b]0;t")
    printed = capsys.readouterr().out
    assert "[/b]\\x1b" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_no_name_is_more_than_a_stream_can_write(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    show_all_names()
    make_console().print("🎤 caf\udce9 \u0142")
    sys.stdout.flush()
    assert raw.getvalue().rstrip().endswith("ł".encode(encoding, "backslashreplace"))
    assert b"caf\\xe9" in raw.getvalue()


def test_a_pipe_that_nobody_reads_takes_no_line_and_one_with_room_does() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        assert can_take(stream)
        with contextlib.suppress(BlockingIOError):
            while os.write(writing, bytes(4096)):
                pass
        assert not can_take(stream)
        reader.read(8192)
        assert can_take(stream)


def test_what_is_no_file_of_the_system_takes_lines_until_it_is_closed() -> None:
    stream = io.StringIO()
    assert can_take(stream)
    stream.close()
    assert not can_take(stream)
    assert not can_take(None)
