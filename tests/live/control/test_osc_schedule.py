"""What OSC messages do later: bundles to come, presets that load, and syncs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.dispatcher import Room, Told
from helpers.makers import MakeCondition
from rtmss.conditions.library import Library
from rtmss.config import ConfigError
from rtmss.engine.control import Scene
from rtmss.live.control.osc.codec import message
from rtmss.live.shared.state import SharedState


@pytest.fixture
def room(make_condition: MakeCondition) -> Iterator[Room]:
    shared = SharedState.create(12)
    room = Room(shared, make_condition)
    yield room
    shared.close(unlink=True)


def test_a_bundle_to_come_is_heard_at_its_hop_and_not_before(room: Room) -> None:
    room.send(
        message("/rtmss/bypass", 1),
        message("/rtmss/fade", 7),
        when=time.time() + 0.2,
    )
    assert not room.controller.scene.bypass
    [(hop, _)] = room.controller.scheduled
    assert hop == pytest.approx(100 + 0.2 * 44100 / 512, abs=2)
    room.step()
    entries = room.controller.shared.receive(0)
    assert [entry.hop for entry in entries] == [0, hop]
    assert (entries[1].scene.bypass, entries[1].scene.fade_ms) == (True, 7.0)
    room.play(hop)
    room.step()
    assert room.controller.scene.bypass


def test_a_late_bundle_plays_at_once_and_is_counted(room: Room) -> None:
    room.ask("/rtmss/bypass", 1, when=time.time() - 1)
    assert room.controller.scene.bypass
    assert room.ask("/rtmss/status/late_bundles") == [("/rtmss/status/late_bundles", 1)]


def test_a_bundle_of_2036_is_refused(room: Room) -> None:
    [(_, address, code, text)] = room.ask(
        "/rtmss/bypass",
        1,
        when=time.time() + 61,
    )
    assert (address, code) == ("#bundle", "time")
    assert "at most 60 s ahead" in text
    assert room.controller.scheduled == []


def test_a_preset_cannot_be_put_off(room: Room) -> None:
    [(_, _, code, text)] = room.ask(
        "/rtmss/preset",
        "karaoke",
        when=time.time() + 1,
    )
    assert (code, text) == ("time", "/rtmss/preset cannot be put off; send it without a time tag")


def test_a_full_queue_refuses(room: Room) -> None:
    for _ in range(256):
        assert (
            room.ask(
                "/rtmss/bypass",
                1,
                when=time.time() + 30,
            )
            == []
        )
    [(_, address, code, text)] = room.ask(
        "/rtmss/bypass",
        1,
        when=time.time() + 30,
    )
    assert (address, code, text) == ("/rtmss/bypass", "refused", "256 changes are waiting already")


def test_sync_is_answered_when_what_came_before_is_heard(room: Room) -> None:
    room.ask("/rtmss/bypass", 1)
    room.ask("/rtmss/sync", 7)
    number = room.controller.number
    assert room.step() == []
    room.play(110, applied=number)
    assert room.step() == []
    room.play(111, applied=number + 1)
    assert room.step() == [("/rtmss/synced", 7, 111)]
    assert room.step() == []


def test_sync_waits_for_a_bundle_to_come(room: Room) -> None:
    room.ask("/rtmss/bypass", 1, when=time.time() + 0.1)
    room.ask("/rtmss/sync", 1)
    room.step()
    hop = room.controller.scheduled[0][0]
    room.play(hop - 1)
    assert room.step() == []
    room.play(hop)
    assert room.step() == [("/rtmss/synced", 1, hop)]


def test_a_sync_that_the_engine_never_hears_fails(room: Room) -> None:
    room.ask("/rtmss/bypass", 1)
    room.ask("/rtmss/sync", 7)
    room.step()
    room.play(applied=0)
    [
        (
            _,
            address,
            code,
            _,
        )
    ] = room.step(time.monotonic() + 31)
    assert (address, code) == ("/rtmss/sync", "timeout")


@pytest.fixture
def loads(room: Room, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Presets are made of thin air; the names in the order of loading."""
    names: list[str] = []

    def from_preset(preset: Any, library: Library, model_id: str) -> Scene:
        names.append(preset)
        if preset == "drumless":
            raise ConfigError("it is empty")
        return Scene(room.controller.scene.stems[:1], fade_ms=77.0)

    monkeypatch.setattr(room.controller.library, "preset_named", lambda name: name)
    monkeypatch.setattr(Scene, "from_preset", from_preset)
    return names


def test_a_preset_is_done_when_it_is_heard(room: Room, loads: list[str]) -> None:
    assert room.ask("/rtmss/preset", "karaoke") == []
    room.until(lambda: room.step() or room.controller.preset == "karaoke")
    assert room.controller.scene.fade_ms == 77.0
    assert room.step() == []
    room.play()
    assert room.step() == [("/rtmss/done", "/rtmss/preset", "karaoke")]
    assert room.ask("/rtmss/preset") == [("/rtmss/preset", "karaoke")]


def test_a_preset_that_cannot_be_read_fails(room: Room, loads: list[str]) -> None:
    room.ask("/rtmss/preset", "drumless")
    assert room.until(room.step) == [
        (
            "/rtmss/fail",
            "/rtmss/preset",
            "refused",
            "it is empty",
        )
    ]
    assert room.controller.preset == "start"


def test_presets_are_loaded_in_order_and_a_sync_waits_for_them(
    room: Room, loads: list[str]
) -> None:
    for name in ("drumless", "karaoke", "drumless", "karaoke"):
        room.ask("/rtmss/preset", name)
    room.ask("/rtmss/sync", 9)
    told: Told = []

    def go() -> bool:
        room.play()
        told.extend(room.step())
        return bool(told) and told[-1][0] == "/rtmss/synced"

    room.until(go)
    assert loads == ["drumless", "karaoke", "drumless", "karaoke"]
    assert sorted(one[0] for one in told[:-1]) == ["/rtmss/done"] * 2 + ["/rtmss/fail"] * 2


def test_too_many_presets_are_refused(
    room: Room, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.controller, "start_loading", lambda _: None)
    for _ in range(8):
        assert room.ask("/rtmss/preset", "karaoke") == []
    assert room.ask("/rtmss/preset", "karaoke")[0][2] == "busy"
