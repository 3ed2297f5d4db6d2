from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rtmss.config import PROFILES, StftConfig
from rtmss.signal.stft import analyze, synthesize
from rtmss.signal.windows import analysis_window, synthesis_window

CONFIGS = [*PROFILES.values(), StftConfig(n_fft=256, n_synthesis=256, hop_length=32)]
every_config = pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda c: f"{c.n_fft}-{c.n_synthesis}-{c.hop_length}"
)


def run(audio: Tensor, config: StftConfig, hops: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Frames and resynthesis of (B, C, S) audio taken in pieces."""
    past = torch.zeros(*audio.shape[:2], config.n_fft - config.hop_length)
    overlap = torch.zeros(*audio.shape[:2], config.n_synthesis - config.hop_length)
    frames, pieces = [], []
    for piece in torch.split(audio, [n * config.hop_length for n in hops], dim=-1):
        new, past = analyze(piece, past, analysis_window(config), config)
        out, overlap = synthesize(new, overlap, synthesis_window(config), config)
        frames.append(new)
        pieces.append(out)
    return torch.cat(frames, dim=2), torch.cat(pieces, dim=-1)


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
@pytest.mark.parametrize("hops", [(1,) * 24, (5, 19), (1, 7, 16)])
def test_cutting_into_blocks_changes_nothing(config: StftConfig, hops: tuple[int, ...]) -> None:
    audio = loud_noise(config)
    for whole, cut in zip(run(audio, config, (24,)), run(audio, config, hops), strict=True):
        assert whole.abs().max() > 0.5, "an all-zero output would pass any comparison"
        assert (whole - cut).abs().max() <= 1e-5


@every_config
def test_a_frame_is_the_fourier_transform_of_its_windowed_samples(config: StftConfig) -> None:
    audio = loud_noise(config)
    frames, _ = run(audio, config, (24,))
    end = 20 * config.hop_length
    samples = audio[1, 1, end - config.n_fft : end].double() * analysis_window(config).double()
    phase = (
        2
        * torch.pi
        * torch.outer(torch.arange(0, config.n_bins, 37), torch.arange(config.n_fft))
        / config.n_fft
    )
    expected = torch.complex((samples * phase.cos()).sum(1), -(samples * phase.sin()).sum(1))
    assert (frames[1, 1, 19, ::37] - expected).abs().max() < 1e-3 * expected.abs().max()


def test_a_part_of_a_hop_is_refused() -> None:
    config = PROFILES["default"]
    past = torch.zeros(1, 2, config.n_fft - config.hop_length)
    with pytest.raises(ValueError, match="513 samples are not a multiple of hop_length 512"):
        analyze(torch.zeros(1, 2, 513), past, analysis_window(config), config)


def test_calls_leave_their_arguments_alone() -> None:
    config = StftConfig(n_fft=256, n_synthesis=128, hop_length=64)
    audio, past = torch.randn(1, 2, 128), torch.randn(1, 2, 192)
    overlap = torch.randn(1, 2, 64)
    copies = [x.clone() for x in (audio, past, overlap)]
    frames, _ = analyze(audio, past, analysis_window(config), config)
    synthesize(frames, overlap, synthesis_window(config), config)
    assert all(torch.equal(a, b) for a, b in zip((audio, past, overlap), copies, strict=True))
