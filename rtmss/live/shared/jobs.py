"""What the control side asks of the condition builder, and what that answers, in shared memory.

Either process may be killed and started again. A job that ends its builder is not tried again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from rtmss.config import Config
from rtmss.live.shared.memory import Block
from rtmss.live.shared.seqlock import VERSION, Slots

MAX_WAITING = 32
"""Jobs that wait at once."""
N_SLOTS = 4 * MAX_WAITING
TEXT_BYTES = 8192
"""Of a job or an answer as text."""

Role = Literal["positive", "negative"]
ROLES: tuple[Role, ...] = ("positive", "negative")
Task = Literal[
    "last",
    "start",
    "stop",
    "range",
    "clear",
    "build",
    "save",
    "undo",
    "delete",
    "inspect",
]


class Job(Config):
    """Something to be done for the condition of a name."""

    task: Task
    name: str
    role: Role = "positive"
    source: str = "input"
    """Of a clip: a signal in the capture ring."""
    start: int = 0
    """Of a clip, in samples of the ring."""
    stop: int = 0
    from_seconds: float = 0.0
    """Of a clip from a song."""
    to_seconds: float = 0.0


class Clip(NamedTuple):
    """What an answer says of a clip."""

    file: str
    role: str
    alike: float
    """Cosine of its embedding with the mean of the others of its side."""


class Answer(Config):
    """What has come of a job."""

    job: int
    """Its number."""
    task: Task
    name: str
    text: str = ""
    """What was done, or why it was not."""
    is_done: bool = True
    warnings: tuple[str, ...] = ()
    clips: tuple[Clip, ...] = ()
    """Of `inspect`."""
    near: tuple[tuple[str, float], ...] = ()
    """Of `inspect`: other conditions and how alike they are."""
    sources: tuple[tuple[str, float], ...] = ()
    """Of `inspect`: signals that play, and how like the positive clips they are now."""
    is_new: bool = False
    """Whether the condition is another one now."""
    open: tuple[str, ...] = ()
    """Names for which a capture goes on."""


class Counts(NamedTuple):
    """How far both sides are, in numbers of jobs and of answers."""

    asked: int
    begun: int
    answered: int
    n_answers: int


class JobQueue:
    """Jobs one way and answers the other; each side writes its own."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._fields = block.fields
        self.path = block.path
        self._jobs = Slots(self._fields["jobs"])
        self._answers = Slots(self._fields["answers"])

    @classmethod
    def create(cls) -> Self:
        """Make the memory, all zeros; whoever makes it calls `close(unlink=True)` in the end.

        Raises:
            UserError: there is not enough of it.
        """
        return cls(Block.create("jobs", _LAYOUT, "capturing"))

    @classmethod
    def attach(cls, path: Path) -> Self:
        """Open memory that another process made."""
        return cls(Block(path, _LAYOUT))

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the memory, for good with `unlink`."""
        del self._fields, self._jobs, self._answers
        self._block.close(unlink=unlink)

    @property
    def counts(self) -> Counts:
        """How far both sides are."""
        return Counts(*(int(self._fields[name]) for name in Counts._fields))

    @property
    def n_waiting(self) -> int:
        """Jobs that have no answer yet."""
        asked, _, answered, _ = self.counts
        return asked - answered

    # The control side's.

    def ask(self, job: Job) -> int:
        """Hand over a job, and return its number. See `n_waiting` first."""
        number = self.counts.asked + 1
        with self._jobs.writing(number) as row:
            row["text"] = _encode(job)
        self._fields["asked"] = number
        return number

    def read_answers(self, after: int) -> tuple[int, list[Answer]]:
        """The number of the newest answer, and all with numbers above `after` up to it."""
        newest = self.counts.n_answers
        first = max(after, newest - N_SLOTS) + 1
        rows = [self._answers.read(number) for number in range(first, newest + 1)]
        texts = [bytes(row["text"]) for row in rows if row is not None]
        return newest, [Answer.model_validate_json(text) for text in texts]

    # The builder's.

    def take(self) -> tuple[int, Job] | None:
        """The next job, which then has begun; None if there is none."""
        asked, begun, _, _ = self.counts
        if begun == asked:
            return None
        row = self._jobs.read(begun + 1)
        self._fields["begun"] = begun + 1
        if row is None:
            return None
        return begun + 1, Job.model_validate_json(bytes(row["text"]))

    def unfinished(self) -> tuple[int, Job] | None:
        """A job that was begun by a builder that has ended."""
        _, begun, answered, _ = self.counts
        row = self._jobs.read(begun)
        if begun == answered or row is None:
            return None
        return begun, Job.model_validate_json(bytes(row["text"]))

    def answer(self, answer: Answer) -> None:
        """Hand over what has come of the latest job, of long lists as much as there is room for."""
        number = self.counts.n_answers + 1
        with self._answers.writing(number) as row:
            row["text"] = _encode(_fitting(answer))
        self._fields["n_answers"] = number
        self._fields["answered"] = max(self.counts.answered, answer.job)


def _fitting(answer: Answer) -> Answer:
    """An answer that fits into a slot: the longest list loses its end until it does."""
    while len(_encode(answer)) > TEXT_BYTES:
        lists = {name: getattr(answer, name) for name in _LISTS}
        longest = max(lists, key=lambda name: len(str(lists[name]).encode()))
        shorter = {longest: lists[longest][:-1]}
        if not lists[longest]:
            shorter = {"text": answer.text[: len(answer.text) // 2]}
        answer = answer.model_copy(update=shorter)
    return answer


def _encode(value: Job | Answer) -> bytes:
    return value.model_dump_json().encode()


_LISTS = ("warnings", "clips", "near", "sources")
_ROW = np.dtype([VERSION, ("text", f"S{TEXT_BYTES}")], align=True)
_COUNTS: list[Any] = [(name, "u8") for name in Counts._fields]
_LAYOUT: np.dtype[Any] = np.dtype(
    [*_COUNTS, ("jobs", _ROW, N_SLOTS), ("answers", _ROW, N_SLOTS)],
    align=True,
)
