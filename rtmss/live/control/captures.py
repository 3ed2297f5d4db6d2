"""The control side of capturing: what is asked of the condition builder, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rtmss.conditions.condition import Condition
from rtmss.conditions.preset import check_name
from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.live.shared.capture_ring import CAPTURE_SECONDS, INPUT, CaptureRing
from rtmss.live.shared.jobs import MAX_WAITING, ROLES, Answer, Job, JobQueue, Role, Task
from rtmss.lookup import find

SceneChange = Callable[[Scene], Scene]


class Captured(NamedTuple):
    """An answer of the builder, and whether a stem plays something else for it."""

    answer: Answer
    is_played: bool = False


class Captures:
    """Clips and conditions by ear, for one controller."""

    def __init__(self, ring: CaptureRing, queue: JobQueue) -> None:
        """Go on from now.

        Args:
            ring: what was heard.
            queue: to the builder.
        """
        self._ring = ring
        self._queue = queue
        self._n_read = queue.counts.n_answers
        self._building: set[str] = set()
        """Names of conditions that are being built."""
        self._waiting: dict[str, str] = {}
        """Stems that are to play a condition once it is built: its name, by stem."""
        self.open: tuple[str, ...] = ()
        """Names for which a capture goes on."""

    # Jobs.

    def last(
        self,
        name: str,
        role: str,
        seconds: float,
        source: str = INPUT,
    ) -> Job:
        """Keep the last seconds of a signal as a clip.

        Raises:
            UserError: a name or the role is none, or nothing has been played.
        """
        stop = self._ring.written
        start = max(0, stop - round(seconds * self._rate()))
        return _job("last", name, role=_role(role), source=source, start=start, stop=stop)

    def start(self, name: str, role: str, source: str = INPUT) -> Job:
        """Begin a clip, which ends with `stop`.

        Raises:
            UserError: a name or the role is none, or nothing has been played.
        """
        self._rate()
        return _job("start", name, role=_role(role), source=source, start=self._ring.written)

    def stop(self, name: str) -> Job:
        """End the clip that was begun for a name.

        Raises:
            UserError: the name is none.
        """
        return _job("stop", name, stop=self._ring.written)

    def range(self, name: str, role: str, start: float, stop: float) -> Job:
        """Keep a place in the song as a clip; `start` and `stop` are in seconds.

        Raises:
            UserError: a name or the role is none, or the place is empty or too long.
        """
        if not start < stop:
            raise UserError(f"the range from {start:g} to {stop:g} s is empty")
        if stop - start > CAPTURE_SECONDS:
            raise UserError(f"a clip has at most {CAPTURE_SECONDS} s")
        place = {"from_seconds": start, "to_seconds": stop}
        return _job("range", name, role=_role(role), source="the song", **place)

    def simple(self, task: Task, name: str) -> Job:
        """What needs a name and nothing else.

        Raises:
            UserError: the name is none.
        """
        return _job(task, name)

    @property
    def n_free(self) -> int:
        """How many jobs can be asked for now."""
        return MAX_WAITING - self._queue.n_waiting

    def ask(self, job: Job) -> int:
        """Hand a job over, for which there is room, and return its number."""
        if job.task == "build":
            self._building.add(job.name)
        return self._queue.ask(job)

    # What comes of them.

    def is_building(self, name: str) -> bool:
        """Whether a condition is on its way."""
        return name in self._building

    def let_play(self, stem: str, name: str) -> None:
        """Let a stem play a condition as soon as it is built."""
        self._waiting[stem] = name

    def poll(self) -> list[Answer]:
        """What the builder has said since the last call."""
        self._n_read, answers = self._queue.read_answers(self._n_read)
        for answer in answers:
            self.open = answer.open
            if answer.task == "build" and answer.text:
                self._building.discard(answer.name)
        return answers

    def stems_for(self, answer: Answer, scene: Scene) -> list[str]:
        """Stems that are to play a condition which has just been made; they wait no longer."""
        waiting = [stem for stem, name in self._waiting.items() if name == answer.name]
        is_over = answer.is_new or not answer.is_done
        for stem in waiting if is_over else ():
            del self._waiting[stem]
        if not answer.is_new:
            return []
        return [
            stem.name
            for stem in scene.stems
            if stem.condition.name == answer.name or stem.name in waiting
        ]

    def _rate(self) -> int:
        rate = self._ring.contents.sample_rate
        if not rate:
            raise UserError("nothing has been played yet")
        return rate


def with_conditions(stems: Sequence[str], condition: Condition) -> SceneChange:
    """The change that gives stems a condition, as far as they are there."""

    def change(scene: Scene) -> Scene:
        names = {stem.name for stem in scene.stems}
        for stem in stems:
            if stem in names:
                scene = scene.with_condition(stem, condition)
        return scene

    return change


def _job(task: Task, name: str, **others: object) -> Job:
    check_name(name, "condition")
    return Job.model_validate({"task": task, "name": name, **others})


def _role(text: str) -> Role:
    role: Role = find(text, {role: role for role in ROLES}, "role")
    return role


def told(answer: Answer) -> str:
    """A line for the terminal."""
    said = f"{answer.name}: {answer.text}" if answer.text else answer.name
    return "; ".join([said, *answer.warnings])
