"""What an engine says of its instances over OSC, kept up to date."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

from rtmss.live.control.osc.codec import MAX_BYTES, Argument, OscDecodeError, decode, message
from rtmss.serve.control.table import LIST, PRESETS

ASK_SECONDS = 1.0
"""Between two signs of life that the engine is asked for."""
SUBSCRIBE_SECONDS = 10.0
"""Between two subscriptions, so that an engine that came back is known."""
LOST_SECONDS = 2.5
"""An engine that has said nothing for this long is not there."""


class Client:
    """A peer of the engine on this machine."""

    def __init__(self, port: int) -> None:
        """Ask for nothing yet.

        Args:
            port: where the engine speaks OSC.
        """
        self.port = port
        self.values: dict[str, tuple[Argument, ...]] = {}
        """What is set or asked, by address."""
        self.refusal = ""
        """Why the last message was refused."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setblocking(False)
        self._heard = self._asked = self._subscribed = float("-inf")
        self._is_new_answer = True
        """Whether names of presets that come now are the first of an answer."""

    def close(self) -> None:
        """Say no more."""
        self.send("/rtmss/unsubscribe")
        self._socket.close()

    def fileno(self) -> int:
        """To be waited for."""
        return self._socket.fileno()

    @property
    def is_answered(self) -> bool:
        """Whether an engine is there."""
        return time.monotonic() - self._heard < LOST_SECONDS

    @property
    def numbers(self) -> list[int]:
        """Of the instances, in order."""
        return [int(str(number)) for number in self.values.get(LIST, ())]

    @property
    def presets(self) -> tuple[str, ...]:
        """Names of all."""
        return tuple(str(name) for name in self.values.get(PRESETS, ()))

    def send(self, address: str, *args: Argument) -> None:
        """Send a message; nobody may be there."""
        with suppress(OSError):
            self._socket.send(message(address, *args))

    def set(self, address: str, value: float | str) -> None:
        """Set a value. It counts as set here until the engine says otherwise."""
        self.values[address] = (value,)
        self.send(address, value)

    def poll(self) -> None:
        """Take in what has come, and ask for what is due."""
        was_answered = self.is_answered
        for data in self._packets():
            self._heard = time.monotonic()
            with suppress(OscDecodeError):
                for packet in decode(data):
                    for one in packet.messages:
                        self._take(one.address, one.args)
        now = time.monotonic()
        if not self.is_answered:
            self.values.clear()
        is_back = self.is_answered and not was_answered
        if is_back or now - self._subscribed > SUBSCRIBE_SECONDS:
            self._subscribed = now
            self._is_new_answer = True
            self.send("/rtmss/subscribe")
            self.send(PRESETS)
        if now - self._asked > ASK_SECONDS:
            self._asked = now
            self.send("/rtmss/ping")

    def _packets(self) -> Iterator[bytes]:
        while True:
            try:
                yield self._socket.recv(MAX_BYTES)
            except ConnectionRefusedError:  # nobody had that port a moment ago
                self._heard = float("-inf")
            except OSError:
                return

    def _take(self, address: str, args: tuple[Argument, ...]) -> None:
        if address == "/rtmss/fail":
            self.refusal = str(args[-1]) if args else "refused"
        elif address == PRESETS:
            self._take_presets(args)
        elif address not in {"/rtmss/pong", "/rtmss/done"}:
            self.values[address] = args
        if address == LIST:
            self._forget_others()

    def _take_presets(self, names: tuple[Argument, ...]) -> None:
        """Take in names; several packets may carry them."""
        before = () if self._is_new_answer else self.values.get(PRESETS, ())
        self.values[PRESETS] = tuple(dict.fromkeys((*before, *names)))
        self._is_new_answer = False

    def _forget_others(self) -> None:
        """Let go of instances that have left."""
        roots = tuple(f"{LIST}/{number}/" for number in self.numbers)
        for address in [*self.values]:
            if address.startswith(f"{LIST}/") and not f"{address}/".startswith(roots):
                del self.values[address]
