"""This host on the network by name (mDNS), and finding others. In a thread of its own: to register
a name takes seconds, for everybody is asked whether it is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rtmss import __version__
from rtmss.config import UserError

if TYPE_CHECKING:
    from zeroconf import ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf

OSC, QUERY, PAGE = "_osc._udp.local.", "_oscjson._tcp.local.", "_http._tcp.local."
STOP_SECONDS = 3.0
"""So long the goodbye may take."""
_POLL_SECONDS = 0.1
_ANSWER_MS = 1000

_LOG = logging.getLogger(__name__)


class Found(NamedTuple):
    """A host of the network."""

    name: str
    address: str
    web_port: int
    osc_port: int | None
    """None where OSC is for its own machine alone."""
    version: str


class Announcer:
    """Says that this host is there until it is closed. What fails is logged, and harms nothing."""

    def __init__(self, addresses: Sequence[str], web_port: int, osc_port: int | None) -> None:
        """Begin.

        Args:
            addresses: that others reach, one for each interface.
            web_port: of the page and OSCQuery.
            osc_port: None where others cannot reach OSC.
        """
        self._addresses = list(addresses)
        self._ports = {QUERY: web_port, PAGE: web_port}
        if osc_port is not None:
            self._ports[OSC] = osc_port
        self._is_over = threading.Event()
        self.is_announced = threading.Event()
        """Set once others can find it."""
        self._thread = threading.Thread(target=self._run, name="mdns", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say goodbye."""
        self._is_over.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._announce())
        except Exception as error:  # no network, or a name that stays taken
            _LOG.warning("mDNS: not announced: %s: %s", type(error).__name__, error)

    async def _announce(self) -> None:
        async with _open(self._addresses) as zeroconf:
            services = [self._service(kind, port) for kind, port in self._ports.items()]
            await asyncio.gather(*(self._register(zeroconf, one) for one in services))
            self.is_announced.set()
            while not self._is_over.is_set():
                await asyncio.sleep(_POLL_SECONDS)
            await zeroconf.async_unregister_all_services()

    async def _register(self, zeroconf: AsyncZeroconf, service: ServiceInfo) -> None:
        broadcast = await zeroconf.async_register_service(service, allow_name_change=True)
        await broadcast

    def _service(self, kind: str, port: int) -> ServiceInfo:
        from zeroconf import ServiceInfo

        host = socket.gethostname().partition(".")[0]
        return ServiceInfo(
            kind,
            f"rtmss on {host}.{kind}",
            parsed_addresses=self._addresses,
            port=port,
            properties={"rtmss": __version__, "path": "/page/"},
            server=f"{host}.local.",
        )


def find_hosts(seconds: float, interfaces: Sequence[str] = ()) -> list[Found]:
    """Hosts that answer within some seconds.

    Args:
        seconds: to wait for answers.
        interfaces: addresses of those to ask on; none for all.

    Raises:
        UserError: the extra is missing.
    """
    try:
        import zeroconf  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"rtmss find needs the extra 'web': pip install 'rtmss[web]' ({error})"
        ) from error
    return asyncio.run(_find(seconds, interfaces))


async def _find(seconds: float, interfaces: Sequence[str]) -> list[Found]:
    from zeroconf.asyncio import AsyncServiceBrowser

    names: set[tuple[str, str]] = set()

    def changed(**told: object) -> None:
        names.add((str(told["service_type"]), str(told["name"])))

    async with _open(interfaces) as zeroconf:
        browser = AsyncServiceBrowser(zeroconf.zeroconf, [QUERY, OSC], handlers=[changed])
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            await asyncio.sleep(_POLL_SECONDS)
        asked = [_ask(zeroconf, kind, name) for kind, name in sorted(names)]
        services = [one for one in await asyncio.gather(*asked) if one is not None]
        await browser.async_cancel()
    return _hosts(services)


def _hosts(services: list[ServiceInfo]) -> list[Found]:
    """Those among the services that are of rtmss."""
    osc = {one.get_name(): one.port for one in services if one.type == OSC}
    found = []
    for one in services:
        version = one.properties.get(b"rtmss")
        if one.type != QUERY or version is None or one.port is None:
            continue
        name = one.get_name()
        found += [
            Found(name, address, one.port, osc.get(name), version.decode(errors="replace"))
            for address in one.parsed_addresses()
        ]
    return sorted(found)


async def _ask(zeroconf: AsyncZeroconf, kind: str, name: str) -> ServiceInfo | None:
    from zeroconf import BadTypeInNameException

    with contextlib.suppress(BadTypeInNameException):
        return await zeroconf.async_get_service_info(kind, name, timeout=_ANSWER_MS)
    return None


def _open(interfaces: Sequence[str]) -> AsyncZeroconf:
    from zeroconf import InterfaceChoice
    from zeroconf.asyncio import AsyncZeroconf

    return AsyncZeroconf(interfaces=list(interfaces) or InterfaceChoice.All)
