"""What a catalogue is told to render, and under which names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from helpers.catalogue import Room, make_room
from helpers.makers import MakeCondition
from rtmss.catalogue.lengths import Lengths
from rtmss.catalogue.makings import Makings, Style, passes
from rtmss.catalogue.songs import Song, find_songs
from rtmss.conditions.library import Library
from rtmss.config import ConfigError
from rtmss.model.separator import SeparatorModel


@pytest.fixture
def room(tmp_path: Path, tiny: SeparatorModel, make_condition: MakeCondition) -> Room:
    return make_room(tmp_path, tiny, make_condition)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.wav", "deep/er/a.MP3", "notes.txt", "c.flac"):
        (tmp_path / "songs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "songs" / name).write_bytes(name.encode())
    return tmp_path / "songs"


def names(songs: list[Song]) -> list[str]:
    return [Path(song.path).name for song in songs]


def test_a_folder_is_all_audio_in_it(folder: Path) -> None:
    assert names(find_songs([str(folder)])) == ["b.wav", "c.flac", "a.MP3"]


def test_a_glob_is_what_it_matches(folder: Path) -> None:
    assert names(find_songs([f"{folder}/*.*a*"])) == ["b.wav", "c.flac"]


def test_a_folder_that_a_glob_matches_is_all_audio_in_it(folder: Path) -> None:
    assert names(find_songs([f"{folder}/d*"])) == ["a.MP3"]


def test_renders_are_no_songs_of_the_run_that_made_them(folder: Path) -> None:
    render = folder / "songs" / "0f" / ("0f" * 16) / "solo.m.d" / "mix.wav"
    unfinished = folder / ".partial" / "x" / "mix.wav"
    ours = folder / "songs" / "0f" / "mix.wav"
    for path in (render, unfinished, ours):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = {Path(song.path) for song in find_songs([str(folder)], str(folder))}
    assert found & {render, unfinished, ours} == {ours}
    assert Path(find_songs([str(render)], f"{folder}/elsewhere")[0].path) == render


def test_a_path_that_is_named_twice_is_one_song(folder: Path) -> None:
    assert len(find_songs([str(folder), str(folder / "b.wav")])) == 3


def test_an_input_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty: names no audio; expected any of"):
        find_songs([str(tmp_path / "empty")])


def test_a_stamp_changes_with_the_file(folder: Path) -> None:
    before = find_songs([str(folder / "b.wav")])[0]
    (folder / "b.wav").write_bytes(b"other")
    after = find_songs([str(folder / "b.wav")])[0]
    assert before.path == after.path
    assert before.stamp != after.stamp


MANIFESTS = {
    "csv": "id,path,preset,conditions,year\n"
    "1,songs/b.wav,solo;pair,a=b;b=c,1999\n"
    ",songs/c.flac,,,\n",
    "jsonl": '{"id": "1", "path": "songs/b.wav", "preset": ["solo", "pair"], '
    '"conditions": {"a": "b", "b": "c"}}\n\n{"path": "songs/c.flac"}\n',
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_manifest_gives_songs_ids_presets_and_conditions(folder: Path, kind: str) -> None:
    manifest = folder.parent / f"list.{kind}"
    manifest.write_text(MANIFESTS[kind])
    first, second = find_songs([str(manifest)])
    assert first.id == "1"
    assert Path(first.path) == folder / "b.wav"
    assert first.presets == ("solo", "pair")
    assert first.conditions == (("a", "b"), ("b", "c"))
    assert second.id == "songs/c.flac"
    assert second.presets == ()
    assert second.conditions == ()


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\u2028", "\x85", "\x0b", ","])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_name_of_a_manifest_may_hold_anything(tmp_path: Path, kind: str, separator: str) -> None:
    name = f"a{separator}b.wav"
    lines = {"csv": f'path\n"{name}"\nc.wav\n'}
    both = [json.dumps({"path": path}, ensure_ascii=False) for path in (name, "c.wav")]
    lines["jsonl"] = "\r\n".join(both)
    (tmp_path / f"list.{kind}").write_bytes(lines[kind].encode())
    assert names(find_songs([str(tmp_path / f"list.{kind}")])) == [name, "c.wav"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": "1"}', "row 1: no `path`; columns are id, path, preset, conditions"),
        ('{"path": "a", "id": "1"}\n{"path": "b", "id": "1"}', "row 2: the id '1' is there twice"),
        ('{"path": "a", "conditions": "vocals"}', "row 1: `conditions` are stems and their"),
        ('{"path": "a", "preset": 3}', "row 1: `preset` is a name, or several"),
        ("[1]", "expected an object on every line"),
        ("{", "not a readable manifest"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_said(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list.jsonl").write_text(text)
    with pytest.raises(ConfigError, match=said):
        find_songs([str(tmp_path / "list.jsonl")])


def test_addresses_are_folders_globs_and_manifests_too() -> None:
    system = fsspec.filesystem("memory")
    system.pipe({"/shelf/x/a.wav": b"1", "/shelf/b.flac": b"22", "/shelf/notes.txt": b""})
    system.pipe("/shelf/list.csv", b"path\nb.flac\n")
    assert names(find_songs(["memory://shelf"])) == ["b.flac", "a.wav"]
    assert names(find_songs(["memory://shelf/*.flac"])) == ["b.flac"]
    (song,) = find_songs(["memory://shelf/list.csv"])
    assert song.path.startswith("memory://")
    assert song.n_bytes == 2
    assert song.stamp


def test_a_making_says_preset_and_model_and_changes_with_what_is_heard(room: Room) -> None:
    song, style = Song("s", "s.wav"), Style(room.model_id)

    def made(style: Style = style, **changes: object) -> str:
        makings = Makings(Library([room.library]), style)
        return makings.of(replace(song, **changes), ["solo"]).makings[0]  # type: ignore[arg-type]

    first = made()
    assert first.startswith(f"solo.{room.model_id}.")
    assert made() == first
    others = {
        made(replace(style, format="flac")),
        made(replace(style, stems=True)),
        made(replace(style, loudness_lufs=-16.0)),
        made(conditions=(("a", "b"),)),
    }
    (room.library / "solo.yaml").write_text("stems:\n  a: {condition: a, gain_db: -1}\n")
    others.add(made())
    assert len(others | {first}) == 6


def test_a_description_is_nothing_that_is_heard(room: Room) -> None:
    makings = [Makings(Library([room.library]), Style(room.model_id)) for _ in range(2)]
    before = makings[0].of(Song("s", "s"), ["solo"])
    text = (room.library / "solo.yaml").read_text()
    (room.library / "solo.yaml").write_text(f"description: other words\n{text}")
    assert makings[1].of(Song("s", "s"), ["solo"]) == before


@pytest.mark.parametrize(
    ("song", "presets", "said"),
    [
        (Song("s", "s"), (), "s: no preset; give --preset, or one in the manifest"),
        (Song("s", "s"), ("sola",), "no preset 'sola'; did you mean 'solo'"),
        (Song("s", "s", conditions=(("x", "a"),)), ("solo",), "no stem 'x'"),
        (Song("s", "s", conditions=(("a", "x"),)), ("solo",), "no condition 'x'"),
    ],
)
def test_what_cannot_be_made_is_said_before_anything_begins(
    room: Room, song: Song, presets: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        Makings(Library([room.library]), Style(room.model_id)).of(song, presets)


def test_an_unknown_format_is_refused_before_anything_begins() -> None:
    with pytest.raises(ConfigError, match="no format 'mp3'; known: wav, flac, ogg"):
        Style("m", format="mp3")


def test_makings_that_share_conditions_share_a_pass(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    makings = Makings(Library([room.library]), Style(room.model_id))
    makings.of(Song("s", "s"), ["solo", "pair"])
    makings.of(Song("s", "s", conditions=(("a", "c"),)), ["solo"])
    made = list(makings.by_name.values())
    assert passes(made) == [made]
    monkeypatch.setattr("rtmss.catalogue.makings.MAX_STEMS", 2)
    assert passes(made) == [made[:2], made[2:]]


def test_a_length_is_guessed_from_songs_of_its_kind() -> None:
    lengths = Lengths()
    wav, mp3 = Song("a", "a.wav", 176_400), Song("b", "b.mp3", 28_000)
    assert lengths.guess(wav) == lengths.guess(mp3) == 1
    lengths.learn(mp3, 2.0)
    assert lengths.guess(replace(mp3, n_bytes=56_000)) == 4
    assert lengths.guess(wav) == 1
