from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.makers import MakeCondition, Noise
from helpers.models import make_open
from helpers.streaming import verify_streaming
from rtmss.audio import Audio
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.session import LOUDEST, Output, Session
from rtmss.model.separator import SeparatorModel

HOP = 64
FADE = 240
"""30 ms at 8 kHz."""
N_HOPS = 32


@pytest.fixture(scope="module")
def scenes(make_condition: MakeCondition) -> list[Scene]:
    """A show: condition switch with gains, bypass, another preset, back."""
    a, b, c, d = (make_condition(name, seed) for seed, name in enumerate("abcd"))
    first = Scene(
        (
            Stem("one", a),
            Stem(
                "two",
                b,
                Strip(-6.0),
            ),
        )
    )
    switched = (
        first.with_condition("one", c).with_strip("one", gain_db=3.0).with_strip("two", mute=True)
    )
    bypassed = replace(switched, bypass=True)
    other = Scene(
        (
            Stem(
                "three",
                d,
                Strip(solo=True),
            ),
            Stem("two", b),
        ),
        Strip(-20.0),
        master_db=-3.0,
    )
    return [first, switched, bypassed, other, first]


@pytest.fixture
def show(scenes: list[Scene]) -> dict[int, Scene]:
    """Scenes by the hop at which they are taken up; some come while the last fade still runs."""
    return dict(
        zip(
            (0, 6, 8, 17, 24),
            scenes,
            strict=True,
        )
    )


def play(
    session: Session,
    audio: Audio,
    hops: Sequence[int] = (1,) * N_HOPS,
    show: Mapping[int, Scene] | None = None,
) -> list[Output]:
    outputs, at = [], 0
    for n in hops:
        session.scene = (show or {}).get(at, session.scene)
        outputs.append(session.step(audio[:, at * HOP : (at + n) * HOP]))
        at += n
    return outputs


def joined(outputs: Sequence[Output], field: str) -> Audio:
    return np.concatenate(
        [getattr(output, field) for output in outputs],
        axis=-1,
    )


def delayed(session: Session, audio: Audio) -> Audio:
    return np.pad(
        audio,
        ((0, 0), (session.delay, 0)),
    )[:, : audio.shape[1]]


def test_stems_and_remainder_null_against_the_delayed_mixture(
    tiny: SeparatorModel, noise: Noise, show: dict[int, Scene]
) -> None:
    audio = noise(N_HOPS * HOP)
    session = Session(tiny, show[0])
    outputs = play(session, audio, show=show)
    stems = np.concatenate(
        [output.stems.sum(0) for output in outputs],
        axis=-1,
    )
    assert np.abs(stems).max() > 0.01
    assert np.abs(stems + joined(outputs, "remainder") - delayed(session, audio)).max() <= 1e-6


def test_at_unity_the_mix_is_the_delayed_mixture_through_every_switch(
    tiny: SeparatorModel, noise: Noise, make_condition: MakeCondition
) -> None:
    a, b, c = (make_condition(name, seed) for seed, name in enumerate("abc"))
    first = Scene((Stem("one", a), Stem("two", b)))
    show = {
        5: first.with_condition("two", c),
        9: Scene((Stem("one", c),)),
        13: Scene(),
        18: first,
    }
    audio = noise(N_HOPS * HOP)
    session = Session(tiny, first)
    outputs = play(session, audio, show=show)
    assert np.abs(outputs[0].stems).max() > 0.001
    assert np.abs(joined(outputs, "mix") - delayed(session, audio)).max() <= 1e-6


@pytest.mark.parametrize("field", ["mix", "stems", "remainder", "dry"])
def test_a_session_is_the_same_however_its_input_is_cut(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene], field: str
) -> None:
    verify_streaming(
        lambda: Session(tiny, scenes[0]),
        lambda block, session: (
            torch.from_numpy(
                getattr(
                    session.step(block.numpy()),
                    field,
                )
            ),
            session,
        ),
        torch.from_numpy(noise(24 * HOP)),
        unit=HOP,
    )


@pytest.mark.parametrize(
    "hops",
    [
        (6, 2, 9, 7, 8),
        (2, 4, 1, 1, 3, 6, 7, 8),
        (5, 1, 2, 8, 1, 7, 1, 6, 1),
    ],
)
def test_cutting_into_blocks_changes_nothing_through_switches(
    tiny: SeparatorModel, noise: Noise, show: dict[int, Scene], hops: tuple[int, ...]
) -> None:
    audio = noise(N_HOPS * HOP)
    fine = play(Session(tiny, show[0]), audio, show=show)
    coarse = play(Session(tiny, show[0]), audio, hops, show)
    assert np.abs(joined(fine, "mix")).max() > 0.01
    for field in ("mix", "remainder", "dry"):
        assert np.abs(joined(fine, field) - joined(coarse, field)).max() <= 1e-5


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


def test_the_start_of_a_stream_does_not_fade(tiny: SeparatorModel, noise: Noise) -> None:
    audio = noise(4 * HOP)
    session = Session(tiny)
    mix = joined(play(session, audio, (1,) * 4), "mix")
    assert np.abs(mix - delayed(session, audio)).max() <= 1e-6


def test_mono_is_played_on_both_sides(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    mono = noise(8 * HOP, 1)
    one = joined(
        play(Session(tiny, scenes[0]), mono, (8,)),
        "mix",
    )
    both = joined(
        play(
            Session(tiny, scenes[0]),
            np.repeat(mono, 2, axis=0),
            (8,),
        ),
        "mix",
    )
    assert np.array_equal(one, both)


def test_bad_samples_are_counted_and_replaced(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    clean = noise(N_HOPS * HOP)
    bad = clean.copy()
    for at, value, instead in [
        (100, np.nan, 0),
        (900, np.inf, 0),
        (901, -np.inf, 0),
        (1500, 1e30, LOUDEST),
    ]:
        bad[1, at], clean[1, at] = value, instead
    session, reference = (
        Session(
            tiny,
            scenes[0],
        ),
        Session(tiny, scenes[0]),
    )
    outputs, expected = play(session, bad), play(reference, clean)
    assert session.n_bad_samples == 4
    assert reference.n_bad_samples == 0
    for field in ("mix", "stems", "remainder", "dry"):
        assert np.array_equal(joined(outputs, field), joined(expected, field))


def test_a_stream_of_nonsense_stays_finite_and_recovers(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    session = Session(tiny, scenes[0])
    for value in (np.nan, np.inf, 3e38, -1e9):
        output = session.step(
            np.full(
                (2, 4 * HOP),
                value,
                np.float32,
            )
        )
        assert np.isfinite(output.mix).all()
    session.step(
        np.zeros(
            (2, 4 * HOP),
            np.float32,
        )
    )
    audio = noise(4 * HOP)
    output = session.step(audio)
    assert np.array_equal(
        output.dry[:, session.delay :],
        audio[:, : -session.delay],
    )


@pytest.mark.parametrize(
    "shape",
    [
        (2, 63),
        (3, 64),
        (64,),
        (1, 2, 64),
        (2, 0),
        (0, 64),
    ],
)
def test_a_wrong_shape_is_refused(
    tiny: SeparatorModel, scenes: list[Scene], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"expected \(1 or 2, k \* 64\) samples, got"):
        Session(
            tiny,
            scenes[0],
        ).step(np.zeros(shape, np.float32))


def test_a_refused_block_leaves_the_stream_as_it_was(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(8 * HOP)
    plain, disturbed = (
        Session(
            tiny,
            scenes[0],
        ),
        Session(tiny, scenes[0]),
    )
    play(disturbed, audio, (4,))
    with pytest.raises(ValueError, match="expected"):
        disturbed.step(audio[:, :10])
    play(plain, audio, (4,))
    rest = audio[:, 4 * HOP :]
    assert np.array_equal(
        plain.step(rest).mix,
        disturbed.step(rest).mix,
    )


def test_one_output_is_refused(tiny: SeparatorModel) -> None:
    with pytest.raises(ValueError, match="at least 2 outputs, got 1"):
        Session(tiny, n_outputs=1)


def test_a_step_leaves_its_input_alone(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(4 * HOP)
    audio[0, 3] = 99.0
    copy = audio.copy()
    Session(tiny, scenes[0]).step(audio)
    assert np.array_equal(audio, copy)


def test_a_caller_may_write_into_what_a_step_gave(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(8 * HOP)
    plain, touched = (
        Session(
            tiny,
            scenes[0],
        ),
        Session(tiny, scenes[0]),
    )
    plain.step(audio)
    for array in touched.step(audio):
        array[...] = 7.0
    assert np.array_equal(
        plain.step(audio).mix,
        touched.step(audio).mix,
    )


def test_a_read_only_or_reversed_block_is_fine(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(4 * HOP)
    expected = (
        Session(
            tiny,
            scenes[0],
        )
        .step(audio[::-1].copy())
        .mix
    )
    audio.flags.writeable = False
    assert np.array_equal(
        Session(
            tiny,
            scenes[0],
        )
        .step(audio[::-1])
        .mix,
        expected,
    )


def test_after_a_reset_a_session_plays_like_a_new_one(
    tiny: SeparatorModel, noise: Noise, show: dict[int, Scene]
) -> None:
    audio = noise(N_HOPS * HOP)
    used = Session(tiny, show[0])
    play(used, noise(N_HOPS * HOP, seed=1), show=show)
    used.scene = show[0]
    used.reset()
    assert np.array_equal(
        joined(play(used, audio), "mix"),
        joined(
            play(Session(tiny, show[0]), audio),
            "mix",
        ),
    )


def test_sessions_of_one_model_do_not_hear_each_other(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(4 * HOP)
    alone, one, other = (
        Session(
            tiny,
            scenes[0],
        )
        for _ in range(3)
    )
    for i in range(4):
        block = audio[:, i * HOP : (i + 1) * HOP]
        other.step(block * 3)
        assert np.array_equal(
            one.step(block).mix,
            alone.step(block).mix,
        )


def test_eight_stems_play_at_once(
    tiny: SeparatorModel, noise: Noise, make_condition: MakeCondition
) -> None:
    scene = Scene(
        tuple(
            Stem(
                f"s{i}",
                make_condition(f"s{i}", i),
            )
            for i in range(8)
        ),
        Strip(mute=True),
    )
    output = Session(
        tiny,
        scene,
        n_outputs=4,
    ).step(noise(8 * HOP))
    assert output.stems.shape == (8, 2, 8 * HOP)
    assert np.abs(output.mix[:2] - output.stems.sum(0)).max() <= 1e-6
    assert not output.mix[2:].any()


@pytest.mark.parametrize("profile", ["default", "tight", "tighter", "ahead"])
def test_the_delay_is_the_latency_less_one_hop(
    profiles: dict[str, SeparatorModel], profile: str
) -> None:
    session = Session(profiles[profile])
    assert session.delay == session.latency - session.hop_length
    assert (
        session.latency
        == {
            "default": 1024,
            "tight": 512,
            "tighter": 256,
            "ahead": 1024 + 17 * 512,
        }[profile]
    )


def test_the_stems_of_a_network_that_looks_ahead_are_as_late_as_the_dry_input(
    noise: Noise, make_condition: MakeCondition
) -> None:
    session = Session(
        make_open(3),
        Scene((Stem("all", make_condition()),)),
    )
    audio = noise(60 * 512)
    said = np.concatenate(
        [
            session.step(audio[:, i : i + 512]).stems[0]
            for i in range(
                0,
                60 * 512,
                512,
            )
        ],
        axis=-1,
    )
    dry = delayed(session, audio)
    # What is left is the missing DC.
    assert np.abs(said / 1.1 - dry).max() < 0.05 * np.abs(dry).max()


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


@pytest.mark.parametrize("look_ahead", [0, 3])
def test_holding_the_masks_of_a_steady_tone_gives_nearly_the_next_step(
    look_ahead: int, make_condition: MakeCondition
) -> None:
    session = Session(
        make_open(look_ahead),
        Scene((Stem("voice", make_condition()),)),
    )
    tone = (
        np.sin(
            2
            * np.pi
            * 440
            / 44100
            * np.arange(
                60 * 512,
                dtype=np.float32,
            )
        )[None].repeat(2, 0)
        * 0.3
    )
    for i in range(40):
        session.step(tone[:, i * 512 : (i + 1) * 512])
    block = tone[:, 40 * 512 : 41 * 512]
    held = session.hold(block)
    played = session.step(block).mix
    assert np.abs(played).max() > 0.1
    assert np.abs(held - played).max() < 1e-3


@pytest.mark.parametrize("n_hops", [1, 3])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_holding_changes_nothing(
    tiny: SeparatorModel, make_condition: MakeCondition, noise: Noise, n_hops: int, n_channels: int
) -> None:
    def play(*, hold: bool) -> Audio:
        session = Session(
            tiny,
            Scene((Stem("voice", make_condition()),)),
        )
        pieces = []
        for number in range(12):
            block = noise(64 * n_hops, channels=n_channels, seed=number)
            if number == 5:  # an old target rings out, and a gain is on its way
                other = make_condition("drums", seed=3)
                session.scene = Scene(
                    (Stem("kit", other, Strip(gain_db=-12)),),
                    fade_ms=50,
                )
            if number == 8:
                session.scene = session.scene.with_strip("kit", gain_db=-40)
            if hold:
                assert np.isfinite(session.hold(block)).all()
            pieces.append(session.step(block).mix)
        return np.concatenate(pieces, axis=1)

    assert np.array_equal(play(hold=True), play(hold=False))


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
