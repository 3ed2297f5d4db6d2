"""Instruments that training has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.evaluation import (
    PITCHES,
    SAMPLE_RATE,
    evaluator_of,
    judge,
    read,
    write,
)
from rtmss.config import ConfigError
from rtmss.evaluation.options import Options
from rtmss.evaluation.run import prepare
from rtmss.evaluation.tasks import SongTask, Task
from rtmss.files import read_audio
from rtmss.separator import Separator


@pytest.fixture(scope="module")
def exotic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song with banjo and violin, of which training has the violin alone; an oboe that plays
    nowhere.
    """
    folder = tmp_path_factory.mktemp("exotic")
    for song, stems in {
        "valid/jam": "guitar strings drums",
        "valid/plain": "guitar drums",
        "train/a": "drums bass",
    }.items():
        for stem in stems.split():
            write(
                folder / "songs" / song / f"{stem}.wav",
                PITCHES.get(stem, 1200),
                2.0,
            )
    described = "stems: {guitar: {instrument: banjo}, strings: {instrument: violin}}"
    (folder / "songs/valid/jam/song.yaml").write_text(described)
    for number, name in enumerate(
        ("valid/banjo/p__1", "valid/banjo/p__2", "valid/oboe/p__1", "train/violin/p__1")
    ):
        write(folder / "performances" / f"{name}.wav", 600 + 100 * number, 8.0, n_channels=1)
    for number in (1, 2):
        write(folder / "performances/train/electric_guitar" / f"p__{number}.wav", 300, 2.0)
    return folder


def tasks_of(folder: Path, **options: Any) -> list[Task]:
    return prepare(
        [folder],
        Separator.load(),
        Options(**options),
    )[1]


def test_unseen_are_instruments_of_valid_that_train_has_not(exotic: Path) -> None:
    (task,) = tasks_of(exotic, task="unseen")
    assert isinstance(task, SongTask)
    assert (task.song.name, task.targets) == ("jam", ("banjo", "oboe"))


def test_a_folder_without_unseen_instruments_is_refused_with_the_layout(data: Path) -> None:
    with pytest.raises(ConfigError, match="performances/valid/<instrument>"):
        tasks_of(data, task="unseen")


def test_an_unseen_instrument_that_plays_nowhere_is_refused(exotic: Path) -> None:
    with pytest.raises(ConfigError, match="oboe play in none"):
        tasks_of(exotic, task="unseen", targets=["oboe"])


def test_an_unseen_instrument_is_its_stem_by_clips_of_it_alone(exotic: Path, weights: Path) -> None:
    piece = read(exotic, "jam")
    np.testing.assert_array_equal(piece.truth("banjo"), piece.stems["guitar"])
    clips = evaluator_of(exotic, weights, task="unseen").positives(piece, "banjo")
    assert len(clips) == 5, "two recordings go round again"
    recordings = [
        read_audio(path)[0] for path in sorted((exotic / "performances/valid/banjo").iterdir())
    ]
    for clip in clips:
        starts = range(
            0,
            recordings[0].shape[-1] - clip.shape[-1] + 1,
            SAMPLE_RATE // 2,
        )
        assert any(
            np.array_equal(
                r[:, i : i + clip.shape[-1]],
                clip,
            )
            for r in recordings
            for i in starts
        )


def test_unseen_instruments_are_judged(exotic: Path, weights: Path) -> None:
    report = judge(
        exotic,
        weights,
        task="unseen",
        shots=[2],
        negatives=[1],
    )
    assert {(s.song, s.target) for s in report.scores} == {("jam", "banjo")}
    assert [(a.song, a.target) for a in report.absences] == [("jam", "oboe")]


def test_further_families_and_instruments_may_be_asked_for(exotic: Path) -> None:
    tasks = tasks_of(exotic, targets=["strings", "violin"])
    assert [task.song.name for task in tasks] == ["jam", "plain"]
    jam, plain = (read(exotic, task.song.name) for task in tasks)
    for target in ("strings", "violin"):
        np.testing.assert_array_equal(jam.truth(target), jam.stems["strings"])
        assert plain.truth(target) is None
    assert jam.truth("viola") is None


def test_a_misspelt_target_is_named(exotic: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'strings'"):
        tasks_of(exotic, targets=["string"])
