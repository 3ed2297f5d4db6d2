"""Readers of datasets: each knows one layout on disk and yields tracks in common words. Nothing is
ever downloaded.
"""

from __future__ import annotations

from pathlib import Path

from rtmss.config import ConfigError
from rtmss.datasets.folder import FOLDER
from rtmss.datasets.medleydb import MEDLEYDB
from rtmss.datasets.moisesdb import MOISESDB
from rtmss.datasets.musdb import MUSDB18, MUSDB18_HQ
from rtmss.datasets.slakh import SLAKH
from rtmss.datasets.taxonomy import MIXTURE
from rtmss.datasets.track import Dataset, Problem, Track

__all__ = ["DATASETS", "Dataset", "NoTracksError", "Problem", "Track", "find_tracks", "recognize"]

DATASETS = (MUSDB18_HQ, MUSDB18, MOISESDB, MEDLEYDB, SLAKH, FOLDER)
"""In the order in which a folder is compared with them."""


class NoTracksError(ConfigError):
    """A data folder that holds nothing of a split."""


def recognize(folder: Path) -> Dataset:
    """Which dataset lies in a folder, by its layout; one that is empty is to become a folder of
    stems.

    Raises:
        ConfigError: there is no such folder, or it has a dataset's name but not its files; says
            where to get those.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    found = next(
        (dataset for dataset in DATASETS if dataset.recognize(folder)),
        None,
    )
    if found is not None:
        return found
    name = folder.resolve().name.lower()
    claimed = [dataset for dataset in DATASETS if dataset.claims and dataset.claims in name]
    if claimed:
        sets = "; or ".join(f"{d.name}: {d.layout}, from {d.origin} ({d.licence})" for d in claimed)
        raise ConfigError(
            f"{folder}: the name says {claimed[0].claims}, the files do not; expected {sets}"
        )
    return FOLDER


def find_tracks(
    folder: Path,
    split: str,
    *,
    with_mixes: bool = False,
) -> list[Track]:
    """List the tracks of a data folder, not yet decoded.

    Args:
        folder: a dataset as it was unpacked, or a folder of stems.
        split: `train`, `valid` or `test`.
        with_mixes: also the mixes as the dataset gives them, which nobody trains on.

    Raises:
        NoTracksError: the folder holds none; names the expected layout.
        ConfigError: it holds something that spoils training.
    """
    dataset = recognize(folder)
    found = list(dataset.read(folder, split, _refuse))
    tracks = [track for track in found if track.label != MIXTURE]
    if tracks:
        return found if with_mixes else tracks
    if dataset is not FOLDER:
        raise NoTracksError(
            f"{folder}: no tracks for '{split}' in {dataset.name}; expected {dataset.layout}"
        )
    raise NoTracksError(
        f"{folder}: no tracks for '{split}'; expected songs/{split}/<song>/<stem>.ogg or the like, "
        "or a dataset of those that `rtmss data sets` lists"
    )


def _refuse(problem: Problem) -> None:
    if problem.spoils:
        raise ConfigError(problem.text)
