"""Where the work is done: in processes of this machine, or on Ray.

Both give batches of songs to workers that were started once, and outcomes as they come; a worker
that dies is replaced, and its songs are given to another.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rtmss.catalogue.songs import Song
from rtmss.catalogue.worker import Outcome
from rtmss.config import UserError

Work = Callable[[Sequence[Song]], list[Outcome]]
Start = Callable[[], Work]
"""Makes a worker, in its own process; can be pickled."""

_MOST_DEATHS = 4
"""Workers that may die over the same songs before it is not the songs' fault."""
_MOST_BLOCKS = 10_000
"""Ray Data keeps books for every block."""
_STORE_BYTES = 200 << 20
"""For what goes through Ray on this machine, which is little."""


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
    workers = [_Process(start) for _ in range(min(n_workers, len(batches)))]
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
        self._process = context.Process(target=_serve, args=(theirs, self._start), daemon=True)
        self._process.start()
        theirs.close()


def _serve(pipe: multiprocessing.connection.Connection[Any, Any], start: Start) -> None:
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


def on_ray(
    batches: Sequence[Sequence[Song]], start: Start, n_workers: int, address: str, n_gpus: int = 0
) -> Iterator[Outcome]:
    """Do the work in actors of Ray Data. Paths go to them and rows come back, never audio.

    Args:
        batches: songs; neighbours go to the same actor.
        start: makes a worker.
        n_workers: actors; 0 for one on every processor, or on every GPU.
        address: `local` for this machine, or that of a cluster, such as `auto` or `ray://host:10001`.
        n_gpus: of each actor.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        ray: Any = importlib.import_module("ray")
        data: Any = importlib.import_module("ray.data")
    except ImportError as error:
        raise UserError("--ray needs Ray: pip install 'rtmss[ray]'") from error
    _connect(ray, address, n_workers)
    try:
        kind = "GPU" if n_gpus else "CPU"
        n_workers = n_workers or max(1, int(ray.cluster_resources().get(kind, 1)))
        items = [{"batch": pickle.dumps(list(batch))} for batch in batches]
        paths = data.from_items(items, override_num_blocks=min(len(items), _MOST_BLOCKS))
        done = paths.map_batches(
            _Actor,
            fn_constructor_args=(start,),
            batch_size=1,
            # A song that waits behind a long one would keep another actor idle.
            compute=data.ActorPoolStrategy(
                size=min(n_workers, len(items)), max_tasks_in_flight_per_actor=1
            ),
            num_cpus=1,
            num_gpus=n_gpus,
        )
        for row in done.iter_rows():
            yield from pickle.loads(row["outcomes"])
    finally:
        ray.shutdown()


class _Actor:
    """A worker as Ray Data calls it: batches of one row, whose columns are arrays."""

    def __init__(self, start: Start) -> None:
        self._work = start()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        songs = pickle.loads(batch["batch"][0])
        return {"outcomes": [pickle.dumps(self._work(songs))]}


def _connect(ray: Any, address: str, n_workers: int) -> None:
    import logging

    quiet = {"logging_level": logging.WARNING, "log_to_driver": False}
    try:
        if address == "local":
            ray.init(
                num_cpus=n_workers or n_cores(),
                object_store_memory=_STORE_BYTES,
                include_dashboard=False,
                **quiet,
            )
        else:
            ray.init(address=address, **quiet)
    except Exception as error:  # some are no more than that
        raise UserError(f"--ray {address}: {str(error).splitlines()[0]}") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
