"""`rtmss plugin instances` lists what is open."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.command_line import Rtmss
from helpers.plugin import FakePlugin
from rtmss.serve.layout import EngineState
from rtmss.serve.listing import instances

Fake = Callable[..., FakePlugin]


def _play(plugin: FakePlugin, number: int) -> None:
    """As an engine that plays would leave it."""
    plugin.memory["number"], plugin.memory["playing"] = number, b"four-stems"
    plugin.memory["engine_state"] = EngineState.PLAYING
    plugin.memory["engine_beat"] = time.monotonic_ns()


def test_every_instance_is_listed_and_nothing_else(fake: Fake, tmp_path: Path) -> None:
    first, second, dead = fake(name="1-a"), fake(name="1-b"), fake(name="1-dead")
    (tmp_path / "instance-liar").write_bytes(b"no instance")
    first.begin(44100, 512, 512)
    _play(first, 2)
    first.memory["n_late"] = 3
    second.memory["engine_beat"] = time.monotonic_ns() - 2_000_000_000
    second.memory["engine_state"] = EngineState.PLAYING
    dead.die()
    found = instances(tmp_path)
    assert [one.number for one in found] == [0, 2]
    assert [one[2:] for one in found] == [
        ("", 0, "no engine", 0, 0),
        ("four-stems", 44100, "plays", 3, 1536),
    ]
    assert all(one.host for one in found)


def test_the_command_shows_them(
    fake: Fake, tmp_path: Path, rtmss: Rtmss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(tmp_path))
    assert "no plug-in is open" in rtmss("plugin", "instances")[2]
    plugin = fake()
    plugin.begin(44100, 512, 512)
    _play(plugin, 1)
    said = rtmss("plugin", "instances")[1]
    for word in ("four-stems", "plays", "44100 Hz", "34.8 ms"):
        assert word in said
