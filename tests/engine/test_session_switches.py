"""What changes of a scene do to the sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from helpers.makers import MakeCondition, Noise
from helpers.session import delayed, joined, play
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.model.separator import SeparatorModel

HOP = 64
FADE = 240
"""30 ms at 8 kHz."""

N_HOPS = 32


def test_bypass_is_the_delayed_input_once_the_glide_is_over(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(N_HOPS * HOP)
    session = Session(tiny, scenes[1])
    mix = joined(
        play(session, audio, show={10: scenes[2]}),
        "mix",
    )
    over = 10 * HOP + FADE
    assert np.array_equal(
        mix[:, over:],
        delayed(session, audio)[:, over:],
    )
    assert not np.array_equal(
        mix[:, 10 * HOP : over],
        delayed(session, audio)[:, 10 * HOP : over],
    )


def test_the_dry_output_is_the_delayed_input_to_the_bit(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(N_HOPS * HOP)
    session = Session(tiny, scenes[0])
    assert np.array_equal(
        joined(
            play(session, audio, show={7: scenes[3]}),
            "dry",
        ),
        delayed(session, audio),
    )


def test_bypass_leaves_the_separation_running(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(N_HOPS * HOP)
    stems = joined(
        play(Session(tiny, scenes[0]), audio),
        "stems",
    )
    bypass = {
        4: replace(scenes[0], bypass=True),
        9: scenes[0],
    }
    assert np.array_equal(
        joined(
            play(Session(tiny, scenes[0]), audio, show=bypass),
            "stems",
        ),
        stems,
    )


def test_a_condition_switch_leaves_nothing_of_the_old_target_but_its_fade(
    tiny: SeparatorModel, noise: Noise, make_condition: MakeCondition
) -> None:
    audio = noise(N_HOPS * HOP)
    old, new, other = (make_condition(name, seed) for seed, name in enumerate("abc"))
    rest = Stem("rest", other)
    switched = play(
        Session(tiny, Scene((Stem("one", old), rest))),
        audio,
        show={12: Scene((Stem("one", new), rest))},
    )
    fresh = play(
        Session(tiny, Scene((rest,))),
        audio,
        show={12: Scene((Stem("one", new), rest))},
    )
    a, b = (
        joined(
            outputs[12:],
            "stems",
        )
        for outputs in (switched, fresh)
    )
    fade = tiny.config.stft.n_synthesis - HOP
    assert np.abs(a[0, :, :fade] - b[0, :, :fade]).max() > 1e-3, (
        "the old target must ring out, not break off"
    )
    assert np.abs(a[0, :, fade:] - b[0, :, fade:]).max() <= 1e-6
    assert np.abs(a[1] - b[1]).max() <= 1e-6


def test_a_condition_switch_leaves_the_other_stems_alone(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(N_HOPS * HOP)
    plain = joined(
        play(Session(tiny, scenes[0]), audio),
        "stems",
    )
    switched = joined(
        play(
            Session(tiny, scenes[0]),
            audio,
            show={6: scenes[1]},
        ),
        "stems",
    )
    assert np.abs(plain[1] - switched[1]).max() <= 1e-6
    assert np.abs(plain[0] - switched[0]).max() > 1e-3


def test_a_stem_whose_condition_goes_on_is_not_disturbed_by_a_new_order(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(N_HOPS * HOP)
    turned = replace(
        scenes[0],
        stems=scenes[0].stems[::-1],
    )
    plain = joined(
        play(Session(tiny, scenes[0]), audio),
        "stems",
    )
    outputs = play(
        Session(tiny, scenes[0]),
        audio,
        show={6: turned},
    )
    assert (
        np.abs(
            joined(
                outputs[6:],
                "stems",
            )[::-1]
            - plain[..., 6 * HOP :]
        ).max()
        <= 1e-6
    )


def test_a_change_of_gain_makes_no_click(
    tiny: SeparatorModel, make_condition: MakeCondition
) -> None:
    # A low tone, so that a jump in the gain would stand out from its slope.
    wave = 0.3 * np.sin(np.arange(N_HOPS * HOP) * 0.02)
    audio = np.repeat(
        wave[None],
        2,
        axis=0,
    ).astype(np.float32)
    scene = Scene((Stem("one", make_condition()),))
    quiet = scene.with_strip("remainder", mute=True)
    outputs = play(
        Session(tiny, scene),
        audio,
        show={12: quiet, 20: scene},
    )
    stem, remainder, mix = (
        joined(outputs, field)[..., 2 * HOP :] for field in ("stems", "remainder", "mix")
    )
    own = np.abs(np.diff(stem)).max() + np.abs(np.diff(remainder)).max()
    assert np.abs(remainder).max() > 4 * own, "a jump of the gain would not stand out"
    assert np.abs(np.diff(mix)).max() <= own + 1.1 * np.abs(remainder).max() / FADE


def test_bypass_without_a_fade_is_dry_even_while_an_old_target_rings_out(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene], make_condition: MakeCondition
) -> None:
    audio = noise(N_HOPS * HOP)
    session = Session(tiny, scenes[0])
    both = replace(
        scenes[0].with_condition(
            "one",
            make_condition("e", 9),
        ),
        bypass=True,
        fade_ms=0.0,
    )
    mix = joined(
        play(
            session,
            audio,
            show={0: scenes[0], 8: both},
        ),
        "mix",
    )
    assert np.array_equal(
        mix[:, 8 * HOP :],
        delayed(session, audio)[:, 8 * HOP :],
    )


def test_a_condition_read_again_is_no_switch(
    tiny: SeparatorModel, make_condition: MakeCondition, noise: Noise
) -> None:
    first, again = (
        Scene(
            (Stem("voice", make_condition("vocals")),),
            fade_ms=0.0,
        )
        for _ in range(2)
    )
    assert first.stems[0].condition is not again.stems[0].condition
    changed, unchanged = Session(tiny, first), Session(tiny, first)
    audio = noise(40 * 64)
    changed.step(audio[:, : 20 * 64])
    changed.scene = again
    unchanged.step(audio[:, : 20 * 64])
    expected = unchanged.step(audio[:, 20 * 64 :])
    assert np.array_equal(
        changed.step(audio[:, 20 * 64 :]).stems,
        expected.stems,
    )
