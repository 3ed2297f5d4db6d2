"""Twenty clients with levels and a flood of OSC make no hop late: by hand, `pytest -m long`."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect
from websockets.asyncio.client import connect

from helpers.browser import Pages, chromium
from helpers.live_host import LOSSES, Host
from helpers.makers import Noise, WriteAudio
from rtmss.bench.harness import RATE, free_port, host_processes
from rtmss.live.control.osc.codec import bundle, message

pytestmark = [pytest.mark.jack, pytest.mark.long]

N_CLIENTS = 20
MESSAGES_PER_SECOND = 10_000
IN_BUNDLE = 10
SECONDS = 60.0
LOOP_SECONDS = 30
TRIES = 3
"""A busy machine makes hops late by itself."""
COUNT_LEVELS = """() => {
    window.nLevels = 0;
    const meter = document.querySelector('[aria-label="drums"] .meter');
    new MutationObserver(() => { window.nLevels += 1; })
        .observe(meter, { attributes: true, subtree: true });
}"""

Clients = Callable[[int, float], list[int]]
"""clients(port, seconds): how often each of them got levels within that time."""


async def _page(port: int, ends: float) -> int:
    """Levels that came to one client."""
    n_levels = 0
    async with connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
        await client.send(message("/rtmss/subscribe", "/rtmss"))
        await client.send(message("/rtmss/meters", 30.0))
        while time.monotonic() < ends:
            frame = await asyncio.wait_for(client.recv(), 10)
            n_levels += isinstance(frame, bytes) and b"/rtmss/meter/" in frame
    return n_levels


async def _flood(port: int, ends: float) -> int:
    """Messages that were sent, from four peers in turn."""
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    packets = [
        bundle([message("/rtmss/stem/drums/fader", (n + i) % 100 / 100) for i in range(IN_BUNDLE)])
        for n in range(50)
    ]
    n_sent, began = 0, time.monotonic()
    while (now := time.monotonic()) < ends:
        while n_sent < (now - began) * MESSAGES_PER_SECOND:
            number = n_sent // IN_BUNDLE
            socks[number % 4].sendto(packets[number % 50], ("127.0.0.1", port))
            n_sent += IN_BUNDLE
        await asyncio.sleep(0.005)
    for sock in socks:
        sock.close()
    return n_sent


async def _sockets(port: int, ends: float) -> list[int]:
    """Levels that came to each of many clients that draw nothing."""
    return await asyncio.gather(*(_page(port, ends) for _ in range(N_CLIENTS)))


@pytest.fixture
def browsers(tmp_path: Path) -> Iterator[Callable[[int], Clients]]:
    """browsers(port) opens pages, which stay open, and returns what counts their new levels.

    It runs only while nothing else does: in a room it runs on phones.
    """
    with chromium(tmp_path / "chromium") as browser:
        pages = Pages(browser)
        opened: list[Page] = []

        def begin(port: int) -> Clients:
            opened.extend(
                pages.open(f"http://127.0.0.1:{port}/", "phone") for _ in range(N_CLIENTS)
            )
            for page in opened:
                expect(page.locator("#state")).to_have_text("running", timeout=60_000)
                page.evaluate(COUNT_LEVELS)
            return count

        def count(port: int, seconds: float) -> list[int]:
            before = [page.evaluate("() => window.nLevels") for page in opened]
            opened[0].wait_for_timeout(1000 * seconds)
            after = [page.evaluate("() => window.nLevels") for page in opened]
            return [one - other for one, other in zip(after, before, strict=True)]

        yield begin
        pages.close()
        assert pages.problems == []


def _count_sockets(port: int, seconds: float) -> list[int]:
    return asyncio.run(_sockets(port, time.monotonic() + seconds))


def test_twenty_clients_and_a_flood_of_osc_make_no_hop_late(play: Callable[..., None]) -> None:
    play(lambda _: _count_sockets)


def test_twenty_pages_and_a_flood_of_osc_make_no_hop_late(
    play: Callable[..., None], browsers: Callable[[int], Clients]
) -> None:
    play(browsers)


@pytest.fixture
def play(
    server: Callable[[int], subprocess.Popen[bytes]],
    host: Callable[..., Host],
    tmp_path: Path,
    noise: Noise,
    write_audio: WriteAudio,
) -> Callable[..., None]:
    """play(begin) with clients and a flood until a run has lost nothing."""

    def run(begin: Callable[[int], Clients]) -> None:
        server(512)
        port = free_port()
        song = tmp_path / "song.wav"  # without sound no level changes
        write_audio(song, noise(LOOP_SECONDS * RATE), RATE)
        options = ["--file", str(song), "--loop", f"0:{LOOP_SECONDS - 1}"]
        live = host("--preset", "four-stems", *options, "--web", "--web-port", str(port))
        control = psutil.Process(host_processes(live.process.pid)["control"])
        clients = begin(port)
        _load(clients, port, live.port)  # what is kept is kept now
        memory = control.memory_info().rss
        for _ in range(TRIES):
            before = [live.ask(address) for address in LOSSES]
            levels, n_sent = _load(clients, port, live.port)
            after = [live.ask(address) for address in LOSSES]
            print(f"levels {min(levels)} to {max(levels)}, {n_sent} messages, {before} to {after}")
            assert n_sent > 0.9 * SECONDS * MESSAGES_PER_SECOND
            assert min(levels) > SECONDS
            assert control.memory_info().rss - memory < 16 << 20
            if before == after:
                return
        pytest.fail("hops were late in every run: too busy a machine, or too much load")

    return run


def _load(clients: Clients, web_port: int, osc_port: int) -> tuple[list[int], int]:
    """Levels that came to each client, and messages that were sent meanwhile."""
    with ThreadPoolExecutor(1) as executor:
        ends = time.monotonic() + SECONDS
        flood = executor.submit(asyncio.run, _flood(osc_port, ends))
        return clients(web_port, SECONDS), flood.result()
