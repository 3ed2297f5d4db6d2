from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.makers import MakeCondition, Noise
from helpers.streaming import verify_streaming
from rtmss.audio import Audio
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.mixer import Mixer, amplitude, gain_matrix, pan_gains


def scene_of(make_condition: MakeCondition, *strips: Strip, **fields: object) -> Scene:
    stems = tuple(
        Stem(
            f"s{i}",
            make_condition(f"s{i}", i),
            strip,
        )
        for i, strip in enumerate(strips)
    )
    return replace(Scene(stems), **fields)  # type: ignore[arg-type]


def test_decibels_are_twenty_to_the_decade() -> None:
    assert amplitude(-20.0) == pytest.approx(0.1)
    assert amplitude(6.0) == pytest.approx(1.99526, abs=1e-5)


def test_minus_120_db_is_nothing_at_all() -> None:
    assert amplitude(-120.0) == 0


def test_a_gain_goes_to_both_channels(make_condition: MakeCondition) -> None:
    matrix = gain_matrix(scene_of(make_condition, Strip(-20.0)), 2)
    assert matrix.tolist() == [
        pytest.approx([0.1, 0.1]),
        [1, 1],
        [0, 0],
    ]


def test_a_muted_strip_is_silent(make_condition: MakeCondition) -> None:
    matrix = gain_matrix(
        scene_of(make_condition, Strip(mute=True), Strip()),
        2,
    )
    assert matrix.tolist() == [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
    ]


def test_a_solo_silences_every_strip_without_one(make_condition: MakeCondition) -> None:
    matrix = gain_matrix(
        scene_of(
            make_condition,
            Strip(solo=True),
            Strip(),
            Strip(solo=True),
        ),
        2,
    )
    assert matrix.tolist() == [
        [1, 1],
        [0, 0],
        [1, 1],
        [0, 0],
        [0, 0],
    ]


def test_the_remainder_can_be_soloed(make_condition: MakeCondition) -> None:
    matrix = gain_matrix(
        scene_of(make_condition, Strip(), remainder=Strip(solo=True)),
        2,
    )
    assert matrix.tolist() == [
        [0, 0],
        [1, 1],
        [0, 0],
    ]


def test_a_mute_goes_before_a_solo(make_condition: MakeCondition) -> None:
    matrix = gain_matrix(
        scene_of(make_condition, Strip(solo=True, mute=True)),
        2,
    )
    assert not matrix.any()


def test_a_strip_goes_to_its_channels(make_condition: MakeCondition) -> None:
    matrix = gain_matrix(
        scene_of(
            make_condition,
            Strip(channels=(3, 4)),
            Strip(channels=(2,)),
        ),
        4,
    )
    assert matrix.tolist() == [
        [0, 0, 1, 1],
        [0, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 0, 0],
    ]


def test_a_pan_in_the_middle_changes_no_bit() -> None:
    assert pan_gains(0.0) == (1.0, 1.0)


@pytest.mark.parametrize(
    "pan",
    [-1.0, -0.3, 0.001, 0.7, 1.0],
)
def test_a_pan_keeps_the_power_of_both_sides_together(pan: float) -> None:
    left, right = pan_gains(pan)
    assert left**2 + right**2 == pytest.approx(2)
    assert (left > right) == (pan < 0)


def test_a_pan_to_one_side_leaves_nothing_of_the_other(make_condition: MakeCondition) -> None:
    strips = (
        Strip(-20.0, pan=-1.0),
        Strip(
            channels=(3, 4),
            pan=1.0,
        ),
    )
    matrix = gain_matrix(scene_of(make_condition, *strips), 4)
    assert matrix[0] == pytest.approx(
        [0.1 * 2**0.5, 0, 0, 0],
        abs=1e-7,
    )
    assert matrix[1] == pytest.approx(
        [0, 0, 0, 2**0.5],
        abs=1e-7,
    )


def test_the_remainder_has_a_pan_too(make_condition: MakeCondition) -> None:
    matrix = gain_matrix(
        scene_of(make_condition, Strip(), remainder=Strip(pan=1.0)),
        2,
    )
    assert matrix[1] == pytest.approx(
        [0, 2**0.5],
        abs=1e-7,
    )


def test_channels_that_the_device_lacks_are_left_out(make_condition: MakeCondition) -> None:
    matrix = gain_matrix(
        scene_of(make_condition, Strip(channels=(1, 7))),
        2,
    )
    assert matrix[0].tolist() == [1, 0]


def test_the_master_acts_on_the_main_mix_only(make_condition: MakeCondition) -> None:
    matrix = gain_matrix(
        scene_of(
            make_condition,
            Strip(channels=(1, 2, 3, 4)),
            master_db=-20.0,
        ),
        4,
    )
    assert matrix[0].tolist() == pytest.approx(
        [
            0.1,
            0.1,
            1,
            1,
        ]
    )


def test_the_master_mutes_the_main_mix_only(make_condition: MakeCondition) -> None:
    matrix = gain_matrix(
        scene_of(
            make_condition,
            Strip(channels=(1, 2, 3, 4)),
            master_mute=True,
        ),
        4,
    )
    assert matrix[0].tolist() == [0, 0, 1, 1]


def test_bypass_plays_the_dry_sound_and_nothing_else(make_condition: MakeCondition) -> None:
    scene = scene_of(
        make_condition,
        Strip(solo=True),
        master_db=-20.0,
        bypass=True,
    )
    assert gain_matrix(scene, 4).tolist() == [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [1, 1, 0, 0],
    ]


def test_odd_outputs_carry_the_left_side_and_even_ones_the_right(
    make_condition: MakeCondition, noise: Noise
) -> None:
    mixer = Mixer(4, 8000)
    mixer.snap(
        scene_of(
            make_condition,
            Strip(-6.0, channels=(1, 2, 3, 4)),
        )
    )
    sources = noise(3 * 100, 2).reshape(2, 3, 100).swapaxes(0, 1).copy()
    out = mixer.mix(sources)
    gain = 10 ** (-6 / 20)
    assert np.allclose(
        out[:2],
        gain * sources[0] + sources[1],
        atol=1e-6,
    )
    assert np.allclose(
        out[2:],
        gain * sources[0],
        atol=1e-6,
    )


def ones(n_stems: int, n: int) -> Audio:
    """Stems of one, silence in the remainder and in the dry sound."""
    sources = np.zeros((n_stems + 2, 2, n), np.float32)
    sources[:n_stems] = 1
    return sources


def test_a_glide_takes_its_time_to_the_sample(make_condition: MakeCondition) -> None:
    scene = scene_of(make_condition, Strip())
    mixer = Mixer(2, 8000)
    mixer.snap(scene)
    mixer.glide(scene.with_strip("s0", gain_db=-20.0))
    out = np.concatenate(
        [mixer.mix(ones(1, 64)) for _ in range(5)],
        axis=1,
    )
    assert (out[:, :239] > 0.1 + 1e-4).all()
    assert out[:, 239:] == pytest.approx(0.1)


def test_a_glide_is_a_straight_line(make_condition: MakeCondition) -> None:
    scene = scene_of(make_condition, Strip())
    mixer = Mixer(2, 8000)
    mixer.snap(scene)
    mixer.glide(scene.with_strip("s0", mute=True))
    out = np.concatenate(
        [np.ones((2, 1)), mixer.mix(ones(1, 320))],
        axis=1,
    )
    assert np.abs(np.diff(out[:, :241]) + 1 / 240).max() < 1e-6


def test_a_change_during_a_glide_goes_on_from_where_it_is(make_condition: MakeCondition) -> None:
    scene = scene_of(make_condition, Strip())
    mixer = Mixer(2, 8000)
    mixer.snap(scene)
    mixer.glide(scene.with_strip("s0", mute=True))
    first = mixer.mix(ones(1, 100))
    mixer.glide(scene)
    out = np.concatenate(
        [first, mixer.mix(ones(1, 400))],
        axis=1,
    )
    assert np.abs(np.diff(out)).max() <= 1 / 240 + 1e-6
    assert out[:, 339:] == pytest.approx(1)
    assert out.min() == pytest.approx(
        1 - 100 / 240,
        abs=1e-5,
    )


def test_a_glide_is_the_same_however_it_is_cut(make_condition: MakeCondition, noise: Noise) -> None:
    scene = scene_of(make_condition, Strip(), Strip(-6.0))

    def start() -> Mixer:
        mixer = Mixer(2, 8000)
        mixer.snap(scene)
        mixer.glide(scene.with_strip("s0", mute=True))
        return mixer

    verify_streaming(
        start,
        lambda block, mixer: (torch.from_numpy(mixer.mix(block.numpy())), mixer),
        torch.from_numpy(np.stack([noise(500, 2, seed) for seed in range(4)])),
    )


def test_without_a_fade_a_change_is_there_at_once(make_condition: MakeCondition) -> None:
    scene = scene_of(make_condition, Strip(), fade_ms=0.0)
    mixer = Mixer(2, 8000)
    mixer.snap(scene)
    mixer.glide(scene.with_strip("s0", mute=True))
    assert not mixer.mix(ones(1, 10)).any()


def test_a_stem_that_goes_on_keeps_its_gain_through_a_rearrangement(
    make_condition: MakeCondition,
) -> None:
    scene = scene_of(make_condition, Strip(-20.0), Strip(-6.0))
    mixer = Mixer(2, 8000)
    mixer.snap(scene)
    mixer.rearrange(
        [1],
        [],
        replace(
            scene,
            stems=scene.stems[1:],
        ).with_strip("s1", gain_db=3.0),
    )
    assert mixer.current[0].tolist() == pytest.approx([10 ** (-6 / 20)] * 2)
    assert mixer.current.shape == (3, 2)
