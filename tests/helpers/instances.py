"""Instances that play, and OSC beside them: what `rtmss serve` is, in one process."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from helpers.dispatcher import tell
from helpers.makers import MakeCondition, Noise
from helpers.plugin import FakePlugin
from rtmss.audio import Audio
from rtmss.conditions.condition import save_condition
from rtmss.conditions.encode import limits_of
from rtmss.conditions.library import Library
from rtmss.engine.session import Session
from rtmss.live.control.osc.codec import Argument, message
from rtmss.live.control.osc.server import PacketServer
from rtmss.model.separator import SeparatorModel
from rtmss.serve.attendant import Attendant
from rtmss.serve.board import Board
from rtmss.serve.control.dispatch import InstanceDispatcher
from rtmss.serve.control.instances import Instances
from rtmss.serve.control.process import take_turn
from rtmss.serve.player import InstancePlayer
from rtmss.serve.scenes import SceneBook

RATE, HOP, DELAY = 8000, 64, 64
Told = tuple[Any, ...]


class _NoLane:
    """A lane that the test itself steps."""

    def __init__(self) -> None:
        self.players: tuple[InstancePlayer, ...] = ()


def book_of(
    folder: Path,
    presets: Mapping[str, str],
    model: SeparatorModel,
    make_condition: MakeCondition,
) -> SceneBook:
    """Presets by their texts, and conditions `a`, `b` and `c`."""
    for seed, name in enumerate("abc"):
        save_condition(folder / f"conditions/{name}.safetensors", make_condition(name, seed))
    for name, text in presets.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return SceneBook(Library([folder]), "0123456789ab", limits_of(model))


class Desktop:
    """An engine, OSC, and a client over UDP."""

    def __init__(self, folder: Path, book: SceneBook, model: SeparatorModel) -> None:
        self.folder, self.book, self.model = folder, book, model
        self.board = Board()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.start_engine()
        self.start_osc()

    def start_engine(self) -> None:
        """One that knows nothing but the board."""
        self.lane = _NoLane()
        lanes: Any = [self.lane]
        self.attendant = Attendant(
            self.folder, lanes, self.book, self.model.config, self._session, self.board
        )

    def start_osc(self) -> None:
        """Likewise."""
        self.instances = Instances(self.board, self.folder, self.book)
        self.dispatcher = InstanceDispatcher(self.instances, "1.2.3")
        self.server = PacketServer(self.dispatcher, port=0)

    def close(self) -> None:
        self.server.close()
        self.socket.close()

    def _session(self, rate: int) -> Session:
        return Session(self.model, sample_rate=rate)

    def begin(self, plugin: FakePlugin, audio: Audio) -> None:
        """Play the first (2, S) of an instance."""
        plugin.begin(RATE, HOP, DELAY)
        plugin.lay(audio)
        self.turn()

    def play(self, plugin: FakePlugin, audio: Audio) -> Audio:
        """Lay (2, S) more; what is heard of its last hop, (18, HOP)."""
        self.turn()
        plugin.lay(audio)
        self.turn()
        heard = plugin.heard(int(plugin.memory["n_in"]) // HOP - 1)
        assert heard is not None
        return heard

    def turn(self) -> None:
        """One of everybody."""
        take_turn(self.instances, self.server, 0.002)
        self.attendant.look()
        for player in self.lane.players:
            while player.work():
                pass
        self.attendant.look()
        take_turn(self.instances, self.server, 0.0)

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, ("127.0.0.1", self.server.port))

    def hear(self) -> list[Told]:
        told = []
        with contextlib.suppress(BlockingIOError):
            while True:
                told += tell([self.socket.recv(65536)])
        return told

    def ask(self, address: str, *args: Argument) -> list[Told]:
        self.send(message(address, *args))
        self.turn()
        return self.hear()

    def until(self, done: Callable[[], Any]) -> Any:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            self.turn()
            if result := done():
                return result
        raise AssertionError("nothing came")


@pytest.fixture
def desktop(
    tmp_path: Path,
    presets: Mapping[str, str],
    tiny: SeparatorModel,
    make_condition: MakeCondition,
) -> Iterator[Desktop]:
    """One with the presets of the file that asks for it."""
    book = book_of(tmp_path / "library", presets, tiny, make_condition)
    desktop = Desktop(tmp_path, book, tiny)
    yield desktop
    desktop.close()


@pytest.fixture
def plugin(
    desktop: Desktop,
    presets: Mapping[str, str],
    fake: Callable[..., FakePlugin],
    noise: Noise,
) -> FakePlugin:
    """An instance that plays the first of two presets."""
    plugin = fake(tuple(presets)[:2], "1-abc")
    desktop.begin(plugin, noise(HOP))
    desktop.play(plugin, noise(HOP))
    return plugin
