"""Messages to changes of the scene and answers, without sockets.

A packet is all or nothing: every message in it is checked before the first one acts, its changes
are heard at the same hop, and its queries see what it has changed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from rtmss.config import UserError
from rtmss.live.control.captures import Captured, Captures
from rtmss.live.control.controller import MixerController, PresetLoaded
from rtmss.live.control.osc import buttons, state
from rtmss.live.control.osc.arguments import RefusedError, Value
from rtmss.live.control.osc.captures import PREFIXES, capture_job
from rtmss.live.control.osc.changes import PacketChange
from rtmss.live.control.osc.codec import Message, failure, message
from rtmss.live.control.osc.cues import PREFIX as CUE_PREFIX
from rtmss.live.control.osc.cues import cue_asked, cue_values
from rtmss.live.control.osc.directory import Directory, Target, UnknownAddressError
from rtmss.live.control.osc.fairness import Peer, gives_way
from rtmss.live.control.osc.figures import FIGURES, Figures
from rtmss.live.control.osc.midi import FORGET, LEARN, midi_values
from rtmss.live.control.osc.peer_commands import (
    SENT,
    Commands,
    Effect,
    PeerCommands,
    checked,
    is_let_go,
)
from rtmss.live.control.osc.pending import Answers, Pending
from rtmss.live.control.osc.readings import Readings
from rtmss.live.control.osc.song import PREFIX, SongFeedback, song_change
from rtmss.live.control.osc.state import NO_CONDITION, Values
from rtmss.live.control.osc.table import MAX_AHEAD_SECONDS, Mode, Row
from rtmss.live.shared.jobs import Job
from rtmss.live.shared.song_state import TransportChange
from rtmss.lookup import find

MAX_TARGETS = 1024
"""Addresses that one packet may reach through patterns."""
MAX_FAILURES = 16
"""Of one packet that are named; what comes after them is not looked at."""
MAX_SCHEDULED = 256
"""Changes of one peer that wait for their time."""

_AT_ONCE = {"/rtmss/preset", "/rtmss/sync", LEARN, FORGET}


@dataclass
class PacketPlan:
    """What a packet will do."""

    peer: Peer
    is_later: bool
    directory: Directory
    readings: Readings
    change: PacketChange
    transport_changes: list[TransportChange] = field(default_factory=list)
    """Of the song."""
    cue: int | None = None
    """Place of the cue that is asked for; before the changes."""
    effects: list[Effect] = field(default_factory=list)
    n_targets: int = 0
    n_loads: int = 0
    n_syncs: int = 0
    n_jobs: int = 0
    building: set[str] = field(default_factory=set)
    """Conditions that it asks to be built."""


class Dispatcher(PeerCommands):
    """Acts on messages for a controller."""

    def __init__(self, controller: MixerController, version: str) -> None:
        super().__init__(version)
        self.controller = controller
        self.pending = Pending(controller)
        self.song = SongFeedback(controller.shared.transport)
        self.figures = Figures(controller, self.counts)
        self.late_bundles = 0

    @property
    def known(self) -> Mapping[str, Row]:
        """All addresses that can be asked now; the same object while they stay the same."""
        return Directory(self.controller).known

    @property
    def heard(self) -> Collection[str]:
        """All addresses whose values can be told whenever they change."""
        return Directory(self.controller).heard

    @property
    def is_waiting(self) -> bool:
        """Whether an answer depends on the engine, or a change is due at a hop to come."""
        return bool(len(self.pending) or self.controller.scheduled)

    def panic(self) -> None:
        """Silence, at once."""
        self.controller.shared.panic = True

    def due(self, loaded: list[PresetLoaded], captured: Sequence[Captured], now: float) -> Answers:
        """Answers that had to wait, and those of controllers that were learned."""
        midi = self.controller.midi
        learned = [] if midi is None else midi.take_answers()
        return [*self.pending.step(loaded, now, captured), *learned]

    def told(self, now: float) -> tuple[Values, Values]:
        """What patterns reach, and what is told to those alone who listen to one of them."""
        controller = self.controller
        values = state.scene_values(controller) | self.song.values(now)
        values |= cue_values(controller.cues) | midi_values(controller.midi)
        return values, self.figures.values(now, self.peers.is_heard(FIGURES))

    def levels(self) -> Values:
        """Levels in dBFS."""
        return state.meter_values(self.controller)

    def handle(
        self,
        messages: list[Message],
        when: float | None,
        peer: Peer,
    ) -> list[bytes]:
        """Act on one packet, due at once or at a Unix time, and return the answers to its sender.

        Whatever of it can be refused is answered with `/rtmss/fail`, and then nothing else of it is
        done.
        """
        # Answers of another host are not answered: two could fail at each other without end.
        messages = [one for one in messages if one.address not in SENT]
        self._panic_first(messages)
        ahead = None if when is None else when - time.time()
        if ahead is not None and ahead > MAX_AHEAD_SECONDS:
            text = (
                f"due in {ahead:.0f} s, at most {MAX_AHEAD_SECONDS} s ahead; are the clocks in "
                "step?"
            )
            return [failure("#bundle", "time", text)]
        plan, failures = self._plan(
            messages,
            peer,
            is_later=ahead is not None and ahead > 0,
        )
        if not failures:
            try:
                self._act(plan, ahead)
            except UserError as error:
                address = "#bundle" if len(messages) > 1 else messages[0].address
                failures = [failure(address, "refused", str(error))]
        return failures or [answer for effect in plan.effects for answer in effect() or ()]

    def _panic_first(self, messages: list[Message]) -> None:
        for one in messages:
            # True and 1.0 are equal to 1.
            if one.address == "/rtmss/panic" and one.args in {
                (),
                (1,),
            }:
                self.controller.shared.panic = True

    def _act(self, plan: PacketPlan, ahead: float | None) -> None:
        """Change the mix and the song.

        Raises:
            UserError: one of them cannot be changed like that; then neither is.
        """
        song = self.controller.shared.transport
        command = song.plan(plan.transport_changes) if plan.transport_changes else None
        if ahead is not None and ahead <= 0:
            self.late_bundles += 1
        is_ahead = ahead is not None and ahead > 0
        hop = self.controller.hop_at(time.perf_counter() + ahead) if ahead and is_ahead else 0
        if plan.cue is not None and self.controller.cues is not None:
            if plan.change:  # see that it can be made after the cue, before either is
                plan.change(self.controller.cues.preview(plan.cue, self.controller.scene))
            self.controller.cues.fire(plan.cue, hop)
        if plan.change:
            if hop > self.controller.status.hop:
                self._make_room(plan.change)
            self.controller.change(plan.change, hop)
        if command is not None:
            song.command.write(command)

    def _make_room(self, change: PacketChange) -> None:
        """Let a change be scheduled, if need be instead of one of a peer that has more of them.

        Raises:
            UserError: the peer itself has too many.
        """
        waiting = [one for _, one in self.controller.scheduled if isinstance(one, PacketChange)]
        held = Counter(one.peer for one in waiting)
        if held[change.peer] >= MAX_SCHEDULED:
            raise UserError(f"{MAX_SCHEDULED} changes are waiting already")
        if not self.controller.is_full:
            return
        other = gives_way(held, change.peer) if held else None
        if other is None:
            raise UserError(f"{len(waiting)} changes are waiting already")
        self.controller.withdraw(next(one for one in reversed(waiting) if one.peer == other))
        self.ledger.n_refused += 1
        self.pending.tell(other, "#bundle")

    def _plan(
        self, messages: list[Message], peer: Peer, *, is_later: bool
    ) -> tuple[PacketPlan, list[bytes]]:
        readings = Readings(self.controller, self.counts)
        directory = Directory(self.controller)
        plan = PacketPlan(peer, is_later, directory, readings, PacketChange(peer))
        failures: list[bytes] = []
        for one in messages:
            if len(failures) == MAX_FAILURES:
                text = f"after {MAX_FAILURES} failures the rest was not looked at"
                failures.append(failure("#bundle", "busy", text))
                break
            try:
                self._plan_one(plan, one)
            except UnknownAddressError as error:
                like = "" if failures else directory.like(one.address)
                failures.append(
                    failure(
                        one.address,
                        error.code,
                        error.with_hint(like),
                    )
                )
            except RefusedError as error:
                failures.append(failure(one.address, error.code, str(error)))
            except UserError as error:
                failures.append(failure(one.address, "name", str(error)))
        return plan, failures

    def _plan_one(self, plan: PacketPlan, one: Message) -> None:
        targets = plan.directory.targets(one)
        self._count(plan, one, len(targets))
        asked = []
        for target in targets:
            row, address = target
            if address == "/rtmss/ping":
                plan.effects.append(partial(self.pong, one))
                continue
            if is_let_go(one):
                continue
            values = checked(row, one)
            if not values and row.mode in {Mode.VALUE, Mode.QUERY}:
                asked.append(address)
            else:
                self._plan_target(plan, target, values)
        if asked:
            plan.effects.append(partial(self._answer, asked, plan))

    def _count(self, plan: PacketPlan, one: Message, n_targets: int) -> None:
        """See whether there is room for what a message asks for.

        Raises:
            RefusedError: there is not.
        """
        plan.n_targets += n_targets
        plan.n_loads += one.address.startswith(buttons.PREFIX)
        plan.n_loads += one.address == "/rtmss/preset" and bool(one.args)
        plan.n_syncs += one.address == "/rtmss/sync"
        self.pending.check_room(plan.peer, plan.n_loads, plan.n_syncs)
        if plan.n_targets > MAX_TARGETS:
            raise RefusedError("busy", f"one packet reaches more than {MAX_TARGETS} addresses")

    def _plan_target(
        self,
        plan: PacketPlan,
        target: Target,
        values: tuple[Value, ...],
    ) -> None:
        row, address = target
        is_button = address.startswith(buttons.PREFIX)
        is_at_once = is_button or address in _AT_ONCE or address.startswith((PREFIX, *PREFIXES))
        if plan.is_later and is_at_once:
            raise RefusedError("time", f"{address} cannot be put off; send it without a time tag")
        if is_button:
            if not values or values[0]:
                plan.effects.append(
                    self._preset(
                        (buttons.preset_name(address),),
                        plan.peer,
                    )
                )
        elif address.startswith(PREFIXES):
            self._plan_job(plan, address, values)
        elif (effect := self.effect(address, values, plan.peer)) is not None:
            plan.effects.append(effect)
        elif address.startswith(CUE_PREFIX):
            self._plan_cue(plan, address, values)
        elif address.startswith(PREFIX):
            plan.transport_changes.append(song_change(address, values[0]))
        elif row.mode is Mode.TRIGGER:
            if not values or values[0]:
                plan.change.end_solos()
        elif address.endswith("/condition/b"):
            name = str(values[0])
            second = None if name == NO_CONDITION else plan.readings.condition(name)
            plan.change.set_stem(address.split("/")[3], condition_b=second)
        elif address.endswith("/condition"):
            self._plan_condition(plan, address.split("/")[3], str(values[0]))
        else:
            plan.change.set_value(address, values[0])

    def _plan_cue(self, plan: PacketPlan, address: str, values: tuple[Value, ...]) -> None:
        """Take up the cue that a message asks for.

        Raises:
            RefusedError: it is not there, cannot be put off, or is the second one.
            UserError: no cue has that name.
        """
        cues = self.controller.cues
        assert cues is not None  # the directory knows no cues without a set list
        cue = cue_asked(cues, address, values)
        if cue is None:
            return
        if plan.cue is not None:
            raise RefusedError("cue", "one packet asks for one cue at most")
        if plan.is_later and not cues.can_wait(cue):
            raise RefusedError("time", "the song goes elsewhere for it: that cannot be put off")
        plan.cue = cue

    def _plan_condition(self, plan: PacketPlan, stem: str, name: str) -> None:
        """Let a stem play a condition, or wait for one that is being built."""
        captures = self.controller.captures
        is_new = name in plan.building or (captures is not None and captures.is_building(name))
        if captures is None or plan.is_later or not is_new:
            plan.change.conditions[stem] = plan.readings.condition(name)
        else:
            plan.effects.append(partial(captures.let_play, stem, name))

    def _plan_job(
        self,
        plan: PacketPlan,
        address: str,
        values: tuple[Value, ...],
    ) -> None:
        """Ask the condition builder for something.

        Raises:
            RefusedError: there is no room for more.
            UserError: it cannot be.
        """
        captures = self.controller.captures
        assert captures is not None, "the directory has refused it"
        job = capture_job(captures, address, values)
        plan.n_jobs += 1
        self.pending.check_jobs(plan.peer, plan.n_jobs, captures.n_free)
        if job.task == "build":
            plan.building.add(job.name)
        plan.effects.append(partial(self._ask, captures, job, address, plan.peer))

    def _ask(
        self,
        captures: Captures,
        job: Job,
        address: str,
        peer: Peer,
    ) -> None:
        self.pending.await_job(captures.ask(job), address, peer, time.monotonic())

    def counts(self) -> dict[str, int]:
        """What is counted here, for `/rtmss/status`."""
        return {"late_bundles": self.late_bundles, "refused": self.ledger.n_refused}

    # Effects: checked when a packet is planned, done when all of it is good.

    def _answer(
        self,
        addresses: list[str],
        plan: PacketPlan,
    ) -> list[bytes]:
        meters_hz = self.peers.meters_hz(plan.peer)
        answers: list[bytes] = []
        for address in addresses:
            if address == "/rtmss/meters":
                answers.append(message(address, meters_hz))
            else:
                answers += plan.readings.packets(address)
        return answers

    def _panic(
        self,
        values: tuple[Value, ...],
        _: Peer,
    ) -> Effect:
        return partial(self._set_panic, bool(values[0]) if values else True)

    def _preset(
        self,
        values: tuple[Value, ...],
        peer: Peer,
    ) -> Effect:
        name = str(values[0])
        find(name, self.controller.library.presets(), "preset")
        return partial(self.pending.load, name, peer, time.monotonic())

    def _sync(
        self,
        values: tuple[Value, ...],
        peer: Peer,
    ) -> Effect:
        return partial(self.pending.sync, int(values[0]), peer)

    def _meters(
        self,
        values: tuple[Value, ...],
        peer: Peer,
    ) -> Effect:
        return partial(
            self.peers.set_meters,
            peer,
            float(values[0]),
            time.monotonic(),
        )

    def _learn_control(
        self,
        values: tuple[Value, ...],
        peer: Peer,
    ) -> Effect:
        midi = self.controller.midi
        assert midi is not None, "the directory has refused it"
        address, *args = map(str, values)
        midi.check_learn(address, tuple(args))
        return partial(midi.learn, address, tuple(args), peer)

    def _forget_control(
        self,
        values: tuple[Value, ...],
        _: Peer,
    ) -> Effect:
        return partial(self._forget, str(values[0]))

    def _forget(self, address: str) -> list[bytes]:
        midi = self.controller.midi
        assert midi is not None, "the directory has refused it"
        try:
            midi.forget(address)
        except UserError as error:
            return [failure(FORGET, "refused", str(error))]
        return [message("/rtmss/done", FORGET, address)]

    def _set_panic(self, on: bool) -> None:
        self.controller.shared.panic = on

    commands: ClassVar[Commands] = {
        **PeerCommands.commands,
        "/rtmss/panic": _panic,
        "/rtmss/preset": _preset,
        "/rtmss/sync": _sync,
        "/rtmss/meters": _meters,
        LEARN: _learn_control,
        FORGET: _forget_control,
    }
