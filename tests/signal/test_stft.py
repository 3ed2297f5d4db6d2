from __future__ import annotations

import pytest
import torch
from torch import Tensor

from helpers.streaming import verify_streaming
from rtmss.config import PROFILES, StftConfig
from rtmss.signal.stft import analyze, synthesize
from rtmss.signal.windows import analysis_window, synthesis_window

CONFIGS = [
    *PROFILES.values(),
    StftConfig(
        n_fft=256,
        n_synthesis=256,
        hop_length=32,
    ),
]
every_config = pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda c: f"{c.n_fft}-{c.n_synthesis}-{c.hop_length}"
)


def run(
    audio: Tensor,
    config: StftConfig,
    hops: tuple[int, ...],
) -> tuple[Tensor, Tensor]:
    """Frames and resynthesis of (B, C, S) audio taken in pieces."""
    past = torch.zeros(
        *audio.shape[:2],
        config.n_fft - config.hop_length,
    )
    overlap = torch.zeros(
        *audio.shape[:2],
        config.n_synthesis - config.hop_length,
    )
    frames, pieces = [], []
    for piece in torch.split(
        audio,
        [n * config.hop_length for n in hops],
        dim=-1,
    ):
        new, past = analyze(piece, past, analysis_window(config), config)
        out, overlap = synthesize(new, overlap, synthesis_window(config), config)
        frames.append(new)
        pieces.append(out)
    return torch.cat(frames, dim=2), torch.cat(
        pieces,
        dim=-1,
    )


def loud_noise(config: StftConfig, n_hops: int = 24) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(3, 2, n_hops * config.hop_length) * 2 - 1


@every_config
def test_the_windows_multiply_to_a_hann_window(config: StftConfig) -> None:
    product = analysis_window(config)[-config.n_synthesis :] * synthesis_window(config)
    n = torch.arange(config.n_synthesis)
    hann = (
        torch.sin(torch.pi * n / config.n_synthesis) ** 2
        * 2
        * config.hop_length
        / config.n_synthesis
    )
    assert (product - hann).abs().max() < 1e-6


@every_config
def test_synthesis_after_analysis_gives_the_audio_back(config: StftConfig) -> None:
    audio = loud_noise(config)
    _, out = run(audio, config, (24,))
    assert (
        out[..., config.delay :] - audio[..., : audio.shape[-1] - config.delay]
    ).abs().max() <= 1e-6


@every_config
def test_nothing_sounds_before_the_delay_is_over(config: StftConfig) -> None:
    _, out = run(loud_noise(config), config, (24,))
    assert out[..., : config.delay].abs().max() <= 1e-6


@every_config
def test_a_frame_is_the_fourier_transform_of_its_windowed_samples(config: StftConfig) -> None:
    audio = loud_noise(config)
    frames, _ = run(audio, config, (24,))
    end = 20 * config.hop_length
    samples = audio[1, 1, end - config.n_fft : end].double() * analysis_window(config).double()
    phase = (
        2
        * torch.pi
        * torch.outer(
            torch.arange(0, config.n_bins, 37),
            torch.arange(config.n_fft),
        )
        / config.n_fft
    )
    expected = torch.complex(
        (samples * phase.cos()).sum(1),
        -(samples * phase.sin()).sum(1),
    )
    assert (frames[1, 1, 19, ::37] - expected).abs().max() < 1e-3 * expected.abs().max()


def test_a_part_of_a_hop_is_refused() -> None:
    config = PROFILES["default"]
    past = torch.zeros(1, 2, config.n_fft - config.hop_length)
    with pytest.raises(ValueError, match="513 samples are not a multiple of hop_length 512"):
        analyze(
            torch.zeros(1, 2, 513),
            past,
            analysis_window(config),
            config,
        )


@every_config
def test_analysis_is_the_same_however_it_is_cut(config: StftConfig) -> None:
    verify_streaming(
        lambda: torch.zeros(3, 2, config.n_fft - config.hop_length),
        lambda audio, past: analyze(audio, past, analysis_window(config), config),
        loud_noise(config),
        unit=config.hop_length,
        out_unit=1,
        out_axis=2,
    )


@every_config
def test_synthesis_is_the_same_however_it_is_cut(config: StftConfig) -> None:
    frames, _ = run(loud_noise(config), config, (24,))
    verify_streaming(
        lambda: torch.zeros(3, 2, config.n_synthesis - config.hop_length),
        lambda frames, past: synthesize(frames, past, synthesis_window(config), config),
        frames,
        axis=2,
        out_unit=config.hop_length,
    )
