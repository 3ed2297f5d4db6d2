"""The engine's process: a device, a session, and nothing else, so that nothing else can stop the
sound.

PortAudio's thread only copies (see `timeline`); the session is stepped by the main thread.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from rtmss.config import SeparatorConfig, UserError
from rtmss.engine.backends.choose import start_backend
from rtmss.engine.backends.graph import GraphError
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.session import Session
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.device.duplex import DuplexStream, choose_devices, common_rate
from rtmss.live.device.portaudio import devices
from rtmss.live.options import (
    EXIT_LOST,
    EXIT_REFUSED,
    SILENT_SECONDS,
    EngineOptions,
    refuse_other_weights,
)
from rtmss.live.realtime.player import DeviceState, Player
from rtmss.live.realtime.priority import raise_priority
from rtmss.live.realtime.source import DeviceSource
from rtmss.live.shared.capture_ring import CaptureRing
from rtmss.live.shared.heartbeat import AwakeClock, Pulse, Supervision
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.state import SharedState
from rtmss.live.song.source import SongSource
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator

NAP_SECONDS = 0.0005
"""Between two looks for sound that has come in."""
OTHER_BLOCKS = "rtmss: the sound device brings blocks of another size now; it is opened again"
LOOK_SECONDS = 0.25
"""Between two looks for the supervisor while a device is opened."""


def run_engine(options: EngineOptions, parent: int) -> None:
    """Play until the shared state says stop. Ends the process, whatever PortAudio thinks of
    that.

    Args:
        options: how.
        parent: number of the process that has started this one, and with which it ends.
    """
    code = 0
    try:
        code = _play(options, parent)
    except UserError as error:
        print(f"rtmss: {error}", file=sys.stderr, flush=True)
        code = EXIT_REFUSED
    except KeyboardInterrupt:
        pass
    except Exception:
        traceback.print_exc()
        code = 1
    os._exit(code)  # closing a stream whose server has died would never return


def _play(options: EngineOptions, parent: int) -> int:
    torch.set_num_threads(1)  # a hop is too little work to share
    model = _load_model(options)
    shared = SharedState.attach(options.memory, model.config.unet.n_condition)
    supervision = Supervision(shared, parent, signal.SIGKILL)
    has_song = bool(shared.transport.song)
    with _watched(supervision):
        duplex = _open_devices(options, has_input=not has_song)
    sessions = [
        Session(
            model,
            n_outputs=duplex.n_outputs,
            sample_rate=duplex.sample_rate,
            backend=start_any_backend(model, options.graph),
        )
        for _ in range(1 + has_song)
    ]
    timeline = Timeline(
        duplex.n_outputs,
        sessions[0].hop_length,
        duplex.block,
        sessions[0].delay,
        options.n_queued,
        duplex.n_resampler,
    )
    song = (
        SongSource(
            sessions[0],
            sessions[1],
            timeline,
            shared.transport,
        )
        if has_song
        else None
    )
    player = Player(
        song
        or DeviceSource(
            sessions[0],
            timeline,
        ),
        timeline,
        shared,
        _ring(options, model.config),
        CaptureRing.attach(options.capture) if options.capture else None,
    )
    for session in sessions:
        warm_up(session)
    if song:
        song.warm_up()
    player.is_realtime = configure_thread()
    with _watched(supervision):
        duplex.start(timeline.exchange)
    return _run(player, shared, duplex, supervision)


def _load_model(options: EngineOptions) -> SeparatorModel:
    """The weights of the host's start: scenes, and a recording, are of these.

    Raises:
        UserError: they cannot be read, or others are there now.
    """
    separator = Separator.load(options.weights, options.latency_profile)
    refuse_other_weights(options.weights, separator.model_id, options.model_id)
    return separator.model


def start_any_backend(model: SeparatorModel, graph: Path | None) -> Backend:
    """What runs the model; torch where ONNX Runtime's network was spoilt since the host's start."""
    try:
        return start_backend(model, graph)
    except GraphError as error:
        print(f"rtmss: {error}; torch runs the model instead", file=sys.stderr, flush=True)
        return start_backend(model, None)


def _open_devices(options: EngineOptions, *, has_input: bool) -> DuplexStream:
    source, sink = choose_devices(
        options.device, options.source, options.sink, devices(), has_input=has_input
    )
    sample_rate = common_rate(source, sink, options.sample_rate)
    n_outputs = min(options.n_outputs, sink.n_outputs)
    return DuplexStream(source, sink, sample_rate, options.block, n_outputs)


def _ring(options: EngineOptions, config: SeparatorConfig) -> RecorderRing | None:
    if options.ring is None:
        return None
    shape = RingShape(config.stft.hop_length, options.n_outputs, config.unet.n_condition)
    return RecorderRing.attach(options.ring, shape)


@contextlib.contextmanager
def _watched(supervision: Supervision) -> Iterator[None]:
    """End this process with the supervisor also while the system does not come back from a call."""
    is_done = threading.Event()

    def watch() -> None:
        while not is_done.wait(LOOK_SECONDS):
            if supervision.is_gone():
                os._exit(0)

    thread = threading.Thread(target=watch, name="rtmss-supervision", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()


def _run(
    player: Player, shared: SharedState, duplex: DuplexStream, supervision: Supervision
) -> int:
    device = DeviceState(n_devices=duplex.n_devices, latency=duplex.device_latency)
    clock = AwakeClock()
    streams = [
        Pulse(
            partial(_n_blocks, duplex, i),
            clock,
        )
        for i in range(duplex.n_devices)
    ]
    while not shared.stop:
        player.device = device._replace(n_xruns=duplex.n_xruns, drift_ppm=duplex.drift_ppm)
        if player.work():
            continue
        if max([stream.still_seconds() for stream in streams]) > SILENT_SECONDS:
            shared.report(player.status._replace(state="reopening"), player.meters)
            return EXIT_LOST
        if duplex.has_other_blocks:
            print(OTHER_BLOCKS, file=sys.stderr, flush=True)
            shared.report(player.status._replace(state="reopening"), player.meters)
            return EXIT_LOST
        if supervision.is_gone():
            return 0  # nobody is left to stop us
        time.sleep(NAP_SECONDS)
    return 0


def _n_blocks(duplex: DuplexStream, stream: int) -> int:
    return duplex.n_blocks[stream]


def warm_up(session: Session) -> None:
    """Let everything be allocated and chosen that the first steps would pay for."""
    silence = torch.zeros(2, session.hop_length).numpy()
    for _ in range(20):
        session.step(silence)
    session.reset()


def configure_thread() -> bool:
    """Take what could interrupt a step out of its way; true if all of it could be."""
    sys.setswitchinterval(0.0005)  # the device's thread waits for the interpreter at most this long
    gc.collect()
    gc.disable()
    return raise_priority()
