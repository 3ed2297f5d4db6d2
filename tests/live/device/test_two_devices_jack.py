"""The live host between two devices: a JACK client that plays a tone is the input, the JACK server
the output.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from helpers.live_host import Host, jack_client, undisturbed
from rtmss.audio import Audio
from rtmss.bench.harness import RATE

pytestmark = pytest.mark.jack

PERIOD = RATE // 10
"""Samples of a period of the tone."""


class Player:
    """A JACK client with a tone of 10 Hz on its output, which keeps what comes to its input."""

    def __init__(self) -> None:
        self.client: Any = jack_client("tester")
        source, self.sink = self.client.outports.register("out"), self.client.inports.register("in")
        self.heard: list[Audio] = []
        self.n_played = 0

        def process(n: int) -> None:
            places = self.n_played + np.arange(n)
            source.get_array()[:] = 0.5 * np.sin(2 * np.pi * places / PERIOD)
            self.heard.append(self.sink.get_array().copy())
            self.n_played += n

        self.client.set_process_callback(process)
        self.client.activate()

    def delays(self, seconds: float) -> Audio:
        """Samples by which every period that comes from now on is late."""
        first = len(self.heard)
        time.sleep(seconds)
        start, heard = (
            sum(
                map(
                    len,
                    self.heard[:first],
                )
            ),
            np.concatenate(self.heard[first:]),
        )
        n = len(heard) // PERIOD
        places = start + np.arange(n * PERIOD)
        turned = heard[: n * PERIOD] * np.exp(-2j * np.pi * places / PERIOD)
        return np.asarray(
            (-np.angle(turned.reshape(n, PERIOD).mean(1)) / (2 * np.pi) - 0.25) % 1 * PERIOD
        )


@pytest.fixture
def player(server: Callable[[int], subprocess.Popen[bytes]]) -> Iterator[Player]:
    server(1024)
    player = Player()
    yield player
    player.client.close()


def test_two_devices_of_one_clock_have_the_latency_that_is_told_and_no_drift(
    player: Player, host: Callable[..., Host]
) -> None:
    live = host("--preset", "karaoke", "--input", "tester", "--output", "system")
    live.send("/rtmss/bypass", 1)
    live.sync()
    player.client.connect(
        player.client.get_ports("rtmss:out.*")[0],
        player.sink,
    )
    told = live.ask("/rtmss/latency")[0] + live.ask("/rtmss/status/device_latency")[0]
    time.sleep(4)
    late = undisturbed(live, lambda: player.delays(2.0))
    wrong = (late - told + PERIOD / 2) % PERIOD - PERIOD / 2
    assert (
        np.abs(wrong).max() < 256
    )  # threads wake up late; what was forgotten would be whole blocks of 1024
    assert np.ptp(late) < 20
    assert abs(live.ask("/rtmss/status/drift")[0]) < 150


def test_one_device_for_both_ways_has_no_drift_to_ask_for(
    player: Player, host: Callable[..., Host]
) -> None:
    live = host("--preset", "karaoke", "--input", "system", "--output", "system")
    assert "no address" in live.ask("/rtmss/status/drift", answer="/rtmss/fail")[2]
