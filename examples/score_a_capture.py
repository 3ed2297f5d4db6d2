"""Say how well a stem is separated by a clip that was cut out of the mixture it plays in.

Usage: python score_a_capture.py SONG STEM [CONDITION]

SONG is a folder with the stems of one song, of equal length. The clip is 5 s from where STEM is
most alone; a second condition has one negative clip more, from where it is least. All is judged
on the rest of the song. CONDITION is one of the library, for comparison (its name is STEM).
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pedalboard.io import AudioFile

from rtmss import Separator
from rtmss.conditions.clips import Excerpt
from rtmss.conditions.library import Library
from rtmss.evaluation.metrics import sdr_db
from rtmss.files import read_audio

SECONDS = 5.0
MOST_SECONDS = 60.0


def most_alone(share: NDArray[np.float64], n_samples: int) -> tuple[int, int]:
    """The places where n samples have the most and the least of (S,), in steps of half a second."""
    total = np.concatenate([[0.0], np.cumsum(share)])
    sums = (total[n_samples:] - total[:-n_samples])[:: n_samples // 10]
    return int(sums.argmax()) * (n_samples // 10), int(sums.argmin()) * (n_samples // 10)


folder, stem = Path(sys.argv[1]), sys.argv[2]
separator = Separator.load()
rate = separator.model.config.sample_rate
stems = {
    path.stem: read_audio(path, rate)[0][:, : int(MOST_SECONDS * rate)]
    for path in sorted(folder.iterdir())
    if path.suffix in {".wav", ".flac", ".ogg"}
}
mixture = np.sum(list(stems.values()), axis=0)
truth = stems[stem]
n_clip = int(SECONDS * rate)

power = np.square(truth).sum(0)
others = np.square(mixture - truth).sum(0)
quiet = 1e-4 * power.max()
best, worst = most_alone(np.where(power > quiet, power / (power + others + 1e-9), 0), n_clip)
with tempfile.TemporaryDirectory() as room:
    song = Path(room) / "mixture.wav"
    with AudioFile(str(song), "w", rate, len(mixture), bit_depth=32) as file:
        file.write(mixture)
    clip = Excerpt(song, best / rate, best / rate + SECONDS)
    negative = Excerpt(song, worst / rate, worst / rate + SECONDS)
    conditions = {
        "captured": separator.condition_from_files("captured", [clip], []),
        "and a negative": separator.condition_from_files("captured", [clip], [negative]),
    }
library = Library([])
asked = sys.argv[3] if len(sys.argv) > 3 else stem
if asked in library.conditions():
    conditions[f"preset's '{asked}'"] = library.load_condition(asked, separator.model_id)

rest = np.ones(mixture.shape[1], bool)
rest[best : best + n_clip] = False
rest[worst : worst + n_clip] = False
before = max(0.0, sdr_db(truth[:, rest], mixture[:, rest]))
print(f"{folder.name}, {stem}: clip from {best / rate:.1f} s, negative from {worst / rate:.1f} s")
estimates = separator.separate_all(mixture, rate, list(conditions.values()))
for name, estimate in zip(conditions, estimates, strict=True):
    score = sdr_db(truth[:, rest], estimate[:, rest])
    print(f"  {name:24} SDR {score:5.1f} dB, edge {score - before:5.1f} dB")
