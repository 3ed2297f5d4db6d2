from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.makers import Noise
from rtmss.signal.dynamics import (
    PIECE,
    UNCOMPRESSED,
    UNMASTERED,
    compress,
    compressor_gains,
    limiter_gains,
    master_gains,
    released,
    smoothed,
)
from rtmss.training.mixtures.augment import draw_compressor, draw_master

RATE = 44100


def bursts(levels: list[float], n_each: int = 22050) -> Tensor:
    """(1, 1, S) a tone of 1 kHz with these peaks, half a second each."""
    envelope = np.repeat(levels, n_each)
    return torch.from_numpy(
        envelope * np.sin(np.arange(envelope.size) * 2 * np.pi * 1000 / RATE)
    ).float()[None, None]


def decibels(gains: Tensor) -> Tensor:
    return 20 * gains.log10()


def test_above_the_threshold_the_level_grows_by_the_ratio() -> None:
    audio = bursts([0.01, 1.0])
    rms_db = 10 * float(audio.square().mean().log10())
    gains = decibels(
        compressor_gains(
            audio,
            torch.tensor([(-10.0, 4.0, 0.005, 0.05)]),
            RATE,
        )
    )[0, 0]
    assert gains[5000:20000].abs().max() < 1e-3
    assert float(gains[40000]) == pytest.approx(
        -(0 - (rms_db - 10)) * (1 - 1 / 4),
        abs=0.1,
    )


def test_attack_and_release_take_their_time() -> None:
    gains = decibels(
        compressor_gains(
            bursts([0.01, 1.0, 0.01]),
            torch.tensor([(-10.0, 8.0, 0.02, 0.1)]),
            RATE,
        )
    )[0, 0]
    whole = float(gains[44000])
    attack, release = int(0.02 * RATE), int(0.1 * RATE)
    assert float(gains[22050 + attack]) == pytest.approx(
        whole * (1 - np.exp(-1)),
        rel=0.1,
    )
    # The release begins when the attack's low-pass is through, one attack later.
    assert float(gains[44100 + attack + release]) == pytest.approx(
        whole * np.exp(-1),
        rel=0.1,
    )


def test_memory_is_that_of_a_plain_loop() -> None:
    wanted = 12 * torch.rand(
        2, 100, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    seconds = torch.tensor([0.02, 0.1], dtype=torch.float64)
    keep = torch.exp(-PIECE / (RATE * seconds))
    held, smooth = [wanted[:, 0]], [wanted[:, 0]]
    for now in wanted.unbind(1)[1:]:
        held.append(torch.maximum(now, held[-1] * keep))
        smooth.append(keep * smooth[-1] + (1 - keep) * now)
    assert torch.allclose(
        released(wanted, seconds, RATE),
        torch.stack(held, 1),
    )
    assert torch.allclose(
        smoothed(wanted, seconds, RATE),
        torch.stack(smooth, 1),
    )


def test_a_steady_tone_has_one_gain_from_its_first_sample() -> None:
    gains = compressor_gains(
        bursts([0.5]),
        torch.tensor([(-6.0, 4.0, 0.03, 0.1)]),
        RATE,
    )
    assert gains.max() < 0.8
    assert float(gains.max() / gains.min()) < 1.02


def test_every_part_has_settings_of_its_own(noise: Noise) -> None:
    audio = torch.from_numpy(noise(20000)).expand(
        3,
        -1,
        -1,
    )
    settings = torch.tensor(
        [
            UNCOMPRESSED,
            draw_compressor(np.random.default_rng(1)),
            UNCOMPRESSED,
        ]
    )
    gains = compressor_gains(audio, settings, RATE)
    assert gains.shape == (3, 1, 20000)
    assert (gains[[0, 2]] == 1).all()
    assert gains[1].min() < 0.9
    assert gains.max() <= 1


@pytest.mark.parametrize(
    "n",
    [PIECE, 5 * PIECE + 1, 20000],
)
def test_a_limiter_lowers_the_peak_and_makes_up_for_it(noise: Noise, n: int) -> None:
    audio = torch.from_numpy(noise(n))[None] * torch.linspace(0.1, 1, n)
    gains = limiter_gains(
        audio,
        torch.tensor([6.0]),
        torch.tensor([0.05]),
        RATE,
    )
    assert (audio * gains).abs().max() <= audio.abs().max() * (1 + 1e-5)
    assert gains.min() > 0.999


def test_a_limiter_raises_what_lies_below_by_all_of_its_drop() -> None:
    gains = limiter_gains(
        bursts([0.05, 1.0]),
        torch.tensor([12.0]),
        torch.tensor([0.05]),
        RATE,
    )[0, 0]
    assert float(decibels(gains)[10000]) == pytest.approx(12, abs=0.01)
    assert float(decibels(gains)[40000]) == pytest.approx(0, abs=0.1)


def test_a_compressed_part_keeps_its_level_and_loses_its_peaks() -> None:
    audio = bursts([0.1, 1.0])
    squeezed = compress(
        audio,
        torch.tensor([(-12.0, 6.0, 0.001, 0.05)]),
        RATE,
    )
    assert float(squeezed.std()) == pytest.approx(
        float(audio.std()),
        rel=1e-3,
    )
    ratios = [
        float(x[..., 30000:40000].std() / x[..., 5000:20000].std()) for x in (audio, squeezed)
    ]
    assert ratios[1] < 0.6 * ratios[0]


def test_silence_stays_silent_and_finite() -> None:
    silence = torch.zeros(2, 2, 1000)
    masters = torch.tensor([draw_master(np.random.default_rng(seed)) for seed in (1, 2)])
    assert master_gains(silence, masters, RATE).isfinite().all()
    assert not compress(silence, masters[:, :4], RATE).any()


def test_the_master_that_changes_nothing_changes_nothing(noise: Noise) -> None:
    assert (
        master_gains(
            torch.from_numpy(noise(3000))[None],
            torch.tensor([UNMASTERED]),
            RATE,
        )
        == 1
    ).all()
