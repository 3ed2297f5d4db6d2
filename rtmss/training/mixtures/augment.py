"""Augmentation: how one track becomes many. What is done is drawn from a numpy generator, part by
part; the doing is batched, on whatever device the audio lies.

Axes: P parts, C channels, S samples, F bins.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import torch
from torch import Tensor

from rtmss.signal.dynamics import with_level_of

_POWERS = product(
    range(5, 12),
    range(8),
    range(6),
    range(2),
)
SMOOTH = np.array(sorted(2**a * 3**b * 5**c * 7**d for a, b, c, d in _POWERS))
"""Lengths with small prime factors, on which the FFT is fast. Those with many factors of two are
several times as slow in some libraries.
"""

FADE = 2048
"""Samples at either end of a crop that the circular transforms below may smear; callers crop longer
by this.
"""

KNOTS = np.geomspace(40, 18000, 7)
"""Frequencies in Hz whose gains an equaliser draws."""

PLAIN = (*[0.0] * KNOTS.size, 0.0, np.inf)
"""The equaliser that changes nothing."""

DRY = (0.0, 0.0, 0.0)
"""The room that is none."""


def draw_equaliser(rng: np.random.Generator) -> tuple[float, ...]:
    """Gains in dB at `KNOTS`, a few either way; then the low cut and the high cut in Hz, each of
    which is rare.
    """
    knots = rng.normal(0, 4, KNOTS.size)
    low = rng.uniform(80, 300) if rng.random() < 0.25 else 0.0
    high = rng.uniform(3000, 12000) if rng.random() < 0.25 else np.inf
    return (*knots.tolist(), low, high)


def equaliser_gains(equalisers: Tensor, n_bins: int, sample_rate: int) -> Tensor:
    """(P, F) gains of what `draw_equaliser` gives, (P, 9): smooth over log frequency, cuts of 12 dB
    per octave.
    """
    frequency, between = _knots_at(n_bins, sample_rate, equalisers.device)
    knots, low, high = equalisers[:, : KNOTS.size], equalisers[:, -2:-1], equalisers[:, -1:]
    gains = torch.exp(np.log(10) / 20 * (knots @ between))
    # -12 log2(x) dB are x to the power of -2, but for the third digit.
    if (low > 0).any():
        gains = gains / (low / frequency).clamp_min_(1).square_()
    if high.isfinite().any():
        gains = gains / (frequency / high).clamp_min_(1).square_()
    return gains


def smooth_length(wanted: float) -> int:
    """The length nearest to a wanted one that the FFT likes."""
    return int(SMOOTH[np.abs(SMOOTH - wanted).argmin()])


@cache
def _knots_at(
    n_bins: int,
    sample_rate: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """(F,) Hz of the bins, and (7, F) how much each of `KNOTS` counts there."""
    frequency = np.linspace(0, sample_rate / 2, n_bins).clip(20)
    position = np.interp(
        np.log(frequency),
        np.log(KNOTS),
        np.arange(KNOTS.size),
    )
    hats = (1 - np.abs(position - np.arange(KNOTS.size)[:, None])).clip(0)
    return torch.from_numpy(frequency).float().to(device), torch.from_numpy(hats).float().to(device)


def draw_room(rng: np.random.Generator) -> tuple[float, ...]:
    """Decay in seconds, level of the tail in dB, seconds until it begins."""
    return rng.uniform(0.15, 1.3), rng.uniform(-22, -6), rng.uniform(0, 0.03)


def room_impulses(
    rooms: Tensor,
    n: int,
    sample_rate: int,
    generator: torch.Generator,
) -> Tensor:
    """(P, 2, S) impulse responses, S <= n, of what `draw_room` gives, (P, 3).

    The direct sound, and a different decaying noise on either side.
    """
    n_longest = min(
        n,
        2 + int(float((rooms[:, 0] + rooms[:, 2]).max()) * sample_rate),
    )
    decay, level_db, delay = (
        column[:, None, None].to(generator.device) for column in rooms.unbind(1)
    )
    t = torch.arange(n_longest, device=generator.device) / sample_rate - delay
    noise = torch.randn(
        len(rooms),
        2,
        n_longest,
        generator=generator,
        device=generator.device,
    )
    tail = noise * torch.exp(-6.9 * t / decay) * ((t > 0) & (t < decay))
    tail = tail * (
        10 ** (level_db / 20)
        / (
            tail.square().sum(
                -1,
                keepdim=True,
            )
            + 1e-9
        ).sqrt()
    )
    tail[..., 0] = 1
    return tail


def play(
    audio: Tensor, n_out: int, gains: Tensor | None = None, impulses: Tensor | None = None
) -> Tensor:
    """One sound in another time, through an equaliser and a room; pitch and formants move together.

    Two channels are transformed as one complex signal, and one channel so that only half of its
    spectrum counts:
    several times as fast as transforms of real signals.

    Args:
        audio: (C, S), mono or stereo.
        n_out: even number of samples to play it in.
        gains: (n_out // 2 + 1,) of the equaliser.
        impulses: (2, up to n_out), of either side; or (1, up to n_out) for mono that stays mono.

    Returns:
        (C, n_out), or as many channels as there are impulses.
    """
    if len(audio) == 2 and impulses is not None:
        return torch.cat(
            [
                play(
                    audio[n : n + 1],
                    n_out,
                    gains,
                    impulses[n : n + 1],
                )
                for n in range(2)
            ]
        )
    is_mono = len(audio) == 1 and (impulses is None or len(impulses) == 1)
    # So scaled, sounds of any length are as loud.
    whole = torch.fft.fft(
        _packed(audio, audio.shape[-1]),
        norm="forward",
    )
    spectrum = _at_speed(whole, n_out, is_mono=is_mono)
    if gains is not None:
        # The bins above the middle are those below it, backwards.
        both = gains if is_mono else torch.cat([gains, gains[1:-1].flip(0)])
        torch.view_as_real(spectrum)[: len(both)] *= both[:, None]
    if impulses is not None:
        spectrum *= torch.fft.fft(_packed(impulses, n_out))
    played: Tensor = torch.fft.ifft(spectrum, norm="forward")
    if is_mono:
        return played.real[None].mul(2)
    return torch.view_as_real(played).T.contiguous()


def _packed(audio: Tensor, n: int) -> Tensor:
    """(1 or 2, S) as a complex signal of n samples, with silence at its end."""
    if len(audio) == 2 and audio.shape[-1] == n:
        return torch.view_as_complex(audio.T.contiguous())
    if audio.shape[-1] == n:
        return audio[0].to(torch.complex64)
    packed = torch.zeros(n, 2)
    packed[: audio.shape[-1], : len(audio)] = audio.T
    return torch.view_as_complex(packed)


def _at_speed(spectrum: Tensor, n_out: int, *, is_mono: bool) -> Tensor:
    """(n_in,) -> (n_out,), the bins from the middle on left out or silence put there; changed in
    place or copied.

    Of mono nothing but the lower half, which has half of each real wave.
    """
    n_in = len(spectrum)
    n_below = min(n_in, n_out) // 2
    above = n_out - n_below + 1
    played = spectrum if n_in == n_out else spectrum.new_empty(n_out)
    if n_in != n_out:
        played[:n_below] = spectrum[:n_below]
        played[n_below:above] = 0
        played[above:] = 0 if is_mono else spectrum[n_in - n_below + 1 :]
    if is_mono:
        played[above:] = 0
        played[0] /= 2
        played[n_below] /= 2
    return played


def colour(
    spectra: Tensor,
    n_out: int,
    sample_rate: int,
    equalisers: Tensor,
    rooms: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Through equalisers and rooms, back to audio.

    Args:
        spectra: (P, C, n_out // 2 + 1) complex, changed in place. Where some have rooms, they need
            two channels; where all have, one becomes two.
        n_out: samples of the result.
        sample_rate: Hz.
        equalisers: (P, 9) from `draw_equaliser`, or `PLAIN`; on the processor.
        rooms: (P, 3) from `draw_room`, or zeros; on the processor.
        generator: of the rooms' noise, on the device of `spectra`.

    Returns:
        (P, C, n_out).
    """
    device = spectra.device
    is_coloured = (equalisers != equalisers.new_tensor(PLAIN)).any(1)
    if is_coloured.any():
        gains = equaliser_gains(
            equalisers[is_coloured].to(device),
            spectra.shape[-1],
            sample_rate,
        )
        spectra = _multiplied(spectra, is_coloured, gains[:, None])
    has_room = rooms[:, 0] > 0
    if has_room.any():
        impulses = room_impulses(rooms[has_room], n_out, sample_rate, generator)
        spectra = _multiplied(spectra, has_room, torch.fft.rfft(impulses, n_out))
    played: Tensor = torch.fft.irfft(spectra, n=n_out)
    return played


def _multiplied(spectra: Tensor, which: Tensor, gains: Tensor) -> Tensor:
    """(P, C, F) those of `which` (P,) times `gains`, each of which is for one of them."""
    if which.all():
        return spectra * gains
    rows = which.nonzero()[:, 0].to(spectra.device)
    spectra[rows] = spectra[rows] * gains
    return spectra


def draw_drive(rng: np.random.Generator) -> float:
    """How far `saturate` drives a peak."""
    return float(rng.uniform(0.7, 4.0))


def saturate(audio: Tensor, drives: Tensor) -> Tensor:
    """Soft clipping of (P, C, S), each part's peak at its drive, (P,); levels are kept."""
    peak = (
        audio.abs()
        .amax(
            (1, 2),
            keepdim=True,
        )
        .clamp_min(1e-5)
    )
    return with_level_of(
        audio,
        torch.tanh(audio * (drives[:, None, None] / peak)),
    )


def draw_compressor(rng: np.random.Generator) -> tuple[float, ...]:
    """Threshold in dB over the RMS, ratio, attack and release in seconds."""
    return (
        rng.uniform(-4, 8),
        rng.uniform(1.5, 6),
        10 ** rng.uniform(-3, -1.5),
        10 ** rng.uniform(-1.5, -0.4),
    )


def draw_master(rng: np.random.Generator) -> tuple[float, ...]:
    """A gentle compressor as `draw_compressor` gives it; then a limiter's input gain in dB, and its
    release in s.
    """
    threshold_db, ratio, attack, release = draw_compressor(rng)
    return (
        threshold_db + 2,
        1 + (ratio - 1) / 2,
        attack,
        release,
        rng.uniform(0, 12),
        10 ** rng.uniform(-2, -0.7),
    )


def draw_side(
    n_channels: int,
    rng: np.random.Generator,
) -> tuple[float, float, float, float]:
    """What reaches left from left and right, and right from left and right.

    Mono, which lies on both, is panned (constant power); stereo sometimes changes sides; polarity
    is tossed.
    """
    left, right, change = 1.0, 1.0, False
    if n_channels == 1:
        angle = np.pi / 4 + rng.uniform(-0.6, 0.6) * (rng.random() < 0.7)
        left, right = np.cos(angle) * 2**0.5, np.sin(angle) * 2**0.5
    else:
        change = rng.random() < 0.5
    sign = 1.0 if rng.random() < 0.5 else -1.0
    return (
        (0.0, sign, sign, 0.0)
        if change
        else (
            sign * left,
            0.0,
            0.0,
            sign * right,
        )
    )


def to_sides(audio: Tensor, sides: Tensor) -> Tensor:
    """(P, 2, S) through what `draw_side` gives, (P, 4)."""
    return torch.bmm(sides.view(-1, 2, 2), audio)
