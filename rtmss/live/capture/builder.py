"""Does the jobs of capturing: takes clips from the ring or a song, and makes conditions of them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from rtmss.audio import Audio
from rtmss.bounded import read_bytes
from rtmss.conditions.clips import Excerpt, read_clip
from rtmss.conditions.condition import (
    Condition,
    ConditionError,
    clip_similarities,
    nearest,
    save_condition,
)
from rtmss.conditions.doubts import clip_warnings
from rtmss.conditions.preset import check_name
from rtmss.config import Config, UserError
from rtmss.live.capture.clips import prepare
from rtmss.live.capture.drafts import DraftClip, Drafts
from rtmss.live.shared.capture_ring import CaptureRing
from rtmss.live.shared.jobs import ROLES, Answer, Clip, Job, JobQueue, Role, Task
from rtmss.ownership import whole_file

SAVE_SECONDS = 2.0
"""A capture that goes on is on disk this often."""
CALM_SECONDS = 1.0
"""Without a job for so long there is time to measure what conditions leave of their clips."""
CLIP_TASKS = {"last", "stop", "range"}
"""Of which a clip comes."""
MAX_OPEN = 8
MAX_OPEN_BYTES = 1 << 14
"""Of the list of captures that go on."""
MAX_WARNINGS = 8
MAX_TEXT = 400
N_NEAREST = 5
COMPARED_SECONDS = 5.0
"""How much of every signal is compared with a condition."""


class OpenCapture(Config):
    """A capture that goes on."""

    name: str
    role: Role
    source: str
    start: int = Field(ge=0, lt=1 << 62)
    """Its first sample in the ring."""
    number: int = Field(ge=1, lt=1_000_000)
    """Of the clip among those of its name."""


class OpenCaptures(Config):
    """The list of them, as it is on disk."""

    ring: int
    """`identity` of the one in which they go on."""
    open: tuple[OpenCapture, ...] = Field(max_length=MAX_OPEN)


class Builder:
    """One at a time, in the order of asking. Nothing that goes wrong with a job ends it."""

    def __init__(
        self,
        drafts: Drafts,
        ring: CaptureRing,
        queue: JobQueue,
        song: Callable[[], str],
        model_rate: int,
    ) -> None:
        """Go on where the builder before this one was.

        Args:
            drafts: conditions in the making.
            ring: what was heard.
            queue: jobs come from it.
            song: the file that is played; empty if the device's input is.
            model_rate: Hz.
        """
        self._drafts = drafts
        self._ring = ring
        self._queue = queue
        self._song = song
        self._model_rate = model_rate
        self._open = self._read_open()
        self._saved = 0.0
        self._worked = time.monotonic()
        self._refused: dict[str, str] = {}
        """Why the latest clip of a name was none."""
        self._to_measure: list[tuple[int, str]] = []
        unfinished = queue.unfinished()
        if unfinished is not None:
            number, job = unfinished
            text = "the builder ended while it was at it; it is not tried again"
            self._say(_answer(number, job, text, is_done=False))

    def work(self) -> bool:
        """Do the next job; False if there is none."""
        taken = self._queue.take()
        if taken is None:
            return False
        number, job = taken
        try:
            answer = self._do(number, job)
        except UserError as error:
            answer = _answer(number, job, str(error), is_done=False)
            if job.task in CLIP_TASKS:
                self._refused[job.name] = str(error)
        except Exception as error:  # whoever waits for it has to hear of it
            text = f"{type(error).__name__}: {error}"
            answer = _answer(number, job, text, is_done=False)
        self._say(answer)
        self._worked = time.monotonic()
        return True

    def look_after(self) -> None:
        """What has to be done now and then: captures that go on, and what there is time for."""
        now = time.monotonic()
        if self._open and now - self._saved > SAVE_SECONDS:
            self._saved = now
            for capture in self._open:
                with contextlib.suppress(UserError):  # it is told of at its end
                    self._keep_open(capture)
        if self._to_measure and now - self._worked > CALM_SECONDS:
            number, name = self._to_measure.pop(0)
            self._measure(number, name)

    def _say(self, answer: Answer) -> None:
        names = tuple(capture.name for capture in self._open)
        self._queue.answer(answer.model_copy(update={"open": names}))

    def _do(self, number: int, job: Job) -> Answer:
        return self._tasks[job.task](self, number, job)

    # Clips.

    def _next_clip(self, job: Job) -> DraftClip:
        """A clip that is neither there nor about to be."""
        n_open = max((one.number for one in self._open if one.name == job.name), default=0)
        return self._drafts.next_clip(job.name, job.role, n_open)

    def _last(self, number: int, job: Job) -> Answer:
        clip = self._next_clip(job)
        audio, _ = self._heard(job.source, job.start, job.stop)
        return self._take(number, job, clip, audio, self._ring.contents.sample_rate)

    def _range(self, number: int, job: Job) -> Answer:
        clip = self._next_clip(job)
        song = self._song()
        if not song:
            raise ConditionError("no song is played; ranges are for --file")
        excerpt = Excerpt(Path(song), job.from_seconds, job.to_seconds)
        audio, _ = read_clip(excerpt, self._model_rate)
        return self._take(number, job, clip, audio, self._model_rate)

    def _take(
        self,
        number: int,
        job: Job,
        clip: DraftClip,
        audio: Audio,
        sample_rate: int,
    ) -> Answer:
        """Keep a clip that has come to its end."""
        prepared, warnings = prepare(audio, sample_rate, clip.path.stem)
        self._drafts.keep(clip, prepared, sample_rate)
        seconds = prepared.shape[1] / sample_rate
        text = f"{clip.path.stem}: {seconds:.1f} s of {job.source}"
        return _answer(number, job, text, warnings=warnings)

    def _heard(self, source: str, start: int, stop: int) -> tuple[Audio, int]:
        """A piece of a signal, and its first sample.

        Raises:
            ConditionError: there is no such signal.
        """
        piece = self._ring.read(source, start, stop)
        if piece is None:
            names = ", ".join(one.name for one in self._ring.contents.sources) or "none yet"
            raise ConditionError(f"nothing called '{source}' plays; there are: {names}")
        return piece

    # Captures that go on.

    def _start(self, number: int, job: Job) -> Answer:
        if any(one.name == job.name for one in self._open):
            raise ConditionError(f"'{job.name}' is being captured already; stop that first")
        if len(self._open) >= MAX_OPEN:
            raise ConditionError(f"{MAX_OPEN} captures go on already; stop one")
        self._heard(job.source, job.start, job.start)
        clip = self._next_clip(job)
        capture = OpenCapture(
            name=job.name,
            role=job.role,
            source=job.source,
            start=job.start,
            number=clip.number,
        )
        self._set_open([*self._open, capture])
        return _answer(number, job, f"{clip.path.stem} goes on")

    def _stop(self, number: int, job: Job) -> Answer:
        capture = next((one for one in self._open if one.name == job.name), None)
        if capture is None:
            raise ConditionError(f"'{job.name}' is not being captured; start that first")
        capture = self._keep_what_was_before(capture)
        self._set_open([one for one in self._open if one.name != job.name])
        clip = self._clip_of(capture)
        try:
            audio, start = self._heard(capture.source, capture.start, job.stop)
        except ConditionError as error:
            if not clip.path.is_file():
                raise
            text = f"{clip.path.stem}: what was heard until its sound was gone"
            return _answer(number, job, text, warnings=[str(error)])
        told = job.model_copy(update={"role": capture.role, "source": capture.source})
        try:
            answer = self._take(number, told, clip, audio, self._ring.contents.sample_rate)
        except UserError:
            clip.path.unlink(missing_ok=True)
            raise
        if start > capture.start:
            cut = f"{clip.path.stem}: only its end is kept, as no more is remembered"
            return answer.model_copy(update={"warnings": (cut, *answer.warnings)})
        return answer

    def _keep_open(self, capture: OpenCapture) -> None:
        capture = self._keep_what_was_before(capture)
        audio, _ = self._heard(capture.source, capture.start, self._ring.written)
        if audio.shape[1]:
            self._drafts.keep(self._clip_of(capture), audio, self._ring.contents.sample_rate)

    def _keep_what_was_before(self, capture: OpenCapture) -> OpenCapture:
        """Where a signal has begun again, as of a stem in another preset, so does its clip."""
        since = {source.name: source.since for source in self._ring.contents.sources}
        began = since.get(capture.source, 0)
        clip = self._clip_of(capture)
        if began <= capture.start or not clip.path.is_file():
            return capture
        number = self._drafts.next_clip(capture.name, capture.role, capture.number).number
        next_one = capture.model_copy(update={"start": began, "number": number})
        self._set_open([next_one if one is capture else one for one in self._open])
        return next_one

    def _clip_of(self, capture: OpenCapture) -> DraftClip:
        return self._drafts.clip(capture.name, capture.role, capture.number)

    @property
    def _open_file(self) -> Path:
        return self._drafts.folder / "open.json"

    def _read_open(self) -> list[OpenCapture]:
        """What went on when the builder before ended, if that was of this host."""
        try:
            text = read_bytes(self._open_file, MAX_OPEN_BYTES)
            content = OpenCaptures.model_validate_json(text, strict=True)
            for capture in content.open:
                check_name(capture.name, "condition")
        except (OSError, ValueError, UserError):
            return []
        return list(content.open) if content.ring == self._ring.identity else []

    def _set_open(self, captures: list[OpenCapture]) -> None:
        self._open = captures
        self._saved = 0.0
        content = OpenCaptures(ring=self._ring.identity, open=tuple(captures))
        try:
            self._open_file.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self._open_file) as partial:
                partial.write_text(content.model_dump_json(), encoding="utf-8")
        except OSError as error:
            raise ConditionError(f"{self._open_file}: cannot be written ({error})") from error

    # Conditions.

    def _build(self, number: int, job: Job) -> Answer:
        refused = self._refused.pop(job.name, None)
        if refused is not None and not self._drafts.clips(job.name):
            raise ConditionError(f"'{job.name}' has no clips: {refused}")
        condition = self._drafts.build(job.name)
        counts = [len(getattr(condition, role)) for role in ROLES]
        text = f"{counts[0]} positive and {counts[1]} negative clips"
        self._to_measure.append((number, job.name))
        return _answer(number, job, text, warnings=self._doubts(condition), is_new=True)

    def _doubts(self, condition: Condition) -> list[str]:
        """What is doubtful about its clips, which are named as they are called in the folder."""
        folder = f"{self._drafts.folder}{os.sep}"
        return [text.replace(folder, "") for text in clip_warnings(condition)]

    def _measure(self, number: int, name: str) -> None:
        """See what a condition leaves of its clips, and warn of what that says."""
        with contextlib.suppress(UserError):  # it may be gone by now
            condition = self._drafts.load(name)
            told = self._doubts(condition)
            measured = self._drafts.measured(condition)
            if self._drafts.load(name) != condition:
                return
            save_condition(self._drafts.path(name), measured)
            new = [one for one in self._doubts(measured) if one not in told]
            if new:
                job = Job(task="build", name=name)
                self._say(_answer(number, job, "", warnings=new))

    def _inspect(self, number: int, job: Job) -> Answer:
        condition = self._drafts.load(job.name)
        near = nearest(condition, self._drafts.others(job.name))[:N_NEAREST]
        answer = _answer(number, job, "", warnings=self._doubts(condition))
        update = {
            "clips": tuple(_clips(condition)),
            "near": tuple(near),
            "sources": tuple(self._likeness(condition)),
        }
        return answer.model_copy(update=update)

    def _likeness(self, condition: Condition) -> list[tuple[str, float]]:
        """Signals that have played just now, the most like the condition's clips first."""
        rate = self._ring.contents.sample_rate
        stop = self._ring.written
        start = max(0, stop - round(COMPARED_SECONDS * rate))
        found = []
        for source in self._ring.contents.sources:
            with contextlib.suppress(ConditionError):  # nothing is heard there
                audio, _ = self._heard(source.name, start, stop)
                found.append((source.name, self._drafts.alike(condition, audio, rate)))
        return sorted(found, key=lambda one: -one[1])

    def _clear(self, number: int, job: Job) -> Answer:
        return _answer(number, job, f"{self._drafts.clear(job.name)} clips thrown away")

    def _save(self, number: int, job: Job) -> Answer:
        return _answer(number, job, f"in {self._drafts.save(job.name)}")

    def _undo(self, number: int, job: Job) -> Answer:
        n_clips = self._drafts.undo(job.name)
        text = f"the version before; {n_clips} clips put aside"
        return _answer(number, job, text, is_new=True)

    def _delete(self, number: int, job: Job) -> Answer:
        self._set_open([one for one in self._open if one.name != job.name])
        self._drafts.delete(job.name)
        return _answer(number, job, "thrown away with its clips")

    _tasks: ClassVar[dict[Task, Callable[[Builder, int, Job], Answer]]] = {
        "last": _last,
        "start": _start,
        "stop": _stop,
        "range": _range,
        "clear": _clear,
        "build": _build,
        "save": _save,
        "undo": _undo,
        "delete": _delete,
        "inspect": _inspect,
    }


def _clips(condition: Condition) -> list[Clip]:
    found = []
    for role in ROLES:
        records = getattr(condition.header, role)
        similarities = clip_similarities(getattr(condition, role))
        for record, alike in zip(records, similarities, strict=False):
            found.append(Clip(Path(record.file).name, role, float(alike)))
    return found


def _answer(
    number: int,
    job: Job,
    text: str,
    *,
    is_done: bool = True,
    warnings: list[str] | None = None,
    is_new: bool = False,
) -> Answer:
    return Answer(
        job=number,
        task=job.task,
        name=job.name,
        text=text[:MAX_TEXT],
        is_done=is_done,
        warnings=tuple(one[:MAX_TEXT] for one in (warnings or [])[:MAX_WARNINGS]),
        is_new=is_new,
    )
