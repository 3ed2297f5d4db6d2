"""Several folders, real records split in two, and instruments of one family apart."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from helpers.evaluation import SAMPLE_RATE, evaluator_of, judge, read, write
from rtmss.config import ConfigError
from rtmss.evaluation.evaluator import other_sounds
from rtmss.evaluation.options import Options
from rtmss.evaluation.report import UNKNOWN_VOICES
from rtmss.evaluation.run import evaluate
from rtmss.evaluation.songs import Piece
from rtmss.evaluation.targets import exactly, fits


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records in two parts each: the voice, and all the rest."""
    folder = tmp_path_factory.mktemp("records")
    for split, song in (("valid", "hit"), ("train", "flop")):
        for number, stem in enumerate(("vocals", "backing")):
            write(folder / "songs" / split / song / f"{stem}.wav", 350 + 400 * number)
    return folder


def test_of_a_record_in_two_parts_only_the_voice_is_judged(
    records: Path, data: Path, weights: Path
) -> None:
    every = [
        "vocals",
        "drums",
        "bass",
        "guitar",
        "piano",
        "keys",
        "synth",
        "strings",
        "winds",
        "brass",
        "percussion",
    ]
    report = judge(
        records,
        weights,
        targets=every,
        clips_from=[data],
        references=False,
    )
    assert [(score.song, score.target) for score in report.scores] == [("hit", "vocals")]
    assert report.absences == [], "what the rest may hide is not absent"


def test_records_lend_no_backing_to_unknown_voices(
    records: Path, data: Path, weights: Path
) -> None:
    options = Options(targets=("vocals",), references=False)
    report = evaluate(
        [records, data],
        weights,
        None,
        options,
        console=Console(file=io.StringIO()),
    )
    assert {score.song for score in report.scores if score.on == UNKNOWN_VOICES} == {"band-001"}


@pytest.mark.slow
def test_folders_have_one_mean_together_or_one_each(
    records: Path, data: Path, weights: Path
) -> None:
    together, apart = (
        evaluate(
            [records, data],
            weights,
            None,
            Options(targets=("vocals",), references=False, apart=apart),
            console=Console(file=io.StringIO()),
        )
        for apart in (False, True)
    )
    assert together.groups() == [("vocals", "songs"), ("vocals", UNKNOWN_VOICES)]
    names = [folder.name for folder in (records, data)]
    assert [on for _, on in apart.groups()] == [
        *(f"songs, {name}" for name in names),
        f"unknown voices, {names[1]}",
    ]
    assert {absence.on for absence in apart.absences} == {f"songs, {names[1]}"}
    assert [score.edge_db for score in apart.scores] == [score.edge_db for score in together.scores]


def test_clips_may_come_from_another_folder(records: Path, data: Path, weights: Path) -> None:
    own = evaluator_of(records, weights).clips
    other = evaluator_of(records, weights, clips_from=[data]).clips
    assert {recording.folder for recording in own.recordings} == {records}
    assert {recording.folder for recording in other.recordings} == {data}


def test_a_folder_without_training_songs_needs_clips_from_another(
    tmp_path: Path, data: Path, weights: Path
) -> None:
    for stem in ("vocals", "backing"):
        write(tmp_path / f"songs/valid/hit/{stem}.wav", 400)
    with pytest.raises(ConfigError, match="no tracks for 'train'"):
        judge(tmp_path, weights)
    report = judge(
        tmp_path,
        weights,
        clips_from=[data],
        targets=["vocals"],
        references=False,
    )
    assert len(report.scores) == 1


def test_clips_may_be_short_or_long(data: Path, weights: Path) -> None:
    piece = read(data, "band-001")
    for seconds in (0.5, 1.0, 3.0):
        clips = evaluator_of(data, weights, clip_seconds=seconds).positives(piece, "bass")
        assert {clip.shape[-1] for clip in clips} == {int(seconds * SAMPLE_RATE)}


def test_clips_of_the_song_and_of_others_are_judged_on_the_same_excerpts(
    data: Path, weights: Path
) -> None:
    report = judge(
        data,
        weights,
        targets=["bass"],
        clips="both",
        shots=[1],
        max_seconds=2.0,
    )
    rows = report.select("bass")
    assert [row.own_clips for row in rows] == [False, True]
    assert rows[0].edge_db != rows[1].edge_db
    assert [str(shots) for shots in report.shots()] == ["1+0", "1+0 own"]
    assert [row["1+0"] for row in report.edges()] == pytest.approx([rows[0].edge_db])
    assert [row["1+0 own"] for row in report.edges()] == pytest.approx([rows[1].edge_db])
    assert len(report.select("bass", "IRM oracle")) == 1


def test_songs_are_chosen_by_patterns(data: Path, weights: Path) -> None:
    report = judge(
        data,
        weights,
        songs=["band-*"],
        targets=["drums"],
        references=False,
    )
    assert {score.song for score in report.scores} == {"band-001"}


def test_a_song_need_not_be_in_every_folder(records: Path, data: Path, weights: Path) -> None:
    options = Options(
        targets=("drums",),
        songs=("hit", "band-*"),
        references=False,
    )
    quiet = Console(file=io.StringIO())
    report = evaluate([records, data], weights, None, options, console=quiet)
    assert report.settings["songs"] == ["hit", "band-001"]
    with pytest.raises(ConfigError, match="no song 'hot'; did you mean 'hit'"):
        evaluate(
            [records, data],
            weights,
            None,
            Options(songs=("hot",)),
            console=quiet,
        )


def test_an_instrument_alone_is_not_its_family() -> None:
    assert fits("vocals", "vocals")
    assert fits("vocals", "backing_vocals")
    assert fits("vocals-alone", "vocals")
    assert not fits("vocals-alone", "backing_vocals")
    assert [exactly(label) for label in ("vocals", "choir", "organ")] == [
        "vocals-alone",
        "choir",
        "organ",
    ]


def test_a_lead_is_judged_apart_from_its_choir(data: Path, weights: Path) -> None:
    piece = read(data, "band-001")
    np.testing.assert_array_equal(piece.truth("vocals-alone"), piece.stems["vocals"])
    np.testing.assert_array_equal(piece.truth("backing_vocals"), piece.stems["backing_vocals"])
    assert other_sounds(piece, "vocals-alone") == ["backing_vocals", "bass", "drums"]
    assert other_sounds(piece, "backing_vocals") == ["vocals-alone", "bass", "drums"]
    report = judge(
        data,
        weights,
        songs=["band-001"],
        targets=["vocals-alone"],
        references=False,
    )
    assert [score.target for score in report.scores] == ["vocals-alone"]


def test_a_lead_is_not_judged_where_nobody_has_told_it_from_the_choir(
    data: Path, weights: Path
) -> None:
    stems = {
        name: np.ones(
            (2, 8),
            np.float32,
        )
        for name in ("vocals", "drums")
    }
    assert not Piece("a", stems).tells_apart("vocals-alone")
    assert Piece(
        "b",
        stems | {"choir": stems["drums"]},
    ).tells_apart("vocals-alone")
    scores, absences = evaluator_of(data, weights).evaluate(
        Piece("a", stems),
        ["vocals-alone"],
    )
    assert (scores, absences) == ([], [])
