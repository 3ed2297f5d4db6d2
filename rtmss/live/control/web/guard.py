"""Who may do what at the web server: the machine's own names, pages of its own, and a token.

A page of another site cannot act through a visitor's browser: its Origin is another one, and a name
that was made to lead here (DNS rebinding) is not one of this machine's.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from rtmss.live.control.pairing import Level, Pairing

COOKIE = "rtmss"
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


class Guard:
    """Decides for each request. Without a token everybody on this machine may do all."""

    def __init__(self, host: str, token: str = "") -> None:
        """Guard a server that is bound to `host`."""
        self.pairing = Pairing(token) if token else None
        """None where everybody is let in."""
        self._is_local = is_loopback(host)
        self._names = {"localhost"} | (set() if self._is_local else own_names())

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
        if self.pairing is None:
            return Level.CONTROL
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        given = bearer if kind.lower() == "bearer" else _cookie(headers.get("cookie", ""))
        return self.pairing.try_token(given, client, now) if given else Level.NOTHING


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
