"""Two sources of one family in one mixture, of which one is asked for by clips, with clips of the
other as negatives.

Axes: C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.datasets.taxonomy import FAMILIES, FAMILY_OF, HIDES
from rtmss.evaluation.clips import SPOKEN, Recording
from rtmss.evaluation.evaluator import Evaluator, Result
from rtmss.evaluation.metrics import FLOOR, energy, sounding_level
from rtmss.evaluation.report import BOTH, DUETS, OWN, Score, Shots
from rtmss.evaluation.songs import (
    Excerpt,
    Piece,
    Song,
    add,
    as_stereo,
    loudest_place,
    master,
    read_song,
)
from rtmss.evaluation.tasks import Material, Task
from rtmss.evaluation.voices import VOICE_BELOW_DB
from rtmss.lookup import find

SHORTEST_SECONDS = 2.0
"""Of what is judged, and of what its clips are taken from."""
LONGEST_SECONDS = 30.0
"""Of what is judged, where no other limit is set."""


@dataclass(frozen=True)
class Side:
    """One source of a family."""

    recording: Recording
    """What is judged is its loudest part, and the rest gives clips."""
    more: tuple[Recording, ...] = ()
    """Further recordings of the same source, for clips."""
    song: Song | None = None
    """The song that it plays in, if the rest of the song is free of its family."""

    @property
    def name(self) -> str:
        """The source, and the instrument where it is not the family itself."""
        track = self.recording.track
        return track.source if track.label == track.family else f"{track.source} ({track.label})"


class Heard(NamedTuple):
    """What is judged of a side, and what its clips are of."""

    start: int
    """First sample of the judged part."""
    audio: Audio
    """(2, S) the judged part."""
    example: Audio
    """(C, S) the longest stretch of the source that is not judged."""


@dataclass(frozen=True)
class DuetTask:
    """Two sources of one family over one backing."""

    first: Side
    second: Side
    song: Song
    """Whose backing it is, without its own sources of the family."""
    excerpt: Excerpt
    place: str = ""

    def __str__(self) -> str:
        return f"{self.song.name}: {self.first.name} and {self.second.name}"

    def run(self, evaluator: Evaluator) -> Result:
        """Ask for each of the two; nothing is judged where one is too short, or silent."""
        rate = evaluator.sample_rate
        n = int((self.excerpt.max_seconds or LONGEST_SECONDS) * rate)
        sides = self.first, self.second
        n = min([n, *(_longest_part(side, rate) for side in sides)])
        if n < SHORTEST_SECONDS * rate:
            return [], []
        heard = [_read_part(side, n, rate) for side in sides]
        key = str(self)
        clips = [
            evaluator.clips.excerpts(part.example, _most(evaluator.shots), f"{key}/{number}")
            for number, part in enumerate(heard)
        ]
        piece = self._lay(heard, rate)
        if piece is None or not all(clips):
            return [], []
        if evaluator.mastered:
            piece = master(piece, rate)
        return list(self._scores(evaluator, piece, clips)), []

    def _lay(
        self,
        heard: Sequence[Heard],
        rate: int,
    ) -> Piece | None:
        """Both sources over the backing, with the same energy; None where one is silent."""
        family = self.first.recording.track.family
        n = heard[0].audio.shape[-1]
        is_own = self.first.song is self.song
        whole = read_song(
            self.song,
            rate,
            None if is_own else Excerpt(n / rate),
        )
        start = heard[0].start if is_own else 0
        backing = {
            name: _placed(audio, start, n)
            for name, audio in whole.stems.items()
            if FAMILY_OF[whole.label(name)] != family
        }
        rest = add(backing.values())
        voices = [part.audio for part in heard]
        if min(energy(audio) for audio in (*voices, rest)) <= FLOOR:
            return None
        if not is_own:
            wanted = sounding_level(rest, rate) * 10 ** (-VOICE_BELOW_DB / 20)
            voices[0] = voices[0] * np.float32(
                wanted
                / sounding_level(
                    voices[0],
                    rate,
                )
            )
        # Giving out both, and giving out nothing, then have the same SDR: 0 dB.
        voices[1] = voices[1] * np.float32(np.sqrt(energy(voices[0]) / energy(voices[1])))
        labels = {name: whole.label(name) for name in backing}
        labels |= {side.name: side.recording.track.label for side in (self.first, self.second)}
        stems = backing | {
            self.first.name: voices[0],
            self.second.name: voices[1],
        }
        gain = np.float32(
            min(
                1.0,
                0.98 / np.abs(add(stems.values())).max(),
            )
        )
        stems = {name: audio * gain for name, audio in stems.items()}
        return Piece(self.song.name, stems, labels=labels, on=DUETS)

    def _scores(
        self, evaluator: Evaluator, piece: Piece, clips: Sequence[Sequence[Audio]]
    ) -> Iterator[Score]:
        family = self.first.recording.track.family
        sides = [self.first.name, self.second.name]
        both = piece.stems[sides[0]] + piece.stems[sides[1]]
        ways = list(
            dict.fromkeys(
                Shots(
                    shots.positive,
                    shots.negative,
                )
                for shots in evaluator.shots
            )
        )
        asked = [(number, shots) for shots in ways for number in (0, 1)]
        conditions = [
            evaluator.class_condition(family)
            if evaluator.by_class
            else evaluator.condition_of(
                family, clips[number][: shots.positive], clips[1 - number][: shots.negative]
            )
            for number, shots in asked
        ]
        pieces = [
            replace(piece, voice=f"{sides[number]} beside {sides[1 - number]}") for number in (0, 1)
        ]
        for (number, shots), estimate in zip(
            asked, evaluator.separate(piece, conditions), strict=True
        ):
            yield evaluator.score(
                pieces[number], family, piece.stems[sides[number]], OWN, estimate, shots
            )
        if not evaluator.references:
            return
        for number in (0, 1):
            truth = piece.stems[sides[number]]
            for method, _, estimate in (
                *evaluator.oracles(piece, truth),
                (BOTH, None, both),
                *evaluator.nothing(piece),
            ):
                yield evaluator.score(pieces[number], family, truth, method, estimate)


def find_duets(
    materials: Sequence[Material], targets: Sequence[str] | None, excerpt: Excerpt
) -> list[Task]:
    """Every source of a family beside the next one, in the order of their names.

    A source that plays in a song is heard over that song without its family, if nothing there may
    hide another of the family; any other over a song that is known to be free of it.

    Args:
        materials: of each folder; sources of one folder meet each other.
        targets: families; None for vocals and guitar.
        excerpt: how much is heard at most.

    Raises:
        ConfigError: a target is no family, or there are no two sources of any.
    """
    families = {name: name for name in FAMILIES if name != "other"}
    wanted = [find(name, families, "family") for name in targets or ("vocals", "guitar")]
    tasks: list[Task] = []
    for family in wanted:
        for material in materials:
            sides = _find_sides(material, family)
            lenders = [song for song in material.songs if _lends(song, family)]
            for number, side in enumerate(sides if len(sides) > 1 else []):
                song = side.song or (lenders[number % len(lenders)] if lenders else None)
                if song is not None:
                    beside = sides[(number + 1) % len(sides)]
                    tasks.append(DuetTask(side, beside, song, excerpt, material.place))
    if not tasks:
        folders = ", ".join(str(material.folder) for material in materials)
        names = ", ".join(wanted)
        raise ConfigError(f"{folders}: no two sources of {names}, and a song to lay them over")
    return tasks


def _find_sides(material: Material, family: str) -> list[Side]:
    """The sources of a family, each with the instrument that it plays."""
    groups: dict[tuple[str, str], list[Recording]] = {}
    for recording in material.recordings:
        track = recording.track
        if track.family == family and Path(track.path).stem != SPOKEN:
            groups.setdefault(
                (track.source, track.label),
                [],
            ).append(recording)
    songs = {song.name: song for song in material.songs if not _hides(song, family)}
    sides = []
    for _, found in sorted(groups.items()):
        first = next(
            (recording for recording in found if recording.track.song in songs),
            None,
        )
        if first is None:
            alone = [recording for recording in found if not recording.track.song]
            first = (alone or found)[0]
        more = tuple(recording for recording in found if recording is not first)
        sides.append(
            Side(
                first,
                more,
                songs.get(first.track.song),
            )
        )
    return sides


def _hides(song: Song, family: str) -> bool:
    """Whether a stem of a song may have something of a family in it without saying so."""
    return any(family in HIDES.get(label, ()) for label in song.labels)


def _lends(song: Song, family: str) -> bool:
    """Whether a song is free of a family once its own stems of it are taken away; see
    `voices.lends`.
    """
    families = {FAMILY_OF[label] for label in song.labels}
    return "other" not in families and len(families - {family}) > 0


def _longest_part(side: Side, rate: int) -> int:
    """How many samples of a side may be judged so that as much is left for clips."""
    n = int(side.recording.read(rate).shape[-1])
    longest = max(
        (recording.read(rate).shape[-1] for recording in side.more),
        default=0,
    )
    return n if longest >= SHORTEST_SECONDS * rate else n // 2


def _read_part(side: Side, n: int, rate: int) -> Heard:
    """The loudest n samples of a side, and the longest stretch of the source beside them."""
    audio = side.recording.read(rate)
    start = loudest_place(audio, n, rate)
    stretches = [audio[:, :start], audio[:, start + n :]]
    stretches += [recording.read(rate) for recording in side.more]
    example = max(stretches, key=lambda stretch: stretch.shape[-1])
    return Heard(start, as_stereo(_placed(audio, start, n)), example)


def _placed(audio: Audio, start: int, n: int) -> Audio:
    """(C, n) audio from a sample on, followed by silence where it ends."""
    part = audio[:, start : start + n]
    return np.pad(
        part,
        ((0, 0), (0, n - part.shape[-1])),
    )


def _most(shots: Sequence[Shots]) -> int:
    """The most clips that are needed of one side."""
    return max(max(pair.positive, pair.negative) for pair in shots)
