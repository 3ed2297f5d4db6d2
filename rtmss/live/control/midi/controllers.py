"""All controllers of a live host: their controls change the mix as messages over OSC do, and their
lights and motor faders follow it.

What comes is worked off for a short time in each turn of the control side. Of a fader that has
moved several times meanwhile the last place counts, so a flood costs little more than one move.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from rtmss.config import UserError, validate
from rtmss.live.control.controller import MixerController
from rtmss.live.control.midi.binding import Binding
from rtmss.live.control.midi.connection import Connection
from rtmss.live.control.midi.controller import Controller
from rtmss.live.control.midi.events import Event
from rtmss.live.control.midi.learning import WAIT_SECONDS, Listener
from rtmss.live.control.midi.map_file import (
    MapEntry,
    MidiMap,
    lines_of,
    load_learned,
    load_map,
    save_learned,
)
from rtmss.live.control.midi.messages import Message
from rtmss.live.control.midi.port import MidiPort, make_port
from rtmss.live.control.midi.targets import present_address, target_of
from rtmss.live.control.osc import codec
from rtmss.live.control.osc.cues import cue_values
from rtmss.live.control.osc.dispatch import Dispatcher
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.midi import LEARN, TRANSPORT
from rtmss.live.control.osc.song import song_values
from rtmss.live.control.osc.state import Values, scene_values

PEER = Peer("127.0.0.1", 0, TRANSPORT)
"""For whom controls speak."""
BATCH = 256
"""Messages that are taken up together."""
SLICE_SECONDS = 0.004
"""Processor time for what has come at one port, in a turn."""
MAX_PRESSES = 32
"""Of buttons at one port in a turn; more are no hand's."""
FEEDBACK_SECONDS = 0.03
MAX_LAMPS = 64
"""Lights that are set at once; the others have their turn next."""
SETTLE_SECONDS = 0.25
"""A knob that was turned is not told anything for so long."""
MAX_NEWS = 8
NEWS_SECONDS = 1.0
"""What was refused is told no more often than this."""


class Learning(NamedTuple):
    """What the next control that moves is bound to."""

    address: str
    args: tuple[str, ...]
    peer: Peer | None
    """Who is told; None for the terminal alone."""
    ends: float


class MidiControllers:
    """All controllers. Times are in seconds of `time.monotonic()`."""

    def __init__(
        self,
        controller: MixerController,
        connections: Sequence[Connection],
        base: MidiMap,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Say whose mix is played.

        Args:
            controller: what the controls change, by a dispatcher.
            connections: one for each port.
            base: the map.
            folder: the user's own; what was learned lies there.
            clock: the time.

        Raises:
            UserError: what was learned cannot be read.
        """
        self._controller = controller
        self._controllers = [Controller(connection) for connection in connections]
        self._base, self._folder, self._clock = base, folder, clock
        self._learned = load_learned(folder)
        self._map = base
        self._learning: Learning | None = None
        self._listener = Listener()
        self._heard_at = connections[0].name if connections else ""
        """Where the control that is learned was moved."""
        self._feedback_due = 0.0
        self._news: list[str] = []
        self._told = -NEWS_SECONDS
        self._answers: list[tuple[Peer, bytes]] = []
        self.n_lost = 0
        """Presses that came too fast."""
        self._bind()

    # A turn.

    def play(self, dispatcher: Dispatcher) -> None:
        """Act on what has come, and let lights follow."""
        now = self._clock()
        for one in self._controllers:
            if one.connection.look(now):
                one.begin()
            self._take(one, dispatcher, now)
            self._news += one.connection.take_news()
        self._learn(now)
        if now >= self._feedback_due:
            self._feedback_due = now + FEEDBACK_SECONDS
            values = self._values()
            for one in self._controllers:
                if one.connection.is_open:
                    self._show(one, values, now)

    def _take(self, one: Controller, dispatcher: Dispatcher, now: float) -> None:
        began = time.thread_time()
        n_presses = 0
        while messages := one.connection.receive(BATCH):
            n_presses = self._act(one, messages, dispatcher, now, n_presses)
            if time.thread_time() - began >= SLICE_SECONDS:
                return

    def _act(
        self,
        one: Controller,
        messages: Sequence[Message],
        dispatcher: Dispatcher,
        now: float,
        n_presses: int,
    ) -> int:
        """Act on messages of a port; how many buttons it has pressed in this turn by then."""
        places: dict[Binding, int] = {}
        for message in messages:
            for event in one.decoder.feed(message):
                if one.is_echo(event, now):
                    continue
                if self._learning is not None:
                    self._listener.hear(event, now)
                    self._heard_at = one.connection.name
                    continue
                pressed = self._sort(one, event, places, now)
                if not pressed:
                    continue
                n_presses += 1
                if n_presses > MAX_PRESSES:
                    self.n_lost += 1
                    continue
                self._move(places, dispatcher)
                self._say(self._messages(dict.fromkeys(pressed, event.value)), dispatcher)
        self._move(places, dispatcher)
        return n_presses

    def _sort(
        self, one: Controller, event: Event, places: dict[Binding, int], now: float
    ) -> list[Binding]:
        """Take up where a knob or fader is; the bindings of a button are returned."""
        bindings = one.moved(event)
        if not bindings:
            return []
        key = event.control, event.channel
        one.channels[event.control] = event.channel
        one.touched[key] = now
        one.shown.pop(key, None)  # some buttons light themselves
        for binding in bindings:
            if not binding.is_number:
                continue
            if binding.entry.relative:
                places[binding] = places.get(binding, 0) + binding.ticks(event.value)
            else:
                places[binding] = event.value
                one.shown[key] = event.value
        return [binding for binding in bindings if not binding.is_number]

    def _move(self, places: dict[Binding, int], dispatcher: Dispatcher) -> None:
        """Move what knobs and faders stand for; what can be is, where something is refused."""
        messages = self._messages(places)
        places.clear()
        if len(messages) > 1 and not self._refusal(messages, dispatcher):
            return
        for message in messages:
            self._say([message], dispatcher)

    def _messages(self, places: dict[Binding, int]) -> list[codec.Message]:
        if not places:
            return []
        values, stems = self._values(), self._stems()
        found = []
        for binding, value in places.items():
            address = binding.address(stems)
            message = binding.move(value, address, values) if address is not None else None
            if message is not None:
                found.append(message)
        return found

    def _say(self, messages: list[codec.Message], dispatcher: Dispatcher) -> None:
        refusal = self._refusal(messages, dispatcher) if messages else ""
        if refusal:
            self._complain(refusal)

    def _refusal(self, messages: list[codec.Message], dispatcher: Dispatcher) -> str:
        """Let the dispatcher act on a packet; why it has not."""
        return _refused(dispatcher.handle(messages, None, PEER))

    def _complain(self, text: str) -> None:
        now = self._clock()
        if now - self._told >= NEWS_SECONDS:
            self._told = now
            self._news.append(f"MIDI: {text}")

    # Lights.

    def _show(self, one: Controller, values: Values, now: float) -> None:
        stems, n_told = self._stems(), 0
        for binding in one.bound.lamps:
            channel = binding.entry.channel or one.channels.get(binding.control, 1)
            key = binding.control, channel
            is_settling = now - one.touched.get(key, -SETTLE_SECONDS) < SETTLE_SECONDS
            if binding.is_number and is_settling:
                continue
            lamp = binding.lamp(channel, binding.address(stems), values)
            if lamp is None or one.shown.get(key) == lamp.value:
                continue
            one.tell(lamp, now)
            n_told += 1
            if n_told == MAX_LAMPS:
                return

    # Learning.

    def check_learn(self, address: str, args: tuple[str, ...] = ()) -> None:
        """See that an address can be bound.

        Raises:
            UserError: it cannot.
        """
        try:
            target_of(address, args)
        except ValueError as error:
            raise UserError(str(error)) from error

    def learn(self, address: str, args: tuple[str, ...] = (), peer: Peer | None = None) -> None:
        """Bind the next control that moves to an address; what was to be learned before is not."""
        self.stop_learning()
        self._listener = Listener()
        self._learning = Learning(address, args, peer, self._clock() + WAIT_SECONDS)

    def stop_learning(self) -> None:
        """Learn nothing; who has asked for it is told."""
        wanted, self._learning = self._learning, None
        if wanted is not None and wanted.peer is not None:
            packet = codec.failure(LEARN, "refused", f"{wanted.address} is not learned any more")
            self._answers.append((wanted.peer, packet))

    def _learn(self, now: float) -> None:
        wanted = self._learning
        if wanted is None:
            return
        if self._listener.is_sure(now):
            self._learning = None
            try:
                entry = self._entry(wanted)
                learned = self._learned.with_entry(entry)
                save_learned(self._folder, learned)
            except UserError as error:
                self._answer(wanted, codec.failure(LEARN, "refused", str(error)), str(error))
                return
            self._learned = learned
            self._bind()
            done = codec.message("/rtmss/done", LEARN, wanted.address, entry.control)
            self._answer(wanted, done, f"MIDI: {entry.text}")
        elif now >= wanted.ends:
            self._learning = None
            text = f"no control was moved in {WAIT_SECONDS:g} s"
            self._answer(wanted, codec.failure(LEARN, "timeout", text), f"MIDI: {text}")

    def _entry(self, wanted: Learning) -> MapEntry:
        """What was learned.

        Raises:
            UserError: the control cannot do it.
        """
        control, channel, relative = self._listener.found()
        is_number = target_of(wanted.address, wanted.args).kind == "number"
        content = {
            "control": control.text,
            "address": wanted.address,
            "channel": channel,
            "port": self._heard_at if len(self._controllers) > 1 else "",
            "args": wanted.args,
            "relative": relative if is_number else None,
        }
        return validate(content, MapEntry, control.text)

    def _answer(self, wanted: Learning, packet: bytes, text: str) -> None:
        self._news.append(text)
        if wanted.peer is not None:
            self._answers.append((wanted.peer, packet))

    def forget(self, address: str) -> None:
        """Let no control do what an address does any longer.

        Raises:
            UserError: none does, or it cannot be saved.
        """
        stems = self._stems()
        if self.learning == address:
            self.stop_learning()
        bound = {
            entry.address
            for entry in self._map.controls
            if address in {entry.address, present_address(entry.address, stems)}
        }
        if not bound:
            raise UserError(f"no control is bound to {address}")
        learned = self._learned
        for one in sorted(bound):
            learned = learned.without(one, self._base)
        save_learned(self._folder, learned)
        self._learned = learned
        self._bind()

    def bound_to(self, owner: str) -> list[str]:
        """Addresses under one, such as of a strip, that controls are bound to."""
        stems = self._stems()
        found = (present_address(entry.address, stems) or "" for entry in self._map.controls)
        return list(dict.fromkeys(one for one in found if one.startswith(f"{owner}/")))

    def _bind(self) -> None:
        self._map = self._learned.over(self._base)
        for one in self._controllers:
            one.bind(self._map)

    # What is said of it.

    @property
    def learning(self) -> str:
        """The address that the next control is bound to; empty for none."""
        return self._learning.address if self._learning else ""

    @property
    def ports(self) -> tuple[str, ...]:
        """Every port, and why it is not open."""
        return tuple(
            f"{one.name}: {'open' if one.is_open else one.problem or 'is looked for'}"
            for one in self._connections
        )

    @property
    def missing(self) -> list[str]:
        """Ports that are not open."""
        return [one.name for one in self._connections if not one.is_open]

    @property
    def lines(self) -> list[str]:
        """The map, a line for each control."""
        return lines_of(self._map.controls)

    @property
    def counts(self) -> dict[str, int]:
        """For the status: ports that are open, how often one came back, and presses lost."""
        return {
            "midi_open": len(self._connections) - len(self.missing),
            "midi_reconnects": sum(max(0, one.n_opened - 1) for one in self._connections),
            "midi_lost": self.n_lost,
        }

    def take_news(self) -> list[str]:
        """What has happened since the last call, a line each."""
        news, self._news = self._news[-MAX_NEWS:], []
        return news

    def take_answers(self) -> list[tuple[Peer, bytes]]:
        """What peers are told that have asked to learn."""
        answers, self._answers = self._answers, []
        return answers

    def close(self) -> None:
        """Let go of all ports."""
        for one in self._connections:
            one.close()

    @property
    def _connections(self) -> list[Connection]:
        return [one.connection for one in self._controllers]

    def _stems(self) -> tuple[str, ...]:
        return tuple(stem.name for stem in self._controller.scene.stems)

    def _values(self) -> Values:
        controller = self._controller
        song = song_values(controller.shared.transport)
        return scene_values(controller) | song | cue_values(controller.cues)


def open_controllers(
    controller: MixerController,
    names: Sequence[str],
    map_file: Path | None,
    folder: Path,
    make: Callable[[str], MidiPort] = make_port,
) -> MidiControllers:
    """The controllers that a live host was started with; ports that are not there yet may come.

    Raises:
        UserError: a library is missing, or a map cannot be read.
    """
    base = load_map(map_file)
    connections = []
    for name in names:
        looker: Executor = ThreadPoolExecutor(1, f"midi-{name}")
        connections.append(Connection(name, make(name), looker))
    return MidiControllers(controller, connections, base, folder)


def _refused(packets: Sequence[bytes]) -> str:
    """Why a packet was refused; empty where it was not."""
    for packet in packets:
        for part in codec.decode(packet):
            for one in part.messages:
                if one.address == "/rtmss/fail":
                    return str(one.args[-1])
    return ""
