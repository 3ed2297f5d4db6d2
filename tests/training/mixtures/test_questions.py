"""What is asked of mixtures, and what records are like: whole accompaniments, crowds, two singers
at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from helpers.makers import WriteAudio
from helpers.tracks import write_tracks
from rtmss.config import SeparatorConfig
from rtmss.training.mixtures.bank import Bank, load_bank
from rtmss.training.mixtures.draw import CROWD, Episodes
from rtmss.training.mixtures.mixdown import Mixdown
from rtmss.training.mixtures.plan import Level, Mixture, Part, Target
from rtmss.training.recipe import EpisodeRecipe, LoopRecipe, Recipe

SONGS = [
    f"songs/train/{name}.wav"
    for name in ("rec/vocals", "rec/backing", "metal/guitar", "metal/backing")
]
BAND = [f"songs/train/duo/{stem}.wav" for stem in ("vocals", "backing_vocals", "drums")]
SOLOS = [
    f"performances/train/{name}__1.wav"
    for name in ("electric_guitar/ana", "drums/bo", "violin/cy", "bass/di")
]
VOICES = [f"voice/train/{name}/{number}.wav" for name in ("eve", "fay") for number in (1, 2)]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory, write_audio: WriteAudio) -> Bank:
    """A record split in two, a guitar over a backing that may hold guitars, lead and choir, solos,
    two singers.
    """
    folder = write_tracks(
        tmp_path_factory.mktemp("records"),
        [
            *SONGS,
            *BAND,
            *SOLOS,
            *VOICES,
        ],
        write_audio,
    )
    return load_bank(folder, "train", folder, 8000)


def embeddings_of(bank: Bank) -> list[NDArray[np.float32]]:
    """Every track points somewhere else."""
    return [
        np.eye(
            16,
            dtype=np.float32,
        )[[number] * 3]
        for number in range(len(bank.tracks))
    ]


@pytest.fixture
def episodes(records: Bank, tiny_config: SeparatorConfig) -> Callable[..., Episodes]:
    """episodes(**fields of the recipe) without augments and absent targets."""

    def make(**fields: object) -> Episodes:
        plain: dict[str, object] = {
            "seconds": 1.0,
            "augment": 0.0,
            "absent": 0.0,
            "noise_bass": 0.0,
            "sub_bass": 0.0,
        }
        recipe = EpisodeRecipe.model_validate(plain | fields)
        return Episodes(
            records,
            embeddings_of(records),
            Recipe(model=tiny_config, loop=LoopRecipe(batch=2), episodes=recipe),
        )

    return make


def draw(episodes: Episodes, n: int = 60) -> list[Mixture]:
    rng = np.random.default_rng(5)
    return [episodes._draw(rng) for _ in range(n)]


def labels(bank: Bank, mixture: Mixture) -> list[str]:
    return [bank.tracks[part.track].label for part in mixture.parts]


def clips(
    bank: Bank,
    mean: NDArray[np.float32],
) -> set[int]:
    """Tracks that a mean embedding is made of."""
    return set(np.flatnonzero(mean).tolist())


def families(bank: Bank, target: Target) -> set[str]:
    return {bank.tracks[track].family for track in clips(bank, target.positive)}


def test_nobody_is_asked_for_what_a_mix_may_hold(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    n_mixes = 0
    for mixture in draw(
        episodes(
            distractors=1.0,
            coherent=0.5,
            absent=0.3,
            negatives_only=0.0,
        )
    ):
        if "backing" in labels(records, mixture):
            n_mixes += 1
            assert [families(records, target) for target in mixture.targets] == [{"vocals"}] * 2
    assert n_mixes > 10


def test_everything_except_a_family_is_not_asked_where_a_mix_may_hold_it(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    n_mixes = 0
    for mixture in draw(
        episodes(
            distractors=1.0,
            coherent=0.5,
            negatives_only=1.0,
            positives_only=0.0,
        )
    ):
        names = labels(records, mixture)
        if "backing" in names:
            n_mixes += 1
            voices = {
                n
                for n, part in enumerate(mixture.parts)
                if records.tracks[part.track].family == "vocals"
            }
            wanted = [set(target.parts) for target in mixture.targets]
            assert all(parts in (voices, set(range(len(names))) - voices) for parts in wanted)
    assert n_mixes > 10


def test_a_part_alone_with_a_mix_that_may_hold_its_like_is_sung_over(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    drawn = [
        labels(records, mixture)
        for mixture in draw(
            episodes(
                coherent=1.0,
                added_voice=0.0,
            )
        )
    ]
    metal = [names for names in drawn if {"guitar", "backing"} <= set(names)]
    assert len(metal) > 5
    assert all({"vocals", "backing_vocals"} & set(names) for names in metal)


def test_a_mix_that_leaves_nothing_to_ask_for_is_left_out(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    plans = episodes()
    track = {f"{t.song} {t.label}": number for number, t in enumerate(records.tracks)}
    rng = np.random.default_rng(0)
    guitar = plans._solo("guitar", rng)
    backing = guitar._replace(track=track["metal backing"])
    voice = plans._solo("vocals", rng)
    assert plans._answerable([guitar, backing], rng) == [guitar]
    assert plans._answerable([backing, voice], rng) == [backing, voice]
    assert not plans.questions.is_mix(plans._answerable([backing], rng)[0])


def test_a_share_of_mixtures_are_a_voice_over_a_whole_accompaniment(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    for mixture in draw(episodes(over_backing=1.0), 20):
        assert labels(records, mixture)[0] == "backing"
        assert [records.tracks[part.track].family for part in mixture.parts[1:]] == ["vocals"]
        assert {tuple(target.parts) for target in mixture.targets} <= {
            (1,),
            (0,),
        }


@pytest.mark.parametrize("coherent", [0.0, 1.0])
@pytest.mark.parametrize(
    ("share", "low", "high"),
    [
        (1e-9, 0, 0.0),
        (1.0, 1.0, 1.0),
        (0.5, 0.3, 0.7),
    ],
)
def test_a_share_of_mixtures_are_crowded(
    records: Bank,
    episodes: Callable[..., Episodes],
    coherent: float,
    share: float,
    low: float,
    high: float,
) -> None:
    plans = episodes(crowded=share, coherent=coherent, over_backing=1e-9)
    drawn = [labels(records, mixture) for mixture in draw(plans)]
    without_mixes = [len(names) for names in drawn if "backing" not in names]
    assert low <= np.mean([n >= CROWD for n in without_mixes]) <= high


def test_what_crowds_a_song_is_of_families_that_it_lacks(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    for mixture in draw(
        episodes(crowded=1.0, coherent=1.0, replaced_voice=0.0),
        30,
    ):
        added = [
            records.tracks[part.track].family
            for part in mixture.parts
            if part.level == Level.LOUDEST
        ]
        recorded = {
            records.tracks[part.track].family
            for part in mixture.parts
            if part.level == Level.RECORDED
        }
        if "backing" not in labels(records, mixture):
            assert len(added) == len(set(added)) >= 2
            assert not set(added) & recorded


@pytest.mark.parametrize("coherent", [0.0, 1.0])
def test_of_two_sources_of_a_family_one_is_wanted_and_then_both(
    records: Bank, episodes: Callable[..., Episodes], coherent: float
) -> None:
    n_pairs, n_negative = 0, 0
    weights = {
        "vocals": 1.0,
        "guitar": 1e-9,
        "drums": 1.0,
        "bass": 1.0,
        "strings": 1e-9,
    }
    for mixture in draw(
        episodes(
            same_family=1.0,
            coherent=coherent,
            negatives_only=0.0,
            target_weights=weights,
            replaced_voice=0.0,
        )
    ):
        tracks = [part.track for part in mixture.parts]
        voices = [n for n, track in enumerate(tracks) if records.tracks[track].family == "vocals"]
        if len(voices) < 2:
            continue
        one, whole = mixture.targets
        n_pairs += 1
        assert len(one.parts) == 1
        assert whole.parts == voices
        wanted = records.tracks[tracks[one.parts[0]]]
        assert {records.tracks[track].source for track in clips(records, one.positive)} == {
            wanted.source
        }
        assert {records.tracks[track].label for track in clips(records, one.positive)} == {
            wanted.label
        }
        if one.negative.any():
            n_negative += 1
            others = {records.tracks[tracks[n]].source for n in voices if n != one.parts[0]}
            assert {
                records.tracks[track].source for track in clips(records, one.negative)
            } == others
    assert n_pairs > 15
    assert 0.25 < n_negative / n_pairs < 0.75


def test_lead_and_choir_of_one_song_are_told_apart_by_clips_of_that_very_track(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    plans, rng = episodes(), np.random.default_rng(0)
    lead, choir = (
        n
        for n, track in enumerate(records.tracks)
        if track.song == "duo" and track.family == "vocals"
    )
    part = plans._solo("vocals", rng)._replace(
        n_in=8000,
        start=0,
    )
    parts = [part._replace(track=lead), part._replace(track=choir)]
    assert plans.questions.tells_apart(parts, "vocals")
    for _ in range(10):
        target = plans.questions.about_one(parts, "vocals", rng)
        if target.positive.any():
            assert clips(records, target.positive) == {parts[target.parts[0]].track}


def test_where_two_tracks_of_a_singer_play_clips_are_of_the_wanted_one_alone(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    plans, rng = episodes(negatives_only=0.0), np.random.default_rng(0)
    part = plans._solo("vocals", rng)._replace(
        n_in=8000,
        start=0,
    )
    parts = [
        part._replace(track=n) for n, track in enumerate(records.tracks) if track.source == "eve"
    ]
    alone = [
        clips(
            records,
            plans.questions._clips_of_one(
                parts[:1],
                parts[0].track,
                rng,
            ),
        )
        for _ in range(20)
    ]
    both = [plans.questions.about_one(parts, "vocals", rng) for _ in range(20)]
    assert max(map(len, alone)) == 2
    assert all(clips(records, target.positive) == {parts[target.parts[0]].track} for target in both)


def test_two_tracks_of_one_singer_are_not_told_apart(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    plans = episodes()
    part = plans._solo("vocals", np.random.default_rng(0))
    eve = [
        part._replace(track=n) for n, track in enumerate(records.tracks) if track.source == "eve"
    ]
    fay = [
        part._replace(track=n) for n, track in enumerate(records.tracks) if track.source == "fay"
    ]
    assert len(eve) == len(fay) == 2
    assert not plans.questions.tells_apart(eve, "vocals")
    assert not plans.questions.tells_apart(
        [eve[0], eve[0]],
        "vocals",
    )
    assert plans.questions.tells_apart(
        [eve[0], fay[0]],
        "vocals",
    )


def test_a_singer_to_be_recognized_keeps_pitch_and_formants(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    plans = episodes(same_family=1.0, coherent=0.0, augment=1.0, formants=1.0)
    voices: list[Part] = []
    for mixture in draw(plans):
        own = [part for part in mixture.parts if records.tracks[part.track].family == "vocals"]
        voices += own if len(own) > 1 else []
    assert len(voices) > 10
    assert {part.n_in for part in voices} == {plans.drawer.length_at(1.0)}
    assert {part.formants for part in voices} == {1.0}


def test_voices_of_a_share_of_mixtures_lie_where_records_have_them(
    records: Bank, episodes: Callable[..., Episodes]
) -> None:
    plans = episodes(record_level=1.0, coherent=0.0, negatives_only=0.0)
    mixdown = Mixdown(records, plans.n_samples, torch.device("cpu"))
    levels = []
    for number in range(12):
        plan = plans[number]
        parts = mixdown(
            plan._replace(
                wanted_by=torch.arange(2),
                wanted_parts=torch.arange(2),
            )
        ).targets
        assert parts.shape[1] == 2
        levels += (20 * torch.log10(plan.voice_level)).tolist()
    assert -8 < np.mean(levels) < -4
    assert 2 < np.std(levels) < 6
