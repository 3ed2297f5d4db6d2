"""The plug-in for DAWs, and the engine that it plays through."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtmss.cli.base import (
    BackendName,
    Weights,
    app,
    cache_folder,
    choose_backend,
    console,
    load_library,
    load_separator,
    tell,
    user_folder,
)
from rtmss.cli.live_options import OscAddress, OscPort, OscToken, Web, WebAddress, WebPort
from rtmss.cli.live_web import check_web
from rtmss.config import UserError
from rtmss.console import one_line

if TYPE_CHECKING:
    from rtmss.plugin.build import Bundles
    from rtmss.serve.control.process import PageOptions

plugin_app = typer.Typer(no_args_is_help=True, help="The plug-in for DAWs: VST3, CLAP and LV2.")
app.add_typer(plugin_app, name="plugin")

NOT_HERE = "the plug-in and its engine run on Linux only so far"
OSC_PORT = 9472
"""Beside those of `rtmss live`, of its OSC and its page."""
IDLE_SECONDS = 60.0
"""A detached engine without instances ends after this."""


@app.command()
def serve(
    detach: Annotated[
        bool,
        typer.Option(
            "--detach", help="Go on in the background, and end a minute after the last plug-in."
        ),
    ] = False,
    osc_port: OscPort = OSC_PORT,
    osc_bind: OscAddress = "127.0.0.1",
    osc_token: OscToken = False,
    no_osc: Annotated[bool, typer.Option("--no-osc", help="Speak no OSC.")] = False,
    web: Web = False,
    web_port: WebPort = 9473,
    web_bind: WebAddress = "127.0.0.1",
    backend: BackendName = "auto",
    weights: Weights = None,
) -> None:
    """Play for the plug-ins in DAWs, and let OSC or a page change what they play; they start this
    by themselves.
    """
    if sys.platform != "linux":
        raise UserError(NOT_HERE)
    if web and no_osc:
        raise UserError("--web goes through OSC; leave --no-osc out")
    from rtmss.serve.alone import detach as go_on_detached
    from rtmss.serve.alone import only_one
    from rtmss.serve.places import make_instances_folder

    folder = make_instances_folder()
    if detach:
        go_on_detached(cache_folder() / "serve.log")
    with only_one(folder):
        from rtmss.serve.control.process import OscOptions
        from rtmss.serve.engine import EngineOptions
        from rtmss.serve.supervisor import Supervisor

        separator = load_separator(weights, threads=1)
        choice = choose_backend(separator, backend)
        tell(f"serves plug-ins; backend {choice}")
        options = EngineOptions(separator, load_library(), choice.graph, folder)
        page = _page(web_bind, web_port) if web else None
        token = _token() if osc_token else ""
        osc = None if no_osc else OscOptions(osc_bind, osc_port, token, page)
        Supervisor(options, IDLE_SECONDS if detach else None, osc).run()


def _page(bind: str, port: int) -> PageOptions:
    """Where the page is.

    Raises:
        UserError: the extra is missing.
    """
    from rtmss.live.control.pairing import load_token
    from rtmss.live.control.web.guard import is_loopback
    from rtmss.serve.control.process import PageOptions

    check_web()
    return PageOptions(bind, port, "" if is_loopback(bind) else load_token(user_folder()))


def _token() -> str:
    """What OSC asks peers of other machines for; says where it is."""
    from rtmss.live.control.pairing import TOKEN_FILE, load_token

    tell(f"the token for /rtmss/token is in {user_folder() / TOKEN_FILE}")
    return load_token(user_folder())


@plugin_app.command("build")
def plugin_build(
    output: Annotated[
        Path | None,
        typer.Option(help="A new folder for all that was built, as the wheel takes it along."),
    ] = None,
    windows: Annotated[
        Path | None,
        typer.Option(help="Build for Windows instead, into this new folder; nobody has tried it."),
    ] = None,
) -> None:
    """Build the bundles where a compiler is (Debian: g++, make, pkg-config, dpf-source)."""
    from rtmss.plugin.build import build, copied
    from rtmss.plugin.windows import build_for_windows

    paths: Sequence[Path]
    if windows is not None:
        paths = build_for_windows(windows, tell)
    else:
        bundles = build(cache_folder() / "plugin", tell, anew=True)
        paths = (bundles if output is None else copied(bundles, output)).plugins
    for path in paths:
        console.print(one_line(str(path)), highlight=False, soft_wrap=True)


@plugin_app.command("install")
def plugin_install() -> None:
    """Copy the bundles to where DAWs look, and say how an engine starts; builds them if need be.

    The engine's network is made ready, so that the first DAW need not wait for it.
    """
    from rtmss.plugin.install import install
    from rtmss.plugin.setup import engine_command, write_setup
    from rtmss.serve.places import setup_file

    written = install(_ready(), Path.home())
    write_setup(setup_file(), engine_command(), load_library())
    for path in (*written, setup_file()):
        console.print(one_line(f"wrote {path}"), highlight=False, soft_wrap=True)
    choose_backend(load_separator(None, threads=1), "auto")


@plugin_app.command("uninstall")
def plugin_uninstall() -> None:
    """Remove what `install` has written."""
    from rtmss.plugin.install import uninstall

    for path in uninstall(Path.home()):
        console.print(one_line(f"removed {path}"), highlight=False, soft_wrap=True)


@plugin_app.command("instances")
def plugin_instances() -> None:
    """Every instance that is there: its OSC number, DAW, preset, engine, latency, late hops."""
    if sys.platform != "linux":
        raise UserError(NOT_HERE)
    from rtmss.serve.listing import instances
    from rtmss.serve.places import instances_folder
    from rtmss.show import instances_table

    found = instances(instances_folder())
    if found:
        console.print(instances_table(found))
    else:
        tell("no plug-in is open")


@plugin_app.command("mixer")
def plugin_mixer(
    osc_port: Annotated[int, typer.Option(help="Where the engine speaks OSC.")] = OSC_PORT,
) -> None:
    """Every instance's strips on this terminal, one instance at a time, changed by keys."""
    if sys.platform != "linux":
        raise UserError(NOT_HERE)
    if not (console.is_terminal and sys.stdin.isatty()) or console.is_dumb_terminal:
        raise UserError("the mixer needs a terminal; `rtmss plugin instances` prints what there is")
    from rtmss.live.control.screen import Screen
    from rtmss.serve.mixer.client import Client
    from rtmss.serve.mixer.terminal import InstanceTerminal

    with closing(Client(osc_port)) as client, Screen(console, sys.stdin.fileno()) as screen:
        InstanceTerminal(client, screen).run()


@plugin_app.command("check")
def plugin_check() -> None:
    """Load each bundle, play through it, and look for an engine; status 1 if something is wrong."""
    from rtmss.plugin.check import check

    is_good = True
    for finding in check(_ready()):
        word = "" if finding.is_good else "FAILED: "
        line = one_line(f"{finding.what}: {word}{finding.text}")
        console.print(line, highlight=False, soft_wrap=True)
        is_good &= finding.is_good
    if not is_good:
        raise typer.Exit(1)


def _ready() -> Bundles:
    """The bundles that came with rtmss where they fit, or those that are built here."""
    from rtmss.plugin.build import build
    from rtmss.plugin.bundled import bundled

    return bundled() or build(cache_folder() / "plugin", tell)
