"""Help that the terminal breaks into lines, and not the docstring it is written in."""

from __future__ import annotations

import inspect
import re

import typer

_LINE_FEED = re.compile(r"(?<!\n)\n(?!\n)")


def reflow_help(app: typer.Typer) -> None:
    """Make paragraphs one line each, in the help of all commands of an application."""
    for command in app.registered_commands:
        text = command.help or inspect.getdoc(command.callback) or ""
        command.help = _LINE_FEED.sub(" ", text)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            reflow_help(group.typer_instance)
