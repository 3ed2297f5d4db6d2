"""The command line: one short function per command. torch is imported late, so that `--help` is
quick.
"""

from rtmss.cli import bench, data, export, files, library, live, research  # each adds its commands
from rtmss.cli.base import app, main

__all__ = ["app", "bench", "data", "export", "files", "library", "live", "main", "research"]
