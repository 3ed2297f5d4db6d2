"""The address space of the plug-in's instances, as the web server describes it."""

from __future__ import annotations

from rtmss.live.control.osc.server import PacketServer
from rtmss.live.control.web.space import PathNews, Snapshot
from rtmss.serve.control.directory import Directory
from rtmss.serve.control.dispatch import InstanceDispatcher
from rtmss.serve.control.instances import Instances
from rtmss.serve.control.table import CONDITIONS, LIST, PRESETS

_Shape = tuple[str, tuple[str, ...]]
"""The file of an instance, and its stems."""


class InstanceSpace:
    """That of instances, which come and go."""

    def __init__(
        self, instances: Instances, dispatcher: InstanceDispatcher, server: PacketServer
    ) -> None:
        """Say whose, who tells their values, and where OSC is spoken."""
        self._instances, self._dispatcher, self._server = instances, dispatcher, server
        self._shapes: dict[int, _Shape] | None = None
        """By number; None before the first look."""

    def snapshot(self) -> Snapshot:
        """As it is now. Looks into folders."""
        values = self._dispatcher.values()
        presets, conditions = (
            tuple(self._dispatcher.names(address)) for address in (PRESETS, CONDITIONS)
        )
        directory = Directory(self._instances.by_number.values())
        return Snapshot(
            {address: target.row for address, target in directory.known.items()},
            values | {PRESETS: presets, CONDITIONS: conditions},
            presets,
            conditions,
            str(self._server.host),
            int(self._server.port),
            has_buttons=False,
        )

    def news(self) -> list[PathNews]:
        """How it has changed since the last call; nothing at the first one."""
        before, self._shapes = self._shapes, self._look()
        return [] if before is None else shape_news(before, self._shapes)

    def _look(self) -> dict[int, _Shape]:
        return {
            number: (one.name, tuple(stem.name for stem in one.scene.stems))
            for number, one in self._instances.by_number.items()
        }


def shape_news(before: dict[int, _Shape], after: dict[int, _Shape]) -> list[PathNews]:
    """How instances have changed. One that took the number of another is another.

    Args:
        before: names and stems by number.
        after: the same, later.
    """
    same = {n for n in before.keys() & after.keys() if before[n][0] == after[n][0]}
    gone = [("PATH_REMOVED", f"{LIST}/{n}") for n in sorted(before.keys() - same)]
    come = [("PATH_ADDED", f"{LIST}/{n}") for n in sorted(after.keys() - same)]
    other = [
        ("PATH_CHANGED", f"{LIST}/{n}/stem") for n in sorted(same) if before[n][1] != after[n][1]
    ]
    return [PathNews(*one) for one in (*gone, *come, *other)]
