"""Parts mixed to stems."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.synth import parts_of
from rtmss.synth import mixing
from rtmss.synth.harmony import Key
from rtmss.synth.mixing import CEILING, master, mix_stems
from rtmss.synth.own import play_own
from rtmss.synth.score import Grid, Song

RATE = 44100


def song_of(*stems: str, is_pumping: bool = False) -> Song:
    return Song(
        0,
        "house",
        120,
        Key(0, "major"),
        Grid(0.125, 16, 4),
        4.0,
        ((0.0, "verse"),),
        parts_of(*stems),
        is_pumping,
    )


def test_one_gain_acts_on_every_stem_alike_so_that_the_sum_stays_the_mix() -> None:
    rng = np.random.default_rng(0)
    stems = {
        name: rng.standard_normal((2, RATE), dtype=np.float32) * level
        for name, level in [("a", 1.0), ("b", 0.2)]
    }
    stems["a"][:, 1000:1100] *= 6
    out = master(stems, RATE, np.random.default_rng(3))
    gains = {
        name: out[name][np.abs(stems[name]) > 0.05] / stems[name][np.abs(stems[name]) > 0.05]
        for name in stems
    }
    both = (np.abs(stems["a"]) > 0.05) & (np.abs(stems["b"]) > 0.05)
    np.testing.assert_allclose(
        (out["a"] / stems["a"])[both], (out["b"] / stems["b"])[both], rtol=1e-4
    )
    assert np.ptp(gains["a"]) > 0.05, "the gain should have moved"
    assert np.abs(out["a"] + out["b"]).max() <= CEILING


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_the_mix_stays_below_the_ceiling_at_every_draw(seed: int) -> None:
    made = song_of("drums", "bass", "synth", is_pumping=True)
    played = [
        play_own(
            part,
            4 * RATE,
            RATE,
            np.random.default_rng(seed),
        )
        for part in made.parts
    ]
    stems = mix_stems(made, played, RATE, np.random.default_rng(seed))
    assert list(stems) == ["drums", "bass", "synth"]
    assert 0.05 < np.abs(sum(stems.values())).max() <= CEILING


def test_parts_of_one_stem_are_summed() -> None:
    made = song_of("synth", "synth")
    played = [
        play_own(
            part,
            4 * RATE,
            RATE,
            np.random.default_rng(1),
        )
        for part in made.parts
    ]
    played[0][:, 2 * RATE :] = 0
    played[1][:, : 2 * RATE] = 0
    (audio,) = mix_stems(
        made,
        played,
        RATE,
        np.random.default_rng(0),
    ).values()
    assert (
        min(
            np.abs(audio[:, :RATE]).max(),
            np.abs(audio[:, -RATE:]).max(),
        )
        > 0.02
    )


def test_the_kick_pushes_the_bass_down() -> None:
    pump = mixing._pump(
        song_of("drums", "bass"),
        2 * RATE,
        RATE,
        np.random.default_rng(0),
    )
    just_after, before_next = int(0.51 * RATE), int(0.995 * RATE)
    assert pump[just_after] < 0.75
    assert pump[before_next] > 0.95
