"""What a plug-in is compared with: a song, an engine, and the same network without any plug-in."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.plugin import Engine, private_folder, serving
from rtmss.audio import Audio
from rtmss.conditions.library import Library, shipped
from rtmss.engine.backends.choose import start_backend
from rtmss.engine.control import Scene
from rtmss.engine.session import Output, Session
from rtmss.plugin.build import Bundles
from rtmss.plugin.hosts import (
    Played,
)
from rtmss.rendering import RenderPlan, render
from rtmss.separator import Separator
from rtmss.serve.layout import Control

RATE, HOP, DELAY = 44100, 512, 512
SECONDS = 1.0
NEAR = 1e-6
NAMES = ("vocals", "drums", "bass", "guitar")
MUTE_2 = Control.FIRST_MUTE + 2
TRIES = 3
"""Runs in which a busy machine may be slow."""
KARAOKE = 1
"""Its number among the presets."""


@pytest.fixture(scope="session")
def demo_sound() -> Audio:
    """(2, S) of the demo song."""
    mix = np.zeros((2, int(SECONDS * RATE)), np.float32)
    for name in NAMES:
        with AudioFile(str(shipped() / f"demo/{name}.ogg")) as file:
            file.seek(6 * RATE)
            mix += 0.5 * file.read(mix.shape[1])
    assert np.abs(mix).max() > 0.1
    return mix


class Reference(NamedTuple):
    """What is played without any plug-in, with the same network."""

    graph: Path
    separator: Separator

    def scene(self, preset: str) -> Scene:
        library = Library([])
        loaded = library.load_preset(preset)
        return Scene.from_preset(loaded, library, self.separator.model_id)

    def play(self, audio: Audio, scenes: Mapping[int, Scene], rate: int = RATE) -> Audio:
        """(18, S) all buses, late by the session's delay; `scenes` by their hops."""
        backend = start_backend(self.separator.model, self.graph)
        session = Session(self.separator.model, scenes[0], sample_rate=rate, backend=backend)
        hop = session.hop_length
        outputs = []
        for number in range(audio.shape[1] // hop):
            session.scene = scenes.get(number, session.scene)
            outputs.append(_buses(session.step(audio[:, number * hop : (number + 1) * hop])))
        return np.concatenate(outputs, axis=1)


def _buses(output: Output) -> Audio:
    n_stems, _, n = output.stems.shape
    silent = np.zeros((14 - 2 * n_stems, n), np.float32)
    return np.concatenate([output.mix, output.stems.reshape(-1, n), silent, output.remainder])


@pytest.fixture(scope="session")
def reference(shipped_graph: Path) -> Reference:
    return Reference(shipped_graph, Separator.load())


@pytest.fixture(scope="session")
def rendered(
    tmp_path_factory: pytest.TempPathFactory, demo_sound: Audio, reference: Reference
) -> dict[str, Audio]:
    """What `rtmss render --stems` writes, with four-stems."""
    folder = tmp_path_factory.mktemp("rendered")
    with AudioFile(str(folder / "song.wav"), "w", RATE, 2, bit_depth=32) as file:
        file.write(demo_sound)
    plan = RenderPlan(reference.scene("four-stems"), stems=True)
    backend = start_backend(reference.separator.model, reference.graph)
    render(folder / "song.wav", folder, reference.separator.model, plan, backend=backend)
    found = {}
    for name in plan.names:
        with AudioFile(str(folder / f"{name}.wav")) as file:
            found[name] = file.read(file.frames)
    assert np.abs(found["vocals"]).max() > 0.01
    return found


@pytest.fixture(scope="module")
def engine(
    tmp_path_factory: pytest.TempPathFactory, bundles: Bundles, shipped_graph: Path
) -> Iterator[Engine]:
    """An engine that plays the shipped weights, for all hosts of this file."""
    folder = private_folder(tmp_path_factory, "instances")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RTMSS_PLUGIN_DIR", str(folder))
        patch.setenv("RTMSS_PLUGIN_SETUP", str(folder / "none"))
        with serving(folder, "--backend", "onnx") as engine:
            yield engine


def differ(played: Played, expected: Mapping[str, Audio] | Audio) -> float:
    """The largest difference to what is expected of buses; by name, or all of them, not late."""
    audio = played.audio[:, played.latency :]
    if not isinstance(expected, np.ndarray):
        n = next(iter(expected.values())).shape[1]
        rows = np.zeros((18, n), np.float32)
        names = ["mix", *NAMES]
        for number, name in enumerate(names):
            rows[2 * number : 2 * number + 2] = expected[name]
        rows[16:] = expected["remainder"]
        expected = rows
    n = min(audio.shape[1], expected.shape[1])
    assert n > HOP
    return float(np.abs(audio[:, :n] - expected[:, :n]).max())


def paced(
    bundles: Bundles, demo_sound: Audio, tmp_path: Path, *words: str
) -> subprocess.Popen[bytes]:
    """A CLAP host that plays as a sound card does, and goes on while the test does something."""
    source = tmp_path / "in.f32"
    np.ascontiguousarray(demo_sound.T).tofile(source)
    command = [str(bundles.clap_host), str(bundles.clap), "in", str(source), "mode", "paced"]
    return subprocess.Popen([*command, "blocks", "256", *words], stdout=subprocess.DEVNULL)
