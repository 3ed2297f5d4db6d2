"""Messages to moves of instances and answers, without sockets.

A packet is all or nothing, whichever instances it is for.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from rtmss.config import UserError
from rtmss.live.control.captures import Captured
from rtmss.live.control.controller import PresetLoaded
from rtmss.live.control.osc.arguments import RefusedError, Value
from rtmss.live.control.osc.changes import PacketChange
from rtmss.live.control.osc.codec import Message, bundle, failure, message, texts
from rtmss.live.control.osc.directory import UnknownAddressError
from rtmss.live.control.osc.dispatch import MAX_FAILURES, MAX_TARGETS
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.peer_commands import SENT, Effect, PeerCommands, checked, is_let_go
from rtmss.live.control.osc.pending import MAX_LOADS, WAIT_SECONDS, Answers
from rtmss.live.control.osc.state import NO_CONDITION, Values
from rtmss.live.control.osc.table import Mode
from rtmss.lookup import find
from rtmss.serve.control.directory import Directory, Target
from rtmss.serve.control.instances import Instance, Instances
from rtmss.serve.control.table import CONDITIONS, LIST, PRESETS, REFUSED

MAX_WAITING = 64
"""Answers that one peer waits for."""
MAX_ALL_WAITING = 512
_FOLDERS = {PRESETS, CONDITIONS}


class _Waiting(NamedTuple):
    """An answer that is due when an instance has heard a change."""

    peer: Peer
    packet: bytes
    instance: Instance
    change: int
    """By its number."""
    address: str
    """That was asked."""
    ends: float
    """After this moment of `time.monotonic()` it is a failure."""


@dataclass
class _Plan:
    """What a packet will do."""

    peer: Peer
    directory: Directory
    changes: dict[int, PacketChange] = field(default_factory=dict)
    """By the numbers of instances."""
    effects: list[Effect] = field(default_factory=list)
    n_targets: int = 0
    n_loads: int = 0
    n_waiting: int = 0

    def change(self, number: int) -> PacketChange:
        """That of an instance."""
        return self.changes.setdefault(number, PacketChange(self.peer))


class InstanceDispatcher(PeerCommands):
    """Acts on messages for instances."""

    def __init__(self, instances: Instances, version: str) -> None:
        super().__init__(version)
        self._instances = instances
        self._waiting: list[_Waiting] = []

    @property
    def heard(self) -> Collection[str]:
        """All addresses whose values can be told whenever they change."""
        return self.values().keys()

    @property
    def is_waiting(self) -> bool:
        """Whether an answer depends on the engine."""
        return bool(self._waiting)

    def panic(self) -> None:
        """There is none: what a DAW plays it can stop."""

    def levels(self) -> Values:
        """There are none: a DAW has its own meters."""
        return {}

    def told(self, _: float) -> tuple[Values, Values]:
        """What patterns reach, and nothing else."""
        return self.values(), {}

    def due(self, _: list[PresetLoaded], __: Sequence[Captured], now: float) -> Answers:
        """Answers that had to wait."""
        answers: Answers = []
        waiting = []
        for one in self._waiting:
            if one.instance.n_applied >= one.change:
                answers.append((one.peer, one.packet))
            elif self._instances.by_number.get(one.instance.number) is not one.instance:
                text = "this instance has left"
                answers.append((one.peer, failure(one.address, "address", text)))
            elif now > one.ends:
                text = "the engine has not taken it up in time; does the DAW play?"
                answers.append((one.peer, failure(one.address, "timeout", text)))
            else:
                waiting.append(one)
        self._waiting = waiting
        return answers

    def names(self, address: str) -> list[str]:
        """Of presets, or of conditions."""
        library = self._instances.book.library
        return sorted(library.presets() if address == PRESETS else library.conditions())

    def values(self) -> Values:
        """Everything that can be told whenever it changes."""
        values: Values = {
            LIST: tuple(str(number) for number in self._instances.by_number),
            REFUSED: (self.ledger.n_refused,),
        }
        for instance in self._instances.by_number.values():
            instance.refresh()
            values |= instance.values()
        return values

    def handle(self, messages: list[Message], when: float | None, peer: Peer) -> list[bytes]:
        """Act on one packet and return the answers to its sender.

        Whatever of it can be refused is answered with `/rtmss/fail`, and then nothing else of it is
        done.
        """
        messages = [one for one in messages if one.address not in SENT]
        if when is not None and when > time.time():
            text = "nothing is put off here: automate in the DAW, or send it without a time tag"
            return [failure("#bundle", "time", text)]
        for instance in self._instances.by_number.values():
            instance.refresh()
        plan = _Plan(peer, Directory(self._instances.by_number.values()))
        failures = self._plan(plan, messages)
        if not failures:
            try:
                self._act(plan)
            except UserError as error:
                address = "#bundle" if len(messages) > 1 else messages[0].address
                failures = [failure(address, "refused", str(error))]
        return failures or [answer for effect in plan.effects for answer in effect() or ()]

    def _plan(self, plan: _Plan, messages: list[Message]) -> list[bytes]:
        """See what messages ask for; what of it is refused."""
        failures: list[bytes] = []
        for one in messages:
            if len(failures) == MAX_FAILURES:
                text = f"after {MAX_FAILURES} failures the rest was not looked at"
                return [*failures, failure("#bundle", "busy", text)]
            try:
                self._plan_one(plan, one)
            except UnknownAddressError as error:
                like = "" if failures else plan.directory.like(one.address)
                hint = f"{error}; did you mean '{like}'?" if like else f"{error}"
                failures.append(failure(one.address, error.code, hint))
            except RefusedError as error:
                failures.append(failure(one.address, error.code, str(error)))
            except UserError as error:
                failures.append(failure(one.address, "name", str(error)))
        return failures

    def _act(self, plan: _Plan) -> None:
        """Change instances.

        Raises:
            UserError: one cannot be changed like that; then none is.
        """
        instances = self._instances.by_number
        for number, change in plan.changes.items():
            change(instances[number].scene)
        for number, change in plan.changes.items():
            instances[number].change(change)

    def _plan_one(self, plan: _Plan, one: Message) -> None:
        targets = plan.directory.targets(one)
        plan.n_targets += len(targets)
        if plan.n_targets > MAX_TARGETS:
            raise RefusedError("busy", f"one packet reaches more than {MAX_TARGETS} addresses")
        asked = []
        for target in targets:
            if target.address == "/rtmss/ping":
                plan.effects.append(partial(self.pong, one))
                continue
            if is_let_go(one):
                continue
            values = checked(target.row, one)
            if not values and target.row.mode in {Mode.VALUE, Mode.QUERY}:
                asked.append(target.address)
            else:
                self._plan_target(plan, target, values)
        if asked:
            plan.effects.append(partial(self._answer, asked))

    def _plan_target(self, plan: _Plan, target: Target, values: tuple[Value, ...]) -> None:
        local, instance = target.local, self._instances.by_number.get(target.number)
        if instance is None:
            effect = self.effect(target.address, values, plan.peer)
            assert effect is not None, "the table has no other commands"
            plan.effects.append(effect)
        elif local == "/rtmss/preset":
            plan.effects.append(self._preset(plan, instance, str(values[0])))
        elif local == "/rtmss/sync":
            number = int(values[0])
            packet = message(f"{instance.root}/synced", number)
            plan.effects.append(self._wait(plan, instance, packet, target.address))
        elif target.row.mode is Mode.TRIGGER:
            self._plan_trigger(plan, instance, local, is_meant=not values or bool(values[0]))
        elif local.endswith("/condition/b"):
            name = str(values[0])
            second = None if name == NO_CONDITION else self._instances.book.condition(name)
            plan.change(instance.number).set_stem(local.split("/")[3], condition_b=second)
        elif local.endswith("/condition"):
            condition = self._instances.book.condition(str(values[0]))
            plan.change(instance.number).conditions[local.split("/")[3]] = condition
        else:
            plan.change(instance.number).set_value(local, values[0])

    @staticmethod
    def _plan_trigger(plan: _Plan, instance: Instance, local: str, *, is_meant: bool) -> None:
        if is_meant and local == "/rtmss/unsolo":
            plan.change(instance.number).end_solos()
        elif is_meant:
            plan.effects.append(instance.release)

    def _preset(self, plan: _Plan, instance: Instance, name: str) -> Effect:
        """Play another preset, and say so when it is heard.

        Raises:
            UserError: there is none of this name.
            RefusedError: it cannot be played, or there is no room for more.
        """
        plan.n_loads += 1
        if plan.n_loads > MAX_LOADS:
            raise RefusedError("busy", f"at most {MAX_LOADS} presets in one packet")
        book = self._instances.book
        find(name, book.library.presets(), "preset")
        book.read([name])
        if book.scene(name) is None:
            raise RefusedError("refused", f"preset '{name}' cannot be played with these weights")
        address = f"{instance.root}/preset"
        wait = self._wait(plan, instance, message("/rtmss/done", address, name), address)

        def play() -> None:
            instance.play(name)
            wait()

        return play

    def _wait(self, plan: _Plan, instance: Instance, packet: bytes, address: str) -> Effect:
        """Send an answer when everything that an instance was asked for is heard.

        Raises:
            RefusedError: there is no room for more.
        """
        plan.n_waiting += 1
        held = Counter(one.peer for one in self._waiting)
        is_full = held[plan.peer] + plan.n_waiting > MAX_WAITING
        if is_full or held.total() + plan.n_waiting > MAX_ALL_WAITING:
            raise RefusedError("busy", "too many answers are waiting for the engine already")

        def wait() -> None:
            ends = time.monotonic() + WAIT_SECONDS
            change = instance.n_changes
            self._waiting.append(_Waiting(plan.peer, packet, instance, change, address, ends))

        return wait

    def _answer(self, addresses: list[str]) -> list[bytes]:
        for instance in self._instances.by_number.values():
            instance.refresh()
        values = self.values()
        answers = []
        for address in addresses:
            if address in _FOLDERS:
                answers += texts(address, self.names(address))
            elif address == LIST:
                roots = [address, *(one.root for one in self._instances.by_number.values())]
                answers.append(bundle([message(root, *values[root]) for root in roots]))
            else:
                answers.append(message(address, *values[address]))
        return answers
