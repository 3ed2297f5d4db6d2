"""Each process of the live host starts with the options that the supervisor hands to it, and
without a sound device.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rtmss.bench.harness import free_port
from rtmss.conditions.library import Library
from rtmss.live import host, processes
from rtmss.live.control import process as control
from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc.codec import decode, message
from rtmss.live.control.process import Lines
from rtmss.live.options import (
    EXIT_REFUSED,
    BuilderOptions,
    ControlOptions,
    EngineOptions,
    ProcessOptions,
    RecorderOptions,
)
from rtmss.live.processes import START_VARIABLE, ForkServer, Process, can_fork, start_engine
from rtmss.live.realtime.process import start_any_backend
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel

SECONDS = 120.0
"""Importing what a process needs may take long on a busy machine."""


def until(
    done: Callable[[], bool],
    process: subprocess.Popen[bytes],
) -> None:
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
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            module,
            options.to_text(),
        ]
    )
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
        BuilderOptions(n_condition=12, drafts=Path("d"), library=Path("l")),
    ],
)
def test_options_are_the_same_after_they_were_text(options: ProcessOptions) -> None:
    with_memory = options.in_memory(Path("/dev/shm/a"), ring=Path("/dev/shm/b"))
    assert type(options).of_text(with_memory.to_text()) == with_memory


def test_options_without_memory_start_nothing() -> None:
    with pytest.raises(ValueError, match="where the shared state is"):
        _ = EngineOptions(n_condition=12).memory


@pytest.mark.slow
def test_the_control_side_answers_and_ends_when_it_is_told_to(
    shared: SharedState, tmp_path: Path
) -> None:
    port, web_port = free_port(), free_port()
    options = ControlOptions(
        n_condition=12,
        model_id="0123456789ab",
        library=tmp_path,
        osc_bind="127.0.0.1",
        osc_port=port,
        osc_token=True,
        web_port=web_port,
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
            with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/?HOST_INFO") as page:
                assert json.load(page)["OSC_PORT"] == port
    assert answers == ["/rtmss/pong"]


@pytest.mark.slow
def test_no_collection_of_the_control_side_looks_through_what_was_loaded(
    shared: SharedState, tmp_path: Path
) -> None:
    code = """if True:
        import gc, sys, time
        from rtmss.live.control import process
        from rtmss.live.options import ControlOptions

        def turn(*_):
            print(len(gc.get_objects()), gc.get_freeze_count())
            return False

        process.take_turn = turn
        process.run_control(ControlOptions.of_text(sys.argv[1]))
    """
    options = ControlOptions(
        n_condition=12,
        model_id="0123456789ab",
        library=tmp_path,
        osc_bind="127.0.0.1",
        osc_port=free_port(),
        output="none",
    )
    text = options.in_memory(shared.path).to_text()
    command = [sys.executable, "-c", code, text]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    n_looked_through, n_frozen = (int(word) for word in result.stdout.split())
    assert n_looked_through < 0.1 * n_frozen


@pytest.mark.slow
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
        "rtmss.live.recorder", options.in_memory(shared.path, ring=ring.path), shared
    ) as process:
        until(lambda: shared.recording.state == "off", process)
    ring.close(unlink=True)


@pytest.mark.slow
def test_an_engine_that_cannot_load_its_weights_is_refused_in_one_line(
    shared: SharedState, tmp_path: Path
) -> None:
    weights = tmp_path / "mine.safetensors"
    weights.write_text("no weights")
    options = EngineOptions(n_condition=12, weights=weights).in_memory(shared.path)
    code = "import sys; from rtmss.live.realtime.launch import launch; launch(sys.argv[1])"
    command = [sys.executable, "-c", code, options.to_text()]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"rtmss: {weights}: not a safetensors file")


def test_an_engine_whose_network_for_onnx_runtime_was_spoilt_plays_with_torch(
    tiny: SeparatorModel, tiny_graph: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """No engine ever came back, though a start of the host would have taken torch."""
    spoilt = tmp_path / "spoilt.onnx"
    spoilt.write_bytes(tiny_graph.read_bytes()[:5000])
    assert start_any_backend(tiny, tiny_graph).name == "onnx"
    assert not capfd.readouterr().err
    for graph in (spoilt, tmp_path / "none.onnx"):
        assert start_any_backend(tiny, graph).name == "torch"
        [line] = capfd.readouterr().err.splitlines()
        assert line.startswith(f"rtmss: {graph}: ")
        assert line.endswith("; torch runs the model instead")


@pytest.fixture
def broken(shared: SharedState, tmp_path: Path) -> EngineOptions:
    """An engine that has nothing to play with."""
    weights = tmp_path / "mine.safetensors"
    weights.write_text("no weights")
    return EngineOptions(n_condition=12, weights=weights).in_memory(shared.path)


def _code(engine: Process) -> int | None:
    """Exit status, when it has ended."""
    deadline = time.monotonic() + SECONDS
    while engine.exit_code() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return engine.exit_code()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_an_engine_is_started_either_way_and_its_status_is_known(
    broken: EngineOptions,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    how: str,
) -> None:
    monkeypatch.setenv(START_VARIABLE, how)
    server = ForkServer()
    codes = [_code(start_engine(broken, server)) for _ in range(2)]
    server.close()
    assert codes == [EXIT_REFUSED, EXIT_REFUSED]
    assert capfd.readouterr().err.count("not a safetensors file") == 2


@pytest.mark.parametrize(
    ("platform", "forks"),
    [
        ("linux", True),
        ("darwin", False),
        ("win32", False),
    ],
)
def test_engines_are_forked_on_linux_alone(
    monkeypatch: pytest.MonkeyPatch, platform: str, forks: bool
) -> None:
    monkeypatch.delenv(START_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert can_fork() == forks


@pytest.mark.slow
def test_a_server_that_was_started_before_forks_the_engine_and_ends_with_the_block(
    broken: EngineOptions,
) -> None:
    with ForkServer() as server:
        server.warm_up()
        process = server._process
        assert process is not None and process.poll() is None
        assert _code(server.start(broken)) == EXIT_REFUSED
        assert server._process is process
    assert process.poll() is not None


@pytest.mark.slow
def test_a_server_that_was_killed_is_an_engine_that_has_ended_and_another_is_started(
    broken: EngineOptions,
) -> None:
    server = ForkServer()
    assert _code(server.start(broken)) == EXIT_REFUSED
    assert server._process is not None
    engine = server.start(broken)
    server._process.kill()
    assert _code(engine) in {-signal.SIGKILL, EXIT_REFUSED}
    assert _code(server.start(broken)) == EXIT_REFUSED
    server.close()


@pytest.mark.slow
def test_a_server_that_stands_still_does_not_hold_up_the_next_engine(
    broken: EngineOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "FORK_SECONDS", 0.2)
    server = ForkServer()
    assert _code(server.start(broken)) == EXIT_REFUSED
    assert server._process is not None
    server._process.send_signal(signal.SIGSTOP)
    assert _code(server.start(broken)) == -signal.SIGKILL
    assert _code(server.start(broken)) == EXIT_REFUSED
    server.close()


def test_statistics_that_nobody_reads_hold_the_control_side_up_for_no_moment(
    shared: SharedState, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(
        MixerController(shared, Library([]), "x"),
        is_quiet=False,
    )
    monkeypatch.setattr(control, "can_take", lambda _: False)
    assert lines.poll()
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(control, "can_take", lambda _: True)
    lines._due = 0.0
    assert lines.poll()
    assert capsys.readouterr().out.startswith("{")


def test_a_supervisor_whose_line_cannot_be_printed_goes_on() -> None:
    def refuse(_: str) -> None:
        raise BrokenPipeError

    def end(_: str) -> None:
        raise SystemExit(1)  # as rich does when nobody reads

    for say in (refuse, end):
        host._careful(say)("the engine ended")


@pytest.mark.slow
def test_the_builder_refuses_other_weights(shared: SharedState, tmp_path: Path) -> None:
    """It ends without the status that would end the host at its start."""
    options = BuilderOptions(
        n_condition=12, model_id="0123456789ab", drafts=tmp_path, library=tmp_path
    )
    text = options.in_memory(
        shared.path, capture=tmp_path / "ring", jobs=tmp_path / "jobs"
    ).to_text()
    command = [sys.executable, "-m", "rtmss.live.capture.process", text]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "were 0123456789ab at the start" in result.stderr
