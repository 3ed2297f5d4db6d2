"""The command line: one short function per command. torch is imported late, so that `--help` is
quick.
"""

from rtmss.cli import (  # each adds its commands
    bench,
    catalogue,
    data,
    export,
    files,
    library,
    live,
    live_web,
    midi,
    plugin,
    research,
    setlist,
)
from rtmss.cli.base import app, main
from rtmss.cli.help import reflow_help

reflow_help(app)

__all__ = [
    "app",
    "bench",
    "catalogue",
    "data",
    "export",
    "files",
    "library",
    "live",
    "live_web",
    "main",
    "midi",
    "plugin",
    "research",
    "setlist",
]
