"""The parts of a mixture: which play, how often, and how they are changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from helpers.makers import WriteAudio
from helpers.mixtures import draw, embeddings_of
from helpers.tracks import write_tracks
from rtmss.config import SeparatorConfig
from rtmss.signal.dynamics import UNMASTERED
from rtmss.training.mixtures.bank import Bank, choose_share, load_bank
from rtmss.training.mixtures.draw import DOUBLED, Episodes
from rtmss.training.mixtures.plan import Part
from rtmss.training.recipe import EpisodeRecipe, LoopRecipe, Recipe

N_BATCHES = 8


@pytest.fixture
def recipe(tiny_config: SeparatorConfig) -> Recipe:
    return Recipe(
        model=tiny_config,
        loop=LoopRecipe(batch=2),
        episodes=EpisodeRecipe(seconds=1.0),
    )


def test_a_share_of_the_data_is_all_that_plays(band: Bank, recipe: Recipe) -> None:
    kept = set(
        choose_share(
            band.tracks,
            range(len(band.tracks)),
            0.5,
            recipe.seed,
        )
    )
    episodes = recipe.episodes.model_copy(update={"data_share": 0.5})
    plans = Episodes(
        band,
        embeddings_of(band),
        recipe.model_copy(update={"episodes": episodes}),
    )
    assert len(kept) < len(band.tracks)
    assert {int(track) for number in range(N_BATCHES) for track in plans[number].track} <= kept


def test_doubled_parts_are_the_same_track_a_moment_apart_and_wanted_together(
    band: Bank, recipe: Recipe
) -> None:
    episodes = recipe.episodes.model_copy(
        update={"doubled": 1.0, "negatives_only": 0.0, "coherent": 0.0}
    )
    plans = Episodes(
        band,
        embeddings_of(band),
        recipe.model_copy(update={"episodes": episodes}),
    )
    n_wanted, speeds = 0, []
    for plan in (plans[number] for number in range(N_BATCHES)):
        for mixture in range(len(plan.gain)):
            parts = (plan.mixture_of == mixture).nonzero()[:, 0].tolist()
            families = [band.tracks[int(plan.track[part])].family for part in parts]
            for family in DOUBLED & set(families):
                first, second = (
                    part for part, name in zip(parts, families, strict=True) if name == family
                )
                assert plan.track[first] == plan.track[second]
                middle = plan.start[[first, second]] + plan.n_in[[first, second]] / 2
                assert float(middle.diff().abs()) <= 0.03 * band.sample_rate + 1
                speeds.append(int(plan.n_in[second]) / int(plan.n_in[first]))
                assert plan.part_gain[second] <= plan.part_gain[first]
                wanted = [
                    set(plan.wanted_by[plan.wanted_parts == part].tolist())
                    for part in (first, second)
                ]
                assert wanted[0] == wanted[1]
                n_wanted += bool(wanted[0])
    assert n_wanted
    assert 0.97 < min(speeds) < 0.998
    assert 1.002 < max(speeds) < 1.03


def test_what_plays_twice_has_clips_once(
    band: Bank, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    episodes = recipe.episodes.model_copy(
        update={"max_clips": 1, "negatives_only": 0.0, "positives_only": 0.0}
    )
    plans = Episodes(
        band,
        embeddings_of(band),
        recipe.model_copy(update={"episodes": episodes}),
    )
    part = plans._solo("vocals", rng := np.random.default_rng(1))
    rest = plans._solo("drums", rng)
    target = plans.questions.about(
        [part, rest, plans.drawer.again(part, rng)],
        "vocals",
        rng,
    )
    assert target.parts == [0, 2]
    clips: list[int] = []

    def clips_of(
        parts: list[Part],
        family: str,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        clips.append(len(parts))
        return np.zeros(16, np.float32)

    monkeypatch.setattr(plans.questions, "_clips", clips_of)
    for _ in range(20):
        for family in ("drums", "vocals"):
            plans.questions.about(
                [part, rest, plans.drawer.again(part, rng)],
                family,
                rng,
            )
    assert set(clips) == {1}


def test_only_voices_have_their_formants_moved(band: Bank, recipe: Recipe) -> None:
    episodes = recipe.episodes.model_copy(update={"formants": 1.0})
    plans = Episodes(
        band,
        embeddings_of(band),
        recipe.model_copy(update={"episodes": episodes}),
    )
    drawn = [plans[number] for number in range(N_BATCHES)]
    tracks, formants = (
        torch.cat([getattr(plan, name) for plan in drawn]) for name in ("track", "formants")
    )
    are_voices = torch.tensor([band.tracks[int(track)].family == "vocals" for track in tracks])
    assert are_voices.any()
    assert torch.equal(formants != 1, are_voices)


def test_shares_of_parts_are_compressed_and_of_mixtures_mastered(
    band: Bank, recipe: Recipe
) -> None:
    for share in (0.0, 0.5, 1.0):
        episodes = recipe.episodes.model_copy(update={"compressed": share, "mastered": share})
        plans = Episodes(
            band, embeddings_of(band), recipe.model_copy(update={"episodes": episodes})
        )
        drawn = [plans[number] for number in range(N_BATCHES)]
        compressed = torch.cat([plan.compressor[:, 1] > 1 for plan in drawn])
        mastered = torch.cat([(plan.master != torch.tensor(UNMASTERED)).any(1) for plan in drawn])
        for found in (compressed, mastered):
            assert {
                0.0: not found.any(),
                0.5: 0.2 < found.float().mean() < 0.8,
                1.0: found.all(),
            }[share]


def test_a_bank_without_songs_is_enough(tmp_path: Path, solos: Bank, recipe: Recipe) -> None:
    assert draw(
        solos,
        recipe,
        2,
        coherent=1.0,
    )[1].mixture.any()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_song_without_a_singer_is_given_one(
    tmp_path: Path, recipe: Recipe, write_audio: WriteAudio, share: float
) -> None:
    paths = ["songs/train/x/drums.wav", "songs/train/x/guitar.wav", "voice/train/cy/1.wav"]
    bank = load_bank(
        write_tracks(tmp_path / "data", paths, write_audio), "train", tmp_path / "cache", 8000
    )
    episodes = draw(
        bank, recipe, 10, coherent=1.0, added_voice=share, positives_only=1.0, negatives_only=0.0
    )
    vocals = [
        truth.abs().max() > 1e-3
        for episode in episodes
        for truth, positive in zip(
            episode.targets.flatten(0, 1), episode.positive.flatten(0, 1), strict=True
        )
        if positive[2] > 0  # families are counted in order of their names
    ]
    assert vocals
    assert any(vocals) == bool(share)


def test_distractors_are_drawn_without_regard_to_their_weight_as_targets(
    band: Bank, recipe: Recipe
) -> None:
    # strings and brass are nobody's target, so that as a third part they come only as distractors
    weights = {
        "vocals": 1.0,
        "drums": 1.0,
        "bass": 1.0,
        "guitar": 1.0,
        "strings": 1e-9,
        "brass": 1e-9,
    }
    tracks = Episodes(band, embeddings_of(band), recipe).families
    heard = {}
    for share in (0.0, 1.0):
        episode_recipe = recipe.episodes.model_copy(
            update={"distractors": share, "target_weights": weights, "max_parts": 4}
        )
        episodes = Episodes(
            band, embeddings_of(band), recipe.model_copy(update={"episodes": episode_recipe})
        )
        rng = np.random.default_rng(0)
        parts = [part.track for _ in range(20) for part in episodes._random_mix(rng)]
        heard[share] = sum(track in (*tracks["strings"], *tracks["brass"]) for track in parts)
    assert heard[0.0] == 0
    assert heard[1.0] > 8


@pytest.mark.parametrize(
    ("stem", "is_heard"),
    [("guitar", False), ("synth", True)],
)
@pytest.mark.parametrize("kind", ["noise_bass", "sub_bass"])
def test_synthesizers_have_low_sounds_and_others_do_not(
    tmp_path: Path,
    recipe: Recipe,
    write_audio: WriteAudio,
    stem: str,
    is_heard: bool,
    kind: str,
) -> None:
    paths = ["songs/train/x/drums.wav", f"songs/train/x/{stem}.wav"]
    bank = load_bank(
        write_tracks(tmp_path / "data", paths, write_audio), "train", tmp_path / "cache", 8000
    )
    songs: dict[str, object] = {
        "coherent": 1.0,
        "noise_bass": 0.0,
        "sub_bass": 0.0,
    }
    without, with_it = (
        draw(
            bank,
            recipe,
            3,
            0,
            **songs | {kind: share},
        )
        for share in (0.0, 1.0)
    )
    assert (
        torch.equal(
            without[2].mixture,
            with_it[2].mixture,
        )
        != is_heard
    )
