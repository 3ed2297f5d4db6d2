"""Messages to changes of the scene and answers, without sockets.

A packet is all or nothing: every message in it is checked before the first one acts, its changes
are heard at the same hop, and its queries see what it has changed.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from rtmss.conditions.strip import Strip, settings
from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.live.control.controller import MixerController, SceneChange
from rtmss.live.control.osc import state
from rtmss.live.control.osc.codec import Message, bundle, failure, message, texts
from rtmss.live.control.osc.pattern import covers, is_pattern, select
from rtmss.live.control.osc.peers import Peer, Peers
from rtmss.live.control.osc.pending import Pending
from rtmss.live.control.osc.song import PREFIX, SongFeedback, song_change, song_values
from rtmss.live.control.osc.table import (
    MAX_AHEAD_SECONDS,
    TABLE,
    TTL,
    Mode,
    RefusedError,
    Row,
    Value,
    gain_of,
)
from rtmss.live.shared.song_state import NO_SONG, TransportChange
from rtmss.lookup import find

MAX_TARGETS = 1024
"""Addresses that one packet may reach through patterns."""

Effect = Callable[[], list[bytes] | None]

_ROWS = {row.address: row for row in TABLE if row.mode is not Mode.SENT}
_SENT = {row.address for row in TABLE if row.mode is Mode.SENT}
_STEM_ROWS = {
    row.address.rsplit("/", 1)[1]: row
    for row in TABLE
    if row.address.startswith("/rtmss/stem/<name>/")
}
_STATUS_ROW = _ROWS["/rtmss/status/<field>"]
_STRIP_NAMES = {setting.leaf: name for name, _, setting in settings(Strip)}
_MIX_NAMES = {setting.leaf: name for name, _, setting in settings(Scene)}


class Target(NamedTuple):
    """A row, and the address by which it was meant."""

    row: Row
    address: str


class PacketPlan(NamedTuple):
    """What a packet will do."""

    changes: list[SceneChange]
    transport_changes: list[TransportChange]
    """Of the song."""
    effects: list[Effect]


class Dispatcher:
    """Acts on messages for a controller."""

    def __init__(self, controller: MixerController, version: str) -> None:
        self.controller = controller
        self.version = version
        self.peers = Peers()
        self.pending = Pending(controller)
        self.song = SongFeedback(controller.shared.transport)
        self.late_bundles = 0

    def handle(self, messages: list[Message], when: float | None, peer: Peer) -> list[bytes]:
        """Act on one packet, due at once or at a Unix time, and return the answers to its sender.

        Whatever of it can be refused is answered with `/rtmss/fail`, and then nothing else of it is
        done.
        """
        # Answers of another host are not answered: two could fail at each other for ever.
        messages = [one for one in messages if one.address not in _SENT]
        for one in messages:
            if one.address == "/rtmss/panic" and one.args in {
                (),
                (1,),
            }:  # True and 1.0 are equal to 1
                self.controller.shared.panic = True
        ahead = None if when is None else when - time.time()
        if ahead is not None and ahead > MAX_AHEAD_SECONDS:
            text = (
                f"due in {ahead:.0f} s, at most {MAX_AHEAD_SECONDS} s ahead; are the clocks "
                "in step?"
            )
            return [failure("#bundle", "time", text)]
        plan, failures = self._plan(messages, peer, is_later=ahead is not None and ahead > 0)
        if not failures:
            try:
                song = self.controller.shared.transport
                command = song.plan(plan.transport_changes) if plan.transport_changes else None
                self._change(plan.changes, ahead)
                if command is not None:
                    song.command.write(command)
            except UserError as error:
                failures = [
                    failure(
                        "#bundle" if len(messages) > 1 else messages[0].address,
                        "refused",
                        str(error),
                    )
                ]
        return failures or [answer for effect in plan.effects for answer in effect() or ()]

    def _change(self, changes: list[SceneChange], ahead: float | None) -> None:
        if ahead is not None and ahead <= 0:
            self.late_bundles += 1
        hop = (
            self.controller.hop_at(time.monotonic() + ahead)
            if ahead is not None and ahead > 0
            else 0
        )
        if changes:
            self.controller.change(lambda scene: _apply(changes, scene), hop)

    def _plan(
        self, messages: list[Message], peer: Peer, *, is_later: bool
    ) -> tuple[PacketPlan, list[bytes]]:
        plan = PacketPlan([], [], [])
        failures = []
        n_targets = n_loads = n_syncs = 0
        for one in messages:
            try:
                targets = self._targets(one)
                n_targets += len(targets)
                n_loads += one.address == "/rtmss/preset" and bool(one.args)
                n_syncs += one.address == "/rtmss/sync"
                self.pending.check_room(n_loads, n_syncs)
                if n_targets > MAX_TARGETS:
                    raise RefusedError(  # noqa: TRY301
                        "busy", f"one packet reaches more than {MAX_TARGETS} addresses"
                    )
                self._plan_one(plan, one, targets, peer, is_later=is_later)
            except RefusedError as error:
                failures.append(failure(one.address, error.code, str(error)))
            except UserError as error:
                failures.append(failure(one.address, "name", str(error)))
        return plan, failures

    def _plan_one(
        self, plan: PacketPlan, one: Message, targets: list[Target], peer: Peer, *, is_later: bool
    ) -> None:
        asked = []
        for row, address in targets:
            if address == "/rtmss/ping":
                plan.effects.append(partial(self._pong, one))
                continue
            if address == "/rtmss/subscribe" and one.tags[:1] in {
                "i",
                "h",
            }:  # a pattern may be left out
                one = Message(address, ("/rtmss", *one.args), "s" + one.tags)
            values = row.check(one)
            if not values and row.mode in {Mode.VALUE, Mode.QUERY}:
                asked.append(address)
            elif address in self._commands:
                if is_later and address in {"/rtmss/preset", "/rtmss/sync"}:
                    raise RefusedError(
                        "time", f"{address} cannot be put off; send it without a time tag"
                    )
                plan.effects.append(self._commands[address](self, values, peer))
            elif address.startswith(PREFIX):
                if is_later:
                    raise RefusedError(
                        "time", f"{address} cannot be put off; send it without a time tag"
                    )
                plan.transport_changes.append(song_change(address, values[0]))
            else:
                plan.changes.append(self._scene_change(address, values))
        if asked:
            plan.effects.append(partial(self._answer, asked, peer))

    def _targets(self, one: Message) -> list[Target]:
        """What an address means now; a pattern reaches values only, so that none sets off a panic
        by accident.

        Raises:
            RefusedError: nothing.
            UserError: there is no such stem.
        """
        if not is_pattern(one.address):
            return [Target(self._row(one.address), one.address)]
        try:
            found = select(one.address, self._addresses())
        except ValueError as error:
            raise RefusedError("address", str(error)) from error
        targets = [Target(self._row(address), address) for address in found]
        targets = [target for target in targets if not one.args or target.row.mode is Mode.VALUE]
        if not targets:
            what = "can be set" if one.args else "is there"
            raise RefusedError(
                "address", f"nothing that {what} matches; rtmss osc lists all addresses"
            )
        return targets

    def _addresses(self) -> tuple[str, ...]:
        """All addresses that can be asked now."""
        stems = tuple(
            f"/rtmss/stem/{stem.name}/{name}"
            for stem in self.controller.scene.stems
            for name in _STEM_ROWS
        )
        fixed = tuple(row.address for row in _ROWS.values() if row.mode in {Mode.VALUE, Mode.QUERY})
        status = tuple(f"/rtmss/status/{name}" for name in state.status_names(self.controller))
        has_song = bool(self.controller.shared.transport.song)
        fixed = tuple(
            address
            for address in fixed
            if "<" not in address and (has_song or PREFIX not in address)
        )
        return fixed + status + stems

    def _row(self, address: str) -> Row:
        row = _ROWS.get(address)
        if (
            row is not None
            and address.startswith(PREFIX)
            and not self.controller.shared.transport.song
        ):
            raise RefusedError("song", NO_SONG)
        if row is not None and "<" not in address:
            return row
        match address.split("/")[1:]:
            case ["rtmss", "stem", name, last]:
                find(name, {stem.name: stem for stem in self.controller.scene.stems}, "stem")
                if last in _STEM_ROWS:
                    return _STEM_ROWS[last]
            case ["rtmss", "status", field] if field in state.status_names(self.controller):
                return _STATUS_ROW
        near = difflib.get_close_matches(address, self._addresses(), n=1, cutoff=0.7)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise RefusedError("address", f"no address '{address}'; {hint}rtmss osc lists them all")

    def _scene_change(self, address: str, values: tuple[Value, ...]) -> SceneChange:
        """The change of the scene that an address makes.

        Raises:
            UserError: there is no such condition, or it does not fit.
        """
        value = values[0] if values else True
        match address.split("/")[2:]:
            case ["unsolo"]:
                return Scene.without_solos if value else lambda scene: scene
            case ["stem", name, "condition"]:
                condition = self.controller.load_condition(str(value))
                return lambda scene: scene.with_condition(name, condition)
            case [*owner, "fader"]:
                return _set([*owner, "gain"], gain_of(float(value)))
            case path:
                return _set(path, value)

    # Effects: checked when a packet is planned, done when all of it is good.

    def _pong(self, one: Message) -> list[bytes]:
        return [message("/rtmss/pong", self.version, *one.args, tags="s" + one.tags)]

    def _answer(self, addresses: list[str], peer: Peer) -> list[bytes]:
        status = state.status_values(self.controller, self.late_bundles)
        values = (
            state.scene_values(self.controller) | status | state.latency_values(self.controller)
        )
        values |= song_values(self.controller.shared.transport)
        values["/rtmss/meters"] = (self.peers.meters_hz(peer),)
        lists = {"/rtmss/presets", "/rtmss/conditions"}.intersection(addresses)
        answers = [
            message(address, *values[address])
            for address in addresses
            if address not in lists | {"/rtmss/status"}
        ]
        names = state.name_values(self.controller) if lists else {}
        for address in sorted(lists):
            answers += texts(address, names[address])
        if "/rtmss/status" in addresses:
            answers.append(bundle([message(address, *value) for address, value in status.items()]))
        return answers

    def _panic(self, values: tuple[Value, ...], _: Peer) -> Effect:
        return partial(self._set_panic, bool(values[0]) if values else True)

    def _preset(self, values: tuple[Value, ...], peer: Peer) -> Effect:
        name = str(values[0])
        find(name, self.controller.library.presets(), "preset")
        return partial(self.pending.load, name, peer, time.monotonic())

    def _sync(self, values: tuple[Value, ...], peer: Peer) -> Effect:
        return partial(self.pending.sync, int(values[0]), peer)

    def _subscribe(self, values: tuple[Value, ...], peer: Peer) -> Effect:
        pattern, ttl = (
            (str(values[0]) if values else "/rtmss"),
            (float(values[1]) if len(values) > 1 else TTL),
        )
        self.peers.check_room(peer)
        try:
            covers(pattern, "/rtmss")
        except ValueError as error:
            raise RefusedError("address", str(error)) from error
        return partial(self.peers.subscribe, peer, pattern, ttl, time.monotonic())

    def _unsubscribe(self, values: tuple[Value, ...], peer: Peer) -> Effect:
        return partial(self.peers.unsubscribe, peer) if not values or values[0] else lambda: None

    def _meters(self, values: tuple[Value, ...], peer: Peer) -> Effect:
        self.peers.check_room(peer)
        return partial(self.peers.set_meters, peer, float(values[0]), time.monotonic())

    def _set_panic(self, on: bool) -> None:
        self.controller.shared.panic = on

    _commands = {  # noqa: RUF012
        "/rtmss/panic": _panic,
        "/rtmss/preset": _preset,
        "/rtmss/sync": _sync,
        "/rtmss/subscribe": _subscribe,
        "/rtmss/unsubscribe": _unsubscribe,
        "/rtmss/meters": _meters,
    }


def _set(path: list[str], value: Value) -> SceneChange:
    """The change of a setting of the scene or of a strip, by the last parts of its address."""
    name = _MIX_NAMES.get("/".join(path))
    if name is not None:
        mix: dict[str, Any] = {name: value}
        return lambda scene: replace(scene, **mix)
    *_, owner, leaf = path
    changed = {_STRIP_NAMES[leaf]: value}
    return lambda scene: scene.with_strip(owner, **changed)


def _apply(changes: list[SceneChange], scene: Scene) -> Scene:
    for change in changes:
        scene = change(scene)
    return scene
