"""The work done on Ray: on this machine, or on a cluster.

Paths go to actors of Ray Data and rows come back, never audio. An actor that dies is replaced, and
its songs are given to another.
"""

from __future__ import annotations

import importlib
import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from rtmss.catalogue.engines import Start, Work, n_cores
from rtmss.catalogue.songs import Song
from rtmss.catalogue.worker import Outcome
from rtmss.config import UserError

_T = TypeVar("_T")

_MOST_BLOCKS = 10_000
"""Ray Data keeps books for every block."""
_STORE_BYTES = 200 << 20
"""For what goes through Ray on this machine, which is little."""
_N_STARTS = 3
"""Ray gives its own processes 30 seconds to start, which a busy machine may need more often."""
_SETTINGS = {
    "RAY_gcs_server_request_timeout_seconds": "300",
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_DATA_LOG_LEVEL": "ERROR",
}
"""Of Ray, for those that the user has not set: patience on a busy machine, and few words."""


def on_ray(
    batches: Sequence[Sequence[Song]], start: Start, n_workers: int, address: str, n_gpus: int = 0
) -> Iterator[Outcome]:
    """Do the work in actors of Ray Data.

    Args:
        batches: songs; neighbours go to the same actor.
        start: makes a worker.
        n_workers: actors; 0 for one on every processor, or on every GPU.
        address: `local` for this machine, or that of a cluster, such as `auto` or `ray://host:10001`.
        n_gpus: of each actor.

    Raises:
        UserError: Ray is not installed, there is no cluster at the address, or workers cannot be
            started, or one says that nothing more can be done.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        ray: Any = importlib.import_module("ray")
        data: Any = importlib.import_module("ray.data")
    except ImportError as error:
        raise UserError("--ray needs Ray: pip install 'rtmss[ray]'") from error
    _connect(ray, address, n_workers)
    try:
        data.DataContext.get_current().enable_progress_bars = False
        kind = "GPU" if n_gpus else "CPU"
        n_workers = n_workers or max(
            1,
            int(ray.cluster_resources().get(kind, 1)),
        )
        blocks = dealt(batches, _MOST_BLOCKS)
        items = [{"batch": pickle.dumps(list(batch))} for block in blocks for batch in block]
        paths = data.from_items(items, override_num_blocks=len(blocks))
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
        # Without prefetching: what is done would wait for what comes after it.
        for block in done.iter_batches(batch_size=None, prefetch_batches=0):
            for answer in map(pickle.loads, block["answer"]):
                if isinstance(answer, Exception):
                    raise answer
                yield from answer
    except ray.exceptions.RayError as error:
        raise UserError(f"--ray {address}: {_first_line(error)}") from error
    finally:
        ray.shutdown()


def dealt(
    batches: Sequence[_T],
    n_most: int,
) -> list[Sequence[_T]]:
    """Batches, longest first, in blocks of equal work, which are done one after the other.

    Every block begins with a long one. In plain slices, the first block would have all the longest.
    Sizes are those that `from_items` cuts: they differ by at most one, and larger ones come first.
    """
    n_blocks = min(len(batches), n_most)
    return [batches[first::n_blocks] for first in range(n_blocks)]


class _Actor:
    """A worker as Ray Data calls it: batches of one row, whose columns are arrays.

    Errors are answers. Ray would repeat what raised one, for minutes, and print all its frames.
    """

    def __init__(self, start: Start) -> None:
        self._work: Work | None = None
        try:
            self._work = start()
        except Exception as error:
            self._answer: list[Outcome] | Exception = error

    def __call__(
        self,
        batch: dict[str, Any],
    ) -> dict[str, list[bytes]]:
        if self._work is not None:
            try:
                self._answer = self._work(pickle.loads(batch["batch"][0]))
            except Exception as error:
                self._answer = error
        return {"answer": [pickle.dumps(self._answer)]}


def _connect(ray: Any, address: str, n_workers: int) -> None:
    if address != "local":
        _start(ray, address, {"address": address})
        return
    options = {
        "num_cpus": n_workers or n_cores(),
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
    }
    for n_left in reversed(range(_N_STARTS)):
        try:
            _start(ray, address, options)
            return
        except UserError:
            ray.shutdown()
            if not n_left:
                raise


def _start(
    ray: Any,
    address: str,
    options: dict[str, Any],
) -> None:
    try:
        ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)
    except Exception as error:  # some are no more than that
        raise UserError(f"--ray {address}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(
        iter(str(error).splitlines()),
        type(error).__name__,
    )
