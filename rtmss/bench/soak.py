"""A long session of the live host: everything that goes on in a show, and what it has cost at the
end.

A controller subscribes and meters, the preset is switched every second, and all is recorded.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rtmss.bench.harness import LiveHarness, host_processes, require_psutil
from rtmss.config import UserError
from rtmss.live.control.osc.codec import OscDecodeError, decode, message

PRESETS = ("karaoke", "four-stems")
SETTLE_SECONDS = 5.0
SWITCH_SECONDS = 1.0
RENEW_SECONDS = 10.0
"""A subscription is asked for again so often; it would last longer."""
METER_HZ = 20.0


@dataclass(frozen=True)
class SoakRow:
    """How it stands at one moment; counts are since the start of the session."""

    minutes: float
    n_hops: int
    n_late: int
    n_fallbacks: int
    n_xruns: int
    n_lost: int
    """Hops that are missing in the recording."""
    n_switches: int
    """Presets that were asked for."""
    n_done: int
    """Presets that were answered to play."""
    n_meters: int
    """Levels that were told."""
    mib: dict[str, float]
    """Memory of each process that is not shared with others."""
    descriptors: dict[str, int]
    """Open files of each process."""


def measure_soak(
    minutes: float,
    every: float,
    period: int,
    options: list[str],
    *,
    is_realtime: bool,
    say: Callable[[str], None],
) -> list[SoakRow]:
    """Let the host play for so long.

    Args:
        minutes: real time.
        every: minutes between two looks; there is one at the begin and one at the end too.
        period: samples per block of the JACK server.
        options: more of them for `rtmss live`.
        is_realtime: let the server ask for real-time priority.
        say: told how it goes, now and then.

    Raises:
        UserError: the host or what it needs does not start, or one of its processes ends.
    """
    folder = Path(
        tempfile.mkdtemp(
            prefix="rtmss-soak-",
            dir=Path.cwd(),
        )
    )
    try:
        with (
            LiveHarness(
                [*options, "--record", str(folder)], period, is_realtime=is_realtime
            ) as harness,
            _Controller(harness) as controller,
        ):
            return _Session(harness, controller, say).play(60 * minutes, 60 * every)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Controller:
    """What a surface with faders and meters does."""

    def __init__(self, harness: LiveHarness) -> None:
        self._rig = harness
        self._channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._channel.setblocking(False)
        self._renewal = self._switch = 0.0
        self.n_switches = 0
        self.heard: Counter[str] = Counter()
        """Messages by what they are: `done`, `fail`, `meter` and others."""

    def __enter__(self) -> _Controller:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def poll(self) -> None:
        """Ask for what is due, and take what has come."""
        now = time.monotonic()
        if now >= self._renewal:
            self._renewal = now + RENEW_SECONDS
            self._send("/rtmss/subscribe")
            self._send("/rtmss/meters", METER_HZ)
        if now >= self._switch:
            self._switch = now + SWITCH_SECONDS
            self._send("/rtmss/preset", PRESETS[self.n_switches % len(PRESETS)])
            self.n_switches += 1
        self._hear()

    def _send(self, address: str, *args: float | str) -> None:
        self._channel.sendto(
            message(address, *args),
            ("127.0.0.1", self._rig.port),
        )

    def _hear(self) -> None:
        while True:
            try:
                packets = decode(self._channel.recv(1 << 16))
            except BlockingIOError:
                return
            except OscDecodeError as error:
                raise UserError(f"the host has sent what is no OSC: {error}") from error
            names = [one.address for packet in packets for one in packet.messages]
            self.heard.update(name.split("/")[2] for name in names)


class _Session:
    """Plays, and looks now and then."""

    def __init__(
        self, harness: LiveHarness, controller: _Controller, say: Callable[[str], None]
    ) -> None:
        self._rig, self._controller, self._say = harness, controller, say
        self._processes: dict[str, int] = {}
        self._began = 0.0

    def play(self, seconds: float, every: float) -> list[SoakRow]:
        """All looks."""
        self._wait(time.monotonic() + SETTLE_SECONDS)
        self._processes = host_processes(self._rig.host.pid)
        self._began = time.monotonic()
        rows = [self._look()]
        while (passed := time.monotonic() - self._began) < seconds:
            self._wait(self._began + min(seconds, len(rows) * every))
            self._say(f"{passed / 60:.1f} of {seconds / 60:g} minutes, {rows[-1].n_late} late")
            rows.append(self._look())
        return rows

    def _wait(self, until: float) -> None:
        while time.monotonic() < until:
            self._rig.check()
            self._controller.poll()
            time.sleep(0.02)

    def _look(self) -> SoakRow:
        if host_processes(self._rig.host.pid) != self._processes:
            raise UserError("a process of the host has ended and been started again")
        psutil = require_psutil()
        told, heard = self._rig.latest, self._controller.heard
        known = {name: psutil.Process(pid) for name, pid in self._processes.items()}
        return SoakRow(
            minutes=(time.monotonic() - self._began) / 60,
            n_hops=told["hop"],
            n_late=told["late"],
            n_fallbacks=told["fallbacks"],
            n_xruns=told["xruns"],
            n_lost=told["recording"]["lost"],
            n_switches=self._controller.n_switches,
            n_done=heard["done"],
            n_meters=heard["meter"],
            mib={name: one.memory_full_info().uss / 2**20 for name, one in known.items()},
            descriptors={name: one.num_fds() for name, one in known.items()},
        )
