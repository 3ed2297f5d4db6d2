"""The engine's process: a device, a session, and nothing else, so that nothing else can stop the sound.

PortAudio's thread only copies (see `timeline`); the session is stepped by the main thread.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import sys
import time
import traceback
from pathlib import Path

import torch

from rtmss.config import UserError
from rtmss.engine.session import Session
from rtmss.live.audio import Stream, devices, find_device, natural_block
from rtmss.live.launch import EXIT_LOST, EXIT_REFUSED, SILENT_SECONDS, EngineOptions
from rtmss.live.link import Link
from rtmss.live.player import Player
from rtmss.live.timeline import Timeline
from rtmss.separator import Separator


def run_engine(options: EngineOptions, memory: Path) -> None:
    """Play until the link says stop. Ends the process, whatever PortAudio thinks of that."""
    code = 0
    try:
        code = _play(options, memory)
    except UserError as error:
        print(f"rtmss: {error}", file=sys.stderr, flush=True)
        code = EXIT_REFUSED
    except KeyboardInterrupt:
        pass
    except Exception:
        traceback.print_exc()
        code = 1
    os._exit(code)  # closing a stream whose server has died would hang for ever


def _play(options: EngineOptions, memory: Path) -> int:
    torch.set_num_threads(1)  # a hop is too little work to share
    model = Separator.load(options.weights).model
    link = Link.attach(memory, model.config.unet.n_condition)
    device = find_device(options.device, devices())
    rate, stft = options.sample_rate or device.sample_rate, model.config.stft
    session = Session(model, n_outputs=min(options.n_outputs, device.n_outputs), sample_rate=rate)
    block = options.block or natural_block(device, rate, session.n_outputs)
    timeline = Timeline(session.n_outputs, stft.hop_length, block, session.delay, options.n_queued)
    player = Player(session, timeline, link)

    def count_xrun() -> None:
        player.n_xruns += 1

    stream = Stream(device, rate, block, session.n_outputs, timeline.exchange, count_xrun)
    _warm_up(session)
    _settle()
    stream.start()
    player.device_latency = stream.device_latency
    return _run(player, link)


def _run(player: Player, link: Link) -> int:
    n_in, since, parent = 0, time.monotonic(), multiprocessing.parent_process()
    while not link.stop:
        if player.work():
            continue
        now = time.monotonic()
        if player.timeline.n_in != n_in:
            n_in, since = player.timeline.n_in, now
        elif now - since > SILENT_SECONDS:
            link.report(player.status._replace(state="reopening"), player.meters)
            return EXIT_LOST
        elif parent is not None and not parent.is_alive():
            return 0  # nobody is left to stop us
        time.sleep(0.0005)
    return 0


def _warm_up(session: Session) -> None:
    """Let everything be allocated and chosen that the first steps would pay for."""
    silence = torch.zeros(2, session.hop_length).numpy()
    for _ in range(20):
        session.step(silence)
    session.reset()


def _settle() -> None:
    """Take what could interrupt a step out of its way."""
    sys.setswitchinterval(0.0005)  # the device's thread waits for the interpreter at most this long
    gc.collect()
    gc.disable()
    with contextlib.suppress(OSError, AttributeError):  # not permitted, or not on this system
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # under the device's thread
