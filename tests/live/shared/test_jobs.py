"""Jobs and answers between processes that may be killed at any moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtmss.live.shared.jobs import N_SLOTS, Answer, Job, JobQueue


@pytest.fixture
def queue() -> Iterator[JobQueue]:
    queue = JobQueue.create()
    yield queue
    queue.close(unlink=True)


def answer(number: int, text: str = "") -> Answer:
    return Answer(job=number, task="build", name="choir", text=text)


def test_jobs_come_once_and_in_order(queue: JobQueue) -> None:
    builder = JobQueue.attach(queue.path)
    asked = [Job(task="build", name=name) for name in ("a", "b")]
    numbers = [queue.ask(job) for job in asked]
    assert [builder.take(), builder.take(), builder.take()] == [
        *zip(numbers, asked, strict=True),
        None,
    ]


def test_answers_are_read_after_those_that_were(queue: JobQueue) -> None:
    queue.ask(Job(task="build", name="choir"))
    queue.answer(answer(1, "first"))
    seen = queue.counts.n_answers
    queue.answer(answer(1, "second"))
    assert [one.text for one in queue.read_answers(0)[1]] == ["first", "second"]
    assert [one.text for one in queue.read_answers(seen)[1]] == ["second"]


def test_a_job_waits_until_its_answer(queue: JobQueue) -> None:
    queue.ask(Job(task="build", name="choir"))
    queue.take()
    assert queue.n_waiting == 1
    queue.answer(answer(1))
    assert queue.n_waiting == 0


def test_a_job_that_was_begun_and_not_answered_is_known(queue: JobQueue) -> None:
    assert queue.unfinished() is None
    job = Job(task="undo", name="choir")
    queue.ask(job)
    queue.take()
    assert JobQueue.attach(queue.path).unfinished() == (1, job)
    queue.answer(answer(1))
    assert queue.unfinished() is None


@given(names=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=64), max_size=9))
@settings(deadline=None, max_examples=40)
def test_any_text_arrives(names: list[str]) -> None:
    queue = JobQueue.create()
    for name in names:
        queue.ask(Job(task="last", name=name, source=name))
    taken = [queue.take() for _ in names]
    assert [one[1].name for one in taken if one] == names
    for name in names:
        queue.answer(answer(1, name))
    assert [one.text for one in queue.read_answers(0)[1]] == names
    queue.close(unlink=True)


@settings(max_examples=25, deadline=None)
@given(
    warnings=st.lists(st.text(max_size=400), max_size=8),
    sources=st.lists(st.tuples(st.text(max_size=64), st.floats(-1, 1)), max_size=12),
    letter=st.sampled_from(["a", "é", "名", "🎻"]),
)
def test_of_a_long_answer_as_much_arrives_as_there_is_room_for(
    warnings: list[str], sources: list[tuple[str, float]], letter: str
) -> None:
    queue = JobQueue.create()
    long = answer(1, "done").model_copy(
        update={"warnings": (*warnings, *[400 * letter] * 8), "sources": tuple(sources)}
    )
    queue.answer(long)
    _, (read,) = queue.read_answers(0)
    queue.close(unlink=True)
    assert read.text == "done"
    assert read.sources == long.sources[: len(read.sources)]
    assert read.warnings == long.warnings[: len(read.warnings)]
    assert len(read.warnings) >= 3


def test_a_reader_that_fell_behind_gets_the_latest_answers(queue: JobQueue) -> None:
    for number in range(N_SLOTS + 5):
        queue.answer(answer(number))
    assert [one.job for one in queue.read_answers(0)[1]] == list(range(5, N_SLOTS + 5))


def test_no_answer_is_passed_over_while_others_come(queue: JobQueue) -> None:
    """Whoever reads counts what it has read, and not what has come meanwhile."""
    n_answers, n_read, found = 2000, 0, []
    read = 0

    def write() -> None:
        for number in range(1, n_answers + 1):
            while number - read >= N_SLOTS:
                time.sleep(0)
            queue.answer(answer(number))

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive() or n_read < queue.counts.n_answers:
        n_read, answers = queue.read_answers(n_read)
        found += [one.job for one in answers]
        read = n_read
    writer.join()
    assert found == [*range(1, n_answers + 1)]
