"""A process that has imported all that an engine needs, and forks engines off itself.

Started by the supervisor as `python -m rtmss.live.realtime.forkserver DESCRIPTOR PARENT`. What
comes over the socket are the options of an engine, as text; what goes back is JSON: `pid` when it
has been forked, and `pid` with `code` when it has ended. Engines end with it, and it with the
supervisor.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress

from rtmss.live.realtime.launch import launch
from rtmss.live.shared.parent import end_with_parent, ignore_group_signals

POLL_SECONDS = 0.05
MESSAGE_BYTES = 1 << 16


def serve(channel: socket.socket, parent: int) -> None:
    """Fork what is asked for until the supervisor has gone."""
    while os.getppid() == parent:
        if select.select(
            [channel],
            [],
            [],
            POLL_SECONDS,
        )[0]:
            text = channel.recv(MESSAGE_BYTES).decode()
            if not text:
                return
            _tell(channel, pid=_fork(text, channel))
        for pid, code in _ended():
            _tell(channel, pid=pid, code=code)


def _fork(text: str, channel: socket.socket) -> int:
    server = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        channel.close()
        launch(text, parent=server)
    finally:
        os._exit(1)  # nothing of the server's is done a second time


def _ended() -> list[tuple[int, int]]:
    ended = []
    with suppress(ChildProcessError):
        while (row := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append((row[0], os.waitstatus_to_exitcode(row[1])))
    return ended


def _tell(channel: socket.socket, **told: int) -> None:
    with suppress(OSError):  # the next turn sees that the supervisor has gone
        channel.send(json.dumps(told).encode())


def main(handle: int, parent: int) -> None:
    """Serve on an inherited socket."""
    ignore_group_signals()
    end_with_parent(signal.SIGKILL)
    channel = socket.socket(fileno=handle)
    importlib.import_module("rtmss.live.realtime.process")
    serve(channel, parent)


if __name__ == "__main__":
    main(
        int(sys.argv[1]),
        int(sys.argv[2]),
    )
