"""What is doubtful about a condition's clips."""

from __future__ import annotations

import numpy as np

from rtmss.conditions.condition import ClipRecord, Condition, clip_similarities

OUTLIER_SIMILARITY = 0.5
"""A clip less like the others than this is named as an outlier."""
SAME_SIMILARITY = 0.8
"""A negative clip more like the positive ones than this works against them."""
MIXED_DB = -5.0
"""A clip of which its own condition leaves more than this holds other sounds, or a sound that the
weights do not know. Of clips of one sound it mostly leaves -10 to -25 dB, of whole mixtures -4 to
0."""


def clip_warnings(condition: Condition) -> list[str]:
    """What is doubtful about a condition's clips, a sentence each."""
    found = [
        f"{record.label}: the condition leaves {record.left_over_db:.0f} dB of it; it holds other "
        "sounds too, or one that these weights do not know"
        for record in condition.header.positive
        if is_mixed(record)
    ]
    for side in ("positive", "negative"):
        odd = outlier(condition, side)
        if odd is not None:
            found.append(f"{_label(condition, side, odd)}: unlike the other {side} clips")
    for number in contradicting(condition):
        label = _label(condition, "negative", number)
        found.append(f"{label}: a negative clip, and much like the positive ones")
    return found


def is_mixed(record: ClipRecord) -> bool:
    """Whether a positive clip seems to hold other sounds too."""
    return record.left_over_db is not None and record.left_over_db > MIXED_DB


def outlier(condition: Condition, side: str) -> int | None:
    """The number of the clip that is unlike the others, if there is one."""
    similarities = clip_similarities(getattr(condition, side))
    if len(similarities) < 2 or min(similarities) >= OUTLIER_SIMILARITY:
        return None
    return int(np.argmin(similarities))


def contradicting(condition: Condition) -> list[int]:
    """Numbers of negative clips that are much like the positive ones."""
    if not len(condition.positive) or not len(condition.negative):
        return []
    mean = condition.positive.mean(0)
    similarities = condition.negative @ mean / max(float(np.linalg.norm(mean)), 1e-9)
    return [int(number) for number in np.flatnonzero(similarities > SAME_SIMILARITY)]


def _label(condition: Condition, side: str, number: int) -> str:
    records = getattr(condition.header, side)
    return records[number].label if number < len(records) else f"clip {number + 1}"
