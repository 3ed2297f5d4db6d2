"""Songs and unknown voices that are judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.evaluation import (
    SAMPLE_RATE,
    read,
    write,
)
from rtmss.config import ConfigError
from rtmss.datasets.track import Track
from rtmss.evaluation.clips import Recording, find_recordings
from rtmss.evaluation.metrics import sounding_level
from rtmss.evaluation.songs import Excerpt, Piece, Song
from rtmss.evaluation.voices import Voice, find_voices, lay_voice, lends, name_of, pair_voices
from rtmss.files import read_audio


@pytest.fixture
def song(data: Path) -> Piece:
    return read(data, "band-001")


def test_backing_vocals_are_vocals(song: Piece) -> None:
    truth = song.truth("vocals")
    assert truth is not None
    np.testing.assert_allclose(
        truth, song.stems["vocals"] + song.stems["backing_vocals"], atol=1e-7
    )


def test_the_mixture_is_the_sum_of_all_stems(song: Piece) -> None:
    np.testing.assert_allclose(
        song.mixture,
        sum(song.stems.values()),
        atol=1e-6,
    )
    assert song.mixture.shape == (2, 3 * SAMPLE_RATE)


def test_at_most_so_many_seconds_are_read_from_where_all_have_begun(tmp_path: Path) -> None:
    folder = tmp_path / "songs/valid/late"
    write(folder / "bass.wav", 80, 4.0)
    write(folder / "vocals.wav", 400, 4.0)
    audio, _ = read_audio(folder / "vocals.wav")
    audio[:, : 2 * SAMPLE_RATE] = 0
    with AudioFile(
        str(folder / "vocals.wav"),
        "w",
        samplerate=SAMPLE_RATE,
        num_channels=2,
    ) as file:
        file.write(audio)
    short = read(tmp_path, "late", Excerpt(1.0))
    np.testing.assert_allclose(
        short.stems["vocals"], audio[:, 2 * SAMPLE_RATE : 3 * SAMPLE_RATE], atol=1e-4
    )
    assert short.mixture.shape == (2, SAMPLE_RATE)


def test_an_excerpt_may_be_where_a_target_is_loudest(tmp_path: Path) -> None:
    folder = tmp_path / "songs/valid/swell"
    write(folder / "bass.wav", 80, 6.0)
    write(folder / "vocals.wav", 400, 6.0)
    audio, _ = read_audio(folder / "vocals.wav")
    audio[:, : 3 * SAMPLE_RATE] *= 0.3
    audio[:, 4 * SAMPLE_RATE :] *= 0.3
    with AudioFile(
        str(folder / "vocals.wav"),
        "w",
        samplerate=SAMPLE_RATE,
        num_channels=2,
    ) as file:
        file.write(audio)
    loud = read(tmp_path, "swell", Excerpt(1.0, "vocals"))
    np.testing.assert_allclose(
        loud.stems["vocals"], audio[:, 3 * SAMPLE_RATE : 4 * SAMPLE_RATE], atol=1e-4
    )
    begun = read(tmp_path, "swell", Excerpt(1.0, "drums"))
    np.testing.assert_allclose(
        begun.stems["vocals"],
        audio[:, :SAMPLE_RATE],
        atol=1e-4,
    )


def test_stems_of_different_lengths_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "songs/valid/odd/bass.wav", 80, 1.0)
    write(tmp_path / "songs/valid/odd/drums.wav", 3000, 2.0)
    with pytest.raises(ConfigError, match="one length in odd"):
        read(tmp_path, "odd")


def test_a_voice_is_laid_2_db_under_the_backing_where_it_sounds(
    song: Piece, tmp_path: Path
) -> None:
    write(tmp_path / "voice/valid/anna/phrase.wav", 330, 1.0, n_channels=1)
    (voice,) = find_voices(
        find_recordings([tmp_path], "valid"),
        known=(),
    )
    piece = lay_voice(song, voice, SAMPLE_RATE)
    laid, backing = piece.stems["vocals"], piece.stems["drums"] + piece.stems["bass"]
    assert set(piece.stems) == {"vocals", "drums", "bass"}
    assert np.abs(laid[:, SAMPLE_RATE:]).max() == 0, "the recording lasts one second"
    ratio = sounding_level(laid, SAMPLE_RATE) / sounding_level(backing, SAMPLE_RATE)
    assert 20 * np.log10(ratio) == pytest.approx(
        -2,
        abs=1e-3,
    )


def song_of(name: str, labels: str) -> Song:
    """A song that is not there, with stems of these instruments."""
    return Song(
        Path(),
        name,
        tuple(
            Track(
                f"{label}.wav",
                label,
                name,
                name,
            )
            for label in labels.split()
        ),
    )


def voice_of(name: str) -> Voice:
    return (
        Recording(
            Path(),
            Track(f"{name}.wav", "vocals", name, ""),
        ),
    )


def test_a_voice_is_unknown_if_nothing_in_training_has_its_source(data: Path) -> None:
    found = find_recordings([data], "valid")
    train = {recording.track.source for recording in find_recordings([data], "train")}
    assert [name_of(voice) for voice in find_voices(found, train)] == ["anna", "bert"]
    assert [name_of(voice) for voice in find_voices(found, ())] == ["anna", "bert", "pia"]


def test_songs_lend_their_backing_where_nothing_but_voices_may_have_voices() -> None:
    assert lends(song_of("a", "vocals backing_vocals drums organ"))
    assert not lends(song_of("b", "drums bass guitar")), "nobody has told its voices from the rest"
    for unnamed in ("backing", "fx", "other", "rest"):
        assert not lends(song_of("c", f"vocals {unnamed}"))


def test_every_voice_gets_two_backings_in_turn() -> None:
    songs = [song_of(name, "vocals drums") for name in "abc"] + [song_of("d", "drums")]
    pairs = [
        (name_of(voice), song.name)
        for voice, song in pair_voices(
            [voice_of("x"), voice_of("y")],
            songs,
        )
    ]
    assert pairs == [
        ("x", "a"),
        ("x", "b"),
        ("y", "c"),
        ("y", "a"),
    ]
