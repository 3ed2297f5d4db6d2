"""The mixer: a matrix of gains from sources to output channels that glides when it changes.

Axes: R rows of the matrix (stems, then remainder, then dry), O output channels, C channels, S
samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.engine.control import Scene, Strip

Matrix = NDArray[np.float32]

SILENT_DB = -120.0
"""A gain at or under this is nothing at all."""


def amplitude(gain_db: float) -> float:
    """Decibels as a factor; -120 dB and less is 0."""
    return 0.0 if gain_db <= SILENT_DB else float(10 ** (gain_db / 20))


def gain_matrix(scene: Scene, n_outputs: int) -> Matrix:
    """(R, O): what each source gives to each output channel once every glide has ended.

    Mutes, solos, gains, pans, routing, the master (on channels 1 and 2) and bypass are all in it.
    Channels that the device lacks are left out.
    """
    strips = [*(stem.strip for stem in scene.stems), scene.remainder]
    matrix = np.zeros(
        (len(strips) + 1, n_outputs),
        np.float32,
    )
    if scene.bypass:
        matrix[-1, :2] = 1
        return matrix
    any_solo = any(strip.solo for strip in strips)
    for row, strip in zip(matrix, strips, strict=False):
        if not strip.mute and (strip.solo or not any_solo):
            _route(row, strip)
    matrix[:, :2] *= 0.0 if scene.master_mute else amplitude(scene.master_db)
    return matrix


def pan_gains(pan: float) -> tuple[float, float]:
    """Factors for left and right, of constant power: their squares add up to 2; in the middle both
    are exactly 1.
    """
    if pan == 0:
        return 1.0, 1.0
    angle = (pan + 1) * math.pi / 4
    return math.sqrt(2) * math.cos(angle), math.sqrt(2) * math.sin(angle)


def _route(row: Matrix, strip: Strip) -> None:
    sides = pan_gains(strip.pan)
    for channel in strip.channels:
        if channel <= len(row):
            row[channel - 1] = amplitude(strip.gain_db) * sides[(channel - 1) % 2]


def replace_bad(audio: Audio) -> tuple[Audio, int]:
    """Silence for samples that are not finite, and how many there were; the same array for none."""
    is_good = np.isfinite(audio)
    if is_good.all():
        return audio, 0
    n_bad = audio.size - int(np.count_nonzero(is_good))
    return np.where(is_good, audio, np.float32(0)), n_bad


class Mixer:
    """Keeps the current matrix and lets it glide, in a straight line, to the one that is wanted.

    Its rows are the stems, then what is left of targets that were switched away, then the remainder
    and the dry input.
    """

    def __init__(self, n_outputs: int, sample_rate: int) -> None:
        self.n_outputs = n_outputs
        self.sample_rate = sample_rate
        self.current: Matrix = np.zeros((2, n_outputs), np.float32)
        self._wanted = self.current
        self._tails: Matrix = self.current[:0]
        self._left = 0
        """Samples until the glide ends."""
        self.n_bad = 0
        """Samples that were not finite in the latest mix."""

    def snap(self, scene: Scene) -> None:
        """Set the matrix at once, as at the start of a stream."""
        self.current = self._wanted = gain_matrix(scene, self.n_outputs)
        self._tails = self.current[:0]
        self._left = 0

    def rearrange(
        self,
        order: Sequence[int | None],
        leaving: Sequence[int],
        scene: Scene,
    ) -> None:
        """Follow a change of stems.

        Args:
            order: for every new stem the old row that goes on, or None for a fresh one, which
                starts at its gain:
                its sound fades in by itself.
            leaving: old rows of stems that only ring out; they keep their gains, unless all is
                bypassed.
            scene: the new scene.
        """
        wanted = gain_matrix(scene, self.n_outputs)
        rows = [wanted[new] if old is None else self.current[old] for new, old in enumerate(order)]
        n_tails = len(self._tails)
        left = self.current[list(leaving)]
        self.current = np.stack(
            [
                *rows,
                *self.current[len(self.current) - 2 - n_tails : -2],
                *left,
                *self.current[-2:],
            ]
        )
        self._tails = np.concatenate([self._tails, left])

    def drop_tails(self, n: int) -> None:
        """Forget the `n` oldest tails, which have rung out."""
        if n:
            first = len(self.current) - 2 - len(self._tails)
            self.current = np.delete(
                self.current,
                slice(first, first + n),
                axis=0,
            )
            self._wanted = np.delete(
                self._wanted,
                slice(first, first + n),
                axis=0,
            )
            self._tails = self._tails[n:]

    def glide(self, scene: Scene) -> None:
        """Head for what `scene` wants, over its fade."""
        matrix = gain_matrix(scene, self.n_outputs)
        tails = self._tails * (not scene.bypass)
        self._wanted = np.concatenate(
            [
                matrix[:-2],
                tails,
                matrix[-2:],
            ]
        )
        changed = not np.array_equal(self._wanted, self.current)
        self._left = round(scene.fade_ms * self.sample_rate / 1000) if changed else 0
        if self._left == 0:
            self.current = self._wanted

    def peek(self, sources: Audio) -> Audio:
        """Mix (R, C, S) -> (O, S) as of now; changes nothing."""
        out = np.zeros(
            (self.n_outputs, sources.shape[-1]),
            np.float32,
        )
        for side in (0, 1):
            out[side::2] = self.current[:, side::2].T @ sources[:, side]
        return replace_bad(out)[0]

    def mix(self, sources: Audio) -> Audio:
        """Mix the next samples: (R, C, S) -> (O, S), all of them finite."""
        n = sources.shape[-1]
        out = np.zeros((self.n_outputs, n), np.float32)
        moving = min(self._left, n)
        if moving:
            steps = np.asarray(
                np.arange(1, moving + 1) / self._left,
                np.float32,
            )
            gains = self.current[..., None] + (self._wanted - self.current)[..., None] * steps
            for o in range(self.n_outputs):
                out[o, :moving] = np.einsum(
                    "rs,rs->s",
                    gains[:, o],
                    sources[:, o % 2, :moving],
                )
            self._left -= moving
            self.current = gains[..., -1] if self._left else self._wanted
        for side in (0, 1):
            out[side::2, moving:] = self.current[:, side::2].T @ sources[:, side, moving:]
        out, self.n_bad = replace_bad(out)
        return out
