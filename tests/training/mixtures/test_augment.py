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
    draw_noise_bass,
    draw_room,
    draw_side,
    draw_sub_bass,
    equaliser_gains,
    play,
    put_under,
    room_impulses,
    saturate,
    shift_formants,
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


def test_at_its_own_speed_a_take_stays_as_it_is(noise: Noise) -> None:
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


def vowel(pitch: float, formant: float, n: int = RATE) -> Tensor:
    """(2, S) harmonics of a pitch in Hz under one resonance."""
    t, harmonics = (
        np.arange(n) / RATE,
        np.arange(
            1,
            int(8000 / pitch),
        ),
    )
    heights = np.exp(-(((harmonics * pitch - formant) / 400) ** 2)) + 1e-3
    wave = (heights[:, None] * np.sin(2 * np.pi * pitch * harmonics[:, None] * t)).sum(0)
    return torch.from_numpy(np.stack([wave, 0.5 * wave])).float()


def test_formants_move_and_the_pitch_stays() -> None:
    voices, middle = torch.stack([vowel(110, 1100)] * 3), slice(FADE, -FADE)
    still, up, down = shift_formants(
        voices,
        torch.tensor([1.0, 1.25, 0.8]),
        RATE,
    )
    assert (still - voices[0])[:, middle].abs().max() < 2e-2 * voices[0].abs().max()
    spectra = [torch.fft.rfft(x[0] * torch.hann_window(RATE)).abs() for x in (still, up, down)]
    centroids = [
        float((x.square() * torch.arange(len(x))).sum() / x.square().sum()) for x in spectra
    ]
    assert centroids[1] > 1.07 * centroids[0]
    assert centroids[2] < 0.93 * centroids[0]
    spectrum, at = spectra[1], torch.arange(6, 18) * 110
    assert (spectrum[at] > 10 * spectrum[at + 55]).all(), "between harmonics there is still nothing"
    assert float(up[0].std() / up[1].std()) == pytest.approx(2, rel=1e-3)
    assert float(up.std()) == pytest.approx(
        float(voices[1].std()),
        rel=1e-2,
    )


def test_the_formants_of_a_high_voice_move_too_and_not_its_harmonics() -> None:
    voice = vowel(520, 1100)
    moved = shift_formants(
        voice[None],
        torch.tensor([1.2]),
        RATE,
    )[0]
    levels = [
        20 * torch.fft.rfft(x[0]).abs()[torch.arange(1, 5) * 520].log10() for x in (voice, moved)
    ]
    change = (levels[1] - levels[0]).numpy()
    assert (np.diff(change) > 0).all(), "ever more towards the top, for the resonance moves up"
    assert np.ptp(change) < 24


def test_formants_of_silence_are_silent() -> None:
    assert not shift_formants(
        torch.zeros(1, 2, 5000),
        torch.tensor([0.8]),
        RATE,
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


def test_a_growl_is_low_and_leaves_the_rest_as_it_was(noise: Noise) -> None:
    audio, n_with_bass = torch.from_numpy(noise(44100)), 0
    for seed in range(8):
        sound = torch.from_numpy(
            draw_noise_bass(
                44100,
                44100,
                np.random.default_rng(seed),
            )
        )
        added = (
            put_under(
                audio[None],
                torch.tensor([0]),
                sound[None],
            )[0]
            - audio
        )
        power = torch.fft.rfft(added).abs().square().sum(0)  # bins of 1 Hz
        n_with_bass += int(added.square().mean() > 1e-3 * audio.square().mean())
        assert power[400:].sum() <= 1e-3 * power.sum()
    assert n_with_bass >= 4


def test_sub_notes_are_tones_below_the_sound(noise: Noise) -> None:
    generator = rng()
    for _ in range(20):
        audio = torch.from_numpy(noise(RATE))
        sound = torch.from_numpy(draw_sub_bass(RATE, RATE, generator))
        added = (
            put_under(
                audio[None],
                torch.tensor([0]),
                sound[None],
            )[0]
            - audio
        )
        assert torch.isfinite(added).all()
        level = 10 * torch.log10(added.square().mean() / audio.square().mean())
        assert -12.5 < level < 16.5
        assert (added[0] - added[1]).abs().max() < 1e-3  # in the middle
        power = torch.fft.rfft(added[0]).abs().square()
        assert power[:500].sum() > 0.9 * power.sum()
        assert 20 < power.argmax() < 400


def test_only_the_parts_that_are_named_have_a_sound_under_them(noise: Noise) -> None:
    audio, sounds = torch.stack([torch.from_numpy(noise(100))] * 3), torch.ones(1, 100)
    added = put_under(audio, torch.tensor([1]), sounds) - audio
    assert added[1].numpy() == pytest.approx(
        float(audio[1].square().mean().sqrt()),
        rel=1e-4,
    )
    assert not added[[0, 2]].any()
    assert (
        put_under(
            audio,
            torch.zeros(0, dtype=torch.long),
            torch.zeros(0, 100),
        )
        is audio
    )
