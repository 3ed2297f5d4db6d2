"""Runs an engine in a process of its own; imports no torch, which takes seconds, before it is
needed.

Where engines are not forked, the supervisor starts it as `python -m rtmss.live.realtime.launch
OPTIONS`.
"""

from __future__ import annotations

import sys

from rtmss.live.options import EngineOptions
from rtmss.live.shared.parent import ignore_group_signals


def launch(text: str, parent: int | None = None) -> None:
    """Run an engine in this process, which ends with it.

    Args:
        text: `EngineOptions` as text.
        parent: number of the process that has started this one; None if that is the supervisor.
    """
    ignore_group_signals()
    from rtmss.live.realtime.process import run_engine

    options = EngineOptions.of_text(text)
    run_engine(options, options.supervisor if parent is None else parent)


if __name__ == "__main__":
    launch(sys.argv[1])
