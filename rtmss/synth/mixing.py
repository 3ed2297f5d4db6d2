"""The mixing console: parts to stems whose plain sum is the mix.

Axes: S samples; all audio is stereo, (2, S).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pedalboard import Chain, Compressor, HighpassFilter, Reverb

from rtmss.audio import Audio
from rtmss.synth.rigs import draw_rig
from rtmss.synth.score import Part, Rng, Song

CEILING = 0.88
"""Highest peak of the mix; lossy coding adds up to a tenth."""
_LEVELS_DB = {
    "drums": (-19.5, 4.5),
    "percussion": (-27, 4),
    "bass": (-20.5, 3),
    "sub": (-19.5, 3),
    "pad": (-26, 3.5),
    "second pad": (-27, 3.5),
    "rhythm guitar": (-22, 3.5),
    "second guitar": (-24, 3.5),
    "riser": (-27, 3),
    "lead guitar": (-21.5, 3),
    "lead": (-21.5, 3),
    "keys": (-23.5, 3.5),
}
"""(mean, standard deviation) of the sounding level by role; the others (-24.5, 3.5)."""
_DUCKED = ("sub", "bass", "pad", "second pad", "arp", "pluck")
_KICKS = (35, 36)


def mix_stems(
    song: Song,
    played: list[Audio],
    sample_rate: int,
    rng: Rng,
) -> dict[str, Audio]:
    """Effects, levels and places for every part, rooms for every stem, and one gain over time for
    all stems.

    Args:
        song: the arrangement.
        played: (2, S) of each of its parts, dry.
        sample_rate: Hz.
        rng: source of chance.

    Returns:
        (2, S) by stem name; their sum peaks at `CEILING` or lower.
    """
    pump = (
        _pump(
            song,
            played[0].shape[1],
            sample_rate,
            rng,
        )
        if song.is_pumping
        else None
    )
    stems: dict[str, Audio] = {}
    for part, dry in zip(song.parts, played, strict=True):
        audio = _channel(part, dry, song.grid.step_seconds, sample_rate, rng)
        audio = audio * pump if pump is not None and part.role in _DUCKED else audio
        stems[part.instrument.stem] = (
            stems.get(
                part.instrument.stem,
                0,
            )
            + audio
        )
    room = {
        "room_size": float(rng.uniform(0.15, 0.85)),
        "damping": float(rng.uniform(0.2, 0.8)),
    }
    wetness = float(rng.uniform(0.2, 1.3))
    stems = {
        name: _bus(
            name,
            audio,
            room,
            wetness,
            sample_rate,
            rng,
        )
        for name, audio in stems.items()
    }
    return master(stems, sample_rate, rng)


def sounding_level(audio: Audio, sample_rate: int) -> float:
    """RMS over the tenths of a second within 25 dB of the loudest; 0 for silence."""
    n = sample_rate // 10
    power = np.square(
        audio[:, : audio.shape[1] // n * n].reshape(
            2,
            -1,
            n,
        )
    ).mean((0, 2))
    loudest = float(power.max(initial=0))
    return float(np.sqrt(power[power >= loudest * 10**-2.5].mean())) if loudest > 0 else 0.0


def _levelled(audio: Audio, level_db: float, sample_rate: int) -> Audio:
    level = sounding_level(audio, sample_rate)
    return audio * np.float32(10 ** (level_db / 20) / level) if level > 1e-7 else audio


def _channel(
    part: Part,
    dry: Audio,
    step_seconds: float,
    sample_rate: int,
    rng: Rng,
) -> Audio:
    """One strip of the console: effects, place, level."""
    rig = Chain(draw_rig(part, step_seconds, rng))
    wet = rig(_levelled(dry, -18, sample_rate), sample_rate)
    middle = wet.mean(0, keepdims=True)
    placed = middle + (wet - middle) * np.float32((1 - abs(part.pan)) * rng.uniform(0.3, 1.2))
    angle = np.pi / 4 * (1 + part.pan)
    placed = placed * np.array(
        [[np.cos(angle)], [np.sin(angle)]],
        np.float32,
    )
    mean_db, deviation_db = _LEVELS_DB.get(part.role, (-24.5, 3.5))
    return _levelled(placed, float(rng.normal(mean_db, deviation_db)), sample_rate)


def _bus(
    name: str, audio: Audio, room: dict[str, float], wetness: float, sample_rate: int, rng: Rng
) -> Audio:
    """What a stem's parts share: glue, and their send to the room."""
    if rng.random() < 0.4:
        audio = Compressor(
            float(rng.uniform(-26, -14)),
            float(rng.uniform(1.5, 3)),
            10,
            150,
        )(audio, sample_rate)
    usual = {
        "bass": 0.01,
        "drums": 0.06,
        "fx": 0.1,
        "synth": 0.1,
        "strings": 0.16,
        "brass": 0.14,
    }.get(name, 0.1)
    send = usual * wetness * float(rng.uniform(0.3, 1.6))
    if send < 0.01:
        return audio
    wet = Reverb(
        **room,
        wet_level=1.0,
        dry_level=0.0,
        width=float(rng.uniform(0.5, 1)),
    )(audio, sample_rate)
    return audio + HighpassFilter(150)(wet, sample_rate) * np.float32(send)


def _pump(
    song: Song,
    n_samples: int,
    sample_rate: int,
    rng: Rng,
) -> NDArray[np.float32]:
    """(S,) gain that every kick pulls down and that recovers within a beat."""
    kicks = [
        n.start
        for part in song.parts
        if part.instrument.stem == "drums"
        for n in part.notes
        if n.pitch in _KICKS
    ]
    t = np.arange(n_samples) / sample_rate
    starts = np.array([-1e9, *sorted(kicks)])
    since = (
        t
        - starts[
            np.searchsorted(
                starts,
                t,
                side="right",
            )
            - 1
        ]
    )
    depth, recovery = rng.uniform(0.3, 0.95), 4 * song.grid.step_seconds * rng.uniform(0.4, 0.9)
    shape = np.clip(
        since / recovery,
        0,
        1,
    ) ** rng.uniform(0.7, 2)
    gain = 1 - depth * (1 - shape) * np.minimum(1, since / 0.004)
    return np.asarray(gain, np.float32)


def master(
    stems: dict[str, Audio],
    sample_rate: int,
    rng: Rng,
) -> dict[str, Audio]:
    """Compress and limit the mix by a gain that every stem gets alike, so that their sum stays the
    mix.
    """
    mix = sum(
        stems.values(),
        np.zeros_like(next(iter(stems.values()))),
    )
    loud_db = float(rng.uniform(-20, -11))
    start = np.float32(
        10 ** (loud_db / 20)
        / max(
            1e-6,
            sounding_level(mix, sample_rate),
        )
    )
    ratio = float(rng.uniform(1.0, 3.0))
    gain = start * master_gain(mix * start, ratio, sample_rate)
    n_fade = min(gain.size, sample_rate // 2)
    gain[gain.size - n_fade :] *= np.linspace(
        1,
        0,
        n_fade,
        dtype=np.float32,
    )
    return {name: audio * gain for name, audio in stems.items()}


def master_gain(
    mix: Audio,
    ratio: float,
    sample_rate: int,
) -> NDArray[np.float32]:
    """(S,) gain of a compressor with a slow ear, then of a limiter that looks ahead.

    Args:
        mix: (2, S).
        ratio: of the compressor, above -14 dBFS.
        sample_rate: Hz.
    """
    n = sample_rate // 200
    n_blocks = -(-mix.shape[1] // n)
    peaks = (
        np.pad(
            np.abs(mix).max(0),
            (0, n_blocks * n - mix.shape[1]),
        )
        .reshape(n_blocks, n)
        .max(1)
    )
    power = (
        np.pad(
            np.square(mix).mean(0),
            (0, n_blocks * n - mix.shape[1]),
        )
        .reshape(n_blocks, n)
        .mean(1)
    )
    slow = np.sqrt(
        np.convolve(
            power,
            np.ones(40) / 40,
            "same",
        )
    )
    over = np.maximum(1, slow / 10 ** (-14 / 20))
    compressed = over ** (1 / ratio - 1)
    wanted = np.minimum(compressed, CEILING / np.maximum(peaks, 1e-6))
    held = np.lib.stride_tricks.sliding_window_view(
        np.pad(wanted, 8, mode="edge"),
        17,
    ).min(1)
    # A mean over 9 of blocks that each hold the least of 17 stays below what every sample allows.
    smooth = np.convolve(
        np.pad(held, 4, mode="edge"),
        np.ones(9) / 9,
        "valid",
    )
    centres = (np.arange(n_blocks) + 0.5) * n
    return np.interp(
        np.arange(mix.shape[1]),
        centres,
        smooth,
    ).astype(np.float32)
