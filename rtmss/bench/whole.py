"""Real-time factor of whole songs in memory, and of what a user would pick instead, in the same
run.

The others are measured as architectures, for speed does not depend on what the weights have learnt:
with random ones, of the published sizes, through the function that their own documentation names.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rtmss.audio import Audio
from rtmss.bench.song import demo_song
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.engine.session import Session
from rtmss.separator import Separator, play_whole

N_ROUNDS = 3


@dataclass(frozen=True)
class WholeRow:
    """How long one separator took for four stems of a song."""

    name: str
    n_parameters: int
    """Of all networks that the song goes through."""
    audio_seconds: float
    n_threads: int
    seconds: list[float]
    """Of every round."""
    first_audio_seconds: list[float]
    """Until there was any output, of every round: rtmss has some after a hop, the others return a
    song whole.
    """

    @property
    def real_time_factor(self) -> float:
        """Median time over the song's length."""
        return float(np.median(self.seconds)) / self.audio_seconds


def measure_whole(
    separator: Separator,
    audio_seconds: float,
    *,
    peers: bool,
    say: Callable[[str], None],
    tell_missing: Callable[[str], None],
) -> list[WholeRow]:
    """Separate the demo song, as often as it takes to be so long, into four stems, by turns.

    Args:
        separator: the weights.
        audio_seconds: length of the song.
        peers: measure those of PEERS that are installed as well.
        say: told which one it is.
        tell_missing: told of every peer that is not measured, and why.

    Raises:
        UserError: peers are wanted and none is installed.
    """
    song = demo_song(round(audio_seconds * separator.model.config.sample_rate))
    library = Library([])
    scene = Scene.from_preset(library.load_preset("four-stems"), library, separator.model_id)
    n_parameters = sum(p.numel() for p in separator.model.unet.parameters())
    runs: dict[str, tuple[int, Callable[[], object]]] = {
        "rtmss": (
            n_parameters,
            lambda: play_whole(
                Session(separator.model, scene),
                song,
            ),
        )
    }
    if peers:
        runs |= _find_peers(torch.from_numpy(song), tell_missing)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    begun: list[float] = []
    for number in range(N_ROUNDS):
        for name, (_, run) in runs.items():
            say(f"round {number + 1} of {N_ROUNDS}: {name}")
            taken[name].append(_seconds(run))
        begun.append(
            _seconds(
                lambda: _first_hop(
                    Session(separator.model, scene),
                    song,
                )
            )
        )
    first = taken | {"rtmss": begun}
    n_threads = torch.get_num_threads()
    return [
        WholeRow(name, n, audio_seconds, n_threads, taken[name], first[name])
        for name, (n, _) in runs.items()
    ]


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _first_hop(session: Session, song: Audio) -> object:
    return session.step(song[:, : session.hop_length])


def _find_peers(
    song: Tensor, tell_missing: Callable[[str], None]
) -> dict[str, tuple[int, Callable[[], object]]]:
    """Parameters of every peer that can be imported, and a run over (C, S) audio.

    Raises:
        UserError: there is none.
    """
    found = {}
    for name, make in PEERS.items():
        try:
            found[name] = make(song)
        except (ImportError, OSError) as error:
            tell_missing(f"{name} is not measured: {error}")
    if not found:
        raise UserError(
            "no peer is installed: pip install demucs openunmix, best in an environment of their "
            "own"
        )
    return found


def _htdemucs(song: Tensor) -> tuple[int, Callable[[], object]]:
    from demucs.apply import apply_model
    from demucs.htdemucs import HTDemucs

    # The published model's one setting that is not its class's default.
    model = HTDemucs(
        sources=["drums", "bass", "other", "vocals"],
        bottom_channels=512,
    ).eval()
    return _size(model), lambda: apply_model(model, song[None])


def _open_unmix(song: Tensor) -> tuple[int, Callable[[], object]]:
    from openunmix import umxhq

    model = umxhq(pretrained=False).eval()

    def unmix() -> object:
        with torch.no_grad():
            return model(song[None])

    return _size(model), unmix


PEERS = {"htdemucs": _htdemucs, "open-unmix": _open_unmix}


def _size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
