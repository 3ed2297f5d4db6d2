"""PortAudio's callback in Python, which copies and fades, against one in C, which only has rings.

Both run in a process whose main thread steps `four-stems` hop by hop with real-time priority, as
the engine's does, and nothing else; each run is a process of its own. The C callback is rtmixer's
with pa-ringbuffer's rings. It has no fallback: where the ring runs empty there is silence until the
lag is made up again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rtmss.bench.harness import RATE, jack_environment, start_jack_server
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.engine.backends.choose import start_backend
from rtmss.engine.control import Scene
from rtmss.engine.session import Session
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.device.portaudio import DeviceStream, devices, find_device
from rtmss.live.realtime.process import configure_thread, warm_up
from rtmss.separator import Separator

CALLBACKS = ("python", "c")
RING_FRAMES = 1 << 15
WARM_SECONDS = 2.0
"""Nothing is counted before this has passed."""


@dataclass(frozen=True)
class CallbackRow:
    """How one run went."""

    callback: str
    period: int
    n_blocks: int
    n_server_xruns: int
    """Of which the JACK server told another client."""
    n_flags: int
    """Blocks for which PortAudio reported a loss."""
    n_late: int
    """Hops that were not ready (Python), or times that the ring ran empty (C)."""
    longest_gap_ms: float | None
    """Between two callbacks; rtmixer does not say."""


def measure_callback(
    callback: str,
    period: int,
    seconds: float,
    graph: Path | None,
) -> CallbackRow:
    """One run on a JACK server without hardware.

    Args:
        callback: one of CALLBACKS.
        period: samples per block.
        seconds: how long.
        graph: for ONNX Runtime; None for eager torch.

    Raises:
        UserError: what this needs is not installed, or the run fails.
    """
    environment = jack_environment(f"rtmss-bench-{os.getpid()}")
    server = start_jack_server(environment["JACK_DEFAULT_SERVER"], period, is_realtime=True)
    try:
        command = [
            sys.executable,
            "-m",
            "rtmss.bench.callback",
            callback,
            str(period),
            str(seconds),
            str(graph or ""),
        ]
        run = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        server.terminate()
        server.wait()
    if run.returncode or not run.stdout.startswith("{"):
        last = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"the run with a callback in {callback} failed: {last}")
    return CallbackRow(**json.loads(run.stdout))


def run_python(
    session: Session,
    period: int,
    seconds: float,
) -> tuple[int, int, int, float | None]:
    """Blocks, flags, late hops and longest gap with the host's own timeline and stream."""
    hop = session.hop_length
    timeline = Timeline(session.n_outputs, hop, period, session.delay)
    last, gap, since = 0.0, 0.0, time.perf_counter() + WARM_SECONDS

    def exchange(block: Any, out: Any) -> None:
        nonlocal last, gap
        now = time.perf_counter()
        if last > since:
            gap = max(gap, now - last)
        last = now
        timeline.exchange(block, out)

    stream = DeviceStream(
        find_device("system", devices()),
        RATE,
        period,
        (2, 2),
        exchange,
    )
    stream.start()
    before, end = (0, 0, 0), since + seconds
    while (now := time.perf_counter()) < end:
        if now < since:
            before = stream.n_blocks, stream.n_xruns, timeline.n_late
        first, n = timeline.hops()
        if not n:
            time.sleep(0.0005)
            continue
        mix = session.step(timeline.read_input(n)).mix
        for i in range(n):
            timeline.deliver(
                first + i,
                mix[:, i * hop : (i + 1) * hop],
            )
    after = stream.n_blocks, stream.n_xruns, timeline.n_late
    n_blocks, n_flags, n_late = (
        b - a
        for a, b in zip(
            before,
            after,
            strict=True,
        )
    )
    return n_blocks, n_flags, n_late, 1000 * gap


def run_c(
    session: Session,
    period: int,
    seconds: float,
) -> tuple[int, int, int, float | None]:
    """The same with rtmixer."""
    import rtmixer

    hop, lag = (
        session.hop_length,
        Timeline(session.n_outputs, session.hop_length, period, session.delay).lag,
    )
    device = find_device("system", devices()).index
    mixer = rtmixer.MixerAndRecorder(
        device=device, samplerate=RATE, blocksize=period, channels=2, latency="low"
    )
    heard, played = rtmixer.RingBuffer(8, RING_FRAMES), rtmixer.RingBuffer(8, RING_FRAMES)
    silence = np.zeros(
        (lag + hop, 2),
        np.float32,
    ).tobytes()
    with mixer:
        played.write(silence)
        source = mixer.record_ringbuffer(heard, channels=2)
        sink = mixer.play_ringbuffer(played, channels=2)
        since, n_late, is_warm = time.perf_counter() + WARM_SECONDS, 0, False
        end = since + seconds
        while (now := time.perf_counter()) < end:
            if now > since and not is_warm:
                is_warm, n_late = True, 0
                mixer.wait(mixer.fetch_and_reset_stats())
            if sink not in mixer.actions:  # a ring that ran empty ends it
                n_late += 1
                played.write(silence)
                sink = mixer.play_ringbuffer(played, channels=2)
            if source not in mixer.actions:
                source = mixer.record_ringbuffer(heard, channels=2)
            n = heard.read_available // hop
            if not n:
                time.sleep(0.0005)
                continue
            block = (
                np.frombuffer(
                    heard.read(n * hop),
                    np.float32,
                )
                .reshape(-1, 2)
                .T
            )
            played.write(
                np.ascontiguousarray(session.step(np.ascontiguousarray(block)).mix.T).tobytes()
            )
        told = mixer.fetch_and_reset_stats()
        mixer.wait(told)
    return (
        int(told.stats.blocks),
        int(told.stats.input_overflows + told.stats.output_underflows),
        n_late,
        None,
    )


def _run(
    callback: str,
    period: int,
    seconds: float,
    graph: Path | None,
) -> CallbackRow:
    import jack

    torch.set_num_threads(1)
    separator = Separator.load()
    library = Library([])
    scene = Scene.from_preset(library.load_preset("four-stems"), library, separator.model_id)
    session = Session(
        separator.model, scene, backend=start_backend(separator.model, graph), sample_rate=RATE
    )
    warm_up(session)
    xruns: list[float] = []
    watcher = jack.Client("watcher")
    watcher.set_xrun_callback(lambda _: xruns.append(time.perf_counter()))
    watcher.activate()
    configure_thread()
    since = time.perf_counter() + WARM_SECONDS
    run = run_c if callback == "c" else run_python
    n_blocks, n_flags, n_late, gap = run(session, period, seconds)
    n_xruns = sum(since < at < since + seconds for at in xruns)
    return CallbackRow(callback, period, n_blocks, n_xruns, n_flags, n_late, gap)


def main() -> None:
    """One run in this process: CALLBACK PERIOD SECONDS GRAPH; prints a row as JSON and ends at
    once.
    """
    callback, period, seconds, graph = sys.argv[1:]
    try:
        row = _run(
            callback,
            int(period),
            float(seconds),
            Path(graph) if graph else None,
        )
    except ImportError as error:
        print(f"{error}: pip install -c constraints.txt rtmixer JACK-Client", file=sys.stderr)
        os._exit(1)
    print(json.dumps(asdict(row)), flush=True)
    os._exit(0)  # closing the stream may take as long as it likes


if __name__ == "__main__":
    main()
