"""What `rtmss live` plays instead of the input, and the cues of a set list."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rtmss.cli.base import load_library
from rtmss.config import UserError
from rtmss.lookup import find

if TYPE_CHECKING:
    from rtmss.conditions.set_list import SetList
    from rtmss.live.saved import Resumed
    from rtmss.live.shared.cue_state import CueState
    from rtmss.live.shared.song_state import TransportCommand
    from rtmss.separator import Separator


class Songs(NamedTuple):
    """What is asked for."""

    song: tuple[Path, TransportCommand] | None = None
    """The file that is played first, and how it begins; None for the input."""
    files: tuple[Path, ...] = ()
    """All files of a set list."""
    set_list: SetList | None = None
    cue: CueState | None = None
    """Where the set list is resumed."""


def find_songs(
    setlist: Path | None, file: Path | None, loop: str | None, loops: int, start: float
) -> Songs:
    """What the options name.

    Raises:
        UserError: it cannot be played.
    """
    from rtmss.conditions.set_list import load_set_list

    if setlist is None:
        return Songs(_song(file, loop, loops, start))
    if file is not None:
        raise UserError("the set list names the songs; leave --file out")
    set_list = load_set_list(setlist)
    files = tuple(one.file.resolve() for one in set_list.songs if one.file is not None)
    return Songs(_song(files[0] if files else None, loop, loops, start), files, set_list)


def check_set_list(
    set_list: SetList,
    path: Path | None,
    separator: Separator,
    preset: str,
) -> None:
    """Refuse a set list of which a cue could not be played.

    Raises:
        UserError: names the first problem.
    """
    from rtmss.cli.setlist import set_list_problems

    problems = set_list_problems(set_list, separator, preset, listens=False)
    if problems:
        more = f"; {len(problems)} problems: rtmss setlist check {path}" if problems[1:] else ""
        raise UserError(f"{path}: {problems[0]}{more}")


def most_channels_of(set_list: SetList | None) -> int:
    """The highest output channel that a cue routes to, by itself or by its preset; at least 2."""
    from rtmss.conditions.preset import most_channels

    if set_list is None:
        return 2
    library = load_library()
    presets = [most_channels(library.load_preset(name)) for name in set_list.presets]
    return max([set_list.most_channels, *presets])


def resumed_songs(songs: Songs, resumed: Resumed) -> Songs:
    """The same, from the cue on that came last; over the input, no cue comes by itself before one
    is asked for.

    Raises:
        UserError: the set list has no such cue.
    """
    from rtmss.live.shared.cue_state import CueState
    from rtmss.live.song.decode import song_seconds

    if songs.set_list is None or not resumed.cue:
        return songs
    places = songs.set_list.places
    current = find(resumed.cue, {place.name: i for i, place in enumerate(places)}, "cue")
    number = places[current].song
    seconds = math.inf
    song = songs.song
    if song is not None:
        file, asked = songs.files[number], song[1].seek_seconds or resumed.seconds
        seconds = min(asked, song_seconds(file, asked + 1))
        song = file, song[1]._replace(song=number, seek_seconds=seconds)
    come = [
        (place.seconds, i)
        for i, place in enumerate(places)
        if place.song == number and place.seconds is not None and place.seconds <= seconds
    ]
    return songs._replace(song=song, cue=CueState(current=current, timed=max(come)[1]))


def _song(
    file: Path | None, loop: str | None, loops: int, start: float
) -> tuple[Path, TransportCommand] | None:
    """The song that is to be played, and how it begins.

    Raises:
        UserError: it cannot be.
    """
    from rtmss.live.shared.song_state import TransportCommand, checked, parse_loop
    from rtmss.live.song.decode import song_seconds

    if file is None:
        if loop or loops or start:
            raise UserError("--loop, --loops and --start are for a song; name it with --file")
        return None
    a, b = parse_loop(loop or ":")
    command = TransportCommand(
        seek_seconds=start, is_looping=loop is not None, a_seconds=a, b_seconds=b, n_loops=loops
    )
    last_place = max(start, a, b if b != math.inf else 0.0)
    return file.resolve(), checked(command, song_seconds(file, last_place + 1))
