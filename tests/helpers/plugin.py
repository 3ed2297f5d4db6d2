"""The plug-in in tests: its memory without a host, the built bundles, and an engine."""

from __future__ import annotations

import contextlib
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest

from helpers.locks import one_at_a_time
from rtmss.audio import Audio
from rtmss.bench.harness import free_port
from rtmss.config import UserError
from rtmss.ownership import fcntl  # None where a system has none
from rtmss.plugin.build import Bundles, build
from rtmss.plugin.sources import check_tools
from rtmss.serve.layout import (
    HOPS,
    LAYOUT,
    MAGIC,
    N_BYTES,
    N_CONTROLS,
    RING,
    SIZES,
    Control,
    EngineState,
    stamp,
)
from rtmss.serve.places import PREFIX

START_SECONDS = 60.0


class FakePlugin:
    """What the C++ side does to the memory, by a host that lays as much as it is told to."""

    def __init__(
        self, folder: Path, presets: Sequence[str] = ("two",), name: str = "1-abc"
    ) -> None:
        self.path = folder / f"{PREFIX}{name}"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        os.ftruncate(self._file, N_BYTES)
        self.memory: Any = np.ndarray((), LAYOUT, buffer=mmap.mmap(self._file, N_BYTES))
        for field, value in SIZES.items():
            self.memory[field] = value
        for number, preset in enumerate(presets):
            self.memory["presets"][number] = preset.encode()
        self.memory["pid"] = os.getpid()
        self.memory["magic"] = MAGIC
        self.controls = np.zeros(N_CONTROLS, np.float32)
        self.controls[Control.FADE] = 30

    def begin(self, rate: int, hop: int, delay: int, lag: int = 0) -> None:
        """A new stream."""
        self.memory["epoch"] |= 1
        lag = lag or 2 * hop
        for field, value in (
            ("sample_rate", rate),
            ("hop_length", hop),
            ("delay", delay),
            ("lag", lag),
        ):
            self.memory[field] = value
        self.memory["n_in"] = 0
        self.memory["epoch"] += 1

    def lay(self, audio: Audio) -> None:
        """The next (2, S) of the input, with the controls as they are now."""
        start, n = int(self.memory["n_in"]), audio.shape[1]
        hop, delay = int(self.memory["hop_length"]), int(self.memory["delay"])
        self.memory["input"][:, np.arange(start, start + n) % RING] = audio
        first, last = -(-(start + delay) // hop) if start else 0, -(-(start + n + delay) // hop)
        for number in range(first, last):
            self.memory["controls"][number % HOPS] = self.controls
        self.memory["n_in"] = start + n

    def heard(self, hop: int) -> Audio | None:
        """What the engine has made of a hop, if it has."""
        if int(self.memory["stamps"][hop % HOPS]) != stamp(int(self.memory["epoch"]), hop):
            return None
        n = int(self.memory["hop_length"])
        audio = self.memory["output"][:, np.arange(hop * n, (hop + 1) * n) % RING]
        return np.asarray(audio, np.float32)

    @property
    def state(self) -> EngineState:
        return EngineState(int(self.memory["engine_state"]))

    def die(self) -> None:
        """As if the host had been killed: the file stays, its lock does not."""
        fcntl.flock(self._file, fcntl.LOCK_UN)
        os.close(self._file)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Callable[..., FakePlugin]]:
    """fake(presets, name) -> an instance in `tmp_path`."""
    made: list[FakePlugin] = []

    def make(presets: Sequence[str] = ("two",), name: str = "1-abc") -> FakePlugin:
        made.append(FakePlugin(tmp_path, presets, name))
        return made[-1]

    yield make
    for plugin in made:
        with contextlib.suppress(OSError):
            plugin.die()


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """The plug-in, built once; RTMSS_PLUGIN_BUILDS names a folder in which builds are kept."""
    try:
        check_tools()
    except UserError as error:
        pytest.skip(str(error))
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = Path(os.environ.get("RTMSS_PLUGIN_BUILDS") or base / "plugin-builds")
    with one_at_a_time(base / "plugin-builds.lock"):
        return build(folder)


class Engine(NamedTuple):
    """A running `rtmss serve`."""

    process: subprocess.Popen[bytes]
    folder: Path
    log: Path
    port: int
    """Of OSC."""
    page: int
    """Port of the page."""

    def playing(self) -> psutil.Process:
        """The process that plays."""
        return self._child("rtmss-engine")

    def speaking(self) -> psutil.Process:
        """The process that speaks OSC."""
        return self._child("rtmss-osc")

    def children(self, name: str) -> list[psutil.Process]:
        """Those of its processes that have a name."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if child.name() == name]

    def _child(self, name: str) -> psutil.Process:
        self.wait(lambda: bool(self.children(name)), name)
        return self.children(name)[0]

    def wait(self, is_done: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
        """Look until something is so.

        Raises:
            AssertionError: it is not in time.
        """
        deadline = time.monotonic() + seconds
        while not is_done():
            assert time.monotonic() < deadline, f"not in {seconds:g} s: {what}\n{self.errors()}"
            time.sleep(0.02)

    def errors(self) -> str:
        return self.log.read_text(encoding="utf-8")


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Engine]:
    """An engine for the instances of a folder."""
    log = folder / "serve.log"
    port, page = free_port(), free_port()
    command = [sys.executable, "-m", "rtmss", "serve", "--osc-port", str(port), "--web"]
    command += ["--web-port", str(page), *options]
    variables = {**os.environ, "RTMSS_PLUGIN_DIR": str(folder), "RTMSS_LIBRARY": str(folder)}
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=variables, stderr=errors)
    engine = Engine(process, folder, log, port, page)
    try:
        engine.wait(lambda: "serves" in engine.errors() or process.poll() is not None, "serves")
        assert process.poll() is None, engine.errors()
        yield engine
    finally:
        process.terminate()
        process.wait(20)


def private_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder of instances that the plug-in takes."""
    folder = factory.mktemp(name)
    folder.chmod(0o700)
    return folder
