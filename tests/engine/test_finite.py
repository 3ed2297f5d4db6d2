"""What is wrong stays out of the sound: outputs are finite, and what was replaced is counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from helpers.makers import MakeCondition, Noise
from rtmss.audio import Audio
from rtmss.conditions.condition import Condition, ConditionError, load_condition
from rtmss.conditions.strip import Strip
from rtmss.config import UserError
from rtmss.engine.backends.streams import StreamBatch
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.mixer import Mixer
from rtmss.engine.session import Session
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel

HOP = 64
BAD = [np.nan, np.inf, -np.inf, 1e30]


class Spoilt(TorchBackend):
    """A backend whose first target says something else than numbers, once."""

    def __init__(self, model: SeparatorModel, value: float) -> None:
        super().__init__(model)
        self.value = value
        self.spoils = True
        self.n_resets = 0
        self.orders: list[list[int | None]] = []

    def reset(self) -> None:
        super().reset()
        self.n_resets = getattr(self, "n_resets", 0) + 1

    def arrange(self, order: Sequence[int | None], stems: Sequence[Stem]) -> None:
        super().arrange(order, stems)
        self.orders = [*getattr(self, "orders", []), list(order)]

    def step(self, block: Audio) -> Audio:
        stems = super().step(block)
        if self.spoils:
            stems[0, 0, 5] = self.value
            self.spoils = False
        return stems


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    stems = tuple(Stem(f"s{i}", make_condition(f"s{i}", i)) for i in range(2))
    return Scene(stems, fade_ms=0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "changes",
    [{}, {"bypass": True}, {"master_mute": True}],
    ids=["playing", "bypassed", "muted"],
)
def test_a_target_that_is_no_number_leaves_every_output_finite_and_is_counted(
    tiny: SeparatorModel, noise: Noise, scene: Scene, value: float, changes: dict[str, Any]
) -> None:
    session = Session(tiny, replace(scene, **changes), backend=Spoilt(tiny, value))
    audio = noise(8 * HOP)
    output = session.step(audio)
    assert all(np.isfinite(field).all() for field in output)
    assert session.n_bad_outputs == 1
    assert output.stems[0, 0, 5] == 0
    assert np.abs(output.stems.sum(0) + output.remainder - output.dry).max() < 1e-6


def test_a_spoilt_target_begins_afresh_and_its_neighbour_goes_on(
    tiny: SeparatorModel, noise: Noise, scene: Scene
) -> None:
    backend = Spoilt(tiny, np.nan)
    session, plain = Session(tiny, scene, backend=backend), Session(tiny, scene)
    audio = noise(16 * HOP)
    for start in (0, 8 * HOP):
        spoilt = session.step(audio[:, start : start + 8 * HOP])
        whole = plain.step(audio[:, start : start + 8 * HOP])
    assert backend.orders[-1] == [None, 1]
    assert np.array_equal(spoilt.stems[1], whole.stems[1])
    assert not np.array_equal(spoilt.stems[0], whole.stems[0])


def test_where_all_targets_are_spoilt_what_they_share_begins_afresh(
    tiny: SeparatorModel, noise: Noise, scene: Scene
) -> None:
    backend = Spoilt(tiny, np.nan)
    session = Session(tiny, replace(scene, stems=scene.stems[:1]), backend=backend)
    before = backend.n_resets
    session.step(noise(HOP))
    assert backend.n_resets == before + 1


def test_the_mixer_replaces_what_is_no_number_and_counts_it() -> None:
    mixer = Mixer(2, 8000)
    mixer.snap(Scene())
    sources = np.zeros((2, 2, 10), np.float32)
    sources[0, 0, 3], sources[0, 1, 4] = np.nan, np.inf
    out = mixer.mix(sources)
    assert np.isfinite(out).all()
    assert mixer.n_bad == 2
    assert np.isfinite(mixer.peek(sources)).all()
    mixer.mix(np.zeros((2, 2, 10), np.float32))
    assert mixer.n_bad == 0


@pytest.mark.parametrize("value", BAD)
def test_a_scene_with_an_absurd_condition_is_refused_and_the_old_one_stays(
    tiny: SeparatorModel, noise: Noise, scene: Scene, value: float
) -> None:
    session = Session(tiny, scene)
    bad = Condition.bare("bad", np.full(12, value, np.float32))
    with pytest.raises(ConditionError):
        session.scene = scene.with_condition("s0", bad)
    assert session.scene is scene
    assert np.isfinite(session.step(noise(HOP)).mix).all()
    with pytest.raises(ConditionError):
        Session(tiny, scene.with_condition("s0", bad))


@pytest.mark.parametrize("n", [0, 1, 11, 13, 128])
def test_a_vector_of_another_length_is_refused_and_not_broadcast(
    tiny: SeparatorModel, shared: SharedState, scene: Scene, n: int
) -> None:
    other = scene.with_condition("s1", Condition.bare("other", np.ones(n, np.float32)))
    with pytest.raises(ConditionError, match=f"expected a vector of 12 numbers, got shape .{n},"):
        Session(tiny, other)
    shared.send(scene, "before")
    with pytest.raises(ConditionError, match="expected a vector of 12 numbers"):
        shared.send(other, "other")
    latest = shared.latest()
    assert latest is not None
    assert (latest.scene, latest.preset) == (scene, "before")


def test_conditions_of_the_models_own_head_are_within_its_limits(
    tiny: SeparatorModel, noise: Noise
) -> None:
    """The bound is one: the longest vector of many random pairs of embeddings is below it."""
    import torch

    embeddings = torch.nn.functional.normalize(torch.randn(2, 5000, 16), dim=-1)
    vectors = tiny.condition_head(embeddings[0], embeddings[1])
    longest = float(vectors.norm(dim=-1).max())
    assert 0.2 * tiny.condition_head.largest_norm < longest <= tiny.condition_head.largest_norm


@pytest.mark.parametrize(
    "field",
    [
        {"gain_db": np.nan},
        {"gain_db": np.inf},
        {"gain_db": 12.1},
        {"gain_db": "-6"},
        {"gain_db": None},
        {"gain_db": True},
        {"pan": np.nan},
        {"pan": 1.5},
        {"pan": -np.inf},
        {"pan": "0"},
        {"mute": 1},
        {"mute": "no"},
        {"mute": None},
        {"solo": np.nan},
        {"channels": (0,)},
        {"channels": (65,)},
        {"channels": (1.5,)},
        {"channels": "12"},
        {"channels": 1},
        {"channels": (True,)},
    ],
)
def test_what_is_no_setting_of_a_strip_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{next(iter(field))}: expected"):
        Strip(**field)
    with pytest.raises(UserError):
        Scene().with_strip("remainder", **field)


@pytest.mark.parametrize("gain_db", [-120.0, -120.1, -150, -1e300, -np.inf])
def test_a_gain_at_or_under_the_lowest_is_silence(gain_db: float) -> None:
    assert Strip(gain_db).gain_db == -120


def test_settings_of_numpy_are_kept_as_plain_ones() -> None:
    strip = Strip(np.float32(-3), np.bool_(True), channels=[np.int64(3), 4])  # type: ignore[arg-type]
    assert strip == Strip(-3.0, mute=True, channels=(3, 4))
    assert (type(strip.gain_db), type(strip.mute), type(strip.channels[0])) == (float, bool, int)


@pytest.mark.parametrize(
    "field",
    [
        {"master_db": np.nan},
        {"master_db": 13},
        {"fade_ms": np.nan},
        {"fade_ms": -1},
        {"fade_ms": np.inf},
        {"fade_ms": "30"},
        {"bypass": 1},
        {"bypass": None},
        {"master_mute": "yes"},
        {"fallback": "loud"},
        {"fallback": None},
        {"remainder": None},
        {"stems": ("vocals",)},
    ],
)
def test_what_is_no_setting_of_a_scene_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        replace(Scene(), **field)


@pytest.mark.parametrize(
    "name", ["", "a/b", "../x", "remainder", "mix", "input", "x" * 65, "é", 1, None]
)
def test_what_cannot_name_a_file_or_an_address_names_no_stem(
    make_condition: MakeCondition, name: Any
) -> None:
    with pytest.raises(UserError):
        Stem(name, make_condition())


def test_a_stem_of_no_condition_or_no_strip_is_refused(make_condition: MakeCondition) -> None:
    nothing: Any = None
    with pytest.raises(UserError, match="no condition"):
        Stem("x", nothing)
    with pytest.raises(UserError, match="no strip"):
        Stem("x", make_condition(), nothing)


@settings(deadline=None)  # a machine may be busy with other things
@given(st.floats() | st.integers() | st.booleans() | st.text(max_size=3) | st.none())
def test_any_gain_is_in_range_or_refused(value: Any) -> None:
    try:
        gain_db = Strip(gain_db=value).gain_db
    except UserError:
        return
    assert -120 <= gain_db <= 12


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_a_bad_stream_of_a_batch_reaches_no_other(
    tiny: SeparatorModel, noise: Noise, make_condition: MakeCondition, value: float
) -> None:
    spoilt, plain = (StreamBatch(tiny, 2, 1) for _ in range(2))
    for batch in (spoilt, plain):
        for stream in (0, 1):
            batch.put(stream, 0, make_condition(seed=stream).vector)
    for seed in range(4):
        audio = np.stack([noise(HOP, seed=seed), noise(HOP, seed=seed + 9)])
        bad = audio.copy()
        bad[0, :, 3] = value
        heard, expected = spoilt.step(bad), plain.step(audio)
        assert np.isfinite(heard).all()
        assert np.abs(heard[1] - expected[1]).max() < 1e-6


def test_a_batch_refuses_shapes_that_would_be_broadcast(
    tiny: SeparatorModel, make_condition: MakeCondition
) -> None:
    batch = StreamBatch(tiny, 2, 1)
    with pytest.raises(ValueError, match=r"expected floats of shape \(2, 2, 64\)"):
        batch.step(np.zeros((1, 2, HOP), np.float32))
    for vector in (np.ones(1, np.float32), np.full(12, np.nan, np.float32)):
        with pytest.raises(ConditionError):
            batch.put(0, 0, vector)


@pytest.mark.parametrize("name", ["x" * 65, "a\x1b[31m", "two\nlines"])
def test_a_condition_whose_name_is_none_is_refused(tmp_path: Path, name: str) -> None:
    nothing = np.zeros((0, 4), np.float32)
    tensors = {"vector": np.ones(12, np.float32), "positive": nothing, "negative": nothing}
    header = json.dumps({"name": name, "model_id": ""})
    metadata = {"kind": "rtmss-condition", "condition": header}
    (tmp_path / "c.safetensors").write_bytes(save(tensors, metadata=metadata))
    with pytest.raises(ConditionError, match="its name is none"):
        load_condition(tmp_path / "c.safetensors")
