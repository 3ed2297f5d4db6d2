"""A process of its own that plays the demo song into the live host over JACK, and says how it goes.

Commands, one per line: `tell`, `freewheel SPEED` (that many times real time), `freewheel 0`. Each
is answered by JSON.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from rtmss.bench.song import demo_song


class Feeder:
    """A JACK client; it counts what it hears and what the server loses."""

    def __init__(self) -> None:
        import jack

        self.song = demo_song()
        self.place = 0
        self.peak = 0.0
        self.n_xruns = 0
        self.speed = 0.0
        self.began = (0.0, 0)
        self.client = jack.Client("rtmss-bench")
        self.sources = [self.client.outports.register(f"out_{side}") for side in (1, 2)]
        self.sink = self.client.inports.register("in")
        self.client.set_xrun_callback(self._count_xrun)
        self.client.set_process_callback(self._process)

    def connect(self) -> None:
        """Take the place of the sound card's inputs, and hear the first output."""
        self.client.activate()
        for source, port in zip(
            self.sources,
            self.client.get_ports("rtmss:in.*"),
            strict=False,
        ):
            for other in self.client.get_all_connections(port):
                self.client.disconnect(other, port)
            self.client.connect(source, port)
        self.client.connect(
            self.client.get_ports("rtmss:out.*")[0],
            self.sink,
        )

    def obey(self, line: str) -> str:
        """Do what a line says; the answer to it."""
        words = line.split()
        if words[:1] == ["freewheel"]:
            self.began, self.speed = (time.monotonic(), self.place), float(words[1])
            self.client.set_freewheel(self.speed > 0)
        seconds = self.place / self.client.samplerate
        return json.dumps(
            {
                "seconds": seconds,
                "peak": self.peak,
                "xruns": self.n_xruns,
            }
        )

    def _count_xrun(self, _: float) -> None:
        self.n_xruns += 1

    def _process(self, frames: int) -> None:
        indices = (
            np.arange(
                self.place,
                self.place + frames,
            )
            % self.song.shape[-1]
        )
        for source, side in zip(self.sources, self.song, strict=True):
            source.get_array()[:] = side[indices]
        self.peak = max(
            self.peak,
            float(np.abs(self.sink.get_array()).max()),
        )
        self.place += frames
        if self.speed:  # a freewheeling server would run as fast as it can
            began, place = self.began
            ahead = (self.place - place) / self.client.samplerate / self.speed - (
                time.monotonic() - began
            )
            time.sleep(max(0.0, ahead))


def main() -> None:
    """Feed until standard input ends."""
    feeder = Feeder()
    feeder.connect()
    print("ready", flush=True)
    for line in sys.stdin:
        print(feeder.obey(line), flush=True)
    feeder.client.close()


if __name__ == "__main__":
    main()
