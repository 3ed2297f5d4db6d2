"""The address space of the live host, as the web server describes it."""

from __future__ import annotations

from collections.abc import Mapping

from rtmss.engine.control import Scene
from rtmss.live.control.osc import state
from rtmss.live.control.osc.cues import LIST, cue_values
from rtmss.live.control.osc.directory import Directory
from rtmss.live.control.osc.midi import MAP, midi_values
from rtmss.live.control.osc.server import OscServer
from rtmss.live.control.osc.song import song_values
from rtmss.live.control.osc.table import Row
from rtmss.live.control.web.space import PathNews, Snapshot


class MixerSpace:
    """That of a mixer whose stems come and go."""

    def __init__(self, server: OscServer) -> None:
        self._server = server
        self._scene: Scene | None = None
        self._known: Mapping[str, Row] = {}
        self._stems: dict[str, str] = {}

    def snapshot(self) -> Snapshot:
        """As it is now. Looks into folders."""
        dispatcher = self._server.dispatcher
        controller = dispatcher.controller
        directory = Directory(controller)
        names = state.name_values(controller)
        cues = tuple(controller.cues.names) if controller.cues is not None else ()
        values = (
            state.scene_values(controller)
            | state.status_values(controller, dispatcher.counts())
            | state.latency_values(controller)
            | state.meter_values(controller)
            | song_values(controller.shared.transport)
            | cue_values(controller.cues)
            | midi_values(controller.midi)
            | names
            | ({LIST: cues} if controller.cues is not None else {})
            | ({MAP: tuple(controller.midi.lines)} if controller.midi is not None else {})
            | {"/rtmss/meters": (0.0,)}
        )
        return Snapshot(
            {**directory.known, **directory.commands, **directory.meters},
            values,
            names["/rtmss/presets"],
            names["/rtmss/conditions"],
            str(self._server.host),
            int(self._server.port),
            cues,
        )

    def news(self) -> list[PathNews]:
        """How it has changed since the last call; nothing at the first one."""
        dispatcher = self._server.dispatcher
        scene, known = dispatcher.controller.scene, dispatcher.known
        if scene is self._scene and known is self._known:
            return []
        stems = {stem.name: stem.condition.name for stem in scene.stems}
        news: list[PathNews] = []
        if self._scene is not None:
            news = stem_news(self._stems, stems) + rest_news(_rest(self._known), _rest(known))
        self._scene, self._known, self._stems = scene, known, stems
        return news


def _rest(known: Mapping[str, Row]) -> frozenset[str]:
    return frozenset(path for path in known if not path.startswith("/rtmss/stem/"))


def stem_news(before: dict[str, str], after: dict[str, str]) -> list[PathNews]:
    """How the stems have changed. One that went, and one that came with its condition, are the same
    stem under another name.

    Args:
        before: conditions by stem.
        after: the same, later.
    """
    gone = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    news = []
    for name in list(gone):
        same = next((other for other in new if after[other] == before[name]), None)
        if same is not None:
            gone.remove(name)
            new.remove(same)
            news.append(PathNews("PATH_RENAMED", f"/rtmss/stem/{name}", f"/rtmss/stem/{same}"))
            news.append(PathNews("PATH_RENAMED", f"/rtmss/meter/{name}", f"/rtmss/meter/{same}"))
    for command, names in (("PATH_REMOVED", gone), ("PATH_ADDED", new)):
        news += [PathNews(command, f"/rtmss/stem/{name}") for name in names]
        news += [PathNews(command, f"/rtmss/meter/{name}") for name in names]
    return news


def rest_news(before: frozenset[str], after: frozenset[str]) -> list[PathNews]:
    """Containers whose contents have changed otherwise."""
    parents = sorted({path.rpartition("/")[0] for path in before ^ after})
    return [PathNews("PATH_CHANGED", path) for path in parents]
