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
from helpers.streaming import verify_streaming
from rtmss.audio import Audio
from rtmss.cli.base import choose_backend
from rtmss.conditions.library import Library, shipped
from rtmss.config import PROFILES, StftConfig
from rtmss.engine.backends.graph import Analysis, Synthesis, factors
from rtmss.engine.backends.onnx import OnnxBackend
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.files import read_audio
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator
from rtmss.signal.stft import analyze, synthesize
from rtmss.signal.windows import analysis_window, synthesis_window

HOP = 64
N_HOPS = 1000
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
def test_both_say_the_same_for_a_thousand_hops_with_switches(
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
    # Between the others; each exports a network of its own, which takes most of the time.
    [
        "default",
        pytest.param("tight", marks=pytest.mark.long),
        "tighter",
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
        for number in range(N_HOPS // EVERY + 1)
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
    )[:, : N_HOPS * hop]
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


def test_holding_changes_nothing(
    tiny: SeparatorModel, tiny_graph: Path, noise: Noise, stems: list[Stem]
) -> None:
    plain, held = OnnxBackend(tiny, tiny_graph), OnnxBackend(tiny, tiny_graph)
    for number in range(4):
        block = noise(HOP, seed=number)
        for backend in (plain, held):
            if number == 0:
                backend.arrange([None], stems[:1])
        held.hold(block)
        assert np.array_equal(held.step(block), plain.step(block))


def test_both_have_the_same_tails(
    both: tuple[Backend, Backend], noise: Noise, stems: list[Stem]
) -> None:
    tails = []
    for backend in both:
        backend.arrange([None, None], stems[:2])
        backend.step(noise(5 * HOP))
        tails.append(np.stack([backend.tail(0), backend.tail(1)]))
    assert tails[1].shape == (2, 2, HOP)
    assert np.abs(tails[0]).max() > 0.01
    assert np.abs(tails[0][0] - tails[0][1]).max() > 0.001
    assert np.abs(tails[1] - tails[0]).max() <= 1e-5


def test_a_tail_outlives_the_next_step(
    onnx: OnnxBackend,
    noise: Noise,
    stems: list[Stem],
) -> None:
    onnx.arrange([None], stems[:1])
    onnx.step(noise(3 * HOP))
    tail = onnx.tail(0)
    copy = tail.copy()
    onnx.step(noise(3 * HOP, seed=1))
    assert np.array_equal(tail, copy)


def test_after_a_reset_it_plays_like_a_new_one(
    tiny: SeparatorModel, tiny_graph: Path, onnx: OnnxBackend, noise: Noise, stems: list[Stem]
) -> None:
    used = Session(
        tiny,
        Scene(tuple(stems[:2])),
        backend=onnx,
    )
    used.step(noise(11 * HOP, seed=1))
    used.reset()
    new = Session(
        tiny,
        Scene(tuple(stems[:2])),
        backend=OnnxBackend(tiny, tiny_graph),
    )
    audio = noise(6 * HOP)
    assert np.array_equal(
        used.step(audio).stems,
        new.step(audio).stems,
    )


def test_without_stems_it_goes_on_listening(
    both: tuple[Backend, Backend], noise: Noise, stems: list[Stem]
) -> None:
    heard = []
    for backend in both:
        assert backend.step(noise(20 * HOP)).shape == (
            0,
            2,
            20 * HOP,
        )
        assert backend.hold(noise(HOP)).shape == (0, 2, HOP)
        backend.arrange([None], stems[:1])
        heard.append(backend.step(noise(2 * HOP, seed=1)))
    assert np.abs(heard[0]).max() > 0.01
    assert np.abs(heard[1] - heard[0]).max() <= 1e-5


def test_both_say_the_same_after_silence(
    both: tuple[Backend, Backend], noise: Noise, stems: list[Stem]
) -> None:
    heard = []
    for backend in both:
        backend.arrange([None], stems[:1])
        backend.step(
            np.zeros(
                (2, 20 * HOP),
                np.float32,
            )
        )
        heard.append(backend.step(noise(4 * HOP)))
    assert np.abs(heard[0]).max() > 0.01
    assert np.abs(heard[1] - heard[0]).max() <= 1e-5


def test_streams_do_not_hear_each_other(
    tiny: SeparatorModel, tiny_graph: Path, noise: Noise, stems: list[Stem]
) -> None:
    alone, one, other = (OnnxBackend(tiny, tiny_graph) for _ in range(3))
    for backend in (alone, one, other):
        backend.arrange([None], stems[:1])
    for number in range(4):
        block = noise(HOP, seed=number)
        other.step(block * 3)
        assert np.array_equal(one.step(block), alone.step(block))


def test_what_a_step_gave_stays_as_it_is(
    onnx: OnnxBackend, noise: Noise, stems: list[Stem]
) -> None:
    onnx.arrange([None], stems[:1])
    given = onnx.step(noise(3 * HOP))
    copy = given.copy()
    onnx.step(noise(3 * HOP, seed=1))
    assert np.array_equal(given, copy)


def test_a_session_names_its_backend(tiny: SeparatorModel, onnx: OnnxBackend) -> None:
    assert [Session(tiny).backend.name, Session(tiny, backend=onnx).backend.name] == [
        "torch",
        "onnx",
    ]


STFTS = [
    *PROFILES.values(),
    StftConfig(n_fft=256, n_synthesis=128, hop_length=64),
    StftConfig(n_fft=1536, n_synthesis=960, hop_length=160),
]


@pytest.mark.parametrize("config", STFTS)
def test_the_transforms_of_the_graph_are_those_of_the_model(
    config: StftConfig, noise: Noise
) -> None:
    audio = torch.from_numpy(noise(config.n_fft))[None]
    window = analysis_window(config)
    frames, _ = analyze(
        audio[..., -config.hop_length :], audio[..., : -config.hop_length], window, config
    )
    planes = Analysis(config, window)(audio)
    assert (planes[:, 0] - frames[:, :, 0, 1:].real).abs().max() <= 1e-4
    assert (planes[:, 1] - frames[:, :, 0, 1:].imag).abs().max() <= 1e-4
    assert frames.abs().max() > 1

    frames[..., 0] = 0  # there is no DC in the graph
    window, silence = (
        synthesis_window(config),
        torch.zeros(1, 2, config.n_synthesis - config.hop_length),
    )
    samples, overlap = synthesize(frames, silence, window, config)
    block = Synthesis(config, window)(planes.transpose(1, 2))
    assert (
        block
        - torch.cat(
            [samples, overlap],
            dim=-1,
        )
    ).abs().max() <= 1e-6
    assert block.abs().max() > 0.1


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (2048, (32, 64)),
        (256, (16, 16)),
        (1536, (32, 48)),
        (2, (1, 2)),
    ],
)
def test_a_transform_is_split_into_two_nearly_equal_factors(
    n: int, expected: tuple[int, int]
) -> None:
    assert factors(n) == expected


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
