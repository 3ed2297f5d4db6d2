"""A session: stems that add up, cutting, delay, holding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.makers import MakeCondition, Noise
from helpers.models import make_open
from helpers.session import delayed, joined, play
from helpers.streaming import verify_streaming
from rtmss.audio import Audio
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.session import Session
from rtmss.model.separator import SeparatorModel

HOP = 64
N_HOPS = 32


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
