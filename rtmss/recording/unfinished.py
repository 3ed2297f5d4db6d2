"""Takes that were left without an end, because everything was killed at once: they are given one.

What had been written is on the disk, up to the last hop; the sizes in the headers of the files and
the last line of the log are missing, or are a second old.
"""

from __future__ import annotations

from pathlib import Path

from rtmss.ownership import orphan
from rtmss.recording.files import Take
from rtmss.recording.log import LOG, PARTIAL, VECTORS, Header
from rtmss.recording.log_reader import SessionLogError, read_log
from rtmss.recording.wav import HEADER_BYTES

KILLED = "everything was killed"
"""The reason of such an end."""


def end_unfinished(folder: Path) -> list[Path]:
    """End every take in a folder of recordings that has no end and that nobody writes any more.

    Args:
        folder: `take-001` and so on are in it.

    Returns:
        Their folders. What cannot be read or written is left as it is.
    """
    return [log.parent for log in sorted(folder.glob(f"*/{LOG}")) if _end(log)]


def _end(log: Path) -> bool:
    with orphan(log) as is_orphan:
        if not is_orphan:
            return False
        try:
            header, events = read_log(log)
            if events and events[-1].event == "end":
                return False
            _close(log.parent, header)
        except (OSError, SessionLogError):
            return False
    return True


def _close(folder: Path, header: Header) -> None:
    take = Take(folder, header.hop_length, header.delay)
    take.begin(header)
    take.close(_whole_hops(folder, header), KILLED)
    (folder / VECTORS).with_suffix(PARTIAL).unlink(missing_ok=True)


def _whole_hops(folder: Path, header: Header) -> int:
    """Hops that every file has that always grows; outputs lag behind by the delay."""
    hop, delay = header.hop_length, header.delay
    lengths = [
        _n_samples(folder / "input.wav", 2) // hop,
        (_n_samples(folder / "remainder.wav", 2) + delay) // hop,
        (_n_samples(folder / "mix.wav", header.n_outputs) + delay) // hop,
    ]
    return min(lengths)


def _n_samples(path: Path, n_channels: int) -> int:
    n_bytes = path.stat().st_size - HEADER_BYTES
    return max(0, n_bytes) // (4 * n_channels)
