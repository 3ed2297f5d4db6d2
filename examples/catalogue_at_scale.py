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

from rtmss.files import ignore_damage, open_audio

N_SONGS = 100_000
N_LONG = 20
START_SECONDS = 20.0
"""Until a worker has loaded the weights."""


def decode(path: str) -> None:
    """Read all of a song."""
    with open_audio(Path(path), on_damage=ignore_damage) as reader:
        for _ in reader.blocks():
            pass


def makespan(seconds: list[float], n_workers: int) -> float:
    """Seconds until all is done, where a worker that is free takes the next song."""
    free = [START_SECONDS] * n_workers
    for each in seconds:
        heapq.heappush(free, heapq.heappop(free) + each)
    return max(free)


out = Path(sys.argv[1])
n_cores = float(sys.argv[2]) if len(sys.argv) > 2 else 4.0
megabytes = float(sys.argv[3]) if len(sys.argv) > 3 else 1000.0
lines = (out / "report.jsonl").read_text(encoding="utf-8").splitlines()
rows = [row for row in map(json.loads, lines) if row["status"] == "done"]
if not rows:
    sys.exit(f"{out}: no song is done there")
songs = {row["path"]: row for row in rows}
hours = sum(song["seconds"] for song in songs.values()) / 3600
work = sum(song["wall_seconds"] for song in songs.values()) / hours
started = time.process_time()
for path in songs:
    decode(path)
decoding = (time.process_time() - started) / hours
read = sum(Path(path).stat().st_size for path in songs) / hours / 1e6
files = {file for row in rows for file in row["files"].values()}
written = sum((out / file).stat().st_size for file in files) / hours / 1e6
print(f"an hour of audio takes a worker {work:.0f} s, of which {decoding:.0f} s to decode")
print(f"it reads {read:.0f} MB and writes {written:.0f} MB")

chance = random.Random(0)
lengths = [
    min(
        3600.0,
        220 * chance.lognormvariate(0, 0.4),
    )
    for _ in range(N_SONGS - N_LONG)
]
total = (sum(lengths) + N_LONG * 3600) / 3600
tasks = [seconds * work / 3600 for seconds in lengths]
long = [work] * N_LONG
storage = total * (read + written) / megabytes
print(f"{N_SONGS} songs, {N_LONG} of them of an hour: {total:.0f} hours of audio")
for n_machines in (1, 10, 100):
    n_workers = round(n_machines * n_cores)
    longest_first = makespan(sorted(long + tasks, reverse=True), n_workers) / 3600
    longest_last = makespan(sorted(tasks + long), n_workers) / 3600
    print(
        f"{n_machines} machines: {longest_first:.1f} h of work, {longest_last:.1f} h with the long "
        f"songs last; {storage / 3600:.1f} h for the storage"
    )
