"""The lock-free protocol, between two processes: what a reader gets is whole, and would not be
without the protocol.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import shared_writers
from helpers.shared_writers import N_CONDITION, SHAPE
from rtmss.engine.control import Scene
from rtmss.live.shared import recorder_ring, seqlock
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.seqlock import SeqLock, Slots, record, record_lock, snapshot
from rtmss.live.shared.song_state import Playback
from rtmss.live.shared.state import SharedState

N_VALUES = 1000
"""Different values, none of them torn, after which a reader has seen enough."""
WATCH_SECONDS = 5.0
"""Or time."""
MAX_SECONDS = 60.0
Look = Callable[[], Iterator[tuple[int, bool]]]


def look_at_status(shared: SharedState) -> Iterator[tuple[int, bool]]:
    """Number and whether it is torn, of the status that is there."""
    status, meters = shared.read()
    yield status.hop, {level for meter in meters for level in meter} != {float(status.hop)}


def look_at_hops(ring: RecorderRing) -> Iterator[tuple[int, bool]]:
    """The same of every hop in the ring."""
    for hop in ring.read(0):
        samples = (hop.input, hop.stems, hop.remainder, hop.mix)
        yield hop.hop, any((audio != hop.hop).any() for audio in samples)


@contextmanager
def written_by(
    name: str,
    path: Path,
) -> Iterator[subprocess.Popen[bytes]]:
    """Another process writes all the while."""
    process = subprocess.Popen(
        [
            sys.executable,
            shared_writers.__file__,
            name,
            str(path),
        ]
    )
    try:
        yield process
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=["status", "hops"])
def look(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Look]:
    """look() -> number of every value that is there, and whether it is torn; another process writes
    them.
    """
    monkeypatch.setattr(recorder_ring, "RING_SAMPLES", shared_writers.N_SLOTS * SHAPE.hop_length)
    shared, ring = SharedState.create(N_CONDITION), RecorderRing.create(SHAPE)
    path = {"status": shared.path, "hops": ring.path}[request.param]
    with written_by(request.param, path) as process:
        looks: dict[str, Look] = {
            "status": lambda: look_at_status(shared),
            "hops": lambda: look_at_hops(ring),
        }
        while not any(number for number, _ in looks[request.param]()):
            assert process.poll() is None
        yield looks[request.param]
    shared.close(unlink=True)
    ring.close(unlink=True)


def trust(row: Any) -> tuple[Any, int]:
    """A reader that breaks the protocol: it looks at the version once, and takes a row that is
    being written.
    """
    version = int(row["version"])
    return row.copy(), version + version % 2


@pytest.mark.slow
def test_a_reader_in_another_process_never_gets_a_torn_value(look: Look) -> None:
    seen: set[int] = set()
    deadline = time.monotonic() + WATCH_SECONDS
    while len(seen) < N_VALUES and time.monotonic() < deadline:
        for number, is_torn in look():
            assert not is_torn
            seen.add(number)
    assert len(seen) > 20


@pytest.mark.slow
def test_a_reader_that_breaks_the_protocol_gets_torn_values(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seqlock, "snapshot", trust)
    deadline = time.monotonic() + MAX_SECONDS
    while not any(is_torn for _, is_torn in look()):
        assert time.monotonic() < deadline, "the test above could not fail"


# One process, step by step.


@pytest.fixture
def row() -> Any:
    return np.zeros((), record(Playback))


def test_a_row_that_is_being_written_has_an_odd_version(row: Any) -> None:
    lock: SeqLock[int] = SeqLock(row, lambda *_: seen.append(snapshot(row)[1]), lambda _: 0)
    seen: list[int] = []
    lock.write(1)
    lock.write(2)
    assert seen == [1, 3]
    assert snapshot(row)[1] == 4


def test_a_copy_during_which_the_version_changed_is_not_whole() -> None:
    class Row(dict[str, int]):
        def copy(self) -> Row:
            self["version"] += 2  # a writer was there and is gone
            return self

    assert snapshot(Row(version=4))[1] % 2 == 1


def test_a_value_that_is_never_finished_is_not_read_by_who_knows_an_earlier_one(row: Any) -> None:
    lock = record_lock(row, Playback())
    lock.write(Playback(1.0))
    assert lock.read() == Playback(1.0)
    with pytest.raises(KeyboardInterrupt), seqlock.writing(row, 4):
        row["numbers"] = Playback(2.0)
        raise KeyboardInterrupt
    assert lock.read() == Playback(1.0)
    assert record_lock(row, Playback()).read() == Playback(2.0)


def test_before_anything_is_written_there_is_the_empty_value(row: Any) -> None:
    assert record_lock(row, Playback(3.0)).read() == Playback(3.0)


def test_values_have_their_types_again(row: Any) -> None:
    lock = record_lock(row, Playback())
    lock.write(
        Playback(
            1.5,
            False,
            2,
            3,
            4,
            5,
            44100,
        )
    )
    value = lock.read()
    assert value == Playback(1.5, False, 2, 3, 4, 5, 44100)
    assert [type(number) for number in value] == [type(number) for number in Playback()]


def test_a_slot_is_read_by_its_number_only() -> None:
    slots = Slots(
        np.zeros(
            4,
            [("version", "u8"), ("value", "f8")],
        )
    )
    for number in range(1, 7):
        with slots.writing(number) as slot:
            slot["value"] = 10.0 * number
            assert slots.read(number) is None  # not yet
    read = [slots.read(number) for number in range(8)]
    assert [None if slot is None else float(slot["value"]) for slot in read] == [
        None,
        None,
        None,
        30.0,
        40.0,
        50.0,
        60.0,
        None,
    ]


def test_a_hop_whose_scene_was_overwritten_meanwhile_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shape = RingShape(64, 4, N_CONDITION)
    monkeypatch.setattr(recorder_ring, "RING_SAMPLES", 4 * shape.hop_length)
    ring = RecorderRing.create(shape)
    try:
        shared_writers.write_hop(ring, 1)
        assert [hop.scene for hop in ring.read(0)] == [Scene()]
        for _ in range(2 * shape.n_slots):  # all that the ring has room for
            ring._put_scene(Scene())
        assert list(ring.read(0)) == []
    finally:
        ring.close(unlink=True)
