"""The recorder's process: writes what the engine plays, and never holds it up. It may die and come
back.

Started by the supervisor as `python -m rtmss.live.recorder OPTIONS`.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rtmss.config import UserError
from rtmss.console import can_take
from rtmss.live.options import RecorderOptions
from rtmss.live.shared.heartbeat import Supervision
from rtmss.live.shared.parent import ignore_group_signals
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.state import Recording, SharedState
from rtmss.recording.files import OpenAudio, Take
from rtmss.recording.hop import EngineRun, Hop, Position
from rtmss.recording.log import Header, versions
from rtmss.recording.wav import WavFile

TICK_SECONDS = 0.02


class ModelInfo(NamedTuple):
    """What a log says of the model."""

    model_id: str
    weights: str


class Recorder:
    """Writes the hops of a ring into takes: numbered folders, one for every engine that plays."""

    def __init__(
        self,
        ring: RecorderRing,
        shared: SharedState,
        folder: Path,
        model_info: ModelInfo,
        say: Callable[[str], None],
        open_audio: OpenAudio = WavFile,
    ) -> None:
        """Go on where the recorder before this one was.

        Args:
            ring: where the hops come from.
            shared: where the recorder's state goes.
            folder: the takes go into it.
            model_info: for their logs.
            say: prints one line for the user.
            open_audio: see `Take`.
        """
        self._ring, self._shared, self._folder, self._model_info, self._say = (
            ring,
            shared,
            folder,
            model_info,
            say,
        )
        self._open_audio = open_audio
        self._take: Take | None = None
        self._position = ring.position
        self._seconds_per_hop = 0.0

    def poll(self) -> bool:
        """Write what has come in; False if nothing has.

        A disk that is full, or fails otherwise, ends the recording for good; nothing is raised
        then.
        """
        if self._position.has_stopped:
            return False
        before = self._position.number
        try:
            for hop in self._ring.read(before):
                self._write(hop)
            self._note_late()
        except OSError as error:
            self._stop(error.strerror or str(error))
        self._publish()
        return self._position.number > before

    def close(self) -> None:
        """End the take that is being written."""
        if self._take is not None:
            self._take.close(self._position.hop, "stopped")
            self._take = None

    def _write(self, hop: Hop) -> None:
        n_lost = hop.number - self._position.number - 1
        if hop.run.number != self._position.run:
            self._next_take(hop.run)
        elif self._take is None:
            self._open(hop.run)
        assert self._take is not None
        self._take.write(hop, self._position, n_lost)
        self._position = self._position._replace(
            number=hop.number,
            hop=hop.hop + 1,
            scene=hop.scene_number,
            n_lost=self._position.n_lost + n_lost,
            n_bad_samples=hop.info.n_bad_samples,
            n_bad_outputs=hop.info.n_bad_outputs,
            n_xruns=hop.info.n_xruns,
            is_panic=int(hop.info.is_panic),
            is_transport=int(hop.info.is_transport),
        )
        self._ring.position = self._position  # the files have it

    def _next_take(self, run: EngineRun) -> None:
        """A new engine plays, whose hops count from 0."""
        if self._take is not None:
            self._note_late()
            self._take.close(self._position.hop, "the engine was started again")
        take, before = make_take(self._folder, self._position.take), self._position
        self._position = Position(
            before.number, before.n_late, run.number, take, n_lost=before.n_lost
        )
        self._open(run)

    def _open(self, run: EngineRun) -> None:
        self._seconds_per_hop = run.hop_length / run.sample_rate
        folder = self._folder / take_name(self._position.take)
        folder.mkdir(exist_ok=True)
        self._take = Take(folder, run.hop_length, run.delay, self._open_audio)
        self._take.begin(
            Header(
                model_id=self._model_info.model_id,
                weights=self._model_info.weights,
                backend=run.backend,
                sample_rate=run.sample_rate,
                hop_length=run.hop_length,
                delay=run.delay,
                n_outputs=run.n_outputs,
                block=run.block,
                latency=run.latency,
                started=datetime.now().astimezone().isoformat(timespec="seconds"),
                versions=versions(run.backend),
            )
        )

    def _note_late(self) -> None:
        n_late, late = self._ring.read_late(self._position.n_late)
        if late and self._take is not None:
            self._take.note_late([hop for run, hop in late if run == self._position.run])
        n_of_next_take = sum(run > self._position.run for run, _ in late)
        self._position = self._position._replace(n_late=n_late - n_of_next_take)
        self._ring.position = self._position

    def _stop(self, reason: str) -> None:
        self._position = self._position._replace(has_stopped=1)
        self._ring.position = self._position
        if self._take is not None:
            self._take.close(self._position.hop, reason)
            self._take = None
        self._say(
            f"recording stopped: {reason}; what was written before is whole, and the sound goes on"
        )

    def _publish(self) -> None:
        position = self._position
        state = "stopped" if position.has_stopped else "recording" if position.take else "off"
        seconds = position.hop * self._seconds_per_hop
        self._shared.recording = Recording(state, seconds, position.n_lost)


def take_name(number: int) -> str:
    """Name of a take's folder."""
    return f"take-{number:03d}"


def make_take(folder: Path, after: int = 0) -> int:
    """Make the next folder that is not there, with a number above `after`, and return its number.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = after + 1
    while (folder / take_name(number)).exists():
        number += 1
    (folder / take_name(number)).mkdir()
    return number


def check_folder(folder: Path) -> None:
    """Make the folder of a recording, before anything plays.

    Raises:
        UserError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{folder}: nothing can be recorded there ({error.strerror}); choose another folder"
        ) from error


def run_recorder(options: RecorderOptions) -> None:
    """Write until the shared state says stop, and then what is left.

    Raises:
        ValueError: the options name no ring.
    """
    if options.ring is None:
        raise ValueError("a recorder needs a ring to read from")
    ignore_group_signals()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service's end sends it to every process
    shared = SharedState.attach(options.memory, options.n_condition)
    supervision = Supervision(shared, options.supervisor)
    shape = RingShape(options.hop_length, options.n_outputs, options.n_condition)
    model_info = ModelInfo(options.model_id, options.weights)
    recorder = Recorder(
        RecorderRing.attach(options.ring, shape), shared, options.folder, model_info, _say
    )
    while not shared.stop and not supervision.is_gone():
        shared.beat("recorder")
        if not recorder.poll():
            time.sleep(TICK_SECONDS)
    recorder.poll()
    recorder.close()


def _say(line: str) -> None:
    if can_take(sys.stderr):
        print(f"rtmss: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_recorder(RecorderOptions.of_text(sys.argv[1]))
