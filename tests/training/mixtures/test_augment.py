"""None"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.makers import Noise
from rtmss.training.mixtures.augment import (
    DRY,
    FADE,
    PLAIN,
    colour,
    draw_drive,
    draw_equaliser,
    draw_room,
    draw_side,
    equaliser_gains,
    play,
    room_impulses,
    saturate,
    to_sides,
)

RATE = 44100


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def peak_hz(audio: Tensor) -> float:
    spectrum = torch.fft.rfft(audio[0] * torch.hann_window(audio.shape[-1])).abs()
    return float(spectrum.argmax()) * RATE / audio.shape[-1]


def tone(n: int) -> Tensor:
    return torch.sin(torch.arange(n) * (2 * np.pi * 1000 / RATE))[None]


def played(
    audio: Tensor, n_out: int, equaliser: tuple[float, ...] = PLAIN, room: tuple[float, ...] = DRY
) -> Tensor:
    """One part, (C, S), through all that is done to spectra."""
    noise = torch.Generator().manual_seed(0)
    gains = equaliser_gains(
        torch.tensor([equaliser]),
        n_out // 2 + 1,
        RATE,
    )[0]
    impulses = (
        None
        if room == DRY
        else room_impulses(
            torch.tensor([room]),
            n_out,
            RATE,
            noise,
        )[0]
    )
    return play(audio, n_out, gains, impulses).expand(2, -1)


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("has_room", [False, True])
@pytest.mark.parametrize("n_in", [7000, 9000, 12000])
def test_one_sound_is_played_as_a_batch_of_real_transforms_would(
    noise: Noise, n_channels: int, has_room: bool, n_in: int
) -> None:
    audio = torch.from_numpy(noise(n_in, n_channels))
    equaliser = torch.tensor([draw_equaliser(rng())])
    room = torch.tensor([draw_room(rng()) if has_room else DRY])
    gains = equaliser_gains(equaliser, 4501, RATE)[0]
    impulses = (
        room_impulses(
            room,
            9000,
            RATE,
            torch.Generator().manual_seed(0),
        )[0]
        if has_room
        else None
    )
    found = play(audio, 9000, gains, impulses)
    assert found.shape == (2 if has_room else n_channels, 9000)
    spectra = torch.fft.rfft(audio.double().expand(2, -1))
    padded = (
        torch.nn.functional.pad(
            spectra,
            (0, 4501 - spectra.shape[-1]),
        )
        * 9000
        / n_in
    )
    wanted = colour(
        padded[None].to(torch.complex64),
        9000,
        RATE,
        equaliser,
        room,
        torch.Generator().manual_seed(0),
    )[0]
    # The topmost bin is neither above nor below the middle.
    assert (found - wanted).square().mean() < 1e-3 * wanted.square().mean()


@pytest.mark.parametrize("is_stereo", [False, True])
def test_a_sound_keeps_its_channels_apart_and_mono_stays_mono_in_a_room_of_one_side(
    noise: Noise, is_stereo: bool
) -> None:
    audio = torch.from_numpy(noise(9000, 2 if is_stereo else 1))
    if is_stereo:
        audio[1] = 0
        assert play(audio, 8000)[1].abs().max() < 1e-6
    impulse = torch.zeros(1, 500)
    impulse[0, [0, 400]] = torch.tensor([1.0, 0.5])
    left = play(audio[:1], 9000, None, impulse)
    assert left.shape == (1, 9000)
    assert (left - audio[:1] - 0.5 * audio[:1].roll(400)).abs().max() < 1e-5


@pytest.mark.parametrize("n_out", [20000, 16000, 25000])
def test_a_tone_is_transposed_by_the_speed(n_out: int) -> None:
    fast = played(tone(20000), n_out)
    assert fast.shape == (2, n_out)
    assert peak_hz(fast) == pytest.approx(
        1000 * 20000 / n_out,
        abs=RATE / n_out,
    )


def test_at_its_own_speed_a_track_stays_as_it_is(noise: Noise) -> None:
    audio = torch.from_numpy(noise(9000))
    assert (played(audio, 9000) - audio).abs().max() < 1e-5


def test_a_speed_change_keeps_the_level() -> None:
    fast = played(tone(20000), 16000)[..., FADE:-FADE]
    assert float(fast.std()) == pytest.approx(
        float(tone(20000).std()),
        rel=0.02,
    )


def test_only_parts_with_an_equaliser_or_a_room_are_changed(noise: Noise) -> None:
    audio = torch.stack([torch.from_numpy(noise(9000))] * 3)
    equalisers, rooms = (
        torch.tensor([PLAIN, draw_equaliser(rng()), PLAIN]),
        torch.tensor([DRY, DRY, draw_room(rng())]),
    )
    changed = (
        colour(
            torch.fft.rfft(audio),
            9000,
            RATE,
            equalisers,
            rooms,
            torch.Generator(),
        )
        - audio
    )
    assert changed[0].abs().max() < 1e-5
    assert (changed[1:].abs().amax((1, 2)) > 1e-2).all()


def test_a_room_makes_mono_stereo(noise: Noise) -> None:
    heard = played(
        torch.from_numpy(noise(9000, 1)),
        9000,
        room=draw_room(rng()),
    )
    assert (heard[0] - heard[1]).abs().max() > 1e-3


def test_a_room_starts_with_the_direct_sound_and_decays() -> None:
    rooms = torch.tensor(
        [
            (
                0.2,
                -10.0,
                0.01,
            ),
            (0.4, -20.0, 0.0),
        ]
    )
    impulses = room_impulses(
        rooms,
        20000,
        RATE,
        torch.Generator().manual_seed(0),
    )
    assert impulses.shape[-1] <= 20000
    assert (impulses[..., 0] == 1).all()
    energy = impulses[..., 1:].square()
    assert 10 * energy.sum(-1).log10().flatten().numpy() == pytest.approx(
        [-10, -10, -20, -20], abs=0.01
    )
    assert not energy[0, :, : int(0.0099 * RATE)].any()
    assert not energy[0, :, int(0.211 * RATE) :].any()
    assert (energy[:, :, :4000].sum(-1) > 3 * energy[:, :, 4000:8000].sum(-1)).all()


def test_an_equaliser_is_smooth_and_moderate() -> None:
    equalisers = torch.tensor([draw_equaliser(np.random.default_rng(seed)) for seed in range(20)])
    gains_db = 20 * equaliser_gains(equalisers, 1025, RATE).log10()
    assert gains_db.max() < 25
    assert gains_db[:, 10:].diff().abs().max() < 6
    assert gains_db.std() > 2


def test_an_equaliser_has_its_gains_at_its_knots_and_cuts_twelve_decibels_an_octave() -> None:
    flat = [3.0] * (len(PLAIN) - 2)
    gains_db = (
        20
        * equaliser_gains(
            torch.tensor(
                [
                    (
                        *flat,
                        0.0,
                        np.inf,
                    ),
                    (*flat, 200.0, 5000.0),
                ]
            ),
            22051,
            RATE,
        ).log10()
    )
    assert gains_db[0].numpy() == pytest.approx(3, abs=1e-3)
    at = torch.tensor([100, 50, 1000, 10000, 20000])
    assert gains_db[1, at].numpy() == pytest.approx(
        [3 - 12, 3 - 24, 3, 3 - 12, 3 - 24],
        abs=0.2,
    )


def test_saturation_keeps_the_level_and_bends_the_wave(noise: Noise) -> None:
    audio = torch.stack([torch.from_numpy(noise(9000)) * gain for gain in (1, 0.1)])
    driven = saturate(
        audio,
        torch.tensor([draw_drive(rng()), 2.0]),
    )
    levels = audio.square().mean((1, 2))
    assert driven.square().mean((1, 2)).numpy() == pytest.approx(
        levels.numpy(),
        rel=1e-3,
    )
    assert ((driven - audio).abs().amax((1, 2)) > 1e-2 * levels.sqrt()).all()


def test_saturated_silence_is_silence() -> None:
    assert not saturate(
        torch.zeros(1, 2, 100),
        torch.ones(1),
    ).any()


def test_panned_mono_keeps_its_power(noise: Noise) -> None:
    audio = torch.from_numpy(noise(9000, 1)).expand(
        10,
        2,
        -1,
    )
    sides = torch.tensor(
        [
            draw_side(
                1,
                np.random.default_rng(seed),
            )
            for seed in range(10)
        ],
        dtype=torch.float32,
    )
    power = to_sides(audio, sides).square().sum((1, 2))
    assert power.numpy() == pytest.approx(
        np.full(
            10,
            float(audio[0].square().sum()),
        ),
        rel=1e-4,
    )
    assert len({tuple(row) for row in sides.tolist()}) > 5


def test_stereo_only_changes_sides_and_polarity(noise: Noise) -> None:
    audio = torch.from_numpy(noise(100))
    seen = set()
    for seed in range(20):
        sides = torch.tensor(
            [
                draw_side(
                    2,
                    np.random.default_rng(seed),
                )
            ]
        )
        stereo = to_sides(audio[None], sides)[0]
        kinds = {
            (sign, k): sign * x for sign in (1, -1) for k, x in enumerate((audio, audio.flip(0)))
        }
        seen.add(next(kind for kind, expected in kinds.items() if torch.equal(stereo, expected)))
    assert len(seen) == 4


def test_a_seed_fixes_everything(noise: Noise) -> None:
    audio = torch.from_numpy(noise(9000, 1))
    a, b = (
        played(
            audio,
            8000,
            draw_equaliser(rng()),
            draw_room(rng()),
        )
        for _ in range(2)
    )
    assert torch.equal(a, b)
