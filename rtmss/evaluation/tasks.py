"""What weights are judged on, one task for each piece, and how the tasks of an evaluation are
found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from rtmss.config import ConfigError
from rtmss.evaluation.clips import ClipLibrary, Recording, find_recordings
from rtmss.evaluation.evaluator import Evaluator, Result
from rtmss.evaluation.songs import Excerpt, Song, choose_songs, find_songs, read_song
from rtmss.evaluation.targets import JUDGED, TARGETS
from rtmss.evaluation.voices import Voice, find_voices, lay_voice, name_of, pair_voices
from rtmss.lookup import find


class Task(Protocol):
    """One piece, not yet read."""

    @property
    def song(self) -> Song:
        """The song that it is made of."""
        ...

    @property
    def place(self) -> str:
        """What distinguishes its folder in the tables; empty where all folders have one mean."""
        ...

    def run(self, evaluator: Evaluator) -> Result:
        """Read the piece, separate it, and score what comes out."""
        ...


@dataclass(frozen=True)
class SongTask:
    """A song as it is."""

    song: Song
    targets: tuple[str, ...]
    excerpt: Excerpt
    place: str = ""

    def __str__(self) -> str:
        return self.song.name

    def run(self, evaluator: Evaluator) -> Result:
        """Judge all targets."""
        piece = read_song(self.song, evaluator.sample_rate, self.excerpt)
        return evaluator.evaluate(piece, self.targets)


@dataclass(frozen=True)
class VoiceTask:
    """A voice that training never heard, over the backing of a song."""

    song: Song
    voice: Voice
    excerpt: Excerpt
    place: str = ""

    def __str__(self) -> str:
        return f"{self.song.name} + {name_of(self.voice)}"

    def run(self, evaluator: Evaluator) -> Result:
        """Judge the voice."""
        # Where the song's own voice is loudest says nothing of the other one.
        excerpt = replace(self.excerpt, loudest="")
        piece = read_song(self.song, evaluator.sample_rate, excerpt)
        return evaluator.evaluate(
            lay_voice(piece, self.voice, evaluator.sample_rate),
            ["vocals"],
        )


@dataclass(frozen=True)
class Material:
    """The songs and recordings of one data folder."""

    folder: Path
    songs: tuple[Song, ...]
    recordings: tuple[Recording, ...]
    """Everything of the judged split, alone or in songs."""
    place: str = ""

    @classmethod
    def open(
        cls,
        folder: Path,
        split: str,
        place: str = "",
    ) -> Material:
        """List what a folder holds.

        Raises:
            ConfigError: it has no songs, or something that spoils the data.
        """
        recordings = tuple(find_recordings([folder], split))
        return cls(folder, tuple(find_songs(folder, split)), recordings, place)


def choose_materials(
    materials: Sequence[Material],
    names: Sequence[str],
) -> list[Material]:
    """Several folders with the songs of certain names alone, which need not be in every folder.

    Raises:
        ConfigError: a name is in none.
    """
    songs = choose_songs([song for material in materials for song in material.songs], names)
    return [
        replace(
            material,
            songs=tuple(song for song in songs if song in material.songs),
        )
        for material in materials
    ]


def find_tasks(
    materials: Sequence[Material],
    targets: Sequence[str] | None,
    clips: ClipLibrary,
    excerpt: Excerpt,
) -> list[Task]:
    """The songs of all folders, and if vocals are asked for, unknown voices over their backings.

    Args:
        materials: of each folder.
        targets: None for the usual ones, as far as there are recordings to take clips from.
        clips: what training heard; its voices are known.
        excerpt: how much of each piece is heard.

    Raises:
        ConfigError: a target is unknown.
    """
    recorded = {recording.track.family for recording in clips.recordings}
    usual = [name for name in TARGETS if name in recorded]
    wanted = tuple(find(name, JUDGED, "target") for name in targets or usual)
    tasks: list[Task] = [
        SongTask(song, wanted, excerpt, material.place)
        for material in materials
        for song in material.songs
    ]
    if "vocals" in wanted:
        for material in materials:
            voices = find_voices(material.recordings, clips.sources)
            tasks += [
                VoiceTask(song, voice, excerpt, material.place)
                for voice, song in pair_voices(voices, material.songs)
            ]
    return tasks


def find_unseen_tasks(
    materials: Sequence[Material],
    targets: Sequence[str] | None,
    clips: ClipLibrary,
    excerpt: Excerpt,
) -> list[Task]:
    """The songs in which instruments play that training has nothing of; arguments as of
    `find_exams`.

    Raises:
        ConfigError: there is no such instrument, it plays in no song, or a target is none of them.
    """
    unseen = find_unseen(materials, clips)
    wanted = tuple(
        find(
            name,
            {name: name for name in unseen},
            "target",
        )
        for name in targets or unseen
    )
    tasks: list[Task] = [
        SongTask(song, wanted, excerpt, material.place)
        for material in materials
        for song in material.songs
        if song.labels & set(wanted)
    ]
    if not tasks:
        names = ", ".join(wanted)
        raise ConfigError(
            f"{_folders(materials)}: {names} play in none of these songs; name them in song.yaml"
        )
    return tasks


def find_unseen(materials: Sequence[Material], clips: ClipLibrary) -> list[str]:
    """Instruments of the judged split that `train` does not have, and that have recordings alone to
    take clips from.

    Raises:
        ConfigError: there are none.
    """
    tracks = [recording.track for material in materials for recording in material.recordings]
    alone = {track.label for track in tracks if not track.song}
    unseen = sorted(alone - {recording.track.label for recording in clips.recordings})
    if not unseen:
        raise ConfigError(
            f"{_folders(materials)}: no unseen instrument; expected "
            "performances/valid/<instrument>/*.ogg "
            "of one that `train` has not"
        )
    return unseen


def _folders(materials: Sequence[Material]) -> str:
    return ", ".join(str(material.folder) for material in materials)
