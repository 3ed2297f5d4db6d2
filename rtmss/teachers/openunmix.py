"""The teacher `openunmix`: Open-Unmix, four stems, by `umxhq`, or `openunmix:umxl`, which is not
for commercial use.

Source: Stöter, Uhlich, Liutkus, Mitsufuji, "Open-Unmix: a reference implementation for music source
separation", JOSS 2019; models and weights by the package `openunmix`, which downloads the weights
when it first needs them.

Axes: C channels, S samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.teachers.teacher import Teacher, missing, version_of

LICENCES = {"umxhq": "MIT", "umxl": "CC-BY-NC-SA-4.0"}
"""Of the weights, by model."""


def load(model: str, device: str) -> Teacher:
    """A pretrained model; `umxhq` if none is named.

    Raises:
        ConfigError: the package is missing, or it has no such model.
    """
    wanted = model or "umxhq"
    if wanted not in LICENCES:
        raise ConfigError(f"no model '{wanted}' of openunmix; known: {', '.join(LICENCES)}")
    try:
        import openunmix
    except ImportError as error:
        raise missing("openunmix", "openunmix") from error
    try:
        net = getattr(openunmix, wanted)(device=device)
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"openunmix cannot load its model '{wanted}' ({reason})") from error
    return OpenUnmix(
        net, wanted, f"openunmix {version_of('openunmix', 'openunmix')} {wanted}", device
    )


class OpenUnmix:
    """The package's separator: four networks and a Wiener filter."""

    name = "openunmix"
    stems = ("vocals", "drums", "bass", "other")
    rest = "other"

    def __init__(
        self,
        net: Any,
        model: str,
        version: str,
        device: str,
    ) -> None:
        self.version = version
        self.licence = LICENCES[model]
        self.sample_rate = int(net.sample_rate)
        self._net, self._device = net.eval().to(device), device

    @torch.inference_mode()
    def separate(self, audio: Audio) -> dict[str, Audio]:
        """(2, S) of a song -> (2, S) of every stem."""
        song = torch.from_numpy(np.ascontiguousarray(audio)).to(self._device)
        parts = self._net.to_dict(self._net(song[None]))
        return {
            stem: np.asarray(
                parts[stem][0].cpu().numpy(),
                np.float32,
            )
            for stem in self.stems
        }
