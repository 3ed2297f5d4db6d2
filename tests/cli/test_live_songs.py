"""What `rtmss live` finds to play: a file, a set list, and where that is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.makers import Noise, WriteAudio
from rtmss.cli.live_songs import Songs, find_songs, resumed_songs
from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.live.saved import Resumed

LIST = """
songs:
- {name: one, file: a.wav, cues: [{name: a, at: 1.0}, {name: b}]}
- {name: two, file: b.wav, cues: [{name: a, at: 1.0}, {name: b, at: 2.0}, {name: c}]}
"""


@pytest.fixture
def songs(tmp_path: Path, write_audio: WriteAudio, noise: Noise) -> Songs:
    """A set list of two songs of 3 s."""
    for name in ("a", "b"):
        write_audio(tmp_path / f"{name}.wav", noise(24000), 8000)
    (tmp_path / "list.yaml").write_text(LIST)
    return find_songs(tmp_path / "list.yaml", None, None, 0, 0.0)


def test_a_set_list_begins_with_its_first_song(songs: Songs, tmp_path: Path) -> None:
    assert songs.song is not None
    assert songs.song[0] == tmp_path / "a.wav"
    assert songs.files == (tmp_path / "a.wav", tmp_path / "b.wav")
    assert songs.cue is None


def test_over_the_input_there_is_no_song(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("songs: [{name: a}]")
    songs = find_songs(tmp_path / "list.yaml", None, None, 0, 0.0)
    assert (songs.song, songs.files) == (None, ())
    with pytest.raises(UserError, match="are for a song"):
        find_songs(tmp_path / "list.yaml", None, "1:2", 0, 0.0)


@pytest.mark.parametrize(
    ("cue", "seconds", "expected"),
    [
        ("one", 0.0, (0, 0.0, 0, 0)),
        ("one/b", 1.5, (0, 1.5, 2, 1)),
        ("two/b", 2.0, (1, 2.0, 5, 5)),
        ("two/c", 0.5, (1, 0.5, 6, 3)),
        ("two/c", 9.0, (1, 3.0, 6, 5)),
    ],
)
def test_a_set_list_is_resumed_in_its_song_at_its_cue(
    songs: Songs,
    tmp_path: Path,
    cue: str,
    seconds: float,
    expected: tuple[int, float, int, int],
) -> None:
    resumed = resumed_songs(songs, Resumed(Scene(), "p", cue, seconds))
    assert resumed.song is not None
    assert resumed.cue is not None
    file, command = resumed.song
    found = command.song, command.seek_seconds, resumed.cue.current, resumed.cue.timed
    assert found == expected
    assert file == songs.files[command.song]


def test_over_the_input_no_cue_comes_by_itself_before_one_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text(
        LIST.replace("file: a.wav, ", "").replace("file: b.wav, ", "")
    )
    songs = find_songs(tmp_path / "list.yaml", None, None, 0, 0.0)
    resumed = resumed_songs(songs, Resumed(Scene(), "p", "two/a", 0.0))
    assert resumed.cue is not None
    assert (resumed.cue.current, resumed.cue.timed) == (4, 5)


def test_a_scene_without_a_cue_leaves_the_set_list_at_its_beginning(songs: Songs) -> None:
    assert resumed_songs(songs, Resumed(Scene(), "p")) == songs


def test_a_cue_that_is_not_in_the_list_is_named(songs: Songs) -> None:
    with pytest.raises(UserError, match="no cue 'three'; "):
        resumed_songs(songs, Resumed(Scene(), "p", "three"))
