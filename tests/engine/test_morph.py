"""Morphs: from one condition to another while it plays, without a click, to the bit in a replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.makers import MakeCondition, Noise
from helpers.models import make_condition as condition_of
from rtmss.audio import Audio
from rtmss.conditions.condition import ConditionError
from rtmss.config import UserError
from rtmss.engine.backends.onnx import OnnxBackend
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel
from rtmss.recording.log import Vectors

HOP = 64


def at(scene: Scene, morph: float) -> Scene:
    """The scene with its first stem so far on the way."""
    return replace(scene, stems=(replace(scene.stems[0], morph=morph), *scene.stems[1:]))


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    stem = Stem("voice", make_condition("lead"), condition_b=make_condition("choir", 1))
    return Scene((stem, Stem("kit", make_condition("drums", 2))), fade_ms=0.0)


def play(session: Session, audio: Audio) -> Audio:
    """(C, S) the first stem."""
    steps = [session.step(audio[:, i : i + HOP]) for i in range(0, audio.shape[1], HOP)]
    return np.concatenate([step.stems[0] for step in steps], axis=1)


@given(morph=st.floats(0, 1))
@settings(deadline=None)
def test_a_target_is_on_the_straight_line(morph: float) -> None:
    start, end = condition_of("lead"), condition_of("choir", 1)
    target = Stem("voice", start, condition_b=end, morph=morph).target
    expected = start.vector + morph * (end.vector - start.vector)
    assert np.abs(target.vector - expected).max() < 1e-6
    if morph in {0.0, 1.0}:
        assert target is (start, end)[int(morph)]


def test_without_a_second_condition_a_morph_changes_nothing(scene: Scene) -> None:
    stem = replace(scene.stems[0], condition_b=None, morph=0.7)
    assert stem.target is stem.condition


@pytest.mark.parametrize("morph", [-0.1, 1.1, float("nan"), True, "1"])
def test_a_morph_that_is_none_is_refused(scene: Scene, morph: object) -> None:
    with pytest.raises(UserError, match="morph"):
        replace(scene.stems[0], morph=morph)  # type: ignore[arg-type]


def test_vectors_of_other_weights_are_refused(scene: Scene) -> None:
    other = condition_of("other", 3, n_condition=9)
    stem = replace(scene.stems[0], condition_b=other, morph=0.5)
    with pytest.raises(ConditionError, match="different weights"):
        _ = stem.target


def test_a_session_refuses_a_second_condition_that_the_model_does_not_take(
    tiny: SeparatorModel, scene: Scene
) -> None:
    wrong = condition_of("other", 3, n_condition=9)
    with pytest.raises(ConditionError):
        Session(tiny, Scene((replace(scene.stems[0], condition_b=wrong),)))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_at_a_place_it_sounds_like_the_condition_of_that_place(
    tiny: SeparatorModel, tiny_graph: Path, scene: Scene, noise: Noise, backend: str
) -> None:
    audio = noise(60 * HOP)

    def make(scene: Scene) -> Session:
        runner = OnnxBackend(tiny, tiny_graph) if backend == "onnx" else TorchBackend(tiny)
        return Session(tiny, scene, backend=runner)

    morphed = make(at(scene, 0.3))
    plain_stem = replace(scene.stems[0], condition=at(scene, 0.3).stems[0].target, condition_b=None)
    plain = make(replace(scene, stems=(plain_stem, scene.stems[1])))
    assert np.array_equal(play(morphed, audio), play(plain, audio))


@pytest.mark.slow
def test_the_memory_goes_on_while_it_is_morphed(
    tiny: SeparatorModel, scene: Scene, noise: Noise
) -> None:
    audio = noise(80 * HOP)
    there_and_back, stays = Session(tiny, scene), Session(tiny, scene)
    first, second = audio[:, : 40 * HOP], audio[:, 40 * HOP :]
    assert np.array_equal(play(there_and_back, first), play(stays, first))
    there_and_back.scene = at(scene, 1e-6)
    near = play(there_and_back, second)
    assert np.abs(near - play(stays, second)).max() < 1e-3, "it did not begin afresh"
    fresh = Session(tiny, scene)
    assert np.abs(play(fresh, second) - near).max() > 1e-3, "or nobody would have noticed"


@pytest.mark.slow
def test_a_finished_morph_is_the_other_condition_without_a_restart(
    tiny: SeparatorModel, scene: Scene, noise: Noise
) -> None:
    audio = noise(40 * HOP)
    one, two = Session(tiny, at(scene, 1.0)), Session(tiny, at(scene, 1.0))
    play(one, audio)
    play(two, audio)
    end = scene.stems[0].condition_b
    assert end is not None
    ended = replace(scene.stems[0], condition=end, condition_b=None)
    two.scene = replace(scene, stems=(ended, scene.stems[1]))
    assert np.array_equal(play(one, audio), play(two, audio))


def test_blocks_of_a_morph_do_not_matter(tiny: SeparatorModel, scene: Scene, noise: Noise) -> None:
    audio = noise(32 * HOP)
    by_hop, at_once = Session(tiny, scene), Session(tiny, scene)
    for part, morph in enumerate((0.0, 0.25, 0.8, 0.1)):
        piece = audio[:, part * 8 * HOP : (part + 1) * 8 * HOP]
        by_hop.scene = at(scene, morph)
        at_once.scene = by_hop.scene
        whole = at_once.step(piece).stems[0]
        assert np.abs(play(by_hop, piece) - whole).max() < 1e-5


@pytest.mark.slow
def test_a_sweep_of_a_morph_clicks_no_more_than_its_ends(
    tiny: SeparatorModel, scene: Scene
) -> None:
    n_hops = 200
    seconds = np.arange(n_hops * HOP) / tiny.config.sample_rate
    tone = (0.4 * np.sin(2 * np.pi * 150 * seconds)).astype(np.float32)
    audio = np.stack([tone, tone])

    def largest_jump(morphs: list[float]) -> float:
        session, heard = Session(tiny, at(scene, morphs[0])), []
        for hop, morph in enumerate(morphs):
            session.scene = at(scene, morph)
            heard.append(session.step(audio[:, hop * HOP : (hop + 1) * HOP]).stems[0])
        return float(np.abs(np.diff(np.concatenate(heard, axis=1)[:, 20 * HOP :])).max())

    still = max(largest_jump([end] * n_hops) for end in (0.0, 0.5, 1.0))
    sweep = largest_jump([hop / (n_hops - 1) for hop in range(n_hops)])
    leap = largest_jump([0.0] * (n_hops // 2) + [1.0] * (n_hops // 2))
    assert sweep <= 1.1 * still
    assert leap <= 1.5 * still


def test_a_morph_arrives_in_shared_memory(shared: SharedState, scene: Scene) -> None:
    sent = at(scene, 0.3)
    shared.send(sent, "tour")
    (entry,) = shared.receive(0)
    assert entry.scene.stems == sent.stems
    assert entry.scene.stems[1].condition_b is None


def test_a_morph_is_logged_and_made_again_to_the_bit(scene: Scene, tmp_path: Path) -> None:
    sent = at(scene, 0.123456789)
    record = Vectors(tmp_path / "conditions.safetensors").record(sent)
    text = record.model_dump_json()
    again = Vectors(tmp_path / "conditions.safetensors").make(
        type(record).model_validate_json(text)
    )
    assert again.stems == sent.stems
    assert np.array_equal(again.stems[0].target.vector, sent.stems[0].target.vector)


def test_a_log_of_before_has_no_morph(scene: Scene, tmp_path: Path) -> None:
    record = Vectors(tmp_path / "conditions.safetensors").record(scene)
    old = record.model_dump(mode="json")
    for stem in old["stems"]:
        del stem["condition_b"], stem["morph"]
    read = type(record).model_validate(old)
    assert read.stems[0].condition_b == ""
    assert Vectors(tmp_path / "conditions.safetensors").make(read).stems[0].morph == 0
