"""Songs made up and written: folders of stems that training reads."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from helpers.synth import EVERYTHING, smallest_soundfont, soundfont_bytes, with_fluidsynth
from rtmss.audio import Audio
from rtmss.cli import main
from rtmss.config import read_yaml
from rtmss.datasets import find_tracks
from rtmss.files import read_audio
from rtmss.synth import run, song
from rtmss.synth.oscillators import synthesize_notes
from rtmss.synth.patches import draw_patch
from rtmss.synth.score import Part
from rtmss.synth.song import SongOrder, make_song
from rtmss.synth.soundfonts import Soundfont
from rtmss.training import run as training
from rtmss.training.recipe import EncoderRecipe, LoopRecipe

EXAMPLE = Path(__file__).parents[2] / "examples/train_small.sh"
COMMANDS = [
    line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line.startswith("rtmss ")
]

RATE = 44100
BIG = Soundfont(Path("big.sf2"), "MIT", EVERYTHING)


@pytest.fixture
def tones_for_fluidsynth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decaying tones in place of fluidsynth."""

    def play(
        part: Part,
        soundfont: Path,
        n_samples: int,
        sample_rate: int,
    ) -> Audio:
        pluck = replace(
            draw_patch("pluck synth", np.random.default_rng(0)),
            n_unison=1,
        )
        return synthesize_notes(
            part.notes,
            pluck,
            n_samples,
            sample_rate,
            np.random.default_rng(0),
        )

    monkeypatch.setattr(song, "play_part", play)


@pytest.fixture
def order(tmp_path: Path) -> SongOrder:
    return SongOrder(tmp_path / "songs/train/synth-1", 5, (BIG,), max_seconds=4.0)


@pytest.mark.slow
@pytest.mark.usefixtures("tones_for_fluidsynth")
def test_a_song_is_a_folder_of_stems_that_the_bank_reads(order: SongOrder) -> None:
    make_song(order)
    described = yaml.safe_load((order.folder / "song.yaml").read_text())
    tracks = find_tracks(order.folder.parents[2], "train")
    assert {track.stem for track in tracks} == set(described["stems"])
    for track in tracks:
        row = described["stems"][track.stem]
        assert (track.label, track.source, track.licence) == (
            row["instrument"],
            row["library"],
            row["licence"],
        )
    audio = [read_audio(path)[0] for path in order.folder.glob("*.ogg")]
    assert {a.shape for a in audio} == {(2, 4 * RATE)}
    assert 0.1 < np.abs(sum(audio)).max() < 0.98


def test_a_sum_that_lossy_coding_made_too_loud_is_written_softer(tmp_path: Path) -> None:
    noise = (
        np.random.default_rng(0)
        .uniform(
            -1,
            1,
            (2, RATE),
        )
        .astype(np.float32)
    )
    song._write_stems(tmp_path, {"bass": noise * 0.6, "drums": noise * 0.4})
    bass, drums = (read_audio(tmp_path / f"{name}.ogg")[0] for name in ("bass", "drums"))
    assert 0.8 < np.abs(bass + drums).max() < 0.98
    assert bass.std() / drums.std() == pytest.approx(1.5, rel=0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("tones_for_fluidsynth")
def test_the_same_order_writes_the_same_music(order: SongOrder, tmp_path: Path) -> None:
    again = replace(order, folder=tmp_path / "other/songs/train/synth-1")
    make_song(order)
    make_song(again)
    for path in order.folder.glob("*.ogg"):
        np.testing.assert_array_equal(
            read_audio(path)[0],
            read_audio(again.folder / path.name)[0],
        )


@pytest.mark.slow
@pytest.mark.usefixtures("tones_for_fluidsynth")
def test_an_interrupted_song_is_not_there(
    order: SongOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(song, "describe", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            make_song(order)
    assert not order.folder.exists()
    assert not list(order.folder.parents[1].rglob("*.ogg"))
    make_song(order)
    assert (order.folder / "song.yaml").exists()


def test_songs_that_are_there_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big.sf2").write_bytes(soundfont_bytes((0, 0)))
    (tmp_path / "songs/train/synth-3-0001").mkdir(parents=True)
    made: list[SongOrder] = []
    monkeypatch.setattr(run, "check_tools", lambda: None)
    monkeypatch.setattr(run, "make_song", made.append)
    run.synthesize(
        tmp_path,
        3,
        n_valid=1,
        seed=3,
        soundfonts=[tmp_path / "big.sf2"],
    )
    names = ["train/synth-3-0000", "train/synth-3-0002", "valid/synth-3-500000"]
    assert [str(x.folder.relative_to(tmp_path / "songs")) for x in made] == names
    assert len({x.seed for x in made}) == 3


@pytest.mark.slow
@with_fluidsynth
def test_the_commands_of_the_example_make_songs_train_and_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = song.make_song
    monkeypatch.setattr(run, "make_song", lambda order: short(replace(order, max_seconds=12.0)))
    brief = {
        "encoder": EncoderRecipe(n_steps=1, batch=4),
        "loop": LoopRecipe(n_steps=2, windows=2, batch=2),
    }
    monkeypatch.setattr(
        training,
        "read_yaml",
        lambda path, kind: read_yaml(path, kind).model_copy(update=brief | {"n_workers": 0}),
    )
    font = str(smallest_soundfont().path)
    where = str(tmp_path)
    synth, train, evaluate = (shlex.split(line.replace("$folder", where)) for line in COMMANDS)
    synth += ["--songs", "2", "--valid", "1", "--processes", "1", "--soundfont", font]
    for argv in (synth, train, evaluate):
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
    folders = sorted((tmp_path / "data/songs").glob("*/*"))
    assert [folder.parent.name for folder in folders] == ["train", "train", "valid"]
    for folder in folders:
        audio = [read_audio(path)[0] for path in folder.glob("*.ogg")]
        assert len(audio) > 1
        assert {a.shape for a in audio} == {(2, 12 * RATE)}
        assert min(float(np.abs(a).max()) for a in audio) > 1e-3
        assert np.abs(sum(audio)).max() < 0.98
    assert (
        "All methods: means" in capsys.readouterr().out
    )  # which instruments play in 12 s is up to chance
