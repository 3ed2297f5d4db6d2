"""Links, a code for a phone's camera in the terminal, and names on the network."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest
import segno
from rich.console import Console
from typer.testing import CliRunner

from rtmss.cli import app
from rtmss.live.control.controller import MixerController
from rtmss.live.control.terminal import CARD_KEY, Terminal
from rtmss.live.control.web import announce
from rtmss.live.control.web.announce import Announcer, Found, find_hosts
from rtmss.live.control.web.links import addresses, page_link, qr_code

LINK = "http://192.168.100.200:9471/page/?token=abcdefghijklmnopqrstuv"
HALVES = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}


def test_a_link_can_be_opened_as_it_is() -> None:
    assert page_link("127.0.0.1", 9471) == "http://127.0.0.1:9471/page/"
    assert page_link("::1", 80, "abc") == "http://[::1]:80/page/?token=abc"
    assert "0.0.0.0" not in page_link("0.0.0.0", 80)


def test_only_what_others_reach_is_announced() -> None:
    assert addresses("127.0.0.1") == addresses("::1") == addresses("localhost") == []
    assert addresses("192.0.2.7") == ["192.0.2.7"]


def test_the_code_has_every_module_of_the_link_and_fits_into_the_terminal() -> None:
    lines = qr_code(LINK).splitlines()
    assert len(lines) + 4 <= 24 and {len(line) for line in lines} == {len(lines[0])}
    rows = [[HALVES[block][half] for block in line] for line in lines for half in (0, 1)]
    assert all(rows[0]) and all(row[0] and row[-1] for row in rows)
    wanted = [[not dark for dark in row] for row in segno.make(LINK, micro=False).matrix]
    assert [row[1:-1] for row in rows[1 : 1 + len(wanted)]] == wanted


@pytest.fixture
def keyboard() -> Iterator[tuple[int, int]]:
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def test_the_card_stays_until_a_key_which_acts_too(
    controller: MixerController,
    keyboard: tuple[int, int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = iter(range(1000))
    monkeypatch.setattr("rtmss.live.control.terminal.time.monotonic", lambda: float(next(due)))
    console = Console(force_terminal=True, width=80, height=24)

    def shown(key: str) -> str:
        os.write(keyboard[0], key.encode())
        assert terminal.poll()
        return capsys.readouterr().out

    with Terminal(controller, console, keyboard[1]) as terminal:
        terminal.show_card("scan me")
        assert "scan me" in shown("")
        assert "scan me" not in shown(" ") and controller.shared.panic
        assert "scan me" in shown(CARD_KEY)
        assert "scan me" not in shown(CARD_KEY)


def test_a_terminal_without_a_card_ignores_its_key(
    controller: MixerController,
    keyboard: tuple[int, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Terminal(controller, Console(force_terminal=True), keyboard[1]) as terminal:
        os.write(keyboard[0], CARD_KEY.encode())
        terminal.poll()
        assert "shows this again" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_host_that_is_announced_is_found_and_gone_after_its_goodbye() -> None:
    announcer = Announcer(["127.0.0.1"], 9471, 9470)
    try:
        assert announcer.is_announced.wait(20)
        found = [one for one in find_hosts(0.6, ["127.0.0.1"]) if one.address == "127.0.0.1"]
        assert [(one.web_port, one.osc_port) for one in found] == [(9471, 9470)]
        assert found[0].name.startswith("rtmss on ")
    finally:
        announcer.close()
    assert not find_hosts(0.3, ["127.0.0.1"])


def test_find_says_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = [Found("rtmss on \x1b[31mstage", "192.0.2.7", 9471, None, "1.0")]
    monkeypatch.setattr(announce, "find_hosts", lambda _: hosts)
    result = CliRunner().invoke(app, ["find", "--seconds", "0.5"])
    assert result.exit_code == 0 and "http://192.0.2.7:9471/page/" in result.output
    assert "\x1b" not in result.output
    monkeypatch.setattr(announce, "find_hosts", lambda _: [])
    result = CliRunner().invoke(app, ["find"])
    assert result.exit_code == 1 and "--web-bind" in result.stderr


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zeroconf", None)
    result = CliRunner().invoke(app, ["find"])
    assert "rtmss[web]" in str(result.exception)
