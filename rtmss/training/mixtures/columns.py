"""A batch of mixtures as columns of numbers: every part has a row.

Axes: B batch, N targets, P parts of all mixtures, S samples, E embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtmss.training.mixtures.bank import Bank
from rtmss.training.mixtures.plan import Mixture, Plan


def plan_of(
    mixtures: Sequence[Mixture],
    bank: Bank,
    n_samples: int,
    seed: int,
) -> Plan:
    """A plan of mixtures that have equally many targets each.

    Args:
        mixtures: B of them.
        bank: what their parts are numbers of.
        n_samples: of each mixture.
        seed: of what chance is left to the device.
    """
    wanted_by, wanted_parts = _wanted(mixtures)
    n_parts = [len(mixture.parts) for mixture in mixtures]
    parts = [part for mixture in mixtures for part in mixture.parts]

    def clips(side: str) -> Tensor:
        vectors = [
            np.stack([getattr(target, side) for target in mixture.targets]) for mixture in mixtures
        ]
        return torch.from_numpy(np.stack(vectors))

    def column(name: str) -> Tensor:
        return _column([getattr(part, name) for part in parts])

    sub_parts, subs = _sounds([part.sub for part in parts], n_samples)
    noise_bass_parts, noise_basses = _sounds([part.noise_bass for part in parts], n_samples)
    return Plan(
        seed=torch.tensor(seed),
        gain=_column([mixture.gain for mixture in mixtures]),
        master=_column([mixture.master for mixture in mixtures]),
        voice_level=_column([mixture.voice_level for mixture in mixtures]),
        positive=clips("positive"),
        negative=clips("negative"),
        wanted_by=wanted_by,
        wanted_parts=wanted_parts,
        mixture_of=torch.from_numpy(np.repeat(np.arange(len(mixtures)), n_parts)),
        is_voice=torch.tensor([bank.tracks[part.track].family == "vocals" for part in parts]),
        track=column("track"),
        start=column("start"),
        n_in=column("n_in"),
        equaliser=column("equaliser"),
        room=column("room"),
        formants=column("formants"),
        compressor=column("compressor"),
        drive=column("drive"),
        sides=column("sides"),
        sub_parts=sub_parts,
        subs=subs,
        noise_bass_parts=noise_bass_parts,
        noise_basses=noise_basses,
        level=column("level"),
        part_gain=column("gain"),
    )


def _wanted(mixtures: Sequence[Mixture]) -> tuple[Tensor, Tensor]:
    """(K,) numbers of targets over the batch, and (K,) of the part that each wants."""
    n_targets = len(mixtures[0].targets)
    first = np.cumsum([0, *(len(mixture.parts) for mixture in mixtures)])
    pairs = [
        (b * n_targets + n, first[b] + part)
        for b, mixture in enumerate(mixtures)
        for n, target in enumerate(mixture.targets)
        for part in target.parts
    ]
    by, parts = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).unbind(1)
    return by, parts


def _sounds(
    sounds: Sequence[NDArray[np.float32] | None],
    n_samples: int,
) -> tuple[Tensor, Tensor]:
    """Numbers of the parts that have a sound under them, and the sounds, (K, S) in half
    precision.
    """
    found = [(part, sound) for part, sound in enumerate(sounds) if sound is not None]
    silent = np.zeros((0, n_samples), np.float32)
    stacked = np.stack([sound for _, sound in found]) if found else silent
    return torch.tensor(
        [part for part, _ in found],
        dtype=torch.long,
    ), torch.from_numpy(stacked).half()


def _column(values: Sequence[Any]) -> Tensor:
    column = torch.tensor(values)
    return column.float() if column.is_floating_point() else column
