"""Tiny models with random weights, noise to play, and conditions out of thin air."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from pedalboard.io import AudioFile

from helpers.locks import one_at_a_time
from helpers.makers import MakeCondition, Noise, WriteAudio
from helpers.models import LIGHT, TINY, make_condition, make_model, make_open
from helpers.tracks import write_tracks
from rtmss.audio import Audio
from rtmss.cli.base import cache_folder
from rtmss.config import PROFILES, SeparatorConfig
from rtmss.engine.backends.choose import choose
from rtmss.engine.backends.graph import export_graph
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator
from rtmss.training.mixtures.bank import Bank, load_bank

if TYPE_CHECKING:  # they need conftest themselves, or a JACK server
    from helpers.live_host import Host
    from helpers.osc_server import Studio


pytest_plugins = [
    "helpers.abroad",
    "helpers.catalogue",
    "helpers.command_line",
    "helpers.datasets",
    "helpers.disks",
    "helpers.evaluation",
    "helpers.plugin",
    "helpers.plugin_sound",
    "helpers.instances",  # after the plug-in, which it imports
    "helpers.pretrained",
    "helpers.recording",
    "helpers.rendering",
    "helpers.required",
    "helpers.session",
    "helpers.session_log",
    "helpers.song_player",
    "helpers.stems",
    "helpers.teachers",
    "helpers.terminal",
    "helpers.training",
]


def pytest_configure(config: pytest.Config) -> None:
    """Processes that run tests together have one core each, and so have those that they start."""
    if hasattr(config, "workerinput"):
        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests stay to the end, half a million objects: garbage is not looked for among
    them while they are made, nor ever after.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


TAKE_SECONDS = {"shipped_graph", "tiny_graph", "bundles", "judged"}
"""Fixtures that export a network, compile the plug-in, or evaluate."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what waits for a fixture that takes seconds as slow, and what takes minutes."""
    for item in items:
        waits = not TAKE_SECONDS.isdisjoint(getattr(item, "fixturenames", ()))
        if waits or item.get_closest_marker("long"):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def tiny_config() -> SeparatorConfig:
    return TINY


@pytest.fixture(scope="session")
def tiny() -> SeparatorModel:
    """A model at 8 kHz with hops of 64 samples."""
    return make_model(TINY)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Networks for ONNX Runtime are made once for all tests, and not in the user's folder.

    RTMSS_TEST_CACHE names a folder that several runs share.
    """
    shared = os.environ.get("RTMSS_TEST_CACHE")
    folder = Path(shared) if shared else _common(tmp_path_factory) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RTMSS_CACHE", str(folder))
        yield


def _common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder of all processes that run tests together."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def tiny_graph(tmp_path_factory: pytest.TempPathFactory, tiny: SeparatorModel) -> Path:
    """The tiny model for ONNX Runtime."""
    path = _common(tmp_path_factory) / "tiny.onnx"
    with one_at_a_time(path.with_suffix(".lock")):
        if not path.exists():
            export_graph(path, tiny, "0123456789ab")
    return path


@pytest.fixture(scope="session")
def shipped_graph(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights for ONNX Runtime, where every command looks for them."""
    separator = Separator.load()
    with one_at_a_time(_common(tmp_path_factory) / "shipped_graph.lock"):
        graph = choose(
            separator.model,
            separator.model_id,
            "onnx",
            cache_folder() / "onnx",
        ).graph
    assert graph is not None
    return graph


@pytest.fixture(scope="session")
def profiles() -> dict[str, SeparatorModel]:
    """A narrow model for every latency profile, and one that looks ahead, at 44.1 kHz."""
    models = {name: make_model(LIGHT.retimed(stft)) for name, stft in PROFILES.items()}
    ahead = LIGHT.unet.model_copy(update={"look_ahead": 3})
    return models | {"ahead": make_model(LIGHT.model_copy(update={"unet": ahead}))}


@pytest.fixture(scope="session")
def open_model() -> SeparatorModel:
    """A model at 44.1 kHz whose masks are 1.1 at every bin, whatever it hears."""
    return make_open(0)


@pytest.fixture
def shared() -> Iterator[SharedState]:
    """Shared memory for conditions of 12 numbers."""
    shared = SharedState.create(12)
    yield shared
    shared.close(unlink=True)


@pytest.fixture(scope="session")
def noise() -> Noise:
    """noise(n_samples, channels=2, seed=0) -> (channels, n_samples) well under full scale."""

    def make(
        n_samples: int,
        channels: int = 2,
        seed: int = 0,
    ) -> Audio:
        samples = np.random.default_rng(seed).standard_normal(
            (channels, n_samples), dtype=np.float32
        )
        return np.asarray(samples * 0.15, np.float32)

    return make


@pytest.fixture(scope="session", name="make_condition")
def make_condition_() -> MakeCondition:
    """make_condition(name, seed, n_condition=12) -> a condition with a random vector."""
    return make_condition


@pytest.fixture(scope="session")
def write_audio() -> WriteAudio:
    """write_audio(path, audio, sample_rate) writes a file and returns its path."""

    def write(path: Path, audio: Audio, sample_rate: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with AudioFile(
            str(path),
            "w",
            sample_rate,
            audio.shape[0],
            bit_depth=16,
        ) as file:
            file.write(audio)
        return path

    return write


@pytest.fixture(scope="session")
def band_folder(tmp_path_factory: pytest.TempPathFactory, write_audio: WriteAudio) -> Path:
    """Two songs of four, a violin, a trumpet, and a voice."""
    songs = [
        f"songs/train/{song}/{stem}.wav"
        for song in "ab"
        for stem in ("vocals", "drums", "bass", "guitar")
    ]
    solos = [
        "performances/train/violin/ana__1.wav",
        "performances/train/trumpet/bo__1.wav",
        "voice/train/cy/1.wav",
    ]
    return write_tracks(tmp_path_factory.mktemp("band"), songs + solos, write_audio)


@pytest.fixture(scope="session")
def band(tmp_path_factory: pytest.TempPathFactory, band_folder: Path) -> Bank:
    return load_bank(band_folder, "train", tmp_path_factory.mktemp("cache"), 8000)


@pytest.fixture(scope="session")
def duo(tmp_path_factory: pytest.TempPathFactory, write_audio: WriteAudio) -> Bank:
    """Two songs of a voice and drums."""
    paths = [f"songs/train/{song}/{stem}.wav" for song in "ab" for stem in ("vocals", "drums")]
    folder = write_tracks(tmp_path_factory.mktemp("duo"), paths, write_audio)
    return load_bank(folder, "train", folder, 8000)


@pytest.fixture(scope="session")
def solos(tmp_path_factory: pytest.TempPathFactory, write_audio: WriteAudio) -> Bank:
    """Three instruments, no song."""
    paths = [f"performances/train/{name}/x__1.wav" for name in ("violin", "trumpet", "piano")]
    folder = write_tracks(tmp_path_factory.mktemp("solos"), paths, write_audio)
    return load_bank(folder, "train", folder, 8000)


@pytest.fixture
def studio(make_condition: MakeCondition) -> Iterator[Studio]:
    """An OSC server that a test talks to."""
    from helpers.osc_server import Studio

    shared = SharedState.create(12)
    studio = Studio(shared, make_condition)
    studio.poll()
    yield studio
    studio.udp.close()
    studio.server.close()
    shared.close(unlink=True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """server(period, rate=44100) starts a JACK server of this test's own; the latest counts."""
    from helpers.live_host import jack_server

    with jack_server(monkeypatch) as start:
        yield start


@pytest.fixture
def host() -> Iterator[Callable[..., Host]]:
    """host(*options) starts `rtmss live` and waits until it plays."""
    from helpers.live_host import live_host

    with live_host() as start:
        yield start
