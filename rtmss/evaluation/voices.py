"""Voices that training never heard, over the backings of songs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from rtmss.datasets.taxonomy import FAMILY_OF
from rtmss.evaluation.clips import Recording
from rtmss.evaluation.metrics import sounding_level
from rtmss.evaluation.report import UNKNOWN_VOICES
from rtmss.evaluation.songs import Piece, Song, add, as_stereo

VOICE_BELOW_DB = 2.0
BACKINGS_PER_VOICE = 2

Voice = tuple[Recording, ...]
"""Recordings of one voice alone."""


def find_voices(
    recordings: Sequence[Recording],
    known: Collection[str],
) -> list[Voice]:
    """The voices that are recorded alone, by name.

    Args:
        recordings: of the judged split.
        known: the sources that training heard, in songs or alone; their voices are left out.
    """
    voices: dict[str, list[Recording]] = {}
    for recording in recordings:
        track = recording.track
        if track.family == "vocals" and not track.song and track.source not in known:
            voices.setdefault(track.source, []).append(recording)
    return [tuple(voices[name]) for name in sorted(voices)]


def name_of(voice: Voice) -> str:
    """What a voice is called."""
    return voice[0].track.source


def lends(song: Song) -> bool:
    """Whether a song's backing is free of voices once its own are taken away.

    It is where voices have stems of their own and every other stem is an instrument: a stem of
        effects, or of all the
    rest, may have pieces of the voice in it.
    """
    families = {FAMILY_OF[label] for label in song.labels}
    return "vocals" in families and "other" not in families


def pair_voices(
    voices: Sequence[Voice],
    songs: Sequence[Song],
) -> Iterator[tuple[Voice, Song]]:
    """Two backings for each voice, taken in turn from the songs that lend theirs."""
    lenders = [song for song in songs if lends(song)]
    for index, voice in enumerate(voices):
        for turn in range(min(BACKINGS_PER_VOICE, len(lenders))):
            yield voice, lenders[(index * BACKINGS_PER_VOICE + turn) % len(lenders)]


def lay_voice(song: Piece, voice: Voice, sample_rate: int) -> Piece:
    """Replace a song's vocals by a dry voice, on both sides, 2 dB under the rest where each of them
    sounds.

    Args:
        song: whose vocals are left out.
        voice: its recordings are played one after the other until the song ends.
        sample_rate: Hz of the song.
    """
    labels = {name: song.label(name) for name in song.stems}
    stems = {
        name: audio for name, audio in song.stems.items() if FAMILY_OF[labels[name]] != "vocals"
    }
    backing = add(stems.values())
    n = backing.shape[-1]
    mono = np.concatenate([recording.read(sample_rate).mean(0) for recording in voice])[:n]
    audio = as_stereo(
        np.pad(
            mono,
            (0, n - len(mono)),
        )[None]
    )
    wanted = sounding_level(backing, sample_rate) * 10 ** (-VOICE_BELOW_DB / 20)
    audio = audio * np.float32(
        wanted
        / max(
            sounding_level(audio, sample_rate),
            1e-9,
        )
    )
    gain = np.float32(
        min(
            1.0,
            0.98 / np.abs(backing + audio).max(),
        )
    )
    parts = {name: part * gain for name, part in (stems | {"vocals": audio}).items()}
    return replace(
        song,
        stems=parts,
        voice=name_of(voice),
        labels=labels | {"vocals": "vocals"},
        on=UNKNOWN_VOICES,
    )
