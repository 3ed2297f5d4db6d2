"""The keys of a mixer: what was typed, and what that changes in strips, presets and bypass."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol

from rtmss.config import UserError
from rtmss.engine.control import Strip
from rtmss.lookup import find

LOWEST_DB, HIGHEST_DB = -120.0, 12.0
PAN_STEP = 0.1
MASTER = "master"
ARROWS = {
    start + letter: name
    for letter, name in {
        "A": "up",
        "B": "down",
        "C": "right",
        "D": "left",
    }.items()
    for start in ("\x1b[", "\x1bO")
}
_BEGINNING = re.compile(r"\x1b([\[O][0-9;]*)?\Z")
_KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)


class StripRow(NamedTuple):
    """One strip as it is shown."""

    key: str
    """Selects it."""
    name: str
    condition: str
    strip: Strip


class Mixer(Protocol):
    """What keys can change."""

    @property
    def rows(self) -> Sequence[StripRow]:
        """Every strip in the order of the view: stems, remainder, master."""

    @property
    def preset(self) -> str:
        """The name of the one that plays."""

    @property
    def is_bypassed(self) -> bool:
        """Whether the input is heard."""

    def presets(self) -> Collection[str]:
        """Names of all that can be played."""

    def set_strip(self, name: str, **changes: float) -> None:
        """Change settings of a strip; of the master, `gain_db` and `mute`."""

    def set_bypass(self, on: bool) -> None:
        """Bypass, or no longer."""

    def play(self, preset: str) -> None:
        """Ask for a preset."""


class MixerKeys:
    """Changes a mixer by keys; remembers which strip is selected and whether the user wants to
    quit.
    """

    def __init__(self, mixer: Mixer) -> None:
        self.mixer = mixer
        self.is_done = False
        self._selected = ""
        self._asked = ("", "")
        """What played when a preset was last asked for, and which that was."""

    @property
    def lines(self) -> tuple[tuple[Key, ...], ...]:
        """Every key that does something now, by lines of help."""
        return (MIXER_KEYS, (PAN_KEY,))

    @property
    def row(self) -> StripRow:
        """The selected strip, or the first where the mixer has none of its name."""
        known = self.mixer.rows
        return next(
            (row for row in known if row.name == self._selected),
            known[0],
        )

    def press(self, key: str) -> str:
        """Do what a key says, and return the message that it leaves; other keys do nothing."""
        effect = next(
            (row.press for line in self.lines for row in line if key in row.keys),
            None,
        )
        try:
            if effect is not None:
                effect(self, key)
        except UserError as error:
            return str(error)
        return ""

    def select(self, key: str) -> None:
        """Select the strip that a key stands for."""
        known = {row.key: row.name for row in self.mixer.rows}
        self._selected = find(key, known, "strip")

    def turn(self, key: str) -> None:
        """Turn the gain up or down by 1 dB."""
        step = 1 if key in {"up", "+", "="} else -1
        gain_db = min(
            max(self.row.strip.gain_db + step, LOWEST_DB),
            HIGHEST_DB,
        )
        self.mixer.set_strip(self.row.name, gain_db=gain_db)

    def pan(self, key: str) -> None:
        """Pan to the left or to the right by a tenth."""
        _, name, _, strip = self.row
        if name == MASTER:
            raise UserError("the master has no pan; pan the strips")
        step = PAN_STEP if key == ">" else -PAN_STEP
        pan = min(
            max(round(strip.pan + step, 3), -1.0),
            1.0,
        )
        self.mixer.set_strip(name, pan=pan)

    def mute(self, _: str) -> None:
        """Mute, or no longer."""
        self.mixer.set_strip(self.row.name, mute=not self.row.strip.mute)

    def solo(self, _: str) -> None:
        """Solo, or no longer."""
        if self.row.name == MASTER:
            raise UserError("the master has no solo: there is nothing beside it; u ends every solo")
        self.mixer.set_strip(self.row.name, solo=not self.row.strip.solo)

    def unsolo(self, _: str) -> None:
        """Take every solo back."""
        for name in [row.name for row in self.mixer.rows if row.strip.solo]:
            self.mixer.set_strip(name, solo=False)

    def bypass(self, _: str) -> None:
        """Bypass, or no longer."""
        self.mixer.set_bypass(not self.mixer.is_bypassed)

    def load_neighbour(self, key: str) -> None:
        """Ask for the next or previous preset, counted from the one asked for if that has not come
        yet.
        """
        playing, asked = self.mixer.preset, self._asked
        base = asked[1] if asked[0] == playing else playing
        known = sorted(self.mixer.presets())
        after, before = (
            [name for name in known if name > base],
            [name for name in known if name < base],
        )
        if not known:
            raise UserError("there is no preset")
        name = (after or known)[0] if key == "p" else (before or known)[-1]
        self._asked = (playing, name)
        self.mixer.play(name)

    def quit(self, _: str) -> None:
        """Leave."""
        self.is_done = True


class Key(NamedTuple):
    """One row of the key help."""

    shown: str
    does: str
    keys: tuple[str, ...]
    press: Callable[[Any, str], None]
    """Of the keys that it is among, and which of its own was pressed."""


QUIT_KEY = Key("q", "quit", ("q",), MixerKeys.quit)
MIXER_KEYS = (
    Key("1-8r0", "strip", tuple("12345678r0"), MixerKeys.select),
    Key("↑↓", "gain", ("up", "down", *"+-=_"), MixerKeys.turn),
    Key("m", "mute", ("m",), MixerKeys.mute),
    Key("s", "solo", ("s",), MixerKeys.solo),
    Key("u", "unsolo", ("u",), MixerKeys.unsolo),
    Key("b", "bypass", ("b",), MixerKeys.bypass),
    Key("pP", "preset", ("p", "P"), MixerKeys.load_neighbour),
)
PAN_KEY = Key("< >", "pan", ("<", ">"), MixerKeys.pan)


def split_keys(text: str) -> tuple[list[str], str]:
    """Cut what was typed into keys, arrows by name, and the beginning of a sequence whose end has
    not come.
    """
    beginning = _BEGINNING.search(text)
    pending = beginning[0] if beginning else ""
    return [ARROWS.get(key, key) for key in _KEY.findall(text.removesuffix(pending))], pending
