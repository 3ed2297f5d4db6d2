"""Say what 100,000 songs take on 1, 10 and 100 machines, from what a catalogue measured.

Usage: python catalogue_at_scale.py DIR [CORES] [MEGABYTES_A_SECOND]

DIR is the output of `rtmss catalogue`. A machine has CORES workers (4), and the storage that all
machines share moves MEGABYTES_A_SECOND (1000).
"""

import heapq
import json
import random
import sys
import time
from pathlib import Path
from statistics import mean

from rtmss.files import open_audio

N_SONGS = 100_000
START_SECONDS = 20.0
"""Until the workers of a machine have loaded the weights."""

out = Path(sys.argv[1])
n_cores, megabytes = (float(word) for word in (*sys.argv[2:], "4", "1000")[:2])
lines = (out / "report.jsonl").read_text(encoding="utf-8").splitlines()
rows = [row for row in map(json.loads, lines) if row["status"] == "done"]
songs = {row["path"]: row for row in rows}
hours = sum(row["seconds"] for row in songs.values()) / 3600

started = time.process_time()
for path in songs:
    with open_audio(Path(path)) as reader:
        for _ in reader.blocks():
            pass
decode = (time.process_time() - started) / hours
speed = 3600 * hours / sum(row["wall_seconds"] for row in songs.values())
read = sum(Path(path).stat().st_size for path in songs) / hours
written = sum((out / file).stat().st_size for row in rows for file in row["files"].values()) / hours
print(f"measured over {hours:.3f} hours: a worker renders {speed:.1f} s of audio in a second")
print(f"an hour of audio takes {decode:.1f} s to decode, of {3600 / speed:.0f} s in all,")
print(f"and reads {read / 1e6:.0f} MB and writes {written / 1e6:.0f} MB")

chance = random.Random(0)
lengths = [min(3600.0, 220 * chance.lognormvariate(0, 0.4)) for _ in range(N_SONGS)]
lengths[:20] = [3600.0] * 20
print(f"{N_SONGS} songs of {mean(lengths):.0f} s, 20 of them of an hour")


def makespan(seconds: list[float], n_workers: int) -> float:
    """Seconds until all is done, if whoever is free takes the next."""
    free = [START_SECONDS] * n_workers
    for each in seconds:
        heapq.heappush(free, heapq.heappop(free) + each / speed)
    return max(free)


for n_machines in (1, 10, 100):
    n_workers = round(n_machines * n_cores)
    first, unsorted = (
        makespan(sorted(lengths, reverse=True), n_workers),
        makespan([*lengths[20:], *lengths[:20]], n_workers),
    )
    storage = sum(lengths) / 3600 * (read + written) / (megabytes * 1e6)
    limit = "storage" if storage > first else "separation"
    print(
        f"{n_machines} machines: {first / 3600:.2f} h of separation (long songs last: "
        f"{unsorted / 3600:.2f} h), {storage / 3600:.2f} h of storage: the limit is {limit}"
    )
