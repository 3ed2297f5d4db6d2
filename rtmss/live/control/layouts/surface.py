"""A session of Open Stage Control for a preset: strips with meters, buttons for presets and cues.

Properties that are left out take Open Stage Control's defaults
(openstagecontrol.ammd.net/docs/widgets).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rtmss.conditions.strip import Strip, settings
from rtmss.engine.control import Stem
from rtmss.live.control.osc.buttons import preset_address
from rtmss.live.control.osc.table import DECIBELS, FADERS, TABLE

Widget = dict[str, Any]

VERSION = "1.29.2"
"""Of Open Stage Control, with which the session was tried."""
METER_DB = -60
HELLO = """
function hello() {
    send('/rtmss/subscribe', '/rtmss')
    send('/rtmss/meters', 10)
}
hello()
setInterval('hello', hello, 10000)
"""
"""A subscription ends 30 s after the last message; asking again, rather than a ping, finds a new
host too.
"""
KNOBS = {
    setting.leaf: {"min": setting.low, "max": setting.high}
    for _, kind, setting in (*settings(Strip), *settings(Stem))
    if kind is float and setting.leaf != "gain"
}
"""Numbers of a strip or a stem beside the gain, which the fader sets."""
SWITCHES = {"mute": "M", "solo": "S"}
WITHOUT_NAME = {"remainder", "master"}


def surface(stems: Iterable[str], presets: Iterable[str]) -> str:
    """The session as JSON, to be loaded with `--load`."""
    strips = _panel(
        "strips",
        "horizontal",
        [
            _strip(name)
            for name in (
                *stems,
                "remainder",
                "master",
            )
        ],
    )
    names = sorted(presets)
    root = _panel(
        "root",
        "vertical",
        [_head(names), _buttons(names), _cues(), strips | {"expand": True}],
    )
    root |= {"type": "root", "onCreate": HELLO}
    session = {
        "createdWith": "Open Stage Control",
        "version": VERSION,
        "type": "session",
        "content": root,
    }
    return json.dumps(session, indent=2) + "\n"


def _head(presets: list[str]) -> Widget:
    choice = {
        **_widget("switch", "preset", "/rtmss/preset"),
        "values": presets,
        "layout": "horizontal",
        "width": "60%",
    }
    buttons = [
        {**_button("bypass", "/rtmss/bypass", "bypass"), "expand": True},
        {**_button("unsolo", "/rtmss/unsolo", "unsolo"), "mode": "tap", "expand": True},
        {**_button("panic", "/rtmss/panic", "panic"), "colorWidget": "red", "expand": True},
    ]
    return _panel("head", "horizontal", [choice, *buttons]) | {"height": 60}


def _buttons(presets: list[str]) -> Widget:
    """A button for every preset, which a key or a pad can press too."""
    buttons = [
        {
            **_button(f"preset_{name}", preset_address(name), name),
            "mode": "tap",
            "expand": True,
        }
        for name in presets
    ]
    return _panel("buttons", "horizontal", buttons) | {"height": 40}


def _cues() -> Widget:
    """The cue that came last, the one that follows, and buttons for both ways."""
    steps = {
        way: {**_button(f"cue_{way}", f"/rtmss/cue/{way}", way), "mode": "tap", "expand": True}
        for way in ("previous", "next")
    }
    names = [
        {**_widget("text", name, address), "default": "no cue", "bypass": True, "width": "30%"}
        for name, address in (("cue", "/rtmss/cue"), ("cue_upcoming", "/rtmss/cue/upcoming"))
    ]
    widgets = [steps["previous"], *names, steps["next"]]
    return _panel("cues", "horizontal", widgets) | {"height": 40}


def _strip(name: str) -> Widget:
    owner = f"/rtmss/{name}" if name in WITHOUT_NAME else f"/rtmss/stem/{name}"
    pattern = owner if name in WITHOUT_NAME else "/rtmss/stem/<name>"
    known = {row.address for row in TABLE}
    marks = {
        f"{100 * at:g}%": {f"{db:g}": at}
        for at, db in zip(
            FADERS,
            DECIBELS,
            strict=True,
        )
    }
    marks["min"], marks["max"] = marks.pop("0%"), marks.pop("100%")
    fader = {
        **_widget("fader", f"{name}_fader", f"{owner}/fader"),
        "range": marks,
        "pips": True,
        "decimals": 4,
    }
    meter = {
        **_widget("fader", f"{name}_meter", f"/rtmss/meter/{name}/peak"),
        "design": "compact",
        "range": {"min": METER_DB, "max": 0},
        "default": METER_DB,
        "interaction": False,
        "bypass": True,
        "width": 20,
    }
    label = {
        **_widget("text", f"{name}_label", "auto"),
        "value": name,
        "height": 30,
    }
    levels = _panel(
        f"{name}_levels",
        "horizontal",
        [fader | {"expand": True}, meter],
    ) | {"expand": True}
    switches = [
        {**_button(f"{name}_{what}", f"{owner}/{what}", letter), "height": 50}
        for what, letter in SWITCHES.items()
        if f"{pattern}/{what}" in known
    ]
    knobs = [
        {
            **_widget("knob", f"{name}_{what}", f"{owner}/{what}"),
            "range": ends,
            "default": 0,
            "height": 60,
        }
        for what, ends in KNOBS.items()
        if f"{pattern}/{what}" in known
    ]
    return _panel(
        f"{name}_strip",
        "vertical",
        [label, levels, *knobs, *switches],
    ) | {"expand": True}


def _button(name: str, address: str, label: str) -> Widget:
    return {
        **_widget("button", name, address),
        "label": label,
        "on": 1,
        "off": 0,
    }


def _panel(
    name: str,
    layout: str,
    widgets: list[Widget],
) -> Widget:
    return {
        "type": "panel",
        "id": name,
        "layout": layout,
        "scroll": False,
        "widgets": widgets,
    }


def _widget(kind: str, name: str, address: str) -> Widget:
    return {"type": kind, "id": name, "address": address}
