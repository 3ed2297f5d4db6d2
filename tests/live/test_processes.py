"""Each process of the live host starts with the options that the supervisor hands to it, and
without a sound device.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rtmss.bench.rig import free_port
from rtmss.live.control.osc.codec import decode, message
from rtmss.live.options import ControlOptions, EngineOptions, ProcessOptions, RecorderOptions
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.state import SharedState

SECONDS = 120.0
"""Importing what a process needs may take long on a busy machine."""


def until(done: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def started(
    module: str, options: ProcessOptions, shared: SharedState
) -> Iterator[subprocess.Popen[bytes]]:
    """A process as the supervisor starts it; it ends by itself when the shared state says so."""
    process = subprocess.Popen([sys.executable, "-m", module, options.to_text()])
    try:
        yield process
        shared.stop = True
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "options",
    [
        EngineOptions(n_condition=12, device="Mikrofon äöü", graph=Path("/a b/c.onnx")),
        ControlOptions(
            n_condition=12,
            model_id="x",
            library=Path("/l"),
            osc_bind="::1",
            osc_port=9,
        ),
        RecorderOptions(
            n_condition=12,
            folder=Path("r"),
            hop_length=9,
            n_outputs=4,
            model_id="x",
            weights="",
        ),
    ],
)
def test_options_are_the_same_after_they_were_text(options: ProcessOptions) -> None:
    with_memory = options.in_memory(Path("/dev/shm/a"), Path("/dev/shm/b"))
    assert type(options).of_text(with_memory.to_text()) == with_memory


def test_options_without_memory_start_nothing() -> None:
    with pytest.raises(ValueError, match="where the shared state is"):
        _ = EngineOptions(n_condition=12).memory


def test_the_control_side_answers_and_ends_when_it_is_told_to(
    shared: SharedState, tmp_path: Path
) -> None:
    port = free_port()
    options = ControlOptions(
        n_condition=12,
        model_id="0123456789ab",
        library=tmp_path,
        osc_bind="127.0.0.1",
        osc_port=port,
        output="none",
    )
    answers: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.settimeout(0.2)

        def is_answered() -> bool:
            channel.sendto(message("/rtmss/ping"), ("127.0.0.1", port))
            try:
                answers.extend(
                    one.address for packet in decode(channel.recv(65536)) for one in packet.messages
                )
            except (TimeoutError, ConnectionError):
                return False
            return True

        with started(
            "rtmss.live.control.process", options.in_memory(shared.path), shared
        ) as process:
            until(is_answered, process)
    assert answers == ["/rtmss/pong"]


def test_the_recorder_reads_its_ring_and_ends_when_it_is_told_to(
    shared: SharedState, tmp_path: Path
) -> None:
    ring = RecorderRing.create(RingShape(64, 4, 12))
    options = RecorderOptions(
        n_condition=12,
        folder=tmp_path,
        hop_length=64,
        n_outputs=4,
        model_id="x",
        weights="w",
    )
    shared.recording = shared.recording._replace(state="stopped")
    with started(
        "rtmss.live.recorder", options.in_memory(shared.path, ring.path), shared
    ) as process:
        until(lambda: shared.recording.state == "off", process)
    ring.close(unlink=True)


def test_an_engine_that_cannot_load_its_weights_is_refused_in_one_line(
    shared: SharedState, tmp_path: Path
) -> None:
    weights = tmp_path / "mine.safetensors"
    weights.write_text("no weights")
    options = EngineOptions(n_condition=12, weights=weights).in_memory(shared.path)
    code = "import sys; from rtmss.live.realtime.launch import launch; launch(sys.argv[1])"
    command = [sys.executable, "-c", code, options.to_text()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"rtmss: {weights}: not a safetensors file")
