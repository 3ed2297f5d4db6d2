"""Where the sound comes from and where it goes to: one device, or two and a resampler between their
clocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rtmss.audio import Audio
from rtmss.live.device.portaudio import (
    Device,
    DeviceStream,
    PortAudioError,
    find_device,
    natural_block,
)
from rtmss.live.device.resampler import AdaptiveResampler


def choose_devices(
    device: str | None,
    source: str | None,
    sink: str | None,
    known: list[Device],
    *,
    has_input: bool = True,
) -> tuple[Device | None, Device]:
    """The devices for input and output; the same one twice where one is to do both.

    Args:
        device: a name for both; None for the default.
        source: a name for the input alone; None for the default input where `sink` is named.
        sink: the same for the output.
        known: from `devices`.
        has_input: False where a song is played and nothing is listened to; the input is then None.

    Raises:
        PortAudioError: there is none, or several fit.
    """
    if not has_input:
        return None, find_device(sink or device, known, "output")
    if source is None and sink is None:
        both = find_device(device, known)
        return both, both
    return find_device(source, known, "input"), find_device(sink, known, "output")


def common_rate(
    source: Device | None,
    sink: Device,
    wanted: int | None,
) -> int:
    """The rate in Hz at which both are opened.

    Raises:
        PortAudioError: they run at different ones, and none is wanted.
    """
    if wanted is None and source is not None and source.sample_rate != sink.sample_rate:
        raise PortAudioError(
            f"{source} runs at {source.sample_rate} Hz and {sink} at {sink.sample_rate} Hz; set "
            "both to one rate, "
            "or try --sample-rate: what is corrected is the drift of clocks that should be the same"
        )
    return wanted or sink.sample_rate


class DuplexStream:
    """The streams of a host. The output's clock is the measure; a second device is read at its
    pace.
    """

    def __init__(
        self,
        source: Device | None,
        sink: Device,
        sample_rate: int,
        block: int | None,
        n_outputs: int,
    ) -> None:
        """Find out what the devices bring at once; open nothing yet.

        Args:
            source: where the input comes from; None for none.
            sink: where the output goes to, perhaps the same.
            sample_rate: Hz.
            block: samples per block; None for what each device brings at once.
            n_outputs: output channels.

        Raises:
            PortAudioError: a device refuses, or brings nothing.
            UserError: the blocks of one are too long to go to another.
        """
        n_inputs = min(2, source.n_inputs) if source is not None else 0
        self.sample_rate = sample_rate
        """Hz."""
        self.n_outputs = n_outputs
        """Output channels."""
        if source is None or source.index == sink.index:
            self._ways = [(sink, (n_inputs, n_outputs))]
        else:
            self._ways = [(source, (n_inputs, 0)), (sink, (0, n_outputs))]
        self._blocks = [
            block or natural_block(device, sample_rate, channels) for device, channels in self._ways
        ]
        self._is_natural = not block
        self._streams: list[DeviceStream] = []
        self.resampler = (
            AdaptiveResampler(n_inputs, sample_rate, self._blocks[0])
            if len(self._ways) > 1
            else None
        )

    @property
    def n_devices(self) -> int:
        """1, or 2."""
        return len(self._ways)

    @property
    def block(self) -> int:
        """Samples that the output takes at once."""
        return self._blocks[-1]

    @property
    def n_resampler(self) -> int:
        """Samples that the input is on its way from one device to the other."""
        return self.resampler.latency if self.resampler else 0

    @property
    def drift_ppm(self) -> float:
        """By how many millionths the input's clock is faster; 0 with one device."""
        return self.resampler.drift_ppm if self.resampler else 0.0

    @property
    def n_xruns(self) -> int:
        """Blocks that were lost on the way."""
        return sum(stream.n_xruns for stream in self._streams) + (
            self.resampler.n_xruns if self.resampler else 0
        )

    @property
    def n_blocks(self) -> tuple[int, ...]:
        """Blocks that each stream has seen; one that stands still has lost its device."""
        return tuple(stream.n_blocks for stream in self._streams)

    @property
    def has_other_blocks(self) -> bool:
        """Whether a device brings other blocks by now than those that it was opened with as its
        own; of a size that was asked for nothing is said.
        """
        return self._is_natural and any(stream.has_other_blocks for stream in self._streams)

    @property
    def device_latency(self) -> int:
        """Samples that the devices report, both ways together."""
        return sum(stream.device_latency for stream in self._streams)

    def start(
        self,
        exchange: Callable[[Audio, Audio], None],
    ) -> None:
        """Let it run: `exchange` takes (C, S) and fills (O, S), in the output's thread.

        Raises:
            PortAudioError: a device refuses.
        """
        resampler = self.resampler
        calls = [exchange]
        if resampler:
            calls = [
                lambda block, _: resampler.write(block, time.perf_counter()),
                lambda _, out: exchange(
                    resampler.read(out.shape[1], time.perf_counter()),
                    out,
                ),
            ]
        for (device, channels), block, call in zip(
            self._ways,
            self._blocks,
            calls,
            strict=True,
        ):
            self._streams.append(
                DeviceStream(
                    device,
                    self.sample_rate,
                    block,
                    channels,
                    call,
                )
            )
        for stream in self._streams:
            stream.start()
