"""What one peer may cost: time of the control side's only thread, bytes of answers, and, where the
sender's address may be somebody else's, no more bytes than three times what came from there.

Times are in seconds of `time.monotonic()`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from rtmss.live.control.osc.fairness import Peer, is_local

WORK_SECONDS = 0.5
"""Processor time that a peer may use at once."""
WORK_SHARE = 0.25
"""Processor time that a peer may use in the long run, in seconds per second."""
ANSWER_BYTES = 1 << 20
"""Answers that a peer may get at once."""
ANSWER_RATE = 1 << 18
"""Bytes of answers per second that it may get in the long run."""
AMPLIFICATION = 3
"""Bytes for each byte that came from an address which nobody has shown to be the sender's."""
MAX_CREDIT = 1 << 16
MAX_ACCOUNTS = 512
"""Beyond that, whoever was silent for longest is forgotten."""
PROOF_SECONDS = 3600.0
"""So long an address counts as the sender's."""
MAX_PROOFS = 256
NOTICE_SECONDS = 1.0
"""A peer is told no more often than this that it is over its budget, or that proof is needed."""


class Bucket:
    """An allowance that refills up to `most`. It may be overdrawn once; then it has to refill."""

    def __init__(self, most: float, per_second: float) -> None:
        self._most = most
        self._per_second = per_second
        self._level = most
        self._filled = 0.0

    def left(self, now: float) -> float:
        """What may be spent now."""
        gained = (now - self._filled) * self._per_second
        self._level = min(
            self._most,
            self._level + max(0.0, gained),
        )
        self._filled = now
        return self._level

    def spent(self, now: float) -> float:
        """What has been spent lately."""
        return self._most - self.left(now)

    def spend(self, amount: float, now: float) -> None:
        """Take something out."""
        self._level = self.left(now) - amount


@dataclass
class Account:
    """What one peer has used up."""

    work: Bucket = field(default_factory=lambda: Bucket(WORK_SECONDS, WORK_SHARE))
    answers: Bucket = field(default_factory=lambda: Bucket(ANSWER_BYTES, ANSWER_RATE))
    credit: int = 0
    """Bytes that may be sent to it without proof."""
    token: int = field(default_factory=lambda: secrets.randbits(31))
    """What has to come back as a proof."""
    notice_due: float = 0.0

    def may_notice(self, now: float) -> bool:
        """Whether it is time to tell the peer of its limits again; then it is not for a while."""
        if now < self.notice_due:
            return False
        self.notice_due = now + NOTICE_SECONDS
        return True


class Ledger:
    """The accounts of all peers, and whose addresses are proven."""

    def __init__(self) -> None:
        self._accounts: dict[Peer, Account] = {}
        self._proofs: dict[Peer | str, float] = {}
        """Until when a peer, or an address with all its ports, is proven."""
        self._strangers = Bucket(WORK_SECONDS, WORK_SHARE)
        """Work for all together whose addresses are not proven: those cost nothing to make up."""
        self.n_refused = 0
        """Packets, answers and places that were refused."""

    def account(self, peer: Peer) -> Account:
        """A peer's account, opened where there is none."""
        if peer not in self._accounts:
            if len(self._accounts) >= MAX_ACCOUNTS:
                del self._accounts[next(iter(self._accounts))]
            self._accounts[peer] = Account()
        return self._accounts[peer]

    def receive(self, peer: Peer, n_bytes: int) -> None:
        """Something came from a peer."""
        account = self.account(peer)
        self._accounts[peer] = self._accounts.pop(peer)  # the last one to be forgotten
        account.credit = min(MAX_CREDIT, account.credit + AMPLIFICATION * n_bytes)

    def is_over(self, peer: Peer, now: float) -> bool:
        """Whether a peer has used up its work or its answers."""
        account = self.account(peer)
        if account.work.left(now) <= 0 or account.answers.left(now) <= 0:
            return True
        return not self.is_proven(peer, now) and self._strangers.left(now) <= 0

    def spend_work(self, peer: Peer, seconds: float, now: float) -> None:
        """A peer's packet took processor time."""
        self.account(peer).work.spend(seconds, now)
        if not self.is_proven(peer, now):
            self._strangers.spend(seconds, now)

    def spend_answer(self, peer: Peer, n_bytes: int, now: float) -> None:
        """A peer is sent something."""
        account = self.account(peer)
        account.answers.spend(n_bytes, now)
        account.credit = max(0, account.credit - n_bytes)

    def room(self, peer: Peer, now: float) -> int:
        """Bytes that a peer may be sent now."""
        account = self.account(peer)
        if not self.is_proven(peer, now):
            return account.credit
        return max(0, int(account.answers.left(now)))

    def is_proven(self, peer: Peer, now: float) -> bool:
        """Whether answers arrive at whoever sent the question."""
        if peer.transport != "udp" or is_local(peer):
            return True
        ends = max(
            self._proofs.get(peer, 0.0),
            self._proofs.get(peer.host, 0.0),
        )
        return ends > now

    def prove(self, whom: Peer | str, now: float) -> None:
        """A peer has sent its token back, or a connection came from an address."""
        self._proofs.pop(whom, None)
        self._proofs[whom] = now + PROOF_SECONDS
        if len(self._proofs) > MAX_PROOFS:
            del self._proofs[next(iter(self._proofs))]
