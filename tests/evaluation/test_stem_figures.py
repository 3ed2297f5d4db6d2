"""Figures of stems beside museval's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.evaluation import SAMPLE_RATE, judge
from helpers.stems import STEMS
from rtmss.audio import Audio
from rtmss.conditions.condition import Condition
from rtmss.evaluation.report import OWN, Report, Score
from rtmss.files import read_audio
from rtmss.separator import Separator

FIGURES = {"SDR": "bss_sdr_db", "ISR": "bss_isr_db", "SIR": "bss_sir_db", "SAR": "bss_sar_db"}


@pytest.fixture(scope="module")
def museval(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package, which is imported only where it finds programs called ffmpeg and ffprobe; it is
    not to run them.
    """
    folder = tmp_path_factory.mktemp("programs")
    for name in ("ffmpeg", "ffprobe"):
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder), prepend=":")
        yield pytest.importorskip("museval", exc_type=ImportError)


def spoilt(songs: Sequence[Path]) -> Callable[..., Audio]:
    """A separator that knows the songs, and gives each stem with some of the mixture."""
    known = {}
    for song in songs:
        stems = {stem: read_audio(song / f"{stem}.wav")[0] for stem in (*STEMS, "mixture")}
        known[float(np.abs(stems["mixture"]).sum())] = stems

    def separate_all(
        self: Separator, mixture: Audio, rate: int, conditions: Sequence[Condition]
    ) -> Audio:
        stems = known[float(np.abs(mixture).sum())]
        return np.stack(
            [0.9 * stems[condition.header.name] + 0.1 * mixture for condition in conditions]
        )

    return separate_all


def estimates_of(song: Path) -> list[NDArray[np.float64]]:
    """What `spoilt` gives, as museval takes it."""
    mixture = read_audio(song / "mixture.wav")[0]
    stems = {
        stem: 0.9 * read_audio(song / f"{stem}.wav")[0] + 0.1 * mixture
        for stem in STEMS
        if stem != "other"
    }
    stems["other"] = mixture - sum(stems.values())
    return [stems[stem].T.astype(np.float64) for stem in STEMS]


@pytest.fixture
def few_taps_too(few_taps: int, museval: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package as `few_taps` has rtmss."""
    judge_frames = museval.metrics.bss_eval
    assert inspect.signature(judge_frames).parameters["filters_len"].default == 512
    changed = partial(judge_frames, filters_len=few_taps)
    monkeypatch.setattr(museval.metrics, "bss_eval", changed)


@pytest.mark.slow
@pytest.mark.usefixtures("few_taps_too")
def test_the_figures_of_musdb18_are_musevals(
    musdb_hq: Path, weights: Path, museval: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = musdb_hq / "test/Ana - Tune"
    monkeypatch.setattr(Separator, "separate_all", spoilt([song]))
    report = judge(musdb_hq, weights, task="stems", songs=[song.name])
    truths = [read_audio(song / f"{stem}.wav")[0].T.astype(np.float64) for stem in STEMS]
    ratios = museval.evaluate(
        truths,
        estimates_of(song),
        win=SAMPLE_RATE,
        hop=SAMPLE_RATE,
    )
    assert [score.target for score in report.scores] == list(STEMS)
    for number, score in enumerate(report.scores):
        found = [getattr(score, name) for name in FIGURES.values()]
        assert found == pytest.approx(
            [np.nanmedian(ratio[number]) for ratio in ratios],
            abs=1e-6,
        )


@pytest.mark.slow
def test_medians_over_songs_are_musevals(museval: ModuleType) -> None:
    store = museval.EvalStore(frames_agg="median", tracks_agg="median")
    scores = []
    for number, name in enumerate("abcd"):
        frames = np.random.default_rng(number).normal(size=(len(FIGURES), 7))
        frames[:, 3] = np.nan  # a second in which something is silent
        track = museval.TrackStore(win=1, hop=1, track_name=name)
        track.add_target("bass", dict(zip(FIGURES, frames, strict=True)))
        store.add_track(track)
        figures = dict(
            zip(
                FIGURES.values(),
                np.nanmedian(frames, axis=1),
                strict=True,
            )
        )
        scores.append(
            Score(
                name,
                "",
                "bass",
                OWN,
                5,
                0,
                0.0,
                0.0,
                0.0,
                **figures,
            )
        )
    published = store.agg_frames_tracks_scores()
    (row,) = Report({}, scores).means()
    for figure, name in FIGURES.items():
        assert row[name] == pytest.approx(
            published["bass", figure],
            abs=2e-5,
        ), "museval rounds to 1e-5"
