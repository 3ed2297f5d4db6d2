"""One target of one song, asked for by every kind of condition."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from rtmss.evaluation.clips import ClipLibrary
from rtmss.evaluation.evaluator import other_sounds
from rtmss.evaluation.metrics import measure
from rtmss.evaluation.report import Score
from rtmss.evaluation.songs import find_songs, read_song
from rtmss.evaluation.tables import print_scores
from rtmss.evaluation.targets import TARGETS
from rtmss.lookup import find
from rtmss.separator import Separator


def compare_conditions(
    data: Path,
    song: str,
    target: str,
    weights: Path | None = None,
    *,
    n_clips: int = 5,
    seed: int = 0,
    profile: str | None = None,
    console: Console | None = None,
) -> list[Score]:
    """Ask for one target of one song in every way: by positives, by negatives, by both; and for all
    but the target.

    Negatives alone mean "everything except this": for the target they are clips of all other
    families that play.

    Raises:
        CheckpointError: the weights cannot be used.
        ConfigError: the data folder lacks what is needed, the song or the profile is unknown, or
            the target is not in the song.
    """
    separator = Separator.load(weights, profile)
    clips = ClipLibrary.open([data], separator.model.config.sample_rate, seed)
    piece = read_song(find_songs(data, names=[song])[0], clips.sample_rate)
    truth = find(
        target,
        {name: piece.truth(name) for name in TARGETS if piece.truth(name) is not None},
        f"{song} stem",
    )
    own = clips.draw(target, n_clips, f"{song}//{target}", avoid=song)
    others = clips.draw_others(
        other_sounds(piece, target), n_clips, f"{song}//{target}", avoid=song
    )
    rest = piece.mixture - truth
    ways = {
        "positives only": (own, [], target, truth),
        "negatives only": ([], others, target, truth),
        "positives and negatives": (own, others, target, truth),
        f"negatives only, of {target}": ([], own, f"all but {target}", rest),
    }
    conditions = [
        separator.condition(*way[:2], sample_rate=clips.sample_rate) for way in ways.values()
    ]
    estimates = separator.separate_all(piece.mixture, clips.sample_rate, conditions)
    scores: list[Score] = []
    for (method, (positive, negative, wanted, wanted_truth)), estimate in zip(
        ways.items(), estimates, strict=True
    ):
        figures = measure(wanted_truth, estimate, piece.mixture)._asdict()
        scores.append(Score(song, "", wanted, method, len(positive), len(negative), **figures))
    print_scores(scores, f"{target} of {song} (dB)", console or Console())
    return scores
