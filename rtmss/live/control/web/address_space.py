"""The address space as OSCQuery describes it: one JSON object per node, made of the one table.

After the proposal (Vidvox, OSC Query Proposal): attributes in capitals, a query names one of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rtmss import __version__
from rtmss.live.control.osc.arguments import MAX_INT, Arg
from rtmss.live.control.osc.buttons import preset_address
from rtmss.live.control.osc.codec import Argument
from rtmss.live.control.osc.table import TABLE, Mode, Row
from rtmss.live.control.web.space import Snapshot

Node = dict[str, Any]

ATTRIBUTES = (
    "FULL_PATH",
    "CONTENTS",
    "TYPE",
    "ACCESS",
    "RANGE",
    "UNIT",
    "CLIPMODE",
    "DESCRIPTION",
    "VALUE",
)
COMMANDS = (
    "LISTEN",
    "IGNORE",
    "PATH_CHANGED",
    "PATH_ADDED",
    "PATH_REMOVED",
    "PATH_RENAMED",
)
"""What is said over the WebSocket besides OSC."""
READ, WRITE = 1, 2
"""Bits of ACCESS."""
UNITS = {"dB": "gain.db", "s": "time.second", "ms": "time.ms", "Hz": "time.hz"}
_TYPES = {"float": "f", "int": "i", "bool": "i", "text": "s"}
_BUTTON_ROW = next(row for row in TABLE if row.address == "/rtmss/preset/<name>")
_CONTAINERS = {
    "/rtmss": "A separator that plays: stems, mixer, song, cues, conditions by ear",
    "/rtmss/stem": "The stems that play",
    "/rtmss/master": "The sum of all that is heard",
    "/rtmss/remainder": "All that no stem takes",
    "/rtmss/meter": "Levels",
    "/rtmss/status": "Figures of the engine",
    "/rtmss/transport": "The song of --file",
    "/rtmss/instance": "Plug-ins in DAWs, by number",
    "/rtmss/midi": "Controllers, and what they are bound to",
    "/rtmss/capture": "Clips of what plays",
    "/rtmss/condition": "Conditions in the making",
}


def host_info(snapshot: Snapshot) -> Node:
    """What a client asks first: who this is, and where OSC goes."""
    extensions = dict.fromkeys((*ATTRIBUTES[3:], *COMMANDS), True)
    info: Node = {
        "NAME": f"rtmss {__version__}",
        "OSC_PORT": snapshot.osc_port,
        "OSC_TRANSPORT": "UDP",
        "EXTENSIONS": extensions,
    }
    if snapshot.osc_host not in {"0.0.0.0", "::"}:
        info["OSC_IP"] = snapshot.osc_host
    return info


def describe(snapshot: Snapshot) -> dict[str, Node]:
    """Every node by its path; that of `/` holds all the others."""
    choices = _choices(snapshot)
    nodes = {"/": _container("/")}
    rows = dict(snapshot.rows)
    if snapshot.has_buttons:
        rows |= {preset_address(name): _BUTTON_ROW for name in snapshot.presets}
    for address, row in rows.items():
        _enter(nodes, address)
        nodes[address] |= _method(address, row, snapshot.values, choices)
    return nodes


def _choices(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """What a text may be, by the end of its row's address."""
    return {
        "/preset": snapshot.presets,
        "/condition": snapshot.conditions,
        "/condition/b": ("-", *snapshot.conditions),
        "/rtmss/cue/go": snapshot.cues,
    }


def _container(path: str) -> Node:
    node: Node = {"FULL_PATH": path, "ACCESS": 0}
    if path in _CONTAINERS:
        node["DESCRIPTION"] = _CONTAINERS[path]
    return node


def _enter(nodes: dict[str, Node], address: str) -> None:
    """A node for an address and for all above it."""
    parent, path = nodes["/"], ""
    for part in address.split("/")[1:]:
        path += f"/{part}"
        if path not in nodes:
            nodes[path] = _container(path)
            parent.setdefault("CONTENTS", {})[part] = nodes[path]
        parent = nodes[path]


def _method(
    address: str,
    row: Row,
    values: Mapping[str, tuple[Argument, ...]],
    choices: dict[str, tuple[str, ...]],
) -> Node:
    """The attributes of something that can be read or told."""
    value = values.get(address)
    if row.mode is Mode.QUERY and value is None:
        return {"DESCRIPTION": row.effect}  # a bundle of what is below it
    node: Node = {"DESCRIPTION": row.effect, "ACCESS": _access(row, value is not None)}
    if value is not None:
        node["VALUE"] = [_json(one) for one in value]
    if not row.args:
        node["TYPE"] = "N" if value is None else "".join(map(_type_of, value))
        return node
    node["TYPE"] = "".join(_TYPES[arg.kind] for arg in row.args)
    node["RANGE"] = [_range(row, arg, choices) for arg in row.args]
    node["CLIPMODE"] = ["low" if arg.unit == "dB" else "none" for arg in row.args]
    if any(arg.unit in UNITS for arg in row.args):
        node["UNIT"] = [UNITS.get(arg.unit) for arg in row.args]
    return node


def _access(row: Row, is_readable: bool) -> int:
    is_writable = row.mode not in {Mode.QUERY, Mode.SENT}
    return READ * is_readable + WRITE * is_writable


def _range(row: Row, arg: Arg, choices: dict[str, tuple[str, ...]]) -> Node | None:
    if arg.kind == "text":
        return next(
            ({"VALS": list(names)} for end, names in choices.items() if row.address.endswith(end)),
            None,
        )
    if arg.kind == "bool":
        return {"MIN": 0, "MAX": 1}
    if not -MAX_INT < arg.low <= arg.high < MAX_INT:
        return None
    return {"MIN": arg.low, "MAX": arg.high}


def _type_of(value: Argument) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return "i" if isinstance(value, int) else "f" if isinstance(value, float) else "s"


def _json(value: Argument) -> Argument:
    """The value, or null for a number that JSON has not."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
