"""The instruments that all datasets are translated to, and their families."""

from __future__ import annotations

from collections.abc import Iterable

FAMILIES = {
    "vocals": "vocals backing_vocals choir",
    "drums": "drums",
    "percussion": "percussion",
    "bass": "bass double_bass synth_bass upright_bass",
    "guitar": "guitar acoustic_guitar electric_guitar banjo plucked",
    "piano": "piano",
    "keys": "keys accordion clavinet electric_piano harmonica harpsichord mallets marimba organ "
    "vibraphone",
    "synth": "synth synth_lead synth_pad",
    "strings": "strings cello harp string_section viola violin",
    "winds": "winds bassoon clarinet flute oboe saxophone",
    "brass": "brass brass_section french_horn trombone trumpet tuba",
    "other": "backing fx other other_of_six rest",
}
"""Labels of each family. `other` is heard in mixes and never a target."""

FAMILY_OF = {label: family for family, labels in FAMILIES.items() for label in labels.split()}

_BUT_RHYTHM_AND_VOICE = frozenset(FAMILIES) - {"vocals", "drums", "bass", "other"}

HIDES = {
    "backing": frozenset(FAMILIES) - {"vocals", "other"},
    "fx": frozenset({"guitar", "bass", "drums", "synth"}),
    "other": _BUT_RHYTHM_AND_VOICE,
    "other_of_six": _BUT_RHYTHM_AND_VOICE - {"guitar", "piano"},
    "rest": frozenset(FAMILIES) - {"other"},
}
"""Families that may sound in a track of this label without being named: nobody may be told that
they are absent.
"""

MIXES = {"backing", "other", "other_of_six", "rest"}
"""Labels of what is a mix itself. Nobody may be asked for a family that one hides, even where
another track of it plays:
the mix's own share would count as unwanted."""

MIXTURE = "mixture"
"""Label of the mix as its dataset gives it: compared with the stems, never trained on."""


def common_label(labels: Iterable[str]) -> str:
    """One label for several instruments in one recording: theirs, else their family's, else
    `rest`.
    """
    names = set(labels)
    if len(names) == 1:
        return names.pop()
    families = {FAMILY_OF[name] for name in names}
    if families == {"drums", "percussion"}:
        return "drums"
    return families.pop() if len(families) == 1 and "other" not in families else "rest"
