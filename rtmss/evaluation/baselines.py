"""What a separator must beat, and what no mask can beat.

Axes: C channels, S samples, T frames, F bins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from rtmss.audio import Audio
from rtmss.config import ConfigError, StftConfig
from rtmss.signal.stft import analyze, synthesize
from rtmss.signal.windows import analysis_window, synthesis_window

CENTRE_N_FFT = 4096
NMF_N_FFT = 2048
NMF_KNOWN, NMF_FREE = 32, 24
"""Spectra learned from the clips, and for all else in the mixture."""
NMF_STEPS = 50


def percussive_part(mixture: Audio) -> Audio:
    """Drums by median filtering: librosa's HPSS with its default settings, (C, S) -> (C, S).

    Source: Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx 2010.

    Raises:
        ConfigError: librosa is not installed; it comes with the extra `train`.
    """
    try:
        import librosa
    except ImportError as error:
        raise ConfigError("the HPSS baseline needs librosa: pip install 'rtmss[train]'") from error
    return np.asarray(librosa.effects.percussive(mixture), np.float32)


def centre_cut(mixture: Audio) -> Audio:
    """Vocals as what is common to left and right, on both sides: (2, S) -> (2, S).

    Per bin the centre `c = a (l + r)` is what leaves `l - c` and `r - c` perpendicular:
    `a = (1 - |l - r| / |l + r|) / 2`, and nothing where the sides oppose each other.

    Source: the Center Cut filter of VirtualDub (Avery Lee), window of 4096 samples, a quarter of it
        per hop.
    """
    window = torch.hann_window(CENTRE_N_FFT)
    hop, length = CENTRE_N_FFT // 4, mixture.shape[-1]
    left, right = torch.stft(
        _tensor(mixture), CENTRE_N_FFT, hop, window=window, pad_mode="constant", return_complex=True
    )
    both, sides = left + right, (left - right).abs()
    share = (0.5 - 0.5 * sides / both.abs().clamp_min(1e-9)).clamp_min(0)
    centre = torch.istft(
        share * both,
        CENTRE_N_FFT,
        hop,
        window=window,
        length=length,
    )
    return np.repeat(centre.numpy()[None], 2, axis=0)


def learned_spectra(mixture: Audio, clips: Sequence[Audio]) -> Audio:
    """A target by its clips' spectra, without training: semi-supervised NMF, (2, S) -> (2, S).

    Spectra of the clips are learned and kept; beside them the mixture gets some of its own for all
    else; the target is what the first explain, by a soft mask. Kullback-Leibler divergence,
    multiplicative steps, magnitudes of both sides together, from a fixed start.

    Source: Smaragdis, Raj, Shashanka, "Supervised and semi-supervised separation of sounds from
        single-channel
    mixtures", ICA 2007.

    Args:
        mixture: (2, S).
        clips: (C, S) of the target, at the mixture's rate.
    """
    window, hop = torch.hann_window(NMF_N_FFT), NMF_N_FFT // 2

    def transform(audio: Audio) -> Tensor:
        tensor = _tensor(audio)
        return torch.stft(
            tensor, NMF_N_FFT, hop, window=window, pad_mode="constant", return_complex=True
        )

    examples = torch.cat(
        [transform(clip).abs().mean(0) for clip in clips],
        dim=-1,
    )
    known, _ = _factorise(
        examples,
        torch.zeros(len(examples), 0),
        NMF_KNOWN,
    )
    frames = transform(mixture)
    spectra, gains = _factorise(
        frames.abs().mean(0),
        known,
        NMF_FREE,
    )
    share = (known @ gains[:NMF_KNOWN]) / (spectra @ gains).clamp_min(1e-9)
    part = torch.istft(
        share * frames,
        NMF_N_FFT,
        hop,
        window=window,
        length=mixture.shape[-1],
    )
    return np.asarray(part.numpy(), np.float32)


def _factorise(
    magnitudes: Tensor,
    kept: Tensor,
    n_free: int,
) -> tuple[Tensor, Tensor]:
    """(F, T) into (F, K + n_free) spectra, of which the first K are given and stay, and (K +
    n_free, T) gains.

    Source: Lee, Seung, "Algorithms for non-negative matrix factorization", NIPS 2000, for the
        divergence.
    """
    chance = torch.Generator().manual_seed(0)
    n_known = kept.shape[1]
    free = (
        torch.rand(
            magnitudes.shape[0],
            n_free,
            generator=chance,
        )
        + 0.1
    )
    spectra = torch.cat(
        [kept, free / free.sum(0)],
        dim=1,
    )
    gains = (
        torch.rand(
            spectra.shape[1],
            magnitudes.shape[1],
            generator=chance,
        )
        + 0.1
    )
    gains *= magnitudes.mean() * len(magnitudes) / gains.sum(0).mean()
    for _ in range(NMF_STEPS):
        ratio = magnitudes / (spectra @ gains).clamp_min(1e-9)
        gains = gains * (spectra.T @ ratio)  # columns of spectra add up to 1
        ratio = magnitudes / (spectra @ gains).clamp_min(1e-9)
        fitted = spectra[:, n_known:] * (ratio @ gains[n_known:].T)
        spectra = torch.cat(
            [kept, fitted / fitted.sum(0).clamp_min(1e-9)],
            dim=1,
        )
    return spectra, gains


def ideal_ratio_mask(target: Audio, mixture: Audio, stft: StftConfig) -> Audio:
    """The target by the mask that knows its share: |t|^2 / (|t|^2 + |m - t|^2), at the separator's
    own STFT.

    Source: "Wiener-like" masks in Liutkus, Badeau, "Generalized Wiener filtering with fractional
        power spectrograms",
    ICASSP 2015.

    Args:
        target: (C, S) the true target.
        mixture: (C, S).
        stft: of the separator, whose frames the mask is applied to.

    Returns:
        (C, S) aligned to `target`.
    """
    return _masked(
        target, mixture, stft, lambda power, rest: power / (power + rest).clamp_min(1e-12)
    )


def ideal_binary_mask(target: Audio, mixture: Audio, stft: StftConfig) -> Audio:
    """The target by the bins where it is louder than all else, whole; arguments as of
    `ideal_ratio_mask`.

    Source: Wang, "On ideal binary mask as the computational goal of auditory scene analysis", 2005.
    """
    return _masked(target, mixture, stft, lambda power, rest: (power > rest).float())


def _masked(
    target: Audio, mixture: Audio, stft: StftConfig, mask: Callable[[Tensor, Tensor], Tensor]
) -> Audio:
    """The mixture under a mask made of the power of the target and of all else, each (1, C, T,
    F).
    """
    n = target.shape[-1]
    wanted, rest = (_frames(audio, stft) for audio in (target, mixture - target))
    overlap = torch.zeros(
        1,
        target.shape[0],
        stft.n_synthesis - stft.hop_length,
    )
    frames = mask(
        wanted.abs().square(),
        rest.abs().square(),
    ) * (wanted + rest)
    audio, _ = synthesize(frames, overlap, synthesis_window(stft), stft)
    return np.asarray(
        audio[0, :, stft.delay : stft.delay + n].numpy(),
        np.float32,
    )


def _frames(audio: Audio, stft: StftConfig) -> Tensor:
    """(C, S) -> (1, C, T, F), with frames enough that synthesis gives all S samples back."""
    n = audio.shape[-1] + stft.delay
    padded = np.pad(
        audio, ((0, 0), (0, -(-n // stft.hop_length) * stft.hop_length - audio.shape[-1]))
    )
    past = torch.zeros(
        1,
        audio.shape[0],
        stft.n_fft - stft.hop_length,
    )
    return analyze(
        _tensor(padded)[None],
        past,
        analysis_window(stft),
        stft,
    )[0]


def _tensor(audio: Audio) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(audio, np.float32))
