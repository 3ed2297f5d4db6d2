"""How weights are judged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from pydantic import AliasChoices, Field

from rtmss.config import Config, ConfigError
from rtmss.evaluation.clips import CLIP_SECONDS
from rtmss.evaluation.report import Shots

CLIPS = {
    "other-song": (False,),
    "same-song": (True,),
    "both": (False, True),
}
"""Where positive clips come from, and whether that is the judged stem itself."""
TASKS = {"targets": "targets", "unseen": "unseen", "stems": "stems", "duets": "duets"}
"""What is asked of the songs."""


class Options(Config):
    """What is judged, by which clips, and what is measured."""

    task: str = Field(
        default="targets",
        validation_alias=AliasChoices("task", "exam"),
        serialization_alias="exam",
    )
    """`targets`: one target after the other, also by voices that training never heard. `unseen`:
    the instruments that training has nothing of, in the songs where they play, by clips of
    recordings of them alone. `stems`: as results on the dataset are published, see
    `rtmss.evaluation.stems`. `duets`: two sources of one family, see `rtmss.evaluation.duets`.
    Reports have it under the name that it had before."""
    split: str | None = None
    """`train`, `valid` or `test`; None for `valid`, or for `test` where results are published for
    that.
    """
    songs: tuple[str, ...] | None = None
    """Names of songs, or patterns such as `band-*`; None for all."""
    targets: tuple[str, ...] | None = None
    """As `rtmss.evaluation.targets` says; None for vocals, drums, bass and guitar as far as there
    are clips, for all that are unseen, for the stems of the dataset, or for duets of voices and of
    guitars."""
    shots: tuple[int, ...] = (5,)
    """Numbers of positive clips of a condition, K; fewer are taken where there are fewer
    recordings.
    """
    negatives: tuple[int, ...] = (0,)
    """Numbers of negative clips, N, of what else plays in the song, in duets of the other source;
    every K is judged with every N, and with the same clips as far as they go."""
    clips: str = "other-song"
    """`other-song`; `same-song` for positive clips of the very stem that is judged; or `both`, one
    beside the other. In duets clips are always of the judged source, from elsewhere in its
    recordings."""
    clips_from: tuple[Path, ...] = ()
    """Data folders whose split `train` gives the clips; none for the judged folders themselves."""
    clip_seconds: float = Field(default=CLIP_SECONDS, ge=0.5)
    """How long a clip is."""
    seed: int = 0
    """Of the choice of clips."""
    max_seconds: float | None = Field(default=None, ge=1.0)
    """Hear at most this much of each song, from the moment when all stems have begun."""
    loudest: str | None = None
    """A target; with `max_seconds`, hear the place where it is loudest."""
    mastered: bool = False
    """Judge on mixtures that are compressed, limited and as loud as records."""
    bss: bool = False
    """Measure BSSEval v4 too, of all methods, which takes many times as long as the separation."""
    references: bool = True
    """Score baselines and oracles too."""
    by_class: bool = False
    """Make conditions of the target's family alone, for weights whose recipe says `conditioning:
    class`.
    """
    apart: bool = False
    """Give every data folder a mean of its own."""
    profile: str | None = None
    """Latency profile; None for that of the weights."""


def shots_of(
    shots: Sequence[int], negatives: Sequence[int], whose: Sequence[bool]
) -> tuple[Shots, ...]:
    """Every number of positive clips with every number of negatives.

    Raises:
        ConfigError: none of them has a clip, or a number is below 0.
    """
    asked = tuple(
        dict.fromkeys(Shots(k, n, own) for own, k, n in product(whose, shots, negatives) if k + n)
    )
    if (
        not asked
        or min(
            min(
                pair.positive,
                pair.negative,
            )
            for pair in asked
        )
        < 0
    ):
        raise ConfigError("an evaluation needs clips: shots or negatives at least 1, none below 0")
    return asked
