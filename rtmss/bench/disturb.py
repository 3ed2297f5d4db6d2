"""Processes that try to disturb a live host: `osc PORT RATE` sends messages, `busy` keeps a core
busy.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import sys
import time

import numpy as np

from rtmss.live.control.osc.codec import message

STEMS = ("vocals", "drums", "bass", "guitar")


def flood(port: int, rate: float) -> None:
    """Send gains of four stems, `rate` messages a second, one datagram each."""
    gains = [
        message(f"/rtmss/stem/{stem}/gain", -0.1 * step) for step in range(32) for stem in STEMS
    ]
    started, n_sent, packets = time.monotonic(), 0, itertools.cycle(gains)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.connect(("127.0.0.1", port))
        while True:
            while n_sent < (time.monotonic() - started) * rate:
                with contextlib.suppress(
                    ConnectionRefusedError
                ):  # the control side may be away for a moment
                    channel.send(next(packets))
                n_sent += 1
            time.sleep(0.001)


def spin() -> None:
    """Compute without end, in Python and in matrix products."""
    matrix = np.random.default_rng(0).random((200, 200))
    while True:
        sum(range(10_000))
        matrix = matrix @ matrix
        matrix /= np.abs(matrix).max()


if __name__ == "__main__":
    if sys.argv[1] == "osc":
        flood(
            int(sys.argv[2]),
            float(sys.argv[3]),
        )
    else:
        spin()
