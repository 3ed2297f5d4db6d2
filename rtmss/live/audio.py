"""PortAudio: the one door to sound cards. Nothing else needs it."""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import numpy as np

from rtmss.config import UserError
from rtmss.files import Audio

INSTALL_HINT = "PortAudio is not installed; on Debian or Ubuntu: apt install libportaudio2"
RATES = (44100, 48000)
"""Hz at which the separator runs as it is; others would have to be resampled, which costs latency."""


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


def devices() -> list[Device]:
    """Every sound device there is now.

    Raises:
        PortAudioError: PortAudio is not installed.
    """
    sounddevice = _sounddevice()
    try:
        apis, found = [api["name"] for api in sounddevice.query_hostapis()], sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise PortAudioError(f"PortAudio cannot list the devices: {error}") from error
    return [
        Device(d["name"], apis[d["hostapi"]], d["max_input_channels"], d["max_output_channels"],
               round(d["default_samplerate"]), index)
        for index, d in enumerate(found)
    ]  # fmt: skip


def find_device(query: str | None, known: list[Device]) -> Device:
    """The device that a name means; None takes the one with input and output that PortAudio prefers.

    Args:
        query: a name, a part of one, or `NAME (API)`; upper and lower case are the same.
        known: from `devices`.

    Raises:
        PortAudioError: none or several fit; names those there are.
    """
    duplex = [device for device in known if device.n_inputs and device.n_outputs >= 2]
    if query is None:
        default = _sounddevice().default.device
        fitting = [d for d in duplex if d.index in default] or duplex
        if not fitting:
            raise PortAudioError(f"no sound device with input and stereo output; {_listing(known)}")
        return fitting[0]
    words = query.casefold()
    exact = [d for d in duplex if words in {d.name.casefold(), str(d).casefold()}]
    fitting = exact or [d for d in duplex if words in str(d).casefold()]
    if len(fitting) != 1:
        problem = (
            f"'{query}' fits {', '.join(map(str, fitting))}"
            if fitting
            else f"no device '{query}' with input and output"
        )
        raise PortAudioError(f"{problem}; {_listing(known)}")
    return fitting[0]


class Stream:
    """A duplex stream on one device, so that one clock drives both directions."""

    def __init__(
        self,
        device: Device,
        sample_rate: int,
        block: int,
        n_outputs: int,
        exchange: Callable[[Audio, Audio], None],
        on_xrun: Callable[[], None],
    ) -> None:
        """Open a device; nothing is heard before `start`.

        Args:
            device: from `find_device`.
            sample_rate: Hz, one of RATES.
            block: samples per block; 0 leaves it to the device.
            n_outputs: output channels to open.
            exchange: takes (C, S) from the device and fills (O, S) for it, in PortAudio's thread.
            on_xrun: called in that thread when a block was lost.

        Raises:
            PortAudioError: the rate is another, or the device refuses.
        """
        if sample_rate not in RATES:
            raise PortAudioError(
                f"{device} runs at {sample_rate} Hz; set it to {' or '.join(map(str, RATES))} Hz: "
                "resampling on the way would add latency"
            )
        sounddevice = _sounddevice()

        def callback(indata: Any, outdata: Any, _frames: int, _time: Any, flags: Any) -> None:
            try:
                exchange(indata.T, outdata.T)
            except Exception:  # one that escaped would end the stream
                outdata.fill(0)
                on_xrun()
            if flags:
                on_xrun()

        channels = (min(2, device.n_inputs), n_outputs)
        try:
            self._stream: Any = sounddevice.Stream(
                samplerate=sample_rate, blocksize=block, device=(device.index, device.index), channels=channels,
                dtype="float32", latency="low", callback=callback,
            )  # fmt: skip
        except (sounddevice.PortAudioError, ValueError) as error:
            raise PortAudioError(f"{device} refuses {sample_rate} Hz with blocks of {block}: {error}") from error

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
        """Samples that the device reports for both ways together."""
        seconds = np.sum(self._stream.latency)
        return round(seconds * self._stream.samplerate) if 0 <= seconds < 10 else 0  # some report nonsense

    def close(self) -> None:
        """Stop and let go. May hang for ever when a JACK server has died: then end the process instead."""
        self._stream.close()


def natural_block(device: Device, sample_rate: int, n_outputs: int) -> int:
    """Samples that a device brings at once, found by listening to a few blocks.

    Blocks of another size come in bursts, several at once and then none for a while.

    Raises:
        PortAudioError: the device refuses, or brings nothing.
    """
    sizes: list[int] = []

    def listen(block: Audio, out: Audio) -> None:
        out.fill(0)
        sizes.append(block.shape[1])

    stream = Stream(device, sample_rate, 0, n_outputs, listen, lambda: None)
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
    except Exception as error:  # PortAudio starts with the import; what it raises then has no name here yet
        raise PortAudioError(f"PortAudio does not start: {error}") from error
    return cast(ModuleType, sounddevice)


def _listing(known: list[Device]) -> str:
    return f"known: {'; '.join(map(str, known)) or 'none'} (rtmss devices)"
