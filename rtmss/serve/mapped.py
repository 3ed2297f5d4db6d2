"""One file of a plug-in instance, checked before it is believed and mapped.

Axes: C channels, S samples.
"""

from __future__ import annotations

import mmap
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.ownership import try_lock
from rtmss.serve.layout import (
    HOPS,
    LAYOUT,
    LEAST_RATE,
    MAGIC,
    MOST_RATE,
    N_BYTES,
    N_OUTPUTS,
    RING,
    SIZES,
    EngineState,
    stamp,
)

Controls = NDArray[np.float32]
"""(N_CONTROLS,) what the host had set, for one hop."""


class StreamHead(NamedTuple):
    """What a stream is, in samples; `sample_rate` in Hz."""

    epoch: int
    sample_rate: int
    hop_length: int
    delay: int
    lag: int


class MappedInstance:
    """The memory of one instance, as the engine sees it."""

    def __init__(self, path: Path) -> None:
        """Map a file.

        Raises:
            UserError: it is not what a plug-in of this user and of this version has made.
            OSError: it cannot be opened; it may be gone.
        """
        self.path = path
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _check_file(path, os.fstat(handle))
            self._memory = mmap.mmap(handle, N_BYTES)
        finally:
            os.close(handle)
        self._fields: Any = np.ndarray((), LAYOUT, buffer=self._memory)
        self._check_head()
        self._input: Audio = self._fields["input"]
        self._output: Audio = self._fields["output"]
        self._controls: NDArray[np.float32] = self._fields["controls"]
        self._stamps: NDArray[np.uint64] = self._fields["stamps"]

    def _check_head(self) -> None:
        if bytes(self._fields["magic"]) != MAGIC:
            raise UserError(f"{self.path}: is no memory of a plug-in")
        for name, expected in SIZES.items():
            found = int(self._fields[name])
            if found != expected:
                raise UserError(f"{self.path}: {name} is {found}, expected {expected}")

    @property
    def pid(self) -> int:
        """Of the host, for messages."""
        return int(self._fields["pid"])

    @property
    def n_in(self) -> int:
        """Samples that the plug-in has laid."""
        return int(self._fields["n_in"])

    @property
    def epoch(self) -> int:
        """Of the stream; odd while it is laid out, and 0 before the first."""
        return int(self._fields["epoch"])

    @property
    def host_beat(self) -> int:
        """When the plug-in was last alive; CLOCK_MONOTONIC in ns."""
        return int(self._fields["host_beat"])

    @property
    def engine_beat(self) -> int:
        """When the engine was last alive; CLOCK_MONOTONIC in ns, and 0 if it never was."""
        return int(self._fields["engine_beat"])

    @property
    def is_offline(self) -> bool:
        """Whether the host waits for every hop."""
        return bool(self._fields["is_offline"])

    @property
    def n_late(self) -> int:
        """Hops that were not ready for their place."""
        return int(self._fields["n_late"])

    def stream(self) -> StreamHead | None:
        """The stream that is laid out now; None if there is none, or it is being laid out.

        Raises:
            UserError: it cannot be one.
        """
        epoch = self.epoch
        names = ("sample_rate", "hop_length", "delay", "lag")
        head = StreamHead(epoch, *(int(self._fields[name]) for name in names))
        if epoch == 0 or epoch % 2 or self.epoch != epoch:
            return None
        if not (LEAST_RATE <= head.sample_rate <= MOST_RATE and head.lag <= RING):
            raise UserError(f"no stream at {head.sample_rate} Hz that lags by {head.lag} samples")
        return head

    def preset_name(self, number: int) -> str | None:
        """The preset of a number; None while names are being written."""
        before = int(self._fields["presets_version"])
        name = bytes(self._fields["presets"][number])
        if before % 2 or int(self._fields["presets_version"]) != before:
            return None
        return name.partition(b"\0")[0].decode("utf-8", "replace")

    def names(self) -> list[str]:
        """Every preset that the instance may ask for; empty places are left out."""
        found = [self.preset_name(number) for number in range(len(self._fields["presets"]))]
        return [name for name in found if name]

    def controls(self, hop: int) -> Controls:
        """(N_CONTROLS,) what was set for the step of a hop, a copy."""
        return np.array(self._controls[hop % HOPS])

    def read(self, hop: int, hop_length: int) -> Audio:
        """(2, hop_length) the input of a hop, a copy."""
        places = _places(hop, hop_length)
        return np.concatenate([self._input[:, part] for part in places], axis=1)

    def write(self, stream: StreamHead, hop: int, audio: Audio) -> None:
        """Give the (N_OUTPUTS, hop_length) output of a hop."""
        assert audio.shape == (N_OUTPUTS, stream.hop_length)
        start = 0
        for part in _places(hop, stream.hop_length):
            end = start + part.stop - part.start
            self._output[:, part] = audio[:, start:end]
            start = end
        self._stamps[hop % HOPS] = stamp(stream.epoch, hop)  # only now: the plug-in reads from here

    def beat(self, now: int) -> None:
        """Say that the engine is alive; ns of CLOCK_MONOTONIC."""
        self._fields["engine_beat"] = now

    @property
    def number(self) -> int:
        """By which OSC knows the instance; 0 for none."""
        return int(self._fields["number"])

    @number.setter
    def number(self, number: int) -> None:
        self._fields["number"] = number

    @property
    def playing(self) -> str:
        """The preset that plays."""
        return bytes(self._fields["playing"]).partition(b"\0")[0].decode("utf-8", "replace")

    @playing.setter
    def playing(self, name: str) -> None:
        self._fields["playing"] = name.encode()

    @property
    def n_fallbacks(self) -> int:
        """Times that the fallback was faded in."""
        return int(self._fields["n_fallbacks"])

    @property
    def state(self) -> EngineState:
        """What the engine has said last."""
        return EngineState(min(int(self._fields["engine_state"]), EngineState.REFUSED))

    def latest_controls(self, stream: StreamHead) -> Controls | None:
        """(N_CONTROLS,) what the host has set last; None before the first sample."""
        n_in = self.n_in
        if not n_in or not stream.hop_length:
            return None
        return self.controls(-(-(n_in + stream.delay) // stream.hop_length) - 1)

    def tell(self, state: EngineState, served: int = 0, fallback: int = 0) -> None:
        """Say what the engine does for the instance, in which epoch, and what late hops play."""
        self._fields["engine_fallback"] = fallback
        self._fields["served"] = served
        self._fields["engine_state"] = state


def _places(hop: int, hop_length: int) -> list[slice]:
    """Where a hop lies in a ring: one part, or two around its end."""
    start = hop * hop_length % RING
    end = start + hop_length
    if end <= RING:
        return [slice(start, end)]
    return [slice(start, RING), slice(0, end - RING)]


def _check_file(path: Path, found: os.stat_result) -> None:
    """Refuse what this user's plug-in has not made.

    Raises:
        UserError: it is another kind of file, another user's, open to others, or of another size.
    """
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise UserError(f"{path}: is no plain file")
    if found.st_uid != os.getuid():
        raise UserError(f"{path}: belongs to another user")
    if stat.S_IMODE(found.st_mode) != 0o600:
        raise UserError(f"{path}: may be opened by others: mode {stat.S_IMODE(found.st_mode):o}")
    if found.st_size != N_BYTES:
        raise UserError(f"{path}: has {found.st_size} bytes, expected {N_BYTES}")


def is_abandoned(path: Path) -> bool:
    """Whether nobody holds the lock of an instance's file: its host has ended."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return True
    with suppress(OSError), os.fdopen(handle, "r+b") as file:
        return try_lock(file)
    return True
