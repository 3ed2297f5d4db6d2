"""What peers ask for themselves, whatever is controlled: answers, subscriptions, proofs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, ClassVar

from rtmss.live.control.osc.arguments import RefusedError, Value
from rtmss.live.control.osc.budget import Ledger
from rtmss.live.control.osc.codec import Message, message
from rtmss.live.control.osc.directory import MAX_HINT
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.pattern import check_pattern
from rtmss.live.control.osc.peers import Peers
from rtmss.live.control.osc.table import SWITCH, TABLE, TTL, Mode, Row

Effect = Callable[[], list[bytes] | None]
Commands = dict[str, Callable[[Any, tuple[Value, ...], Peer], Effect]]
"""Methods by the addresses that they stand for."""
SENT = frozenset(row.address for row in TABLE if row.mode is Mode.SENT)
"""What other hosts answer with."""
_NUMBERS = {"i", "h", "f", "d"}


class PeerCommands:
    """Acts on them. Effects are checked when a packet is planned, and done when all of it is
    good.
    """

    def __init__(self, version: str) -> None:
        self.version = version
        self.ledger = Ledger()
        self.peers = Peers(self.ledger.is_proven)

    @property
    def heard(self) -> Collection[str]:
        """All addresses whose values can be told whenever they change."""
        raise NotImplementedError

    def effect(self, address: str, values: tuple[Value, ...], peer: Peer) -> Effect | None:
        """What one of these commands does; None where it is none of these.

        Raises:
            RefusedError: it cannot be done.
        """
        command = self.commands.get(address)
        return None if command is None else command(self, values, peer)

    def pong(self, one: Message) -> list[bytes]:
        """The answer to a ping."""
        return [message("/rtmss/pong", self.version, *one.args, tags="s" + one.tags)]

    def _subscribe(self, values: tuple[Value, ...], peer: Peer) -> Effect:
        pattern = str(values[0]) if values else "/rtmss"
        if not pattern.startswith("/"):
            raise RefusedError("address", f"'{pattern}' is no address: they begin with '/'")
        ttl = float(values[1]) if len(values) > 1 else TTL
        try:
            check_pattern(pattern)
        except ValueError as error:
            raise RefusedError("address", str(error)) from error
        return partial(self.peers.subscribe, peer, pattern, ttl, time.monotonic())

    def _unsubscribe(self, values: tuple[Value, ...], peer: Peer) -> Effect:
        is_meant = not values or values[0]
        return partial(self.peers.unsubscribe, peer) if is_meant else lambda: None

    def _listen(self, values: tuple[Value, ...], peer: Peer) -> Effect:
        address = str(values[0])
        if address not in self.heard:
            raise RefusedError("address", f"'{address[:MAX_HINT]}' is no value that is there now")
        self.peers.check_listening(peer, address)
        return partial(self.peers.listen, peer, address, time.monotonic())

    def _ignore(self, values: tuple[Value, ...], peer: Peer) -> Effect:
        return partial(self.peers.ignore, peer, str(values[0]))

    def _echo(self, values: tuple[Value, ...], peer: Peer) -> Effect:
        now = time.monotonic()
        if not self.ledger.is_proven(peer, now):
            if self.ledger.account(peer).token != values[0]:
                raise RefusedError("token", "not the number that was sent to this address")
            self.ledger.prove(peer, now)
        return lambda: [message("/rtmss/done", "/rtmss/echo", f"{peer.host} {peer.port}")]

    def _token(self, _: tuple[Value, ...], peer: Peer) -> Effect:
        """The server has looked at it, or does not want one."""
        return lambda: [message("/rtmss/done", "/rtmss/token", peer.host)]

    commands: ClassVar[Commands] = {
        "/rtmss/subscribe": _subscribe,
        "/rtmss/unsubscribe": _unsubscribe,
        "/rtmss/listen": _listen,
        "/rtmss/ignore": _ignore,
        "/rtmss/echo": _echo,
        "/rtmss/token": _token,
    }


def checked(row: Row, one: Message) -> tuple[Value, ...]:
    """A message's arguments, coerced. A button that subscribes subscribes to all, and the pattern
    of a subscription may be left out.

    Raises:
        RefusedError: they are not as they should be.
    """
    return row.check(_subscription(one) if one.address == "/rtmss/subscribe" else one)


def is_let_go(one: Message) -> bool:
    """Whether a button for a subscription was let go, which means nothing."""
    return one.address == "/rtmss/subscribe" and _button(one) is False


def _subscription(one: Message) -> Message:
    if _button(one):
        return Message(one.address)
    if one.tags[:1] in _NUMBERS:
        return Message(one.address, ("/rtmss", *one.args), "s" + one.tags)
    return one


def _button(one: Message) -> bool | None:
    """Whether a button was pressed or let go; None where it is none."""
    try:
        return bool(SWITCH.check(one.args[0], one.tags)) if len(one.args) == 1 else None
    except RefusedError:
        return None
