"""Clips that an evaluation draws, and the tasks made of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from helpers.evaluation import (
    SAMPLE_RATE,
    evaluator_of,
    read,
)
from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.evaluation.clips import ClipLibrary
from rtmss.evaluation.compare import compare_conditions
from rtmss.evaluation.evaluator import other_sounds
from rtmss.evaluation.songs import Piece
from rtmss.files import read_audio


@pytest.fixture
def song(data: Path) -> Piece:
    return read(data, "band-001")


@pytest.fixture
def library(data: Path) -> Callable[[int], ClipLibrary]:
    return lambda seed: ClipLibrary.open([data], SAMPLE_RATE, seed)


def test_clips_of_the_same_song_are_pieces_of_the_true_stem(
    data: Path, weights: Path, song: Piece
) -> None:
    evaluator = evaluator_of(data, weights, shots=[2], clips="both")
    truth = song.truth("bass")
    assert truth is not None
    clips = evaluator.positives(song, "bass", own=True)
    assert len(clips) == 2
    for clip in clips:
        places = range(
            0,
            truth.shape[-1] - clip.shape[-1] + 1,
            SAMPLE_RATE // 2,
        )
        assert any(
            np.array_equal(
                truth[:, i : i + clip.shape[-1]],
                clip,
            )
            for i in places
        )
    assert not np.array_equal(
        np.concatenate(clips), np.concatenate(evaluator.positives(song, "bass"))
    )
    # What does not play has no clips of its own.
    pairs = zip(
        evaluator.positives(song, "guitar", own=True),
        evaluator.positives(song, "guitar"),
        strict=True,
    )
    assert all(np.array_equal(*pair) for pair in pairs)


def test_clips_never_come_from_the_song_being_judged(
    data: Path, library: Callable[[int], ClipLibrary]
) -> None:
    clips = library(0).draw("guitar", 5, "key", avoid="band-002")
    expected, _ = read_audio(data / "songs/train/band-003/guitar.wav")
    assert len(clips) == 1
    np.testing.assert_array_equal(
        clips[0],
        expected[:, -clips[0].shape[-1] :],
    )


def test_clips_of_unknown_voices_come_from_solo_recordings_that_are_sung(
    library: Callable[[int], ClipLibrary],
) -> None:
    clips = library(0).draw("vocals", 9, "key", solo=True)
    assert [clip.shape for clip in clips] == [(1, 2 * SAMPLE_RATE)] * 2


def test_clips_are_fixed_by_seed_and_key(library: Callable[[int], ClipLibrary]) -> None:
    def hear(seed: int, key: str) -> Audio:
        return np.concatenate([clip.mean(0) for clip in library(seed).draw("vocals", 4, key)])

    assert np.array_equal(hear(0, "a"), hear(0, "a"))
    assert any(
        not np.array_equal(
            hear(0, "a"),
            hear(0, key),
        )
        for key in "bcdef"
    )
    assert any(
        not np.array_equal(
            hear(0, "a"),
            hear(seed, "a"),
        )
        for seed in range(1, 6)
    )


def test_a_family_without_recordings_is_named(library: Callable[[int], ClipLibrary]) -> None:
    with pytest.raises(ConfigError, match="brass"):
        library(0).draw("brass", 1, "key")


def test_negatives_come_from_the_other_families_that_play(
    song: Piece, library: Callable[[int], ClipLibrary]
) -> None:
    assert other_sounds(song, "vocals") == ["bass", "drums"]
    assert (
        len(
            library(0).draw_others(
                ["bass", "drums", "brass"],
                3,
                "key",
            )
        )
        == 3
    )


def test_one_target_is_asked_for_in_every_way(data: Path, weights: Path) -> None:
    console = Console(file=io.StringIO(), width=120)
    scores = compare_conditions(data, "band-001", "vocals", weights, n_clips=2, console=console)
    assert [(s.method, s.target) for s in scores] == [
        ("positives only", "vocals"),
        ("negatives only", "vocals"),
        ("positives and negatives", "vocals"),
        ("negatives only, of vocals", "all but vocals"),
    ]
    assert len({round(s.sdr_db, 6) for s in scores}) == 4, "every way is another condition"


def test_a_target_that_is_not_in_the_song_is_refused(data: Path, weights: Path) -> None:
    with pytest.raises(ConfigError, match="known: bass, drums, vocals"):
        compare_conditions(data, "band-001", "guitar", weights)
