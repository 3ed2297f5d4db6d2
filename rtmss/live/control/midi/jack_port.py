"""Ports of JACK. The one door to JACK-Client.

JACK calls Python for every block here, in a thread of its own, which has to wait for the
interpreter; so that is handed over quickly.
"""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from typing import Any

from rtmss.config import UserError
from rtmss.live.control.midi.messages import INSTALL, Message, parse
from rtmss.live.control.midi.port import PortError, find_name

CLIENT = "rtmss-midi"
QUEUE = 16384
"""Messages that wait; where there are more, the oldest are dropped."""
MAX_SENT = 64
"""Messages in one block."""
SWITCH_SECONDS = 0.0005
"""The thread of JACK waits no longer than about this for the interpreter."""
SYSTEM = 0xF0
"""System messages begin here: clocks and others that are no controls."""


class JackPort:
    """One port by its name or a part of it, or ports that others connect where it is empty."""

    def __init__(self, name: str) -> None:
        """Say which.

        Raises:
            UserError: JACK-Client or JACK is not there.
        """
        self._jack = _library()
        self._name = name
        self._client: Any = None
        self._in: Any = None
        self._out: Any = None
        self._source = ""
        self._incoming: deque[bytes] = deque(maxlen=QUEUE)
        self._outgoing: deque[bytes] = deque(maxlen=QUEUE)
        self._is_shut = False

    def open(self) -> None:
        """Join JACK, and connect to the port.

        Raises:
            PortError: there is no server, or no such port; then the own ports stay.
        """
        if self._client is None or self._is_shut:
            self._join()
        if not self._name:
            return
        sources, sinks = _names(self._client)
        source = find_name(self._name, sources)
        sink = _partner(source, self._name, sinks)
        try:
            self._connect(source, self._in.name)
            if sink is not None:
                self._connect(self._out.name, sink)
        except self._jack.JackError as error:
            raise PortError(f"{source}: {error}") from error
        self._source = source

    def _join(self) -> None:
        self.close()
        try:
            client = _client(self._jack, CLIENT)
        except self._jack.JackError as error:
            raise PortError("no JACK server runs") from error
        sys.setswitchinterval(SWITCH_SECONDS)
        self._client, self._is_shut = client, False
        self._in = client.midi_inports.register("in")
        self._out = client.midi_outports.register("out")
        client.set_process_callback(self._process)
        client.set_shutdown_callback(self._shut)
        client.activate()

    def _connect(self, source: str, sink: str) -> None:
        with contextlib.suppress(self._jack.JackErrorCode):  # they are connected already
            self._client.connect(source, sink)
            return
        connected = self._client.get_all_connections(self._client.get_port_by_name(sink))
        if source not in {port.name for port in connected}:
            raise self._jack.JackError(f"cannot be connected to {sink}")

    def _process(self, _: int) -> None:
        """JACK's block: take up what has come, and hand over what waits."""
        for _offset, data in self._in.incoming_midi_events():
            if len(data) and data[0][0] < SYSTEM:
                self._incoming.append(bytes(data))
        self._out.clear_buffer()
        for _ in range(min(MAX_SENT, len(self._outgoing))):
            self._out.write_midi_event(0, self._outgoing.popleft())

    def _shut(self, *_: object) -> None:
        self._is_shut = True

    def is_there(self) -> bool:
        """Whether JACK is, and the port."""
        if self._client is None or self._is_shut:
            return False
        try:
            return not self._name or self._source in _names(self._client)[0]
        except self._jack.JackError:
            return False

    def receive(self, n_most: int) -> list[Message]:
        """Take up what has come.

        Raises:
            PortError: JACK is gone.
        """
        self._check()
        taken = [self._incoming.popleft() for _ in range(min(n_most, len(self._incoming)))]
        return [message for data in taken if (message := parse(data)) is not None]

    def send(self, message: Message) -> None:
        """Hand a message to the next block.

        Raises:
            PortError: JACK is gone.
        """
        self._check()
        self._outgoing.append(bytes(message.bytes()))

    def close(self) -> None:
        """Leave JACK."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.deactivate()
            with contextlib.suppress(Exception):
                client.close()
        self._incoming.clear()
        self._outgoing.clear()

    def _check(self) -> None:
        if self._client is None or self._is_shut:
            raise PortError("JACK has ended")


def names() -> tuple[list[str], list[str]]:
    """Ports to hear and to send to.

    Raises:
        UserError: JACK-Client or JACK is not there.
        PortError: no JACK server runs.
    """
    jack = _library()
    try:
        client = _client(jack, f"{CLIENT}-list")
    except jack.JackError as error:
        raise PortError("no JACK server runs") from error
    with contextlib.closing(client):
        return _names(client)


def _client(jack: Any, name: str) -> Any:
    """A client of a server that runs already; JACK's own complaints are left out.

    Raises:
        JackError: none runs.
    """
    jack.set_error_function(lambda _: None)
    jack.set_info_function(lambda _: None)
    return jack.Client(name, no_start_server=True)


def _names(client: Any) -> tuple[list[str], list[str]]:
    """MIDI ports of others, to hear and to send to."""
    own = f"{client.name}:"
    sources = client.get_ports(is_midi=True, is_output=True)
    sinks = client.get_ports(is_midi=True, is_input=True)
    return (
        [port.name for port in sources if not port.name.startswith(own)],
        [port.name for port in sinks if not port.name.startswith(own)],
    )


def _partner(source: str, wanted: str, sinks: list[str]) -> str | None:
    """The port for the lights of a controller: of the name that was asked for, or of the client's
    own that is the only one.
    """
    with contextlib.suppress(PortError):
        return find_name(wanted, sinks)
    client = source.partition(":")[0]
    own = [name for name in sinks if name.startswith(f"{client}:")]
    capture = source.replace("capture", "playback").replace(":out", ":in")
    if capture != source and capture in own:
        return capture
    return own[0] if len(own) == 1 else None


def _library() -> Any:
    """JACK-Client.

    Raises:
        UserError: it is not there, or JACK's library is not.
    """
    try:
        import jack
    except ImportError as error:
        raise UserError(f"ports of JACK need JACK-Client: {INSTALL}") from error
    except OSError as error:
        raise UserError("ports of JACK need JACK itself; Debian: jackd2") from error
    return jack
