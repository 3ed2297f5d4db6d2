"""Who may do what at the web server: the machine's own names, pages of its own, and a token.

A page of another site cannot act through a visitor's browser: its Origin is another one, and a name
that was made to lead here (DNS rebinding) is not one of this machine's.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

from rtmss.live.control.osc.fairness import host_of

COOKIE = "rtmss"
TOKEN_FILE = "web-token"
MAX_BAD_TOKENS = 20
"""Of one host in a row; then even a right one is refused for a while."""
LOCKED_SECONDS = 30.0
MAX_HOSTS = 256
"""Whose bad tokens are remembered."""
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer."""


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


class Guard:
    """Decides for each request. Without a token everybody on this machine may do all."""

    def __init__(self, host: str, token: str = "") -> None:
        """Guard a server that is bound to `host`."""
        self.token = token
        self.view_token = _derived(token) if token else ""
        self.n_bad_tokens = 0
        self._is_local = is_loopback(host)
        self._names = {"localhost"} | (set() if self._is_local else own_names())
        self._tries: dict[str, _Tries] = {}

    def is_own(self, host: str) -> bool:
        """Whether a Host header names this machine: by an address, or by a name of its own."""
        name = _host_name(host)
        if name is None:
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name.rstrip(".") in self._names
        return address.is_loopback or not self._is_local

    def is_same_site(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from a page of this server, or from no page at all."""
        origin = headers.get("origin")
        if origin is None:
            return True
        try:
            return urlsplit(origin).netloc == headers.get("host") != ""
        except ValueError:
            return False

    def level(self, headers: Mapping[str, str], client: str, now: float) -> Level:
        """What the sender of a request may do, by its cookie or its bearer token."""
        if not self.token:
            return Level.CONTROL
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        given = bearer if kind.lower() == "bearer" else _cookie(headers.get("cookie", ""))
        return self.try_token(given, client, now) if given else Level.NOTHING

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
            self.n_bad_tokens += 1
            return Level.NOTHING
        level = self._compared(given)
        if level is not Level.NOTHING:
            self._tries.pop(host, None)
            return level
        self.n_bad_tokens += 1
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
    if path.exists() and (token := path.read_text(encoding="ascii").strip()):
        return token
    folder.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(secrets.token_urlsafe(16) + "\n", encoding="ascii")
    return load_token(folder)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach an address."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def own_names() -> set[str]:
    """This machine's names, as others may know it."""
    name = socket.gethostname().lower()
    return {name, f"{name.partition('.')[0]}.local"} - {""}


def _derived(token: str) -> str:
    """The token with which one may only look."""
    return hmac.new(token.encode(), b"view", hashlib.sha256).hexdigest()[:16]


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
