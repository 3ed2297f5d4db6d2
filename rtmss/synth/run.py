"""Making many songs: in several processes, with a progress bar, going on where an earlier run
stopped.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rtmss.synth.instruments import LEFT_OUT
from rtmss.synth.play import check_tools
from rtmss.synth.song import SongOrder, make_song
from rtmss.synth.soundfonts import find_soundfonts

_FIRST_VALID = 500_000
"""Number of the first song for validation."""


def synthesize(
    output: Path,
    n_songs: int,
    *,
    n_valid: int = 0,
    seed: int = 0,
    soundfonts: Sequence[Path] = (),
    leave_out: Sequence[int] = LEFT_OUT,
    n_processes: int = 1,
    console: Console | None = None,
) -> list[Path]:
    """Make songs of about 80 seconds; the same seed and soundfonts make the same songs.

    Args:
        output: a data folder; songs go to `songs/<split>/synth-<seed>-<number>`. Those that are
            there are kept.
        n_songs: to train on, in all, earlier ones of this seed included.
        n_valid: likewise for the split `valid`, with music of their own.
        seed: of the set; every song in it has music of its own.
        soundfonts: files to play; none means those of the system.
        leave_out: General MIDI programs, counted from 0, that must not occur.
        n_processes: songs made at once.
        console: for the progress bar; None is silent.

    Returns:
        The folders of the songs made now.

    Raises:
        UserError: fluidsynth or soundfonts are missing, or fluidsynth fails.
    """
    check_tools()
    fonts = tuple(find_soundfonts(soundfonts))
    orders = [
        SongOrder(
            output / "songs" / split / f"synth-{seed}-{number:04d}",
            seed * 1_000_000 + number,
            fonts,
            tuple(leave_out),
        )
        for split, n, first in (("train", n_songs, 0), ("valid", n_valid, _FIRST_VALID))
        for number in range(first, first + n)
    ]
    for folder in {order.folder.parent for order in orders}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = [order for order in orders if not order.folder.exists()]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=console is None) as bar:
        task = bar.add_task("songs", total=len(orders), completed=len(orders) - len(missing))
        _make_all(missing, n_processes, lambda: bar.advance(task))
    with contextlib.suppress(OSError):  # another run may be writing there
        (output / ".partial").rmdir()
    return [order.folder for order in missing]


def _make_all(
    orders: list[SongOrder],
    n_processes: int,
    report: Callable[[], None],
) -> None:
    """Make every song; the first failure ends the run, and what was begun is thrown away."""
    if n_processes == 1:
        for order in orders:
            make_song(order)
            report()
        return
    context = multiprocessing.get_context(
        "spawn"
    )  # plugins may hold threads, which a fork would lose
    with ProcessPoolExecutor(n_processes, context) as pool:
        try:
            for done in as_completed([pool.submit(make_song, order) for order in orders]):
                done.result()
                report()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
