"""The page of a live host moves the sound, and comes back when the control side was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from helpers.browser import Pages, chromium
from helpers.live_host import Host, jack_client, undisturbed
from rtmss.audio import Audio
from rtmss.bench.harness import free_port, host_processes

pytestmark = pytest.mark.jack


class Tone:
    """A JACK client that plays a tone into the host and records what comes back."""

    def __init__(self) -> None:
        self.client: Any = jack_client("tone")
        self.heard: list[Audio] = []
        self._n_played = 0
        source, sink = self.client.outports.register("out"), self.client.inports.register("in")

        def process(n: int) -> None:
            place = np.arange(self._n_played, self._n_played + n)
            source.get_array()[:] = 0.3 * np.sin(2 * np.pi * 441 / 44100 * place)
            self._n_played += n
            self.heard.append(sink.get_array().copy())

        self.client.set_process_callback(process)
        self.client.activate()
        self.client.connect(source, self.client.get_ports("rtmss:in.*")[0])
        self.client.connect(self.client.get_ports("rtmss:out.*")[0], sink)

    def level(self, host: Host) -> float:
        """RMS of what is heard in half a second without loss."""
        first = len(self.heard)

        def listen() -> float:
            nonlocal first
            first = len(self.heard)
            time.sleep(0.5)
            return float(np.sqrt(np.square(np.concatenate(self.heard[first:])).mean()))

        return undisturbed(host, listen)


@pytest.fixture
def page(
    server: Callable[[int], subprocess.Popen[bytes]], host: Callable[..., Host]
) -> Iterator[tuple[Host, Page]]:
    """The page of a host."""
    server(1024)
    port = free_port()
    live = host("--preset", "four-stems", "--web", "--web-port", str(port))
    with chromium() as browser:
        pages = Pages(browser)
        yield live, pages.open(f"http://127.0.0.1:{port}")
        pages.close()


def test_a_fader_of_the_page_moves_the_sound_and_outlives_the_control_side(
    page: tuple[Host, Page],
) -> None:
    host, shown = page
    expect(shown.locator("#state")).to_have_text("running", timeout=20_000)
    tone = Tone()
    fader = shown.get_by_role("slider", name="master level")

    def move(keys: str, gain: str) -> float:
        for key in keys.split():
            fader.press(key)
            shown.wait_for_timeout(60)  # the next key goes on from what has come back
        expect(fader).to_have_attribute("aria-valuetext", gain)
        host.sync()
        time.sleep(0.3)  # the glide
        return tone.level(host)

    minus = "\N{MINUS SIGN}"
    full = move("0", "0.0 dB")
    assert full > 0.1
    assert move("PageDown", f"{minus}6.0 dB") == pytest.approx(full * 10 ** (-6 / 20), rel=0.02)
    assert move("Home", f"{minus}\N{INFINITY} dB") < 1e-5 * full
    move("0", "0.0 dB")

    os.kill(host_processes(host.process.pid)["control"], signal.SIGKILL)
    expect(shown.locator("#state")).to_have_text("no connection", timeout=10_000)
    expect(shown.locator("#state")).to_have_text("running", timeout=30_000)
    expect(shown.locator(".strip")).to_have_count(6)
    assert move("PageDown", f"{minus}6.0 dB") == pytest.approx(full * 10 ** (-6 / 20), rel=0.02)
    tone.client.close()
