from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pedalboard.io import AudioFile
from rich.console import Console

from helpers.evaluation import (
    CONFIG,
    SAMPLE_RATE,
    evaluator_of,
    judge,
    read,
    write,
)
from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.datasets.take import Track
from rtmss.evaluation.clips import ClipLibrary, Recording, find_recordings
from rtmss.evaluation.compare import compare_conditions
from rtmss.evaluation.evaluator import other_sounds
from rtmss.evaluation.metrics import sounding_level
from rtmss.evaluation.options import Options
from rtmss.evaluation.report import OWN, UNKNOWN_VOICES, Report, Score
from rtmss.evaluation.run import evaluate
from rtmss.evaluation.songs import Excerpt, Piece, Song, find_songs
from rtmss.evaluation.voices import Voice, find_voices, lay_voice, lends, name_of, pair_voices
from rtmss.files import read_audio
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator


@pytest.fixture(scope="module")
def judged(
    data: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Report, Path, str]:
    """The report, its folder, and what was printed."""
    output = tmp_path_factory.mktemp("output") / "report"
    console = Console(file=io.StringIO(), width=160)
    report = evaluate(
        [data],
        weights,
        output,
        Options(shots=(2,), negatives=(1,)),
        console=console,
    )
    assert isinstance(console.file, io.StringIO)
    return report, output, console.file.getvalue()


@pytest.fixture
def song(data: Path) -> Piece:
    return read(data, "band-001")


@pytest.fixture
def library(data: Path) -> Callable[[int], ClipLibrary]:
    return lambda seed: ClipLibrary.open([data], SAMPLE_RATE, seed)


def test_all_targets_of_one_pass_are_those_asked_for_alone(weights: Path, song: Piece) -> None:
    separator = Separator.load(weights)
    clips = [song.stems["vocals"], song.stems["bass"]]
    conditions = [separator.condition([clip], sample_rate=SAMPLE_RATE) for clip in clips]
    together = separator.separate_all(song.mixture, SAMPLE_RATE, conditions)
    assert together.shape == (2, 2, song.mixture.shape[-1])
    for condition, target in zip(conditions, together, strict=True):
        assert np.abs(target).max() > 1e-3
        np.testing.assert_allclose(
            separator.separate(song.mixture, SAMPLE_RATE, condition), target, atol=1e-5
        )
    assert np.abs(together[0] - together[1]).max() > 1e-4


def test_targets_are_aligned_to_the_sample(song: Piece) -> None:
    model = SeparatorModel(CONFIG).eval()
    for parameter in model.unet.parameters():
        torch.nn.init.zeros_(parameter)
    separator = Separator(model, "constant masks")
    condition = separator.condition([song.stems["bass"]], sample_rate=SAMPLE_RATE)
    audio = song.stems["vocals"][:, :5001]
    target = separator.separate_all(audio, SAMPLE_RATE, [condition])[0]
    gain = float((target * audio).sum() / (audio**2).sum())
    assert gain > 0.1, "constant masks let a constant share through"
    np.testing.assert_allclose(target, gain * audio, atol=2e-3)


def test_every_target_of_every_song_is_scored(judged: tuple[Report, Path, str]) -> None:
    own = [(s.song, s.target) for s in judged[0].scores if s.method == OWN and not s.voice]
    assert sorted(own) == [
        ("band-001", "bass"),
        ("band-001", "drums"),
        ("band-001", "vocals"),
        ("eir-one", "drums"),
        ("eir-one", "guitar"),
    ]


def test_baselines_and_oracle_stand_beside_the_separator(judged: tuple[Report, Path, str]) -> None:
    methods = {(s.target, s.method) for s in judged[0].scores} - {
        (t, OWN) for t in ("vocals", "drums", "bass", "guitar")
    }
    everywhere = ("IRM oracle", "IBM oracle", "NMF", "mixture", "zero")
    assert methods == {
        ("vocals", "centre cut"),
        ("drums", "HPSS"),
        *(
            (target, method)
            for target in ("vocals", "drums", "bass", "guitar")
            for method in everywhere
        ),
    }


def test_the_better_of_mixture_and_silence_has_no_edge(judged: tuple[Report, Path, str]) -> None:
    scores = {
        (
            s.song,
            s.voice,
            s.target,
            s.method,
        ): s
        for s in judged[0].scores
    }
    pieces = {key[:3] for key in scores}
    assert len(pieces) == 7
    for piece in pieces:
        mixture, zero = scores[*piece, "mixture"], scores[*piece, "zero"]
        assert max(
            mixture.edge_db,
            zero.edge_db,
        ) == pytest.approx(0, abs=1e-9)
        assert zero.level_db < -60 < mixture.level_db, "silence is known by its level"
        assert zero.si_sdr_db is None
        assert mixture.si_sdr_db is not None


def test_the_oracle_is_far_ahead_of_untrained_weights(judged: tuple[Report, Path, str]) -> None:
    oracle, own = judged[0].mean("bass", "IRM oracle"), judged[0].mean("bass")
    assert oracle is not None
    assert own is not None
    assert oracle.edge_db > own.edge_db + 10


def test_absent_targets_are_scored_unless_another_stem_may_hide_them(
    judged: tuple[Report, Path, str],
) -> None:
    # eir-one has no bass stem either, but its synth may play one
    assert [(row.song, row.target) for row in judged[0].absences] == [
        ("band-001", "guitar"),
        ("eir-one", "vocals"),
    ]


def test_unknown_voices_are_those_of_other_singers(judged: tuple[Report, Path, str]) -> None:
    assert {(s.voice, s.song) for s in judged[0].scores if s.voice} == {
        ("anna", "band-001"),
        ("bert", "band-001"),
    }
    assert judged[0].mean("vocals", on=UNKNOWN_VOICES) is not None


def test_the_tables_show_songs_voices_and_absences(judged: tuple[Report, Path, str]) -> None:
    titles = "vocals, songs (dB)|vocals, unknown voices|Absent targets|All methods"
    for word in (
        f"{titles}|centre cut|NMF|IRM oracle|IBM oracle|band-001|anna|HPSS|mean|worst|SI-SDR|dBFS"
    ).split("|"):
        assert word in judged[2]


def test_the_files_hold_what_was_found(judged: tuple[Report, Path, str]) -> None:
    report, folder, _ = judged
    content = json.loads((folder / "report.json").read_text())
    assert content["settings"]["negatives"] == [1]
    assert [Score(**row) for row in content["scores"]] == report.scores
    with (folder / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["sdr_db"]) for row in rows] == pytest.approx(
        [s.sdr_db for s in report.scores], abs=1e-3
    )
    assert len((folder / "absences.csv").read_text().splitlines()) == 3
    assert len((folder / "means.csv").read_text().splitlines()) == 1 + len(report.means())
    assert (folder / "edges.csv").read_text().splitlines()[0] == "on,target,2+1"
    assert len((folder / "edges.csv").read_text().splitlines()) == 6
    assert (folder / "edges.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_figures(
    data: Path, weights: Path, judged: tuple[Report, Path, str]
) -> None:
    again = judge(
        data,
        weights,
        shots=[2],
        negatives=[1],
        songs=["eir-one"],
    )
    assert again.scores == [s for s in judged[0].scores if s.song == "eir-one"]


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


@pytest.mark.slow
def test_two_processes_find_what_one_finds(
    data: Path, weights: Path, judged: tuple[Report, Path, str]
) -> None:
    again = judge(
        data,
        weights,
        n_processes=2,
        shots=[2],
        negatives=[1],
    )
    figures = [
        (
            s.sdr_db,
            s.edge_db,
            s.level_db,
        )
        for s in again.scores
    ]
    np.testing.assert_allclose(
        figures,
        [
            (
                s.sdr_db,
                s.edge_db,
                s.level_db,
            )
            for s in judged[0].scores
        ],
        atol=1e-3,
    )
    names = [
        (
            s.song,
            s.voice,
            s.target,
            s.method,
        )
        for s in again.scores
    ]
    assert names == [
        (
            s.song,
            s.voice,
            s.target,
            s.method,
        )
        for s in judged[0].scores
    ]
    assert [a.song for a in again.absences] == [a.song for a in judged[0].absences]


def test_an_unknown_song_is_named_with_its_like(data: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'band-001'"):
        find_songs(data, names=["band-01"])


def test_a_folder_without_songs_is_refused_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"songs/valid/<song>/<stem>\.ogg"):
        find_songs(tmp_path)


def test_an_evaluation_without_clips_is_refused(data: Path, weights: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        judge(data, weights, shots=[0])


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
