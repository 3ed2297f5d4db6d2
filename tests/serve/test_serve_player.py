"""An instance hears what a session plays, hop by hop, whatever its host does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from helpers.plugin import FakePlugin
from rtmss.audio import Audio
from rtmss.conditions.condition import save_condition
from rtmss.conditions.encode import limits_of
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene
from rtmss.engine.session import Output, Session
from rtmss.model.separator import SeparatorModel
from rtmss.serve.layout import N_CONTROLS, RING, Control, EngineState, PlugInFallback
from rtmss.serve.mapped import MappedInstance
from rtmss.serve.player import CATCH_UP, InstancePlayer
from rtmss.serve.scenes import SceneBook, mixed, sane

RATE, HOP, DELAY = 8000, 64, 64
MODEL_ID = "0123456789ab"
PRESETS = {
    "two": "stems: {a: {condition: a}, b: {condition: b, gain_db: -6}}\nfallback: dry\n",
    "one": "stems: {a: {condition: a, mute: true}}\n",
    "eight": "stems:\n" + "".join(f"  s{i}: {{condition: {'ab'[i % 2]}}}\n" for i in range(8)),
    "broken": "stems: {a: {condition: nonesuch}}\n",
    "pair": "stems: {a: {condition: a, condition_b: b, morph: 0.75}, c: {condition: b}}\n",
}
Fake = Callable[..., FakePlugin]


@pytest.fixture
def book(tmp_path: Path, tiny: SeparatorModel, make_condition: MakeCondition) -> SceneBook:
    folder = tmp_path / "library"
    for seed, name in enumerate("ab"):
        condition = make_condition(name, seed)
        save_condition(folder / f"conditions/{name}.safetensors", condition)
    for name, text in PRESETS.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return SceneBook(Library([folder]), MODEL_ID, limits_of(tiny))


class Pair:
    """An instance that plays, and a session that is stepped beside it."""

    def __init__(self, plugin: FakePlugin, book: SceneBook, model: SeparatorModel) -> None:
        self.plugin, self.book, self.model = plugin, book, model
        book.read(PRESETS)
        self.player = InstancePlayer(MappedInstance(plugin.path), book, model.config)

    def give(self, rate: int = RATE) -> None:
        self.player.give(Session(self.model, sample_rate=rate))

    def scene(self, name: str, **changes: float) -> Scene:
        base = self.book.scene(name)
        assert base is not None
        controls = np.zeros(N_CONTROLS, np.float32)
        controls[Control.FADE] = 30
        for key, value in changes.items():
            controls[Control[key]] = value
        return mixed(base, sane(controls))

    def play(self, audio: Audio) -> list[Audio]:
        """Lay and step hop by hop; what is heard of each."""
        first = int(self.plugin.memory["n_in"]) // HOP
        for start in range(0, audio.shape[1], HOP):
            self.plugin.lay(audio[:, start : start + HOP])
            assert self.player.work()
        assert not self.player.work()
        heard = [self.plugin.heard(first + i) for i in range(audio.shape[1] // HOP)]
        return [hop for hop in heard if hop is not None]


@pytest.fixture
def pair(fake: Fake, book: SceneBook, tiny: SeparatorModel) -> Iterator[Pair]:
    plugin = fake(("two", "one", "nonesuch", "eight", "broken"))
    yield Pair(plugin, book, tiny)


def _buses(output: Output) -> Audio:
    n_stems, _, n = output.stems.shape
    silent = np.zeros((14 - 2 * n_stems, n), np.float32)
    return np.concatenate([output.mix, output.stems.reshape(-1, n), silent, output.remainder])


@pytest.mark.slow
def test_an_instance_hears_what_a_session_plays(
    pair: Pair, tiny: SeparatorModel, noise: Noise
) -> None:
    audio = noise(40 * HOP)
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    heard = pair.play(audio)
    session = Session(tiny, pair.scene("two"))
    for number, hop in enumerate(heard):
        expected = _buses(session.step(audio[:, number * HOP : (number + 1) * HOP]))
        assert np.array_equal(hop, expected), number
    assert len(heard) == 40
    assert np.abs(np.stack(heard)[:, 2:6]).max() > 0.01
    assert pair.plugin.state == EngineState.PLAYING
    assert int(pair.plugin.memory["served"]) == int(pair.plugin.memory["epoch"])
    assert int(pair.plugin.memory["engine_fallback"]) == PlugInFallback.DRY


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("FIRST_MUTE", 1, "two"),
        ("FIRST_GAIN", -20, "two"),
        ("REMAINDER_MUTE", 1, "two"),
        ("MASTER_GAIN", -60, "two"),
        ("PRESET", 1, "one"),
    ],
)
def test_what_the_host_sets_counts_from_the_hop_that_holds_it(
    pair: Pair, tiny: SeparatorModel, noise: Noise, key: str, value: float, name: str
) -> None:
    audio, change = noise(30 * HOP), 12
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    heard = pair.play(audio[:, : change * HOP])
    pair.plugin.controls[Control[key]] = value
    heard += pair.play(audio[:, change * HOP :])
    session = Session(tiny, pair.scene("two"))
    first = change + DELAY // HOP
    differs = False
    for number, hop in enumerate(heard):
        if number == first:
            changes = {} if key == "PRESET" else {key: value}
            session.scene = pair.scene(name, **changes)
        expected = _buses(session.step(audio[:, number * HOP : (number + 1) * HOP]))
        assert np.array_equal(hop, expected), number
        differs |= number >= first and not np.array_equal(hop[:2], hop[2:4] + hop[4:6] + hop[-2:])
    assert differs


def test_in_bypass_main_is_the_delayed_input_and_the_stems_are_closed(
    pair: Pair, noise: Noise
) -> None:
    audio = noise(20 * HOP)
    pair.plugin.controls[Control.BYPASS] = 1
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    heard = np.concatenate(pair.play(audio), axis=1)
    assert np.array_equal(heard[:2, DELAY:], audio[:, :-DELAY])
    assert not heard[2:].any()
    pair.plugin.controls[Control.BYPASS] = 0
    opened = pair.play(audio)
    assert np.abs(opened[-1][2:4]).max() > 0.001
    steps = np.abs(np.diff(np.concatenate(opened, axis=1)[2:6]))
    assert steps.max() < 4 * np.abs(np.diff(opened[-1][2:6])).max(), "a click where it opens"


@pytest.mark.parametrize("number", [2, 4])
def test_a_preset_that_cannot_be_played_passes_the_input_on(
    pair: Pair, noise: Noise, number: int
) -> None:
    audio = noise(10 * HOP)
    pair.book.read(["nonesuch"])
    pair.plugin.controls[Control.PRESET] = number
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    heard = np.concatenate(pair.play(audio), axis=1)
    assert np.allclose(heard[:2, DELAY:], audio[:, :-DELAY], atol=1e-6)
    assert np.array_equal(heard[:2], heard[-2:]), "all is remainder"
    assert pair.plugin.state == EngineState.NO_PRESET


def test_a_ninth_bus_stays_the_remainder_when_there_are_eight_stems(
    pair: Pair, noise: Noise
) -> None:
    audio = noise(10 * HOP)
    pair.plugin.controls[Control.PRESET] = 3
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    session = Session(pair.model, pair.scene("eight"))
    output = session.step(audio)
    heard = np.concatenate(pair.play(audio), axis=1)
    assert np.allclose(heard[2:16], output.stems[:7].reshape(14, -1), atol=1e-6)
    assert np.allclose(heard[16:], output.remainder, atol=1e-6)


def test_a_live_host_waits_for_nobody_who_reads_files(
    fake: Fake, book: SceneBook, tiny: SeparatorModel, noise: Noise
) -> None:
    plugin = fake(("two", "one"))
    player = InstancePlayer(MappedInstance(plugin.path), book, tiny.config)
    plugin.begin(RATE, HOP, DELAY)
    player.give(Session(tiny))
    plugin.lay(noise(HOP))
    assert not player.work()
    assert player.wanted_name == "two"
    book.read(["two"])
    assert player.work()


def test_an_offline_host_gets_its_preset_at_its_hop(
    fake: Fake, book: SceneBook, tiny: SeparatorModel, noise: Noise
) -> None:
    plugin = fake(("two", "one"))
    plugin.memory["is_offline"] = 1
    player = InstancePlayer(MappedInstance(plugin.path), book, tiny.config)
    plugin.begin(RATE, HOP, DELAY)
    player.give(Session(tiny))
    plugin.lay(noise(HOP))
    assert player.work()
    assert book.has("two")
    assert not book.has("one")


def test_a_new_stream_begins_with_silence_before_it(pair: Pair, noise: Noise) -> None:
    audio = noise(10 * HOP)
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    first = pair.play(audio)
    pair.plugin.begin(RATE, HOP, DELAY)
    assert not pair.player.work()
    again = pair.play(audio)
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


def test_an_engine_that_comes_later_plays_from_there(pair: Pair, noise: Noise) -> None:
    n_hops, lag = 200, 2 * HOP
    pair.plugin.begin(RATE, HOP, DELAY, lag)
    pair.plugin.lay(noise(n_hops * HOP))
    pair.give()
    while pair.player.work():
        pass
    first = n_hops - lag // HOP - CATCH_UP
    assert pair.plugin.heard(first - 1) is None
    assert all(pair.plugin.heard(number) is not None for number in range(first, n_hops))


def test_hops_that_the_ring_no_longer_holds_are_given_up(pair: Pair, noise: Noise) -> None:
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    pair.play(noise(4 * HOP))
    pair.plugin.lay(noise(RING))
    pair.plugin.lay(noise(HOP))
    last = int(pair.plugin.memory["n_in"]) // HOP - 1
    while pair.player.work():
        pass
    assert pair.plugin.heard(last) is not None
    assert pair.plugin.heard(4) is None


@pytest.mark.parametrize(("hop", "delay"), [(65, 64), (64, 65), (0, 64), (1 << 20, 64)])
def test_frames_that_are_not_those_of_the_weights_are_refused(
    pair: Pair, hop: int, delay: int
) -> None:
    pair.plugin.begin(RATE, hop, delay, lag=128)
    assert pair.player.wanted_rate() is None
    assert pair.plugin.state == EngineState.REFUSED
    pair.give()
    pair.plugin.memory["n_in"] = 1 << 21
    assert not pair.player.work()


def test_a_rate_of_its_own_wants_a_session_of_its_own(pair: Pair, noise: Noise) -> None:
    pair.plugin.begin(RATE, HOP, DELAY)
    assert pair.player.wanted_rate() == RATE
    pair.give()
    assert pair.player.wanted_rate() is None
    pair.play(noise(HOP))
    session = Session(pair.model, sample_rate=16000)
    pair.plugin.begin(16000, session.hop_length, session.delay)
    pair.plugin.lay(noise(session.hop_length))
    assert pair.player.wanted_rate() == 16000
    assert not pair.player.work()
    pair.give(16000)
    assert pair.player.work()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_absurd_controls_are_brought_into_their_ranges(
    pair: Pair, noise: Noise, value: float
) -> None:
    pair.plugin.controls[:] = value
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    heard = np.concatenate(pair.play(noise(8 * HOP)), axis=1)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() < 100


def test_a_count_of_samples_that_lies_does_no_harm(pair: Pair, noise: Noise) -> None:
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    for n_in in (1 << 63, (1 << 64) - 1, 5, 0):
        pair.plugin.memory["n_in"] = n_in
        for _ in range(3):
            pair.player.work()
    pair.plugin.begin(RATE, HOP, DELAY)
    assert len(pair.play(noise(4 * HOP))) == 4


def test_gains_of_the_preset_and_of_the_host_are_added(pair: Pair) -> None:
    scene = pair.scene("two", FIRST_GAIN=-3.5, REMAINDER_GAIN=40, MASTER_GAIN=-60, FADE=99999)
    assert [stem.strip.gain_db for stem in scene.stems] == [-3.5, -6]
    assert scene.remainder.gain_db == 12
    assert scene.master_db == -120
    assert scene.fade_ms == 2000
    untouched = pair.scene("two")
    assert replace(untouched, fade_ms=30.0) == pair.book.scene("two")


def test_a_morph_is_automated_to_the_hop(
    fake: Fake, book: SceneBook, tiny: SeparatorModel, noise: Noise
) -> None:
    pair, n_hops = Pair(fake(("pair",)), book, tiny), 8
    audio = noise(n_hops * HOP)
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    heard = []
    for number in range(n_hops):
        pair.plugin.controls[Control.FIRST_MORPH] = number / n_hops - 0.75
        heard += pair.play(audio[:, number * HOP : (number + 1) * HOP])
    session = Session(tiny)
    morphs = []
    for number, hop in enumerate(heard):
        at = max(0, number - DELAY // HOP)
        session.scene = pair.scene("pair", FIRST_MORPH=at / n_hops - 0.75)
        morphs.append(session.scene.stems[0].morph)
        expected = _buses(session.step(audio[:, number * HOP : (number + 1) * HOP]))
        assert np.array_equal(hop, expected), number
    assert morphs[:2] == [0, 0]
    assert morphs[2:] == pytest.approx(np.arange(1, n_hops - 1) / n_hops, abs=1e-6)


def test_a_morph_is_on_top_of_the_presets_and_of_pairs_only(pair: Pair) -> None:
    assert pair.scene("two", FIRST_MORPH=0.5) == pair.scene("two")
    found = [pair.scene("pair", FIRST_MORPH=more).stems[0].morph for more in (0, 0.5, -0.5, -1)]
    assert found == [0.75, 1, 0.25, 0]


def test_a_session_that_fails_is_taken_back(pair: Pair, noise: Noise) -> None:
    pair.plugin.begin(RATE, HOP, DELAY)
    pair.give()
    pair.play(noise(HOP))
    pair.player.take_back()
    assert pair.plugin.state == EngineState.PREPARING
    assert pair.player.wanted_rate() == RATE


def test_what_is_unknown_is_read_once_and_what_is_broken_again(
    book: SceneBook, tmp_path: Any
) -> None:
    book.read(["two", "broken"])
    scene = book.scene("two")
    assert scene is not None
    assert book.has("broken")
    assert book.scene("broken") is None
    (tmp_path / "library/broken.yaml").write_text(PRESETS["one"], encoding="utf-8")
    book.read(["two", "broken"])
    assert book.scene("two") is scene
    assert book.scene("broken") is not None
