"""PortAudio: the one door to sound cards. Nothing else needs it."""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, cast

import numpy as np

from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.live.device.pace import Pace

INSTALL_HINT = "PortAudio is not installed; on Debian or Ubuntu: apt install libportaudio2"
Ways = Literal["input", "output", "both"]
"""What a device is to be used for."""
RATES = range(8000, 384001)
"""Hz that devices may run at."""


class PortAudioError(UserError):
    """PortAudio is missing or refuses a stream; the message says what would do."""


@dataclass(frozen=True)
class Device:
    """A sound device, remembered by what it is called: numbers change when a cable is pulled."""

    name: str
    api: str
    """Host API: ALSA, JACK, Core Audio, WASAPI, ..."""
    n_inputs: int
    n_outputs: int
    sample_rate: int
    """Hz, its default."""
    index: int
    """As PortAudio counts right now."""

    def __str__(self) -> str:
        return f"{self.name} ({self.api})"

    @property
    def ways(self) -> str:
        """What it can be used for here; an output has to be stereo."""
        has_output = self.n_outputs >= 2
        if self.n_inputs and has_output:
            return "both"
        return "input" if self.n_inputs else "output" if has_output else ""

    def serves(self, ways: Ways) -> bool:
        """Whether it can be used so."""
        return self.ways in {ways, "both"}


def devices() -> list[Device]:
    """Every sound device there is now.

    Raises:
        PortAudioError: PortAudio is not installed.
    """
    sounddevice = _sounddevice()
    try:
        apis, found = (
            [api["name"] for api in sounddevice.query_hostapis()],
            sounddevice.query_devices(),
        )
    except sounddevice.PortAudioError as error:
        raise PortAudioError(f"PortAudio cannot list the devices: {error}") from error
    return [
        Device(
            d["name"],
            apis[d["hostapi"]],
            d["max_input_channels"],
            d["max_output_channels"],
            round(d["default_samplerate"]),
            index,
        )
        for index, d in enumerate(found)
    ]


def find_device(
    query: str | None,
    known: list[Device],
    ways: Ways = "both",
) -> Device:
    """The device that a name means; None takes the one that PortAudio prefers.

    Args:
        query: a name, a part of one, or `NAME (API)`; upper and lower case are the same.
        known: from `devices`.
        ways: what it is to be used for.

    Raises:
        PortAudioError: none or several fit; names those there are.
    """
    able = [device for device in known if device.serves(ways)]
    if query is None:
        source, sink = _sounddevice().default.device
        preferred = {
            "input": {source},
            "output": {sink},
            "both": {source, sink},
        }[ways]
        fitting = [d for d in able if d.index in preferred] or able
        if not fitting:
            raise PortAudioError(f"no sound device with {_NEEDS[ways]}; {_listing(known)}")
        return fitting[0]
    words = query.casefold()
    exact = [
        d
        for d in able
        if words
        in {
            d.name.casefold(),
            str(d).casefold(),
        }
    ]
    fitting = exact or [d for d in able if words in str(d).casefold()]
    if len(fitting) != 1:
        several = f"'{query}' fits {', '.join(map(str, fitting))}"
        problem = several if fitting else f"no device '{query}' with {_NEEDS[ways]}"
        raise PortAudioError(f"{problem}; {_listing(known)}")
    return fitting[0]


class DeviceStream:
    """A stream on one device, one way or both; of both, one clock is the measure."""

    def __init__(
        self,
        device: Device,
        sample_rate: int,
        block: int,
        channels: tuple[int, int],
        exchange: Callable[[Audio, Audio], None],
    ) -> None:
        """Open a device; nothing is heard before `start`.

        Args:
            device: from `find_device`.
            sample_rate: Hz, one of RATES.
            block: samples per block; 0 leaves it to the device.
            channels: C inputs and O outputs to open; none is a way that is not used.
            exchange: takes (C, S) from the device and fills (O, S) for it, in PortAudio's thread.

        Raises:
            PortAudioError: the rate is another, or the device refuses.
        """
        if sample_rate not in RATES:
            raise PortAudioError(
                f"{device} runs at {sample_rate} Hz; set it to {RATES[0]} to {RATES[-1]} Hz"
            )
        self._exchange = exchange
        self.n_blocks = 0
        """Blocks that came and went; it stands still when the device is lost."""
        self.n_xruns = 0
        """Blocks that were lost."""
        self._pace = Pace(block / sample_rate) if block else None
        self._stream = self._open(device, sample_rate, block, channels)

    @property
    def has_other_blocks(self) -> bool:
        """Whether the device brings other blocks by now than at first."""
        return self._pace is not None and self._pace.has_changed

    def _open(
        self,
        device: Device,
        sample_rate: int,
        block: int,
        channels: tuple[int, int],
    ) -> Any:
        """A stream of PortAudio's, of the kind that the channels need."""
        sounddevice = _sounddevice()
        nothing: Audio = np.zeros((0, 0), np.float32)
        kinds: dict[tuple[bool, bool], tuple[Any, Any, Any, Any]] = {
            (True, True): (
                sounddevice.Stream,
                (device.index,) * 2,
                channels,
                self._call,
            ),
            (True, False): (
                sounddevice.InputStream,
                device.index,
                channels[0],
                lambda block, *rest: self._call(block, nothing, *rest),
            ),
            (False, True): (
                sounddevice.OutputStream,
                device.index,
                channels[1],
                lambda out, *rest: self._call(nothing, out, *rest),
            ),
        }
        kind, index, n_channels, callback = kinds[channels[0] > 0, channels[1] > 0]
        try:
            return kind(
                samplerate=sample_rate,
                blocksize=block,
                device=index,
                channels=n_channels,
                dtype="float32",
                latency="low",
                callback=callback,
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise PortAudioError(
                f"{device} refuses {sample_rate} Hz with blocks of {block}: {error}"
            ) from error

    def _call(
        self,
        indata: Any,
        outdata: Any,
        _frames: int,
        _time: Any,
        flags: Any,
    ) -> None:
        """Exchange a block, in PortAudio's thread."""
        if self._pace is not None:
            self._pace.came(time.perf_counter())
        try:
            self._exchange(indata.T, outdata.T)
        except Exception:  # one that escaped would end the stream
            outdata.fill(0)
            self.n_xruns += 1
        self.n_xruns += bool(flags)
        self.n_blocks += 1

    def start(self) -> None:
        """Let it run.

        Raises:
            PortAudioError: the device refuses.
        """
        try:
            self._stream.start()
        except _sounddevice().PortAudioError as error:
            raise PortAudioError(f"the device does not start: {error}") from error

    @property
    def device_latency(self) -> int:
        """Samples that the device reports for all ways together."""
        seconds = np.sum(self._stream.latency)
        return (
            round(seconds * self._stream.samplerate) if 0 <= seconds < 10 else 0
        )  # some report nonsense

    def close(self) -> None:
        """Stop and let go. May never return when a JACK server has died: then end the process
        instead.
        """
        self._stream.close()


def natural_block(
    device: Device,
    sample_rate: int,
    channels: tuple[int, int],
) -> int:
    """Samples that a device brings at once, found by listening to a few blocks.

    Blocks of another size come in bursts, several at once and then none for a while.

    Raises:
        PortAudioError: the device refuses, or brings nothing.
    """
    sizes: list[int] = []

    def listen(block: Audio, out: Audio) -> None:
        out.fill(0)
        sizes.append(
            max(
                block.shape[1],
                out.shape[1],
            )
        )

    stream = DeviceStream(device, sample_rate, 0, channels, listen)
    stream.start()
    deadline = time.monotonic() + 2
    while len(sizes) < 4 and time.monotonic() < deadline:
        time.sleep(0.005)
    stream.close()
    if not sizes:
        raise PortAudioError(f"{device} brings no sound within 2 s")
    return max(sizes)


def _sounddevice() -> ModuleType:
    try:
        library = ctypes.util.find_library("portaudio")
        if library:  # JACK shows this name; it has to be set before the first use
            set_name = getattr(ctypes.CDLL(library), "PaJack_SetClientName", None)
            if set_name:
                set_name(b"rtmss")
        import sounddevice
    except OSError as error:
        raise PortAudioError(INSTALL_HINT) from error
    except (
        Exception
    ) as error:  # PortAudio starts with the import; what it raises then has no name here yet
        raise PortAudioError(f"PortAudio does not start: {error}") from error
    return cast(ModuleType, sounddevice)


_NEEDS = {"input": "input", "output": "stereo output", "both": "input and stereo output"}


def _listing(known: list[Device]) -> str:
    return f"known: {'; '.join(map(str, known)) or 'none'} (rtmss devices)"
