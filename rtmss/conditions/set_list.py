"""A set list: the songs of an evening and their cues, in YAML."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self, get_type_hints

from pydantic import AfterValidator, BeforeValidator, Field, create_model, model_validator

from rtmss.conditions.preset import MasterPreset, StemPreset
from rtmss.conditions.strip import STRIP_NAMES
from rtmss.config import NO_SWITCH, Config, read_yaml

MAX_SONGS = 200
MAX_CUES = 1000
"""Of one song."""
MAX_TITLE = 60
"""Characters; the name of a song and that of a cue fit into one text over OSC."""
MASTER = "master"
MASTER_FIELDS = tuple(name for name in MasterPreset.model_fields if name != "effects")
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,4}):([0-5]?\d(?:\.\d*)?)")


def _title(name: str) -> str:
    if not name.strip() or not name.isprintable() or "/" in name or name != name.strip():
        raise ValueError("expected a name without '/', line ends and spaces around it")
    return name


def _seconds(value: Any) -> Any:
    """Seconds out of `m:ss` or `h:mm:ss`; a number is left as it is.

    Raises:
        ValueError: it is another text.
    """
    if not isinstance(value, str):
        return value
    found = _CLOCK.fullmatch(value.strip())
    if not found:
        raise ValueError("expected seconds, m:ss or h:mm:ss")
    hours, minutes, seconds = found.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds)


Title = Annotated[str, Field(max_length=MAX_TITLE), AfterValidator(_title)]
Seconds = Annotated[float, NO_SWITCH, BeforeValidator(_seconds), Field(ge=0, le=86400)]


class _Move(Config):
    """What a cue changes of a stem: any field that a preset's stem has."""

    @property
    def strip(self) -> dict[str, Any]:
        """The settings of the strip that are named here."""
        return {name: getattr(self, name) for name in STRIP_NAMES if name in self.model_fields_set}

    @property
    def conditions(self) -> dict[str, str | None]:
        """Names of conditions by field; None to have none there."""
        return {name: getattr(self, name) for name in CONDITIONS if name in self.model_fields_set}

    @property
    def others(self) -> dict[str, Any]:
        """All other fields of a stem that are named here."""
        taken = {*STRIP_NAMES, *CONDITIONS}
        return {name: getattr(self, name) for name in self.model_fields_set if name not in taken}


_STEM_FIELDS = {one.name: one for one in fields(StemPreset) if one.name != "effects"}
CONDITIONS = tuple(name for name in _STEM_FIELDS if name.startswith("condition"))
"""Fields of a stem that name a condition."""
if TYPE_CHECKING:
    Move = _Move
else:  # a stem of a preset of which nothing has to be there, so that a new setting is here too
    Move = create_model(
        "Move",
        __base__=_Move,
        **{
            name: (
                hint,
                "" if _STEM_FIELDS[name].default is MISSING else _STEM_FIELDS[name].default,
            )
            for name, hint in get_type_hints(StemPreset, include_extras=True).items()
            if name in _STEM_FIELDS
        },
    )


class Cue(Config):
    """One cue: when, and what it changes."""

    name: Title
    at: Seconds | None = None
    """Place in the song; of live input, time since the song began."""
    bar: Annotated[int, NO_SWITCH, Field(ge=1, le=9999)] | None = None
    """Instead of `at`, where the song has a tempo; counted from 1."""
    beat: Annotated[float, NO_SWITCH, Field(ge=1, le=64)] = 1.0
    """Of that bar, counted from 1."""
    preset: str | None = None
    mixer: dict[str, Move] = Field(default_factory=dict)
    """Changes by stem, `remainder` or `master`; after the preset's."""
    fade_ms: Annotated[float, NO_SWITCH, Field(ge=0, le=10000)] | None = None
    """How long this cue's changes glide; without, as long as any other."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.at is not None and self.bar is not None:
            raise ValueError("a cue comes at a time or at a bar, not at both")
        if self.beat != 1 and self.bar is None:
            raise ValueError("a beat is one of a bar; name the bar too")
        unfit = set(self.mixer.get(MASTER, Move()).model_fields_set) - set(MASTER_FIELDS)
        if unfit:
            raise ValueError(f"the master has no {min(unfit)}, only {', '.join(MASTER_FIELDS)}")
        remainder = self.mixer.get("remainder", Move())
        if set(remainder.model_fields_set) - set(STRIP_NAMES):
            raise ValueError("the remainder has no condition: it is what no stem takes")
        return self


class Song(Config):
    """One song: what plays, its tempo, and its cues."""

    name: Title
    file: Path | None = None
    """From the folder of the set list on; without, the input is heard."""
    tempo: Annotated[float, NO_SWITCH, Field(ge=10, le=1000)] | None = None
    """Beats per minute."""
    beats_per_bar: Annotated[int, NO_SWITCH, Field(ge=1, le=64)] = 4
    starts: Seconds = 0.0
    """Where bar 1 begins."""
    preset: str | None = None
    """Plays from the beginning."""
    cues: Annotated[tuple[Cue, ...], Field(max_length=MAX_CUES)] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        by_bar = next((cue.name for cue in self.cues if cue.bar is not None), None)
        if by_bar is not None and self.tempo is None:
            raise ValueError(f"cue '{by_bar}' comes at a bar, and the song has no tempo")
        return self

    def seconds_of(self, cue: Cue) -> float | None:
        """Where a cue comes; None for one that comes when it is asked for."""
        if cue.bar is None or self.tempo is None:
            return cue.at
        n_beats = (cue.bar - 1) * self.beats_per_bar + cue.beat - 1
        return self.starts + n_beats * 60 / self.tempo


class CuePlace(NamedTuple):
    """A cue and where it comes."""

    name: str
    """`song/cue`, or `song` for its beginning."""
    song: int
    """Counted from 0."""
    seconds: float | None
    """Place in the song; None for one that comes when it is asked for."""
    is_start: bool = False


class SetList(Config):
    """Songs in order."""

    description: str = ""
    songs: Annotated[tuple[Song, ...], Field(max_length=MAX_SONGS)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.songs:
            raise ValueError("a set list has at least one song")
        return self

    @property
    def has_files(self) -> bool:
        """Whether files are played; otherwise the input is."""
        return any(song.file is not None for song in self.songs)

    @property
    def places(self) -> list[CuePlace]:
        """All cues in order; each song's beginning first."""
        found = []
        for number, song in enumerate(self.songs):
            found.append(CuePlace(song.name, number, 0.0, is_start=True))
            for cue in song.cues:
                found.append(CuePlace(f"{song.name}/{cue.name}", number, song.seconds_of(cue)))
        return found

    @property
    def presets(self) -> set[str]:
        """All presets that are named."""
        cues = [cue.preset for song in self.songs for cue in song.cues]
        return {name for name in (*cues, *(song.preset for song in self.songs)) if name}

    @property
    def most_channels(self) -> int:
        """The highest output channel that a cue itself routes to, at least 2."""
        moves = [move for song in self.songs for cue in song.cues for move in cue.mixer.values()]
        channels: list[int] = [one for move in moves for one in move.strip.get("channels", ())]
        return max([2, *channels])


def load_set_list(path: Path) -> SetList:
    """Read a set list; files and presets that are files are found from its folder on.

    Raises:
        ConfigError: it cannot be read, or is no set list.
    """
    found = read_yaml(path, SetList)
    songs = tuple(
        song.model_copy(
            update={
                "file": None if song.file is None else path.parent / song.file,
                "preset": _placed(song.preset, path.parent),
                "cues": tuple(
                    cue.model_copy(update={"preset": _placed(cue.preset, path.parent)})
                    for cue in song.cues
                ),
            }
        )
        for song in found.songs
    )
    return found.model_copy(update={"songs": songs})


def _placed(preset: str | None, folder: Path) -> str | None:
    is_file = preset is not None and Path(preset).suffix in {".yaml", ".yml"}
    return str(folder / str(preset)) if is_file else preset
