"""The process that speaks OSC for the engine, and has the page. It may die and come back without a
sound.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rtmss import __version__
from rtmss.config import UserError
from rtmss.live.control.osc.server import PacketServer
from rtmss.live.control.pairing import Pairing
from rtmss.live.options import EXIT_REFUSED
from rtmss.live.shared.parent import end_with_parent, ignore_group_signals, name_process
from rtmss.serve.attendant import tell
from rtmss.serve.board import Board
from rtmss.serve.control.dispatch import InstanceDispatcher
from rtmss.serve.control.instances import Instances
from rtmss.serve.control.space import InstanceSpace
from rtmss.serve.scenes import SceneBook

if TYPE_CHECKING:
    from rtmss.live.control.web.server import WebServer

TICK_SECONDS = 0.02


class PageOptions(NamedTuple):
    """Where the control page is."""

    bind: str
    port: int
    token: str
    """That browsers of other machines have to show; nothing for none."""


class OscOptions(NamedTuple):
    """Where OSC is spoken."""

    bind: str
    port: int
    token: str
    """That peers of other machines have to show; nothing for none."""
    page: PageOptions | None
    """None where there is none."""


def run_osc(
    options: OscOptions,
    board: Board,
    folder: Path,
    book: SceneBook,
    beat: Callable[[], None],
    parent: int,
) -> int:
    """Serve until the supervisor ends this process, or has gone.

    Args:
        options: where.
        board: between this process and the engine.
        folder: of the instances.
        book: presets by name, a copy of this process.
        beat: called again and again, as a sign of life.
        parent: process number of the supervisor.

    Returns:
        The exit status: EXIT_REFUSED if OSC cannot be spoken there.
    """
    name_process("rtmss-osc")
    ignore_group_signals()
    end_with_parent(signal.SIGKILL)
    instances = Instances(board, folder, book)
    pairing = Pairing(options.token) if options.token else None
    try:
        dispatcher = InstanceDispatcher(instances, __version__)
        server = PacketServer(dispatcher, options.bind, options.port, pairing)
    except UserError as error:
        tell(f"no OSC: {error}; plug-ins are played all the same")
        return EXIT_REFUSED
    tell(server.describe())
    web = None
    if options.page is not None:
        web = open_page(options.page, server, InstanceSpace(instances, dispatcher, server))
    while os.getppid() == parent:
        beat()
        take_turn(instances, server, TICK_SECONDS)
        if web is not None:
            web.serve()
    return 0


def open_page(options: PageOptions, server: PacketServer, space: InstanceSpace) -> WebServer | None:
    """The page and OSCQuery; None, and said why, where they cannot be had: OSC goes on."""
    from rtmss.live.control.web.server import WebServer

    try:
        web = WebServer(server, space, *options)
    except UserError as error:
        tell(f"no page: {error}; OSC is spoken all the same")
        return None
    tell(web.describe())
    if sys.stderr.isatty() and (card := web.card(has_levels=False)):
        print(card, file=sys.stderr, flush=True)
    return web


def take_turn(instances: Instances, server: PacketServer, timeout: float) -> None:
    """One turn of the loop; what came in until then is sent to the engine at once.

    Args:
        instances: those that are open.
        server: waited on for at most `timeout` seconds.
        timeout: seconds.
    """
    server.receive(timeout)
    try:
        instances.look()
        instances.flush()
    except Exception as error:  # the sound plays on, and so does the server
        server.report_bug(error)
    server.answer([])
