"""MUSDB18 (stem.mp4) and MUSDB18-HQ (wav): 150 songs in four stems.

    {train,test}/<artist> - <title>.stem.mp4                               MUSDB18
    {train,test}/<artist> - <title>/{mixture,drums,bass,other,vocals}.wav  MUSDB18-HQ

Source: sigsep.github.io/datasets/musdb; order of the streams and validation songs as in the
dataset's library `musdb`, configs/mus.yaml. Some of the songs are in MedleyDB too: do not judge on
one what was trained on the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rtmss.datasets.taxonomy import MIXTURE
from rtmss.datasets.track import Dataset, Note, Problem, Track

STEMS = ("mixture", "drums", "bass", "other", "vocals")
"""In the order of the streams of a stem.mp4."""

LABELS = {
    "mixture": MIXTURE,
    "drums": "drums",
    "bass": "bass",
    "other": "other",
    "vocals": "vocals",
}

VALIDATION = frozenset(
    {
        "ANiMAL - Rockshow",
        "Actions - One Minute Smile",
        "Alexander Ross - Goodbye Bolero",
        "Clara Berry And Wooldog - Waltz For My Victims",
        "Fergessen - Nos Palpitants",
        "James May - On The Line",
        "Johnny Lokke - Promises & Lies",
        "Leaf - Summerghost",
        "Meaxic - Take A Step",
        "Patrick Talbot - A Reason To Leave",
        "Skelpolu - Human Mistakes",
        "Traffic Experiment - Sirens",
        "Triviul - Angelsaint",
        "Young Griffo - Pennies",
    }
)
"""Songs of the folder `train` that are for validation."""

_MP4 = ".stem.mp4"
_USE = "for academic use; each song has its own licence, mostly CC BY-NC-SA"


def _recognize_mp4(folder: Path) -> bool:
    return any(any(folder.glob(f"{subset}/*{_MP4}")) for subset in ("train", "test"))


def _recognize_wav(folder: Path) -> bool:
    stems = (f"{subset}/*/{stem}.wav" for subset in ("train", "test") for stem in STEMS)
    return any(any(folder.glob(pattern)) for pattern in stems)


def _read_mp4(
    folder: Path,
    split: str,
    _: Note,
) -> Iterator[Track]:
    for path in _songs(folder, split, _MP4):
        name = path.relative_to(folder).as_posix()
        for stream, stem in enumerate(STEMS):
            yield _track(name, path.name.removesuffix(_MP4), stem, split, stream)


def _read_wav(
    folder: Path,
    split: str,
    note: Note,
) -> Iterator[Track]:
    for song in _songs(folder, split, ""):
        for stem in STEMS:
            path = song / f"{stem}.wav"
            name = path.relative_to(folder).as_posix()
            if path.exists():
                yield _track(name, song.name, stem, split)
            else:
                note(
                    Problem(
                        "missing",
                        name,
                        f"{path}: missing; unpack the dataset again, or take the song away",
                    )
                )


def _songs(
    folder: Path,
    split: str,
    suffix: str,
) -> list[Path]:
    """Files or folders of a split, sorted."""
    subset = folder / ("test" if split == "test" else "train")
    paths = sorted(p for p in subset.glob(f"*{suffix}") if bool(suffix) or p.is_dir())
    return [
        p
        for p in paths
        if split == "test" or (p.name.removesuffix(_MP4) in VALIDATION) == (split == "valid")
    ]


def _track(
    name: str,
    song: str,
    stem: str,
    split: str,
    stream: int | None = None,
) -> Track:
    artist = song.split(" - ", maxsplit=1)[0]
    return Track(
        name,
        LABELS[stem],
        artist,
        song,
        split=split,
        stem=stem,
        licence="academic use",
        stream=stream,
    )


MUSDB18 = Dataset(
    "MUSDB18",
    f"train/<artist> - <title>{_MP4}",
    "zenodo.org/records/1117372",
    _USE,
    _recognize_mp4,
    _read_mp4,
    "musdb",
    residual_db=-12.0,  # each stream is coded by itself
)

MUSDB18_HQ = Dataset(
    "MUSDB18-HQ",
    "train/<artist> - <title>/{mixture,drums,bass,other,vocals}.wav",
    "zenodo.org/records/3338373",
    _USE,
    _recognize_wav,
    _read_wav,
    "musdb",
)
