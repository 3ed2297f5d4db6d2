"""Ports of the system: ALSA, CoreMIDI, Windows. The one door to python-rtmidi.

mido's own ports are not used: they run Python in the driver's thread for every message, and queue
without end. Here RtMidi queues, and drops what is too much.
"""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

from rtmss.config import UserError
from rtmss.live.control.midi.messages import INSTALL, Message, parse
from rtmss.live.control.midi.port import PortError, find_name

CLIENT = "rtmss"
SEQUENCER = Path("/dev/snd/seq")
"""Of ALSA."""
QUEUE = 16384
"""Messages that wait; more are dropped."""
_ALSA_NUMBERS = re.compile(r" \d+:\d+\Z")
"""Behind the name of a port, and others after it was plugged in again."""


class RtMidiPort:
    """One port by its name or a part of it."""

    def __init__(self, name: str, *, by_jack: bool = False) -> None:
        """Say which.

        Args:
            name: of the port, or a part of it.
            by_jack: over RtMidi's JACK instead of what the system has.

        Raises:
            UserError: python-rtmidi is not there.
        """
        self._rtmidi = _library()
        self._name = _ALSA_NUMBERS.sub("", name)
        self._api = self._rtmidi.API_UNIX_JACK if by_jack else self._rtmidi.API_UNSPECIFIED
        if by_jack and self._api not in self._rtmidi.get_compiled_api():
            raise UserError("this python-rtmidi knows no JACK; say jack:NAME")
        self._in: Any = None
        self._out: Any = None
        self._opened = ""

    def open(self) -> None:
        """Look for it and open it; an output of the same name is for lights.

        Raises:
            PortError: it is not there, or there are several.
        """
        self.close()
        if self._api == self._rtmidi.API_UNSPECIFIED:
            _check_system()
        try:
            self._in = self._rtmidi.MidiIn(self._api, CLIENT, QUEUE)
            self._out = self._rtmidi.MidiOut(self._api, CLIENT)
            sources, sinks = _ports(self._in), _ports(self._out)
            source = find_name(self._name, sources)
            self._in.ignore_types(sysex=True, timing=True, active_sense=True)
            self._in.open_port(self._in.get_ports().index(source), "in")
            sink = _partner(source, self._name, sinks)
            if sink is not None:
                self._out.open_port(self._out.get_ports().index(sink), "out")
        except PortError:
            self.close()
            raise
        except Exception as error:  # the library raises errors of its own kinds
            self.close()
            raise PortError(f"{self._name}: {error}") from error
        self._opened = source

    def is_there(self) -> bool:
        """Whether the system still lists it."""
        try:
            return self._in is not None and self._opened in self._in.get_ports()
        except Exception:
            return False

    def receive(self, n_most: int) -> list[Message]:
        """Take up what RtMidi has queued.

        Raises:
            PortError: it is gone.
        """
        messages = []
        try:
            for _ in range(n_most):
                found = self._in.get_message()
                if found is None:
                    break
                if (message := parse(found[0])) is not None:
                    messages.append(message)
        except Exception as error:
            raise PortError(f"{self._opened}: {error}") from error
        return messages

    def send(self, message: Message) -> None:
        """Send a message; where there is no output, nothing.

        Raises:
            PortError: it is gone.
        """
        if self._out is None or not self._out.is_port_open():
            return
        try:
            self._out.send_message(message.bytes())
        except Exception as error:
            raise PortError(f"{self._opened}: {error}") from error

    def close(self) -> None:
        """Close both ways."""
        for one in (self._in, self._out):
            if one is not None:
                with contextlib.suppress(Exception):
                    one.delete()
        self._in = self._out = None


def names() -> tuple[list[str], list[str]]:
    """Ports to hear and to send to.

    Raises:
        UserError: python-rtmidi is not there.
        PortError: the system has no MIDI.
    """
    rtmidi = _library()
    _check_system()
    try:
        source, sink = rtmidi.MidiIn(name=CLIENT), rtmidi.MidiOut(name=CLIENT)
        found = _ports(source), _ports(sink)
        source.delete()
        sink.delete()
    except Exception as error:
        raise PortError(f"no MIDI of the system: {error}") from error
    return found


def _check_system() -> None:
    """See that the system has MIDI; ALSA would complain to the terminal.

    Raises:
        PortError: it has none.
    """
    if sys.platform == "linux" and not SEQUENCER.exists():
        raise PortError(f"this machine has no MIDI ports: {SEQUENCER} is missing")


def _partner(source: str, wanted: str, sinks: list[str]) -> str | None:
    """The port for the lights of a controller; None where it has none."""
    for name in (source, _ALSA_NUMBERS.sub("", source), wanted):
        with contextlib.suppress(PortError):
            return find_name(name, sinks)
    return None


def _ports(one: Any) -> list[str]:
    """Names of ports that are not our own."""
    return [name for name in one.get_ports() if not name.startswith((CLIENT, "RtMidi"))]


def _library() -> Any:
    """python-rtmidi.

    Raises:
        UserError: it is not there.
    """
    try:
        import rtmidi
    except ImportError as error:
        hint = INSTALL
        if sys.version_info >= (3, 13):
            hint = f"{INSTALL} with Python 3.12, for which it has wheels; or use JACK, as jack:NAME"
        raise UserError(f"MIDI ports need python-rtmidi: {hint}") from error
    return rtmidi
