"""A run: what is still to be done, done longest first, and the report of everything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from rtmss.catalogue.lengths import Lengths
from rtmss.catalogue.rows import Journal, Row, place, places
from rtmss.catalogue.songs import Song
from rtmss.catalogue.store import Store
from rtmss.catalogue.worker import Outcome

Engine = Callable[[Sequence[Sequence[Song]]], Iterator[Outcome]]
"""Batches of songs in, outcomes out, in any order."""


@dataclass
class Summary:
    """What became of the songs of a run."""

    n_made: int = 0
    """Songs rendered now."""
    n_kept: int = 0
    """Songs that were there."""
    failed: list[Row] = field(default_factory=list)
    """A row of each song that could not be rendered, now or before."""
    report: list[str] = field(default_factory=list)
    """Names of the report's files in the store."""


def run_catalogue(
    songs: Sequence[Song],
    store: Store,
    engine: Engine,
    run: str,
    *,
    force: bool = False,
    retry_failed: bool = False,
    batch: int = 1,
    show: Callable[[Sequence[Song], Lengths], Callable[[Outcome], None]] | None = None,
) -> Summary:
    """Render what is missing, and write the report.

    Args:
        songs: with the names of what is to be made of them.
        store: where everything goes.
        engine: does the work.
        run: the name of this run, in the order of time.
        force: render again what is there.
        retry_failed: try again what could not be rendered.
        batch: songs that a worker is given at once.
        show: called with what is to be done and what is known of lengths; gives what is called with
            each outcome.

    Raises:
        UserError: another run is at work there, or nothing more can be done.
    """
    with store.claim():
        journal = Journal(store, run)
        summary, todo = _sort_out(songs, journal, places(store), force, retry_failed)
        lengths = Lengths()
        todo.sort(key=lengths.guess, reverse=True)
        batches = [
            todo[start : start + batch]
            for start in range(
                0,
                len(todo),
                batch,
            )
        ]
        tell = show(todo, lengths) if show else None
        try:
            for outcome in engine(batches) if batches else ():
                journal.add(outcome.rows)
                _count(outcome, summary)
                lengths.learn(outcome.song, outcome.seconds)
                if tell:
                    tell(outcome)
        finally:
            journal.flush()
        summary.report = journal.finish()
    return summary


def _sort_out(
    songs: Sequence[Song],
    journal: Journal,
    there: Collection[str],
    force: bool,
    retry_failed: bool,
) -> tuple[Summary, list[Song]]:
    """Songs of which nothing is to be done, counted, and the others."""
    summary = Summary()
    todo = []
    for song in songs:
        rows = [journal.get(song, making) for making in song.makings]
        failed = next(
            (row for row in rows if row is not None and row.status == "failed"),
            None,
        )
        if force or not all(_is_settled(row, there, retry_failed) for row in rows):
            todo.append(song)
        elif failed is not None:
            summary.failed.append(failed)
        else:
            summary.n_kept += 1
    return summary, todo


def _is_settled(
    row: Row | None,
    there: Collection[str],
    retry_failed: bool,
) -> bool:
    if row is None:
        return False
    if row.status == "failed":
        return not retry_failed
    return place(row.content, row.making) in there


def _count(outcome: Outcome, summary: Summary) -> None:
    failed = next(
        (row for row in outcome.rows if row.status == "failed"),
        None,
    )
    if failed is not None:
        summary.failed.append(failed)
    elif outcome.seconds:
        summary.n_made += 1
    else:
        summary.n_kept += 1
