"""The work done in processes of this machine.

Batches of songs go to workers that were started once, and outcomes come as they are made. A worker
that dies is replaced, and the new one begins its batch again.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rtmss.catalogue.songs import Song
from rtmss.config import UserError

if TYPE_CHECKING:  # with it comes torch, which a worker loads when it starts
    from rtmss.catalogue.worker import Outcome

Work = Callable[[Sequence[Song]], "list[Outcome]"]
Start = Callable[[], Work]
"""Makes a worker, in its own process; can be pickled."""

_MOST_DEATHS = 4
"""Workers that may die over the same songs before it is not the songs' fault."""


def n_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_this_machine(
    batches: Sequence[Sequence[Song]], start: Start, n_workers: int
) -> Iterator[Outcome]:
    """Do the work in processes of this machine, in this order.

    Raises:
        UserError: workers cannot be started, or one says that nothing more can be done.
    """
    waiting = list(reversed(batches))
    workers = [
        _Process(start)
        for _ in range(
            min(
                n_workers,
                len(batches),
            )
        )
    ]
    try:
        for worker in workers:
            worker.give(waiting.pop())
        while busy := [worker for worker in workers if worker.batch]:
            for pipe in multiprocessing.connection.wait([worker.pipe for worker in busy]):
                worker = next(worker for worker in busy if worker.pipe is pipe)
                outcomes = worker.take()
                if outcomes is None:
                    worker.begin_again()
                    continue
                if waiting:
                    worker.give(waiting.pop())
                yield from outcomes
    finally:
        for worker in workers:
            worker.kill()


class _Process:
    """A worker in a process of its own."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self.batch: Sequence[Song] = ()
        self._n_deaths = 0
        self._open()

    def give(self, batch: Sequence[Song]) -> None:
        """Let it work on a batch."""
        self.batch = batch
        # If it has died, `take` will say so.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(batch)

    def take(self) -> list[Outcome] | None:
        """What it did, or None if it died."""
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            return None
        if isinstance(answer, BaseException):
            raise answer
        self.batch, self._n_deaths = (), 0
        return list(answer)

    def begin_again(self) -> None:
        """Start another process for the same batch.

        Raises:
            UserError: that was tried often enough.
        """
        self.kill()
        self._n_deaths += 1
        if self._n_deaths == _MOST_DEATHS:
            status = self._process.exitcode
            raise UserError(f"workers die as they start (status {status}): is there enough memory?")
        self._open()
        self.give(self.batch)

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def _open(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would lose torch's threads
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(theirs, self._start),
            daemon=True,
        )
        self._process.start()
        theirs.close()


def _serve(
    pipe: multiprocessing.connection.Connection[Any, Any],
    start: Start,
) -> None:
    """Work until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent has it too, and ends this process
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        work = start()
        while True:
            pipe.send(work(pipe.recv()))
    except EOFError:
        return
    except Exception as error:
        pipe.send(error)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
