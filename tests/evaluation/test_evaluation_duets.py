"""Two sources of one family in one mixture, and one of them asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from helpers.evaluation import SAMPLE_RATE, judge
from helpers.makers import WriteAudio
from rtmss.audio import Audio
from rtmss.conditions.condition import Condition
from rtmss.config import ConfigError
from rtmss.evaluation.duets import DuetTask, _read_part, find_duets
from rtmss.evaluation.evaluator import Evaluator
from rtmss.evaluation.report import BOTH, DUETS, OWN
from rtmss.evaluation.songs import Excerpt
from rtmss.evaluation.tasks import Material
from rtmss.files import read_audio
from rtmss.separator import Separator


@pytest.fixture(scope="module")
def choir(tmp_path_factory: pytest.TempPathFactory, write_audio: WriteAudio) -> Path:
    """A record in two parts, a band with a guitar, two voices alone, and a speech."""
    folder = tmp_path_factory.mktemp("choir")
    names = (
        "songs/valid/hit/vocals songs/valid/hit/backing songs/valid/band/guitar "
        "songs/valid/band/drums "
        "voice/valid/ana/a voice/valid/bo/a voice/valid/bo/spoken songs/train/old/vocals"
    )
    for seed, name in enumerate(names.split()):
        rng = np.random.default_rng(seed)
        audio = rng.normal(
            0,
            0.02 + 0.01 * seed,
            (2 if "songs" in name else 1, 8 * SAMPLE_RATE),
        )
        audio[:, : 3 * SAMPLE_RATE] *= 0.5
        write_audio(folder / f"{name}.wav", audio.astype(np.float32), SAMPLE_RATE)
    return folder


def duets_of(folder: Path, targets: Sequence[str]) -> list[DuetTask]:
    tasks = find_duets(
        [Material.open(folder, "valid")],
        targets,
        Excerpt(3.0),
    )
    assert all(isinstance(task, DuetTask) for task in tasks)
    return [task for task in tasks if isinstance(task, DuetTask)]


def test_every_source_meets_the_next_one(choir: Path) -> None:
    found = [
        (
            task.first.name,
            task.second.name,
            task.song.name,
        )
        for task in duets_of(choir, ["vocals"])
    ]
    assert found == [
        ("ana", "bo", "band"),
        ("bo", "hit", "band"),
        ("hit", "ana", "hit"),
    ]


def test_a_record_in_two_parts_is_no_backing_for_guitars(
    choir: Path, write_audio: WriteAudio
) -> None:
    with pytest.raises(ConfigError, match="no two sources of guitar"):
        duets_of(choir, ["guitar"])


def test_a_family_that_is_none_is_named(choir: Path) -> None:
    with pytest.raises(ConfigError, match="no family 'vocal'; did you mean 'vocals'"):
        duets_of(choir, ["vocal"])


def test_clips_are_of_what_is_not_judged(choir: Path) -> None:
    side = duets_of(choir, ["vocals"])[0].first
    whole, _ = read_audio(choir / "voice/valid/ana/a.wav")
    heard = _read_part(side, 3 * SAMPLE_RATE, SAMPLE_RATE)
    np.testing.assert_array_equal(
        heard.audio[0], whole[0, heard.start : heard.start + 3 * SAMPLE_RATE]
    )
    assert heard.start >= 3 * SAMPLE_RATE, "the loudest part is judged"
    before, after = whole[:, : heard.start], whole[:, heard.start + 3 * SAMPLE_RATE :]
    assert any(np.array_equal(heard.example, part) for part in (before, after))


@pytest.mark.slow
def test_either_of_the_two_is_asked_for_with_the_other_as_negative(
    choir: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    condition_of = Evaluator.condition_of

    def note(
        self: Evaluator, target: str, positives: Sequence[Audio], negatives: Sequence[Audio]
    ) -> Condition:
        levels = [
            float(np.concatenate([clip.mean(0) for clip in clips]).std())
            for clips in (positives, negatives)
        ]
        asked.append((round(1000 * levels[0]), round(1000 * levels[1])))
        return condition_of(self, target, positives, negatives)

    monkeypatch.setattr(Evaluator, "condition_of", note)
    judge(
        choir,
        weights,
        task="duets",
        targets=["vocals"],
        shots=[2],
        negatives=[1],
        max_seconds=3.0,
        references=False,
    )
    assert len(asked) == 6
    for (own, other), (own_turned, other_turned) in zip(
        asked[::2],
        asked[1::2],
        strict=True,
    ):
        assert own != other
        assert own_turned == pytest.approx(other, rel=0.1)
        assert other_turned == pytest.approx(own, rel=0.1)


@pytest.mark.slow
def test_giving_out_both_or_nothing_scores_zero(choir: Path, weights: Path) -> None:
    report = judge(
        choir, weights, task="duets", targets=["vocals"], shots=[1], negatives=[1], max_seconds=3.0
    )
    both = report.select("vocals", BOTH, on=DUETS)
    assert (
        len(both)
        == len(
            report.select(
                "vocals",
                OWN,
                on=DUETS,
            )
        )
        == 6
    )
    assert [score.sdr_db for score in both] == pytest.approx(
        [0] * 6,
        abs=1e-3,
    )
    assert [score.edge_db for score in both] == pytest.approx(
        [0] * 6,
        abs=1e-3,
    )
    assert all(
        score.sdr_db < 0
        for score in report.select(
            "vocals",
            "mixture",
            on=DUETS,
        )
    )
    assert all(
        score.edge_db > 3
        for score in report.select(
            "vocals",
            "IRM oracle",
            on=DUETS,
        )
    )
    assert {score.voice for score in both} >= {"ana beside bo", "bo beside ana"}


def test_a_separator_that_finds_the_one_is_ahead_of_both(
    choir: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = duets_of(choir, ["vocals"])[2]
    truths = task_stems(task)

    def separate_all(
        self: Separator, mixture: Audio, rate: int, conditions: Sequence[Condition]
    ) -> list[Audio]:
        return [truths[0] + 0.1 * truths[1], truths[1] + 0.1 * truths[0]][: len(conditions)]

    monkeypatch.setattr(Separator, "separate_all", separate_all)
    report = judge(
        choir,
        weights,
        task="duets",
        targets=["vocals"],
        songs=["hit"],
        shots=[1],
        max_seconds=3.0,
        references=False,
    )
    rows = [
        score for score in report.scores if score.song == "hit" and score.voice.startswith("hit")
    ]
    assert rows[0].edge_db == pytest.approx(20, abs=0.01)


def task_stems(task: DuetTask) -> tuple[Audio, Audio]:
    """Both sources as they sound in the mixture."""
    heard = [
        _read_part(
            side,
            3 * SAMPLE_RATE,
            SAMPLE_RATE,
        )
        for side in (task.first, task.second)
    ]
    piece = task._lay(heard, SAMPLE_RATE)
    assert piece is not None
    return piece.stems[task.first.name], piece.stems[task.second.name]


@pytest.mark.slow
def test_a_duet_is_the_same_every_time(choir: Path, weights: Path) -> None:
    first, again = (
        judge(
            choir,
            weights,
            task="duets",
            targets=["vocals"],
            negatives=[1],
            max_seconds=3.0,
            references=False,
        )
        for _ in range(2)
    )
    assert first.scores == again.scores
    assert len({score.sdr_db for score in first.scores}) == 6


def test_what_is_too_short_is_not_judged(choir: Path, weights: Path) -> None:
    report = judge(
        choir,
        weights,
        task="duets",
        targets=["vocals"],
        max_seconds=1.5,
    )
    assert report.scores == []
