"""Compressors and limiters whose gain is one curve: for all channels, and over a mixture for all of
its stems alike, so that what is asked of a mastered mixture still adds up to it.

Feed-forward, by the peaks of short pieces: Giannoulis, Massberg, Reiss, "Digital Dynamic Range
Compressor Design", JAES 60 (2012). Batched, for mixtures that are made while training; songs made
up have a master of their own (`synth.mixing`).

Axes: P parts or mixtures, C channels, S samples, T pieces of `PIECE` samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

PIECE = 64
"""Samples whose highest peak counts; gains go in straight lines from the middle of one piece to
that of the next.
"""

UNCOMPRESSED = (0.0, 1.0, 0.01, 0.1)
"""The compressor that changes nothing."""

UNMASTERED = (*UNCOMPRESSED, 0.0, 0.1)
"""The same for a mixture."""


def with_level_of(audio: Tensor, changed: Tensor) -> Tensor:
    """`changed` (P, C, S), every part as loud as the same of `audio`."""
    return changed * (rms(audio) / rms(changed).clamp_min(1e-6))


def rms(audio: Tensor) -> Tensor:
    """(P, C, S) -> (P, 1, 1) root mean square over channels and samples."""
    norms: Tensor = torch.linalg.vector_norm(audio, dim=2, keepdim=True)
    return (norms.square().mean(1, keepdim=True) / audio.shape[2]).sqrt()


def compress(audio: Tensor, compressors: Tensor, sample_rate: int) -> Tensor:
    """(P, C, S) through what `draw_compressor` gives, (P, 4); levels are kept."""
    return with_level_of(audio, audio * compressor_gains(audio, compressors, sample_rate))


def master_gains(audio: Tensor, masters: Tensor, sample_rate: int) -> Tensor:
    """(P, 1, S) gains of what `draw_master` gives, (P, 6), for (P, C, S) mixtures. Their highest
    peaks stay.
    """
    gains = compressor_gains(audio, masters[:, :4], sample_rate)
    peaks = [
        x.abs().amax(
            (1, 2),
            keepdim=True,
        )
        for x in (audio, audio * gains)
    ]
    gains = gains * (peaks[0] / peaks[1].clamp_min(1e-6)).clamp_min(1)
    return gains * limiter_gains(
        audio * gains,
        masters[:, 4],
        masters[:, 5],
        sample_rate,
    )


def compressor_gains(audio: Tensor, compressors: Tensor, sample_rate: int) -> Tensor:
    """(P, 1, S) gains, at most 1, of what `draw_compressor` gives, (P, 4), for (P, C, S)."""
    threshold_db, ratio, attack, release = compressors.unbind(1)
    rms_db = 10 * torch.log10(audio.square().mean((1, 2)) + 1e-12)
    over_db = (_peaks_db(audio) - (threshold_db + rms_db)[:, None]).clamp_min(0)
    reduction_db = released(
        over_db * (1 - 1 / ratio)[:, None],
        release,
        sample_rate,
    )
    return _gains(smoothed(reduction_db, attack, sample_rate), audio.shape[-1])


def limiter_gains(
    audio: Tensor,
    gains_db: Tensor,
    releases: Tensor,
    sample_rate: int,
) -> Tensor:
    """(P, 1, S) gains that raise (P, C, S) by `gains_db` (P,), as far as no peak ends above the
    highest one before.

    Args:
        audio: what is limited.
        gains_db: (P,) input gains.
        releases: (P,) seconds; the attack is at once, for the limiter looks ahead.
        sample_rate: Hz.
    """
    peaks_db = _peaks_db(audio)
    over_db = (peaks_db - (peaks_db.amax(1) - gains_db)[:, None]).clamp_min(0)
    ahead_db = torch.nn.functional.max_pool1d(
        over_db[:, None],
        3,
        stride=1,
        padding=1,
    )[:, 0]
    raised: Tensor = 10 ** (gains_db / 20)[:, None, None]
    return raised * _gains(
        released(ahead_db, releases, sample_rate),
        audio.shape[-1],
    )


def released(reduction_db: Tensor, releases: Tensor, sample_rate: int) -> Tensor:
    """(P, T) dB that rise at once and fall exponentially in (P,) seconds: `max(now, before *
    fall)`, by doubling.
    """
    fall = torch.exp(-PIECE / (sample_rate * releases))[:, None]
    n_pieces, n = reduction_db.shape[1], 1
    while n < n_pieces:
        earlier = torch.nn.functional.pad(
            reduction_db[:, :-n],
            (n, 0),
        )
        reduction_db = torch.maximum(reduction_db, earlier * fall**n)
        n *= 2
    return reduction_db


def smoothed(reduction_db: Tensor, attacks: Tensor, sample_rate: int) -> Tensor:
    """(P, T) dB through one-pole low-passes of (P,) seconds that have heard the first piece for
    ever.
    """
    n_pieces = reduction_db.shape[1]
    steps = torch.arange(n_pieces, device=reduction_db.device)
    keep = torch.exp(-PIECE / (sample_rate * attacks))[:, None]
    kernel = (1 - keep) * keep**steps
    first = reduction_db[:, :1]
    spectra = (torch.fft.rfft(x, 2 * n_pieces) for x in (reduction_db - first, kernel))
    smooth: Tensor = torch.fft.irfft(next(spectra) * next(spectra))
    return (first + smooth[:, :n_pieces]).clamp_min(0)


def _peaks_db(audio: Tensor) -> Tensor:
    """(P, C, S) -> (P, T)."""
    padded = torch.nn.functional.pad(
        audio,
        (0, -audio.shape[-1] % PIECE),
    )
    return 20 * torch.log10(
        torch.unflatten(
            padded.abs(),
            -1,
            (-1, PIECE),
        ).amax((1, 3))
        + 1e-6
    )


def _gains(reduction_db: Tensor, n_samples: int) -> Tensor:
    """(P, T) dB of reduction -> (P, 1, S) gains."""
    gains = torch.nn.functional.pad(
        10 ** (-reduction_db / 20),
        (1, 1),
        mode="replicate",
    )
    way = (torch.arange(PIECE, device=gains.device) + 0.5) / PIECE
    between = torch.lerp(
        gains[:, :-1, None],
        gains[:, 1:, None],
        way,
    )
    half = PIECE // 2
    return between.flatten(1)[:, None, half : half + n_samples]
