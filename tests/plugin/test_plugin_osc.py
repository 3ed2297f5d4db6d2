"""OSC beside a plug-in that plays in a host, while processes die."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.dispatcher import tell
from helpers.plugin import Engine, serving
from helpers.plugin_sound import HOP, paced
from rtmss.audio import Audio
from rtmss.live.control.osc.codec import Argument, message
from rtmss.plugin.build import Bundles
from rtmss.serve.layout import RING
from rtmss.serve.mapped import MappedInstance

pytestmark = pytest.mark.slow

ONE = "/rtmss/instance/1"


class Client:
    """Asks until it is answered."""

    def __init__(self, engine: Engine, sock: socket.socket) -> None:
        self._engine, self._socket = engine, sock

    def ask(self, address: str, *args: Argument, answer: str) -> tuple[Any, ...]:
        """The first answer on an address."""
        found: list[tuple[Any, ...]] = []

        def is_there() -> bool:
            self._socket.sendto(message(address, *args), ("127.0.0.1", self._engine.port))
            with contextlib.suppress(OSError):  # nobody is there just now
                told = tell([self._socket.recv(65536)])
                found.extend(one for one in told if one[0] == answer)
            return bool(found)

        self._engine.wait(is_there, f"{answer} to {address}")
        return found[0]

    def tell(self, address: str, *args: Argument) -> None:
        """Set something, and wait until it is heard."""
        self._socket.sendto(message(address, *args), ("127.0.0.1", self._engine.port))
        self.ask(f"{ONE}/sync", 1, answer=f"{ONE}/synced")

    def wait_for(self, address: str, *value: Any) -> None:
        """Ask until it is so."""
        self._engine.wait(
            lambda: self.ask(address, answer=address)[1:] == value, f"{address} {value}"
        )


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        yield Client(engine, sock)


def _shown(engine: Engine, address: str) -> list[Any] | None:
    """What OSCQuery says of an address; None while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{engine.page}{address}") as answer:
            found: list[Any] = json.load(answer)["VALUE"]
            return found
    except OSError:
        return None


def _peak(instance: MappedInstance) -> float:
    """Of the latest hops on the main output."""
    end = instance.n_in - 2 * HOP
    return float(np.abs(instance._output[:2, np.arange(end - 8 * HOP, end) % RING]).max())


def test_osc_moves_an_instance_in_a_host_and_outlives_its_processes(
    engine: Engine, bundles: Bundles, demo_sound: Audio, tmp_path: Path, client: Client
) -> None:
    host = paced(bundles, np.tile(demo_sound, 60), tmp_path)
    try:
        client.wait_for(f"{ONE}/status/state", "plays")
        client.wait_for(f"{ONE}/status/host", "claphost")
        (path,) = engine.folder.glob(f"instance-{host.pid}-*")
        instance = MappedInstance(path)
        assert instance.number == 1
        engine.wait(lambda: _peak(instance) > 0.01, "sound")
        client.tell(f"{ONE}/master/mute", 1)
        engine.wait(lambda: _peak(instance) == 0, "silence")
        engine.speaking().send_signal(signal.SIGKILL)
        client.wait_for(f"{ONE}/master/mute", 1)
        engine.wait(lambda: _shown(engine, f"{ONE}/master/mute") == [1], "the page is back")
        before = engine.playing()
        before.send_signal(signal.SIGKILL)
        engine.wait(lambda: engine.playing() != before, "another engine")
        client.tell(f"{ONE}/fade", 10.0)
        engine.wait(lambda: _peak(instance) == 0, "silence")
        client.ask(f"{ONE}/preset", "karaoke", answer="/rtmss/done")
        engine.wait(lambda: _peak(instance) > 0.01, "sound again")
    finally:
        host.kill()
        host.wait()


@pytest.mark.long
def test_an_engine_plays_where_the_port_is_taken(engine: Engine, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    taken = ("--osc-port", str(engine.port), "--backend", "torch")
    with serving(tmp_path, *taken) as other:
        other.wait(lambda: "no OSC: " in other.errors(), "a word")
        other.playing()
        other.wait(lambda: not other.children("rtmss-osc"), "nobody speaks")
        assert "has ended" not in other.errors()
