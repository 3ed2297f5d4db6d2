"""Everything that the address space says at one moment, for another thread to describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rtmss.live.control.osc import state
from rtmss.live.control.osc.cues import LIST, cue_values
from rtmss.live.control.osc.directory import Directory
from rtmss.live.control.osc.midi import MAP, midi_values
from rtmss.live.control.osc.server import OscServer
from rtmss.live.control.osc.song import song_values
from rtmss.live.control.osc.state import Values
from rtmss.live.control.osc.table import Row


class Snapshot(NamedTuple):
    """The address space as it was; nothing in it changes afterwards."""

    rows: Mapping[str, Row]
    """Every address that acts or is told, but for the buttons of presets."""
    values: Values
    """Of those that have one."""
    presets: tuple[str, ...]
    conditions: tuple[str, ...]
    cues: tuple[str, ...]
    osc_host: str
    osc_port: int


def take_snapshot(server: OscServer) -> Snapshot:
    """The address space now. Looks into folders."""
    dispatcher = server.dispatcher
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
        cues,
        str(server.host),
        int(server.port),
    )
