"""What may be asked for, and which sounds belong to it.

A target is a family (`vocals`, which has backing vocals and choirs in it), an instrument
(`violin`), or an instrument alone where its family has the same name: `vocals-alone` is a lead
without its choir.
"""

from __future__ import annotations

from rtmss.datasets.taxonomy import FAMILY_OF

TARGETS = ("vocals", "drums", "bass", "guitar")
"""The usual ones."""
ALONE = "-alone"

_NAMES = [label for label, family in FAMILY_OF.items() if family != "other"]
JUDGED = {
    name: name
    for name in [*_NAMES, *(f"{name}{ALONE}" for name in _NAMES if name in FAMILY_OF.values())]
}
"""Everything that may be asked for, by itself."""


def fits(target: str, label: str) -> bool:
    """Whether a recording with this label belongs to a target."""
    if target.endswith(ALONE):
        return label == target.removesuffix(ALONE)
    return target in {label, FAMILY_OF[label]}


def family_of(target: str) -> str:
    """The family of a target."""
    return FAMILY_OF[target.removesuffix(ALONE)]


def exactly(label: str) -> str:
    """The target that has the recordings with this label in it, and no others."""
    return f"{label}{ALONE}" if label in FAMILY_OF.values() else label
