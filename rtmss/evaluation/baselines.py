"""What a separator must beat, and what no mask can beat.

Axes: C channels, S samples, T frames, F bins.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rtmss.config import ConfigError, StftConfig
from rtmss.files import Audio
from rtmss.signal.stft import analyze, synthesize
from rtmss.signal.windows import analysis_window, synthesis_window

CENTRE_N_FFT = 4096


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

    Source: the Center Cut filter of VirtualDub (Avery Lee), window of 4096 samples, a quarter of it per hop.
    """
    window = torch.hann_window(CENTRE_N_FFT)
    hop, length = CENTRE_N_FFT // 4, mixture.shape[-1]
    left, right = torch.stft(
        _tensor(mixture), CENTRE_N_FFT, hop, window=window, pad_mode="constant", return_complex=True
    )
    both, sides = left + right, (left - right).abs()
    share = (0.5 - 0.5 * sides / both.abs().clamp_min(1e-9)).clamp_min(0)
    centre = torch.istft(share * both, CENTRE_N_FFT, hop, window=window, length=length)
    return np.repeat(centre.numpy()[None], 2, axis=0)


def ideal_ratio_mask(target: Audio, mixture: Audio, stft: StftConfig) -> Audio:
    """The target by the mask that knows it: |t|^2 / (|t|^2 + |m - t|^2), at the separator's own STFT.

    Args:
        target: (C, S) the true target.
        mixture: (C, S).
        stft: of the separator, whose frames the mask is applied to.

    Returns:
        (C, S) aligned to `target`.
    """
    n = target.shape[-1]
    wanted, rest = (_frames(audio, stft) for audio in (target, mixture - target))
    power, rest_power = wanted.abs().square(), rest.abs().square()
    mask = power / (power + rest_power).clamp_min(1e-12)
    overlap = torch.zeros(1, target.shape[0], stft.n_synthesis - stft.hop_length)
    audio, _ = synthesize(mask * (wanted + rest), overlap, synthesis_window(stft), stft)
    return np.asarray(audio[0, :, stft.delay : stft.delay + n].numpy(), np.float32)


def _frames(audio: Audio, stft: StftConfig) -> Tensor:
    """(C, S) -> (1, C, T, F), with frames enough that synthesis gives all S samples back."""
    n = audio.shape[-1] + stft.delay
    padded = np.pad(audio, ((0, 0), (0, -(-n // stft.hop_length) * stft.hop_length - audio.shape[-1])))
    past = torch.zeros(1, audio.shape[0], stft.n_fft - stft.hop_length)
    return analyze(_tensor(padded)[None], past, analysis_window(stft), stft)[0]


def _tensor(audio: Audio) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(audio, np.float32))
