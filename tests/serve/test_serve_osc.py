"""OSC moves what instances play, and the host takes back what it moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from helpers.instances import DELAY, HOP, RATE, Desktop
from helpers.makers import Noise
from helpers.plugin import FakePlugin
from rtmss.live.control.osc.codec import bundle, message
from rtmss.serve.control.instances import Instance
from rtmss.serve.layout import Control
from rtmss.serve.player import InstancePlayer

Fake = Callable[..., FakePlugin]
ONE = "/rtmss/instance/1"
PRESETS = {
    "two": "stems: {a: {condition: a}, b: {condition: b, gain_db: -6}}\n",
    "one": "stems: {a: {condition: a, mute: true}}\n",
    "broken": "stems: {a: {condition: nonesuch}}\n",
}


@pytest.fixture
def presets() -> dict[str, str]:
    return PRESETS


def _player(desktop: Desktop) -> InstancePlayer:
    (player,) = desktop.lane.players
    return player


def _instance(desktop: Desktop) -> Instance:
    return desktop.instances.by_number[1]


def test_instances_are_listed_by_the_lowest_numbers_that_are_free(
    desktop: Desktop, fake: Fake, noise: Noise
) -> None:
    assert desktop.ask("/rtmss/instance") == [("/rtmss/instance",)]
    plugins = [fake(("two",), f"1-{letter}") for letter in "abc"]
    for plugin in plugins:
        desktop.begin(plugin, noise(HOP))
    assert sorted(int(plugin.memory["number"]) for plugin in plugins) == [1, 2, 3]
    plugins[1].memory["n_late"] = 7
    told = desktop.ask("/rtmss/instance")
    assert told[0] == ("/rtmss/instance", "1", "2", "3")
    assert {row[2:] for row in told[1:]} == {("two", RATE, 0), ("two", RATE, 7)}
    second = next(plugin for plugin in plugins if int(plugin.memory["number"]) == 2)
    second.die()
    desktop.until(lambda: len(desktop.instances.by_number) == 2)
    late = fake(("two",), "1-late")
    desktop.begin(late, noise(HOP))
    assert int(late.memory["number"]) == 2
    assert desktop.ask("/rtmss/instance")[0] == ("/rtmss/instance", "1", "2", "3")


def test_what_is_moved_is_heard_at_a_hop(
    desktop: Desktop, plugin: FakePlugin, noise: Noise
) -> None:
    audio = noise(HOP)
    assert np.abs(desktop.play(plugin, audio)[:2]).max() > 0.01
    desktop.ask(f"{ONE}/master/mute", 1)
    quiet = [desktop.play(plugin, audio) for _ in range(8)][-1]
    assert np.abs(quiet[:2]).max() == 0
    assert np.abs(quiet[2:6]).max() > 0.01, "stems are before their strips"
    assert desktop.ask(f"{ONE}/master/mute") == [(f"{ONE}/master/mute", 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "value", "expected"),
    [
        ("stem/b/gain", -12.0, -12.0),
        ("stem/b/fader", 0.5, 0.5),
        ("stem/a/pan", -1.0, -1.0),
        ("stem/a/solo", 1, 1),
        ("stem/a/condition", "c", "c"),
        ("stem/a/condition/b", "c", "c"),
        ("remainder/mute", 1, 1),
        ("master/gain", -3.0, -3.0),
        ("fade", 500.0, 500.0),
        ("bypass", 1, 1),
    ],
)
def test_what_is_set_is_played_and_told(
    desktop: Desktop,
    plugin: FakePlugin,
    noise: Noise,
    address: str,
    value: float | str,
    expected: float | str,
) -> None:
    assert desktop.ask(f"{ONE}/{address}", value) == []
    desktop.play(plugin, noise(HOP))
    assert desktop.ask(f"{ONE}/{address}") == [(f"{ONE}/{address}", pytest.approx(expected))]
    session = _player(desktop)._session
    assert session is not None
    assert session.scene == _instance(desktop).scene
    assert desktop.ask(f"{ONE}/status/moved") == [(f"{ONE}/status/moved", 1)]


def test_the_host_takes_back_what_it_moves(
    desktop: Desktop, plugin: FakePlugin, noise: Noise
) -> None:
    desktop.ask(f"{ONE}/stem/b/gain", -12.0)
    desktop.ask(f"{ONE}/stem/a/mute", 1)
    desktop.play(plugin, noise(HOP))
    plugin.controls[Control.FIRST_GAIN + 2] = -1
    desktop.play(plugin, noise(2 * HOP))
    assert desktop.ask(f"{ONE}/stem/b/gain") == [(f"{ONE}/stem/b/gain", -7.0)]
    assert desktop.ask(f"{ONE}/stem/a/mute") == [(f"{ONE}/stem/a/mute", 1)]
    desktop.ask(f"{ONE}/release")
    desktop.play(plugin, noise(HOP))
    assert desktop.ask(f"{ONE}/stem/a/mute") == [(f"{ONE}/stem/a/mute", 0)]


def test_a_preset_is_done_when_it_plays(desktop: Desktop, plugin: FakePlugin, noise: Noise) -> None:
    desktop.ask(f"{ONE}/stem/a/gain", -3.0)
    assert desktop.ask(f"{ONE}/preset", "one") == []
    desktop.play(plugin, noise(HOP))
    assert desktop.hear() == [("/rtmss/done", f"{ONE}/preset", "one")]
    assert desktop.ask(f"{ONE}/stems") == [(f"{ONE}/stems", "a")]
    assert desktop.ask(f"{ONE}/stem/a/gain") == [(f"{ONE}/stem/a/gain", 0.0)]
    plugin.controls[Control.PRESET] = 1
    desktop.play(plugin, noise(2 * HOP))
    plugin.controls[Control.PRESET] = 0
    desktop.play(plugin, noise(2 * HOP))
    assert desktop.ask(f"{ONE}/preset") == [(f"{ONE}/preset", "two")]


def test_a_sync_is_answered_when_all_before_it_is_heard(
    desktop: Desktop, plugin: FakePlugin, noise: Noise
) -> None:
    desktop.ask(f"{ONE}/stem/a/mute", 1)
    assert desktop.ask(f"{ONE}/sync", 7) == []
    desktop.play(plugin, noise(HOP))
    assert desktop.hear() == [(f"{ONE}/synced", 7)]
    assert desktop.ask(f"{ONE}/sync", 8) == [(f"{ONE}/synced", 8)]


def test_who_waits_for_an_instance_that_leaves_is_told(
    desktop: Desktop, plugin: FakePlugin
) -> None:
    assert desktop.ask(f"{ONE}/preset", "one") == []
    plugin.die()
    told = desktop.until(desktop.hear)
    assert told == [("/rtmss/fail", f"{ONE}/preset", "address", "this instance has left")]


def test_a_bundle_changes_all_instances_or_none(
    desktop: Desktop, plugin: FakePlugin, fake: Fake, noise: Noise
) -> None:
    other = fake(("one",), "1-other")
    desktop.begin(other, noise(HOP))
    first, second = f"{ONE}/stem/b/mute", "/rtmss/instance/2/stem/b/mute"
    desktop.send(bundle([message(first, 1), message(second, 1)]))
    desktop.turn()
    assert desktop.hear()[0][:3] == ("/rtmss/fail", second, "address"), "it plays no such stem"
    assert desktop.ask(first) == [(first, 0)]
    second = "/rtmss/instance/2/master/mute"
    desktop.send(bundle([message(first, 1), message(second, 1)]))
    desktop.turn()
    assert (desktop.ask(first), desktop.ask(second)) == ([(first, 1)], [(second, 1)])


def test_a_bounce_is_what_the_project_says(
    desktop: Desktop, plugin: FakePlugin, noise: Noise
) -> None:
    desktop.ask(f"{ONE}/preset", "one")
    desktop.ask(f"{ONE}/master/gain", -6.0)
    desktop.play(plugin, noise(HOP))
    session = _player(desktop)._session
    assert session is not None
    assert session.scene.master_db == -6
    assert desktop.hear() == [("/rtmss/done", f"{ONE}/preset", "one")]
    plugin.memory["is_offline"] = 1
    desktop.begin(plugin, noise(HOP))
    assert [stem.name for stem in session.scene.stems] == ["a", "b"]
    assert session.scene.master_db == 0
    assert desktop.ask(f"{ONE}/status/state") == [(f"{ONE}/status/state", "renders")]
    plugin.memory["is_offline"] = 0
    desktop.play(plugin, noise(HOP))
    assert [stem.name for stem in session.scene.stems] == ["a"]
    assert session.scene.master_db == -6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "args", "code"),
    [
        (f"{ONE}/stem/a/gain", (99.0,), "range"),
        (f"{ONE}/stem/a/gain", ("loud",), "type"),
        (f"{ONE}/stem/a/mute", (1, 1), "arity"),
        (f"{ONE}/stem/nobody/gain", (0.0,), "address"),
        (f"{ONE}/preset", ("nonesuch",), "name"),
        (f"{ONE}/preset", ("broken",), "refused"),
        (f"{ONE}/stem/a/condition", ("nonesuch",), "name"),
        ("/rtmss/instance/2/bypass", (1,), "address"),
        ("/rtmss/instance/2/*", (), "address"),
        ("/rtmss/bypass", (1,), "address"),
        ("/rtmss/panic", (), "address"),
        ("/rtmss/listen", ("/rtmss/nothing",), "address"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_of_its_packet_is_done(
    desktop: Desktop, plugin: FakePlugin, address: str, args: tuple[float | str], code: str
) -> None:
    before = _instance(desktop).scene
    desktop.send(bundle([message(f"{ONE}/master/gain", -9.0), message(address, *args)]))
    desktop.turn()
    ((told, *rest),) = desktop.hear()
    assert (told, rest[:2]) == ("/rtmss/fail", [address, code])
    assert _instance(desktop).scene == before


def test_nothing_is_put_off(desktop: Desktop, plugin: FakePlugin) -> None:
    late = message(f"{ONE}/bypass", 1)
    tag = (0xFFFFFFFF << 32).to_bytes(8, "big")
    desktop.send(b"#bundle\0" + tag + len(late).to_bytes(4, "big") + late)
    desktop.turn()
    assert desktop.hear()[0][:3] == ("/rtmss/fail", "#bundle", "time")


def test_patterns_reach_several_instances(
    desktop: Desktop, plugin: FakePlugin, fake: Fake, noise: Noise
) -> None:
    other = fake(("two",), "1-other")
    desktop.begin(other, noise(HOP))
    desktop.play(other, noise(HOP))
    desktop.ask("/rtmss/instance/*/stem/*/mute", 1)
    told = desktop.ask("/rtmss/instance/{1,2}/stem/?/mute")
    expected = {(f"/rtmss/instance/{n}/stem/{stem}/mute", 1) for n in (1, 2) for stem in "ab"}
    assert set(told) == expected


def test_a_subscriber_hears_the_host_and_others(
    desktop: Desktop, plugin: FakePlugin, noise: Noise
) -> None:
    told = desktop.ask("/rtmss/subscribe")
    assert ("/rtmss/instance", "1") in told
    assert (f"{ONE}/stem/b/gain", -6.0) in told
    plugin.controls[Control.FIRST_GAIN + 2] = 2
    desktop.play(plugin, noise(2 * HOP))
    assert (f"{ONE}/stem/b/gain", -4.0) in desktop.hear()
    plugin.die()
    desktop.until(lambda: ("/rtmss/instance",) in desktop.hear())
    assert desktop.ask("/rtmss/status/refused") == [("/rtmss/status/refused", 0)]
    assert desktop.ask("/rtmss/ping", 3) == [("/rtmss/pong", "1.2.3", 3)]


def test_another_engine_plays_what_osc_had_moved(
    desktop: Desktop, plugin: FakePlugin, noise: Noise
) -> None:
    desktop.ask(f"{ONE}/preset", "one")
    desktop.ask(f"{ONE}/stem/a/gain", -3.0)
    desktop.play(plugin, noise(HOP))
    before = _instance(desktop).scene
    assert desktop.hear() == [("/rtmss/done", f"{ONE}/preset", "one")]
    desktop.start_engine()
    desktop.play(plugin, noise(HOP))
    session = _player(desktop)._session
    assert session is not None
    assert session.scene == before
    assert before.stems[0].strip.gain_db == -3
    assert int(plugin.memory["number"]) == 1
    plugin.controls[Control.PRESET] = 1
    desktop.play(plugin, noise(2 * HOP))
    assert desktop.ask(f"{ONE}/stem/a/gain") == [(f"{ONE}/stem/a/gain", 0.0)]


def test_an_instance_keeps_its_number_when_another_engine_comes(
    desktop: Desktop, fake: Fake, noise: Noise
) -> None:
    """Whatever number is free by then: faders of a controller are laid to it."""
    plugins = [fake(("two",), f"1-{letter}") for letter in "ab"]
    for plugin in plugins:
        desktop.begin(plugin, noise(HOP))
    first, second = sorted(plugins, key=lambda plugin: int(plugin.memory["number"]))
    first.die()
    desktop.until(lambda: list(desktop.instances.by_number) == [2])
    desktop.start_engine()
    desktop.play(second, noise(HOP))
    assert int(second.memory["number"]) == 2


def test_another_osc_process_knows_what_was_moved(
    desktop: Desktop, plugin: FakePlugin, noise: Noise
) -> None:
    desktop.ask(f"{ONE}/stem/a/gain", -3.0)
    desktop.play(plugin, noise(HOP))
    desktop.server.close()
    desktop.start_osc()
    desktop.turn()
    assert desktop.ask(f"{ONE}/stem/a/gain") == [(f"{ONE}/stem/a/gain", -3.0)]
    desktop.ask(f"{ONE}/stem/b/gain", -4.0)
    desktop.play(plugin, noise(HOP))
    assert desktop.ask(f"{ONE}/status/moved") == [(f"{ONE}/status/moved", 2)]


def test_a_flood_for_a_host_that_stands_still_is_one_change_in_the_end(
    desktop: Desktop, plugin: FakePlugin, noise: Noise
) -> None:
    for number in range(40):
        desktop.send(message(f"{ONE}/master/gain", -number / 10))
        desktop.send(message(f"{ONE}/stem/a/mute", number % 2))
        desktop.send(message(f"{ONE}/preset", "two"))
        desktop.send(message(f"{ONE}/stem/b/gain", -number / 10))
        desktop.turn()
    assert len(_instance(desktop)._asked) < 20
    desktop.play(plugin, noise(HOP))
    desktop.play(plugin, noise(HOP))
    session = _player(desktop)._session
    assert session is not None
    assert session.scene.stems[1].strip.gain_db == pytest.approx(-3.9)
    assert session.scene == _instance(desktop).scene
    assert DELAY == HOP
