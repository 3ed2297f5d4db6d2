"""The page of the live host, and finding one on the network."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Annotated

import typer

from rtmss.cli.base import app, console, tell, user_folder
from rtmss.config import UserError

if TYPE_CHECKING:
    from rtmss.live.options import ControlOptions


def with_web(control: ControlOptions, port: int, bind: str, *, quiet: bool) -> ControlOptions:
    """The same control side with a page; says where it is.

    Raises:
        UserError: the extra is missing.
    """
    from rtmss.live.control.pairing import load_token
    from rtmss.live.control.web.guard import is_loopback
    from rtmss.live.control.web.links import page_link

    check_web()
    token = "" if is_loopback(bind) else load_token(user_folder())
    if not quiet:
        tell(f"page: {page_link(bind, port, token)}")
    return control.model_copy(update={"web_port": port, "web_bind": bind})


def check_web() -> None:
    """See that a page can be served.

    Raises:
        UserError: the extra is missing.
    """
    if importlib.util.find_spec("uvicorn") is None:
        raise UserError("--web needs the extra 'web': pip install 'rtmss[web]'")


def with_osc_token(control: ControlOptions, *, quiet: bool) -> ControlOptions:
    """The same control side, which asks OSC peers of other machines for the token; says where that
    is.
    """
    from rtmss.live.control.pairing import TOKEN_FILE, load_token

    load_token(user_folder())
    if not quiet:
        tell(f"the token for /rtmss/token is in {user_folder() / TOKEN_FILE}")
    return control.model_copy(update={"osc_token": True})


@app.command("find")
def find(
    seconds: Annotated[
        float, typer.Option(min=0.5, max=60, help="How long to wait for answers.")
    ] = 3.0,
) -> None:
    """Live hosts on this network, by mDNS: those that were started with --web and --web-bind."""
    from rtmss.live.control.web.announce import find_hosts
    from rtmss.show import hosts_table

    hosts = find_hosts(seconds)
    if not hosts:
        tell("no host has answered; one is found that runs with --web --web-bind ADDRESS")
        raise typer.Exit(1)
    console.print(hosts_table(hosts))
