"""The teacher `demucs`: Hybrid Transformer Demucs, four stems, or six with `demucs:htdemucs_6s`.

Source: Rouard, Massa, Défossez, "Hybrid transformers for music source separation", ICASSP 2023;
models, weights and their normalisation by the package `demucs`, which downloads the weights when it
first needs them.

Axes: C channels, S samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.teachers.teacher import Teacher, missing, version_of


def load(model: str, device: str) -> Teacher:
    """A pretrained model by the name that demucs gives it; `htdemucs` if none is given.

    Raises:
        ConfigError: the package is missing, or it has no such model.
    """
    try:
        from demucs.pretrained import get_model
    except ImportError as error:
        raise missing("demucs", "demucs") from error
    wanted = model or "htdemucs"
    try:
        net = get_model(wanted)
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"demucs cannot load its model '{wanted}' ({reason})") from error
    return Demucs(net, f"demucs {version_of('demucs', 'demucs')} {wanted}", device)


class Demucs:
    """A model of demucs, applied segment by segment, without random shifts: the same song gives the
    same parts.
    """

    name = "demucs"
    licence = "MIT"

    def __init__(self, net: Any, version: str, device: str) -> None:
        self.version = version
        # `other` holds what no other part does.
        self.stems = (*(stem for stem in net.sources if stem != "other"), "other")
        self.rest = "other_of_six" if {"guitar", "piano"} <= set(self.stems) else "other"
        self.sample_rate = int(net.samplerate)
        self._net, self._device = net.eval(), device

    @torch.inference_mode()
    def separate(self, audio: Audio) -> dict[str, Audio]:
        """(2, S) of a song -> (2, S) of every stem."""
        from demucs.apply import apply_model

        song = torch.from_numpy(np.ascontiguousarray(audio))
        mono = song.mean(0)
        mean, scale = mono.mean(), mono.std() + 1e-8
        parts = apply_model(
            self._net, ((song - mean) / scale)[None], shifts=0, device=self._device
        )[0]
        parts = (parts * scale + mean).cpu().numpy()
        return {
            stem: np.asarray(part, np.float32)
            for stem, part in zip(self._net.sources, parts, strict=True)
        }
