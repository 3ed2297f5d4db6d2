"""ONNX Runtime says what eager torch says, whatever is switched, and never anything else than it
said before.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.makers import MakeCondition, Noise
from helpers.models import LIGHT, make_model
from helpers.streaming import verify_streaming
from rtmss.audio import Audio
from rtmss.cli.base import choose_backend
from rtmss.conditions.library import Library, shipped
from rtmss.engine.backends.onnx import OnnxBackend
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.files import read_audio
from rtmss.model.checkpoint import save_model
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator
from rtmss.signal.stft import analyze

HOP = 64
N_HOPS = 300
N_HOPS_OF_MUSIC = 230
"""Each number of targets comes twice."""
EVERY = 23
"""Hops from one switch to the next."""


@pytest.fixture
def onnx(tiny: SeparatorModel, tiny_graph: Path) -> OnnxBackend:
    return OnnxBackend(tiny, tiny_graph)


@pytest.fixture
def both(tiny: SeparatorModel, onnx: OnnxBackend) -> tuple[Backend, Backend]:
    return TorchBackend(tiny), onnx


@pytest.fixture(scope="module")
def stems(make_condition: MakeCondition) -> list[Stem]:
    return [
        Stem(
            f"s{i}",
            make_condition(f"s{i}", i),
        )
        for i in range(16)
    ]


def switches(stems: Sequence[Stem], n_targets: int) -> list[Scene]:
    """Every scene has another stem in one place, and another order."""
    rng = np.random.default_rng(0)
    chosen = list(stems[:n_targets])
    scenes = []
    for number in range(N_HOPS // EVERY + 1):
        scenes.append(Scene(tuple(chosen)))
        chosen[number % n_targets] = next(
            stem for stem in stems[number % 8 :] if stem not in chosen
        )
        chosen = [chosen[i] for i in rng.permutation(n_targets)]
    return scenes


def play(
    session: Session, audio: Audio, scenes: Sequence[Scene], hops: Sequence[int] = (1,)
) -> Audio:
    """(S,) all stems of every hop, one after the other; lengths of blocks come round again."""
    hop, at, pieces, number = session.hop_length, 0, [], 0
    while at < audio.shape[1] // hop:
        session.scene = scenes[at // EVERY]
        n = min(
            hops[number % len(hops)],
            EVERY - at % EVERY,
            audio.shape[1] // hop - at,
        )
        stems = session.step(audio[:, at * hop : (at + n) * hop]).stems
        pieces += [stems[..., i * hop : (i + 1) * hop].ravel() for i in range(n)]
        at, number = at + n, number + 1
    return np.concatenate(pieces)


@pytest.mark.slow
@pytest.mark.parametrize("n_targets", [1, 4, 8])
def test_both_say_the_same_for_hundreds_of_hops_with_switches(
    tiny: SeparatorModel, onnx: OnnxBackend, noise: Noise, stems: list[Stem], n_targets: int
) -> None:
    audio, scenes = noise(N_HOPS * HOP), switches(stems, n_targets)
    expected = play(Session(tiny), audio, scenes)
    assert np.abs(expected).max() > 0.1
    assert (
        np.abs(
            play(
                Session(tiny, backend=onnx),
                audio,
                scenes,
            )
            - expected
        ).max()
        <= 1e-4
    )


@pytest.mark.usefixtures("shipped_graph")
@pytest.mark.parametrize(
    "profile",
    # Each exports a network of its own, which takes most of the time; below a light one is heard
    # in another profile.
    [
        "default",
        pytest.param("tight", marks=pytest.mark.long),
        pytest.param("tighter", marks=pytest.mark.long),
    ],
)
def test_both_say_the_same_of_music_with_the_shipped_weights(profile: str) -> None:
    separator, library = Separator.load(profile=profile), Library([])
    hop, graph = separator.model.config.stft.hop_length, choose_backend(separator, "onnx").graph
    assert graph is not None
    names = sorted(library.conditions())
    known = [
        Stem(
            name,
            library.load_condition(name, separator.model_id),
        )
        for name in names
    ]
    counts = [1, 4, 0, 2, len(known)]  # the number of targets changes on the way
    scenes = [
        Scene(
            tuple(
                np.roll(
                    np.array(known),
                    number,
                )[: counts[number % 5]]
            )
        )
        for number in range(N_HOPS_OF_MUSIC // EVERY + 1)
    ]
    song = [
        read_audio(shipped() / "demo" / f"{name}.ogg", 44100)[0]
        for name in ("vocals", "drums", "bass", "guitar")
    ]
    audio = np.sum(
        [
            np.broadcast_to(
                stem,
                (2, stem.shape[1]),
            )
            for stem in song
        ],
        axis=0,
    )[:, : N_HOPS_OF_MUSIC * hop]
    expected = play(Session(separator.model), audio, scenes)
    backend = OnnxBackend(separator.model, graph)
    assert np.abs(expected).max() > 0.1
    assert (
        np.abs(
            play(
                Session(separator.model, backend=backend),
                audio,
                scenes,
            )
            - expected
        ).max()
        <= 1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["default", "tighter"])
def test_both_say_the_same_with_the_network_of_the_live_hosts(
    noise: Noise, stems: list[Stem], tmp_path: Path, profile: str
) -> None:
    """Hosts that are started later, with RTMSS_TEST_CACHE even in another run, find its graph."""
    save_model(tmp_path / "light.safetensors", make_model(LIGHT))
    separator = Separator.load(tmp_path / "light.safetensors", profile)
    graph = choose_backend(separator, "onnx").graph
    assert graph is not None
    model = separator.model
    audio, scenes = noise(60 * model.config.stft.hop_length), switches(stems, 2)
    expected = play(Session(model), audio, scenes)
    heard = play(Session(model, backend=OnnxBackend(model, graph)), audio, scenes)
    assert np.abs(expected).max() > 0.1
    assert np.abs(heard - expected).max() <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("torch", 1e-5), ("onnx", 0.0)],
)
def test_a_backend_is_the_same_however_its_input_is_cut(
    tiny: SeparatorModel,
    tiny_graph: Path,
    noise: Noise,
    stems: list[Stem],
    name: str,
    tolerance: float,
) -> None:
    def start() -> Backend:
        backend = OnnxBackend(tiny, tiny_graph) if name == "onnx" else TorchBackend(tiny)
        backend.arrange([None, None], stems[:2])
        return backend

    verify_streaming(
        start,
        lambda block, backend: (torch.from_numpy(backend.step(block.numpy())), backend),
        torch.from_numpy(noise(24 * HOP)),
        unit=HOP,
        tolerance=tolerance,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "hops",
    [(64,), (5, 1, 17), (2,)],
)
def test_cutting_into_blocks_changes_not_a_bit(
    tiny: SeparatorModel, tiny_graph: Path, noise: Noise, stems: list[Stem], hops: tuple[int, ...]
) -> None:
    audio, scenes = noise(100 * HOP), switches(stems, 3)
    fine, coarse = (
        Session(
            tiny,
            backend=OnnxBackend(tiny, tiny_graph),
        )
        for _ in range(2)
    )
    whole = play(fine, audio, scenes)
    assert np.abs(whole).max() > 0.1
    assert np.array_equal(play(coarse, audio, scenes, hops), whole)


def test_it_hears_what_the_model_hears_to_the_bit(
    tiny: SeparatorModel, onnx: OnnxBackend, noise: Noise
) -> None:
    audio, past = torch.from_numpy(noise(7 * HOP))[None], tiny.init_state(1, 1).past
    for number, hop in enumerate(
        torch.split(
            audio,
            HOP,
            dim=-1,
        )
    ):
        onnx.step(hop[0].numpy())
        frames, past = analyze(hop, past, tiny.analysis, tiny.config.stft)
        said = torch.complex(
            onnx._planes[:, 0],
            onnx._planes[:, 1],
        )
        assert torch.equal(said, frames[..., 1:]), f"hop {number}"
        assert said.abs().max() > 0.1


def test_both_hold_the_same(
    both: tuple[Backend, Backend],
    noise: Noise,
    stems: list[Stem],
) -> None:
    held = []
    for backend in both:
        backend.arrange([None, None], stems[:2])
        backend.step(noise(9 * HOP))
        held.append(backend.hold(noise(3 * HOP, seed=1)))
    assert held[1].shape == (2, 2, 3 * HOP)
    assert np.abs(held[0]).max() > 0.01
    assert np.abs(held[1] - held[0]).max() <= 1e-5


def test_a_session_names_its_backend(tiny: SeparatorModel, onnx: OnnxBackend) -> None:
    assert [Session(tiny).backend.name, Session(tiny, backend=onnx).backend.name] == [
        "torch",
        "onnx",
    ]


@pytest.mark.parametrize("n_targets", [9, 16])
def test_more_targets_than_it_was_made_ready_for_play_too(
    both: tuple[Backend, Backend], noise: Noise, stems: list[Stem], n_targets: int
) -> None:
    heard = []
    for backend in both:
        backend.arrange([None] * n_targets, stems[:n_targets])
        heard.append(backend.step(noise(3 * HOP)))
    assert heard[1].shape == (n_targets, 2, 3 * HOP)
    assert np.abs(heard[1] - heard[0]).max() <= 1e-5
