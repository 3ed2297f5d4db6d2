"""Answers that have to wait for the engine: presets being loaded, and syncs."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

from rtmss.live.control.captures import Captured
from rtmss.live.control.controller import MixerController, PresetLoaded
from rtmss.live.control.osc.arguments import RefusedError
from rtmss.live.control.osc.captures import answer_packets
from rtmss.live.control.osc.codec import Argument, failure, message
from rtmss.live.control.osc.fairness import Peer, gives_way
from rtmss.live.control.osc.table import MAX_AHEAD_SECONDS
from rtmss.live.shared.state import Status

MAX_LOADS = 8
MAX_SYNCS = 64
MAX_JOBS = 8
"""All of one peer."""
MAX_ALL_LOADS = 32
MAX_ALL_SYNCS = 256
WAIT_SECONDS = 30

Answers = list[tuple[Peer, bytes]]


class Load(NamedTuple):
    """A preset that was asked for."""

    name: str
    peer: Peer
    number: int
    """Counts all that were asked for."""


class Waiting(NamedTuple):
    """An answer that is due when a scene is heard."""

    peer: Peer
    address: str
    args: tuple[Argument, ...]
    number: int
    """Of that scene."""
    hop: int
    """It is not due before this."""
    ends: float
    """After this moment of `time.monotonic()` it is a failure."""

    @property
    def asked(self) -> str:
        """The address that was asked."""
        return "/rtmss/sync" if self.address == "/rtmss/synced" else str(self.args[0])


class WaitingJob(NamedTuple):
    """Something that the condition builder was asked for."""

    peer: Peer
    address: str
    ends: float
    """After this moment of `time.monotonic()` it is a failure."""


class Pending:
    """Answers that peers wait for. Presets are loaded one after the other: the last one asked for
    plays in the end.
    """

    def __init__(self, controller: MixerController) -> None:
        self._controller = controller
        self._loads: deque[Load] = deque()
        self._load_ends = 0.0
        self._n_asked = 0
        self._new_syncs: list[tuple[Peer, int, int]] = []
        """Peer, number, and the number of the last load that has to be over first."""
        self._waiting: list[Waiting] = []
        self._jobs: dict[int, WaitingJob] = {}
        """By number."""
        self._askers: dict[int, WaitingJob] = {}
        """Who is told more of a job that is done."""
        self._given_up: Answers = []
        """Told at the next step to peers whose place somebody else needed more."""

    def __len__(self) -> int:
        n_told = len(self._given_up)
        n_asked = len(self._loads) + len(self._new_syncs) + len(self._jobs)
        return n_asked + len(self._waiting) + n_told

    def check_room(self, peer: Peer, n_loads: int, n_syncs: int) -> None:
        """See whether there is room for more.

        Raises:
            RefusedError: there is not.
        """
        loads = self._loads_held()
        if n_loads and loads[peer] + n_loads > MAX_LOADS:
            raise RefusedError(
                "busy", f"at most {MAX_LOADS} presets are loaded one after the other"
            )
        syncs = self._syncs_held()
        if n_syncs and syncs[peer] + n_syncs > MAX_SYNCS:
            raise RefusedError("busy", f"{MAX_SYNCS} answers are waiting for the engine already")
        movable = self._loads_held(1)
        is_full = movable.total() >= MAX_ALL_LOADS and gives_way(movable, peer) is None
        if n_loads and is_full:
            raise RefusedError("busy", f"{MAX_ALL_LOADS} presets are waiting already")
        is_full = syncs.total() >= MAX_ALL_SYNCS and gives_way(syncs, peer) is None
        if n_syncs and is_full:
            raise RefusedError("busy", f"{MAX_ALL_SYNCS} answers are waiting already")

    def load(self, name: str, peer: Peer, now: float) -> None:
        """Load a preset and let it play."""
        held = self._loads_held(1)
        if held.total() >= MAX_ALL_LOADS:
            self._give_up_load(gives_way(held, peer))
        self._n_asked += 1
        self._loads.append(Load(name, peer, self._n_asked))
        if len(self._loads) == 1:
            self._start(now)

    def sync(self, number: int, peer: Peer) -> None:
        """Answer when all that was asked for up to now is heard."""
        held = self._syncs_held()
        if held.total() >= MAX_ALL_SYNCS:
            self._give_up_sync(gives_way(held, peer))
        self._new_syncs.append((peer, number, self._n_asked))

    def check_jobs(self, peer: Peer, n_jobs: int, n_free: int) -> None:
        """See whether a peer may ask the condition builder for so much.

        Raises:
            RefusedError: it may not, or there is no room.
        """
        held = sum(job.peer == peer for job in self._jobs.values())
        if held + n_jobs > MAX_JOBS:
            raise RefusedError("busy", f"{MAX_JOBS} jobs of this peer are waiting already")
        if n_jobs > n_free:
            raise RefusedError("busy", "too many jobs are waiting for the builder already")

    def await_job(
        self,
        number: int,
        address: str,
        peer: Peer,
        now: float,
    ) -> None:
        """Answer when the condition builder has done a job."""
        self._jobs[number] = WaitingJob(peer, address, now + WAIT_SECONDS)

    def step(
        self,
        loaded: list[PresetLoaded],
        now: float,
        captured: Sequence[Captured] = (),
    ) -> Answers:
        """Give answers that are due.

        Args:
            loaded: presets that were read and sent to the engine since the last call.
            now: seconds of `time.monotonic()`.
            captured: what the condition builder has said since then.
        """
        answers = self._given_up
        self._given_up = []
        answers += [answer for one in captured for answer in self._finish_job(one, now)]
        answers += self._late_jobs(now)
        answers += [answer for one in loaded for answer in self._finish(one, now)]
        if self._loads and now > self._load_ends:
            answers.append(
                _failure(self._loads[0].peer, "/rtmss/preset", f"no preset after {WAIT_SECONDS} s")
            )
            self._next(now)
        self._take_up_syncs(now)
        return answers + self._due(self._controller.status, now)

    def _loads_held(self, first: int = 0) -> Counter[Peer]:
        """Presets that peers wait for; from 1 on, those that are not being read yet."""
        held = Counter(
            one.peer
            for one in itertools.islice(
                self._loads,
                first,
                None,
            )
        )
        held.update(one.peer for one in self._waiting if one.asked == "/rtmss/preset")
        return held

    def _syncs_held(self) -> Counter[Peer]:
        held = Counter(one[0] for one in self._new_syncs)
        held.update(one.peer for one in self._waiting if one.asked == "/rtmss/sync")
        return held

    def _give_up_load(self, peer: Peer | None) -> None:
        """The latest preset of a peer will not be loaded, or not be told of; the one that is being
        read will.
        """
        for place in range(len(self._loads) - 1, 0, -1):
            if self._loads[place].peer == peer:
                self.tell(self._loads[place].peer, "/rtmss/preset")
                del self._loads[place]
                return
        self._give_up_waiting(peer, "/rtmss/preset")

    def _give_up_sync(self, peer: Peer | None) -> None:
        for new in self._new_syncs:
            if new[0] == peer:
                self._new_syncs.remove(new)
                self.tell(new[0], "/rtmss/sync")
                return
        self._give_up_waiting(peer, "/rtmss/sync")

    def _give_up_waiting(
        self,
        peer: Peer | None,
        asked: str,
    ) -> None:
        for waiting in self._waiting:
            if waiting.peer == peer and waiting.asked == asked:
                self._waiting.remove(waiting)
                self.tell(waiting.peer, asked)
                return

    def tell(self, peer: Peer, address: str) -> None:
        """Tell a peer at the next step that what it asked for has made room for another's."""
        text = "another peer that has less waiting needed the place"
        self._given_up.append(_failure(peer, address, text, "busy"))

    def _take_up_syncs(self, now: float) -> None:
        hop = max(
            (due for due, _ in self._controller.scheduled),
            default=0,
        )
        ends = now + WAIT_SECONDS + (MAX_AHEAD_SECONDS if hop else 0)
        first = self._loads[0].number if self._loads else self._n_asked + 1
        for peer, number, last in self._new_syncs:
            if last < first:
                self._waiting.append(
                    Waiting(
                        peer,
                        "/rtmss/synced",
                        (number,),
                        self._controller.number,
                        hop,
                        ends,
                    )
                )
        self._new_syncs = [one for one in self._new_syncs if one[2] >= first]

    def _start(self, now: float) -> None:
        self._load_ends = now + WAIT_SECONDS
        self._controller.start_loading(self._loads[0].name)

    def _next(self, now: float) -> None:
        self._loads.popleft()
        if self._loads:
            self._start(now)

    def _finish(self, loaded: PresetLoaded, now: float) -> Answers:
        if not self._loads or self._loads[0].name != loaded.name:
            return []  # somebody else has asked for it
        peer = self._loads[0].peer
        self._next(now)
        if loaded.error is not None:
            return [_failure(peer, "/rtmss/preset", str(loaded.error), "refused")]
        number, ends = self._controller.number_now, now + WAIT_SECONDS
        self._waiting.append(
            Waiting(peer, "/rtmss/done", ("/rtmss/preset", loaded.name), number, 0, ends)
        )
        return []

    def _finish_job(self, captured: Captured, now: float) -> Answers:
        """What is said at once of a job; that it is done when that is heard."""
        answer = captured.answer
        asked = self._jobs.pop(answer.job, None)
        if asked is not None:
            self._askers[answer.job] = asked
            while len(self._askers) > MAX_ALL_LOADS:
                del self._askers[next(iter(self._askers))]
        asked = asked or self._askers.get(answer.job)
        if asked is None:
            return []  # a control side before this one was asked, or it took too long
        peer, address, _ = asked
        answers = [(peer, packet) for packet in answer_packets(address, answer)]
        if answer.is_done and (answer.text or answer.task == "inspect"):
            number = self._controller.number_now if captured.is_played else 0
            args = (address, answer.name, answer.text)
            self._waiting.append(Waiting(peer, "/rtmss/done", args, number, 0, now + WAIT_SECONDS))
        return answers

    def _late_jobs(self, now: float) -> Answers:
        late = [number for number, job in self._jobs.items() if now > job.ends]
        answers = []
        for number in late:
            peer, address, _ = self._jobs.pop(number)
            text = f"the builder has not answered after {WAIT_SECONDS} s"
            answers.append(_failure(peer, address, text))
        return answers

    def _due(self, status: Status, now: float) -> Answers:
        answers: Answers = []
        waiting = self._waiting
        self._waiting = []
        for one in waiting:
            if status.applied >= one.number and status.hop >= one.hop:
                hop = (status.hop,) if one.address == "/rtmss/synced" else ()
                answers.append(
                    (
                        one.peer,
                        message(
                            one.address,
                            *one.args,
                            *hop,
                        ),
                    )
                )
            elif now > one.ends:
                answers.append(
                    _failure(
                        one.peer,
                        one.asked,
                        "the engine has not taken it up in time; is it running?",
                    )
                )
            else:
                self._waiting.append(one)
        return answers


def _failure(
    peer: Peer,
    address: str,
    text: str,
    code: str = "timeout",
) -> tuple[Peer, bytes]:
    return peer, failure(address, code, text)
