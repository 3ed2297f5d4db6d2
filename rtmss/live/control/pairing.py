"""The pairing token: who has shown it, and who has tried too often without it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from rtmss.bounded import UnreadableError, read_text
from rtmss.live.control.osc.fairness import host_of

TOKEN_FILE = "web-token"
MAX_TOKEN_BYTES = 256
_TOKEN = re.compile(r"[\w-]{16,128}", re.ASCII)
MAX_BAD_TOKENS = 20
"""Of one host in a row; then even a right one is refused for a while."""
LOCKED_SECONDS = 30.0
MAX_HOSTS = 256
"""Whose bad tokens are remembered."""


class Level(IntEnum):
    """What somebody may do."""

    NOTHING = 0
    LOOK = 1
    """See the meters."""
    CONTROL = 2


@dataclass
class _Tries:
    n_bad: int = 0
    locked_until: float = 0.0


class Pairing:
    """Compares tokens."""

    def __init__(self, token: str) -> None:
        """Take `token` for everything, and one that is derived from it for looking."""
        self.token = token
        self.view_token = _derived(token)
        self.n_bad = 0
        """Tokens that were refused."""
        self._tries: dict[str, _Tries] = {}

    def try_token(self, given: str, client: str, now: float) -> Level:
        """What a token allows; bad ones are counted, and too many in a row lock a host out.

        Args:
            given: by the client.
            client: its address.
            now: seconds of `time.monotonic()`.
        """
        host = host_of(client)
        tries = self._tries.get(host, _Tries())
        if now < tries.locked_until:
            self.n_bad += 1
            return Level.NOTHING
        level = self._compared(given)
        if level is not Level.NOTHING:
            self._tries.pop(host, None)
            return level
        self.n_bad += 1
        tries.n_bad += 1
        if tries.n_bad >= MAX_BAD_TOKENS:
            tries.n_bad, tries.locked_until = 0, now + LOCKED_SECONDS
        if host not in self._tries and len(self._tries) >= MAX_HOSTS:
            del self._tries[next(iter(self._tries))]
        self._tries[host] = tries
        return level

    def _compared(self, given: str) -> Level:
        """Both comparisons are made, and take the same time whatever was given."""
        text = given.encode(errors="replace")
        is_control = hmac.compare_digest(text, self.token.encode())
        is_view = hmac.compare_digest(text, self.view_token.encode())
        return Level.CONTROL if is_control else Level.LOOK if is_view else Level.NOTHING


def load_token(folder: Path) -> str:
    """The token of this user, made at the first time; a phone that has it keeps it.

    Raises:
        OSError: it can be neither read nor written.
    """
    path = folder / TOKEN_FILE
    with contextlib.suppress(UnreadableError):  # a spoilt one is made again
        if _TOKEN.fullmatch(token := read_text(path, MAX_TOKEN_BYTES).strip()):
            return token
    folder.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(secrets.token_urlsafe(16) + "\n", encoding="ascii")
    return load_token(folder)


def _derived(token: str) -> str:
    """The token with which one may only look."""
    return hmac.new(token.encode(), b"view", hashlib.sha256).hexdigest()[:16]
