"""The keys of the live host: what was typed, and what that does to a desk."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from rtmss.conditions.preset import find
from rtmss.config import UserError
from rtmss.engine.control import Scene, Strip
from rtmss.live.desk import Desk

LOWEST_DB, HIGHEST_DB = -120.0, 12.0
ARROWS = {"\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down"}
_BEGINNING = re.compile(r"\x1b([\[O][0-9;]*)?\Z")
_KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)


class Row(NamedTuple):
    """One strip as it is shown."""

    key: str
    """Selects it."""
    name: str
    condition: str
    strip: Strip


def rows(scene: Scene) -> list[Row]:
    """Every strip in the order of the view: stems, remainder, master."""
    stems = [Row(str(i), stem.name, stem.condition.name, stem.strip) for i, stem in enumerate(scene.stems, 1)]
    return [*stems, Row("r", "remainder", "", scene.remainder), Row("0", "master", "", Strip(scene.master_db))]


class Keys:
    """What keys do to a desk; remembers which strip is selected and whether the user wants to quit."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.is_done = False
        self._selected = ""
        self._asked = ("", "")
        """What played when a preset was last asked for, and which that was."""

    @property
    def row(self) -> Row:
        """The selected strip, or the first where the scene has none of its name."""
        known = rows(self.desk.scene)
        return next((row for row in known if row.name == self._selected), known[0])

    def press(self, key: str) -> str:
        """Do what a key says, and return the message that it leaves; other keys do nothing."""
        effect = next((row.press for row in KEYS if key in row.keys), None)
        try:
            if effect is not None:
                effect(self, key)
        except UserError as error:
            return str(error)
        return ""

    def select(self, key: str) -> None:
        """Select the strip that a key stands for."""
        known = {row.key: row.name for row in rows(self.desk.scene)}
        self._selected = find(key, known, "strip")

    def turn(self, key: str) -> None:
        """Turn the gain up or down by 1 dB."""
        name, step = self.row.name, 1 if key in {"up", "+", "="} else -1
        gain_db = min(max(self.row.strip.gain_db + step, LOWEST_DB), HIGHEST_DB)
        if name == "master":
            self.desk.change(lambda scene: replace(scene, master_db=gain_db))
        else:
            self._set(name, gain_db=gain_db)

    def flip(self, key: str) -> None:
        """Mute or solo, or no longer."""
        _, name, _, strip = self.row
        if name == "master":
            raise UserError("the master has a gain only; space silences everything")
        flag = {"m": "mute", "s": "solo"}[key]
        self._set(name, **{flag: not getattr(strip, flag)})

    def unsolo(self, _: str) -> None:
        """Take every solo back."""
        for name in [row.name for row in rows(self.desk.scene) if row.strip.solo]:
            self._set(name, solo=False)

    def bypass(self, _: str) -> None:
        """Bypass, or no longer."""
        self.desk.change(lambda scene: replace(scene, bypass=not scene.bypass))

    def panic(self, _: str) -> None:
        """Silence, or no longer."""
        self.desk.link.panic = not self.desk.link.panic

    def load_neighbour(self, key: str) -> None:
        """Ask for the next or previous preset, counted from the one asked for if that has not come yet."""
        playing, asked = self.desk.preset, self._asked
        base = asked[1] if asked[0] == playing else playing
        known = sorted(self.desk.library.presets())
        after, before = [name for name in known if name > base], [name for name in known if name < base]
        name = (after or known)[0] if key == "p" else (before or known)[-1]
        self._asked = (playing, name)
        self.desk.start_loading(name)

    def quit(self, _: str) -> None:
        """Leave."""
        self.is_done = True

    def _set(self, name: str, **changes: float) -> None:
        self.desk.change(lambda scene: scene.with_strip(name, **changes))


class Key(NamedTuple):
    """One row of the key help."""

    shown: str
    does: str
    keys: tuple[str, ...]
    press: Callable[[Keys, str], None]


KEYS = (
    Key("1-8r0", "strip", tuple("12345678r0"), Keys.select),
    Key("↑↓", "gain", ("up", "down", *"+-=_"), Keys.turn),
    Key("m", "mute", ("m",), Keys.flip),
    Key("s", "solo", ("s",), Keys.flip),
    Key("u", "unsolo", ("u",), Keys.unsolo),
    Key("b", "bypass", ("b",), Keys.bypass),
    Key("pP", "preset", ("p", "P"), Keys.load_neighbour),
    Key("space", "panic", (" ",), Keys.panic),
    Key("q", "quit", ("q",), Keys.quit),
)
"""Every key, and the help line."""


def split_keys(text: str) -> tuple[list[str], str]:
    """Cut what was typed into keys, arrows by name, and the beginning of a sequence whose end has not come."""
    beginning = _BEGINNING.search(text)
    pending = beginning[0] if beginning else ""
    return [ARROWS.get(key, key) for key in _KEY.findall(text.removesuffix(pending))], pending
