"""The keys of the live host: what was typed, and what that changes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.live.control.captures import Captures
from rtmss.live.control.controller import MixerController
from rtmss.live.shared.capture_ring import INPUT, REMAINDER
from rtmss.live.shared.song_state import MIN_LOOP_SECONDS, loop, play, seek
from rtmss.lookup import find

if TYPE_CHECKING:
    from rtmss.live.control.midi.controllers import MidiControllers

LOWEST_DB, HIGHEST_DB = -120.0, 12.0
PAN_STEP = 0.1
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
SEEK_SECONDS = 5.0
CAPTURE_SECONDS = 5.0
LEARNED = ("fader", "mute", "solo")
"""What controls are learned for, one after the other."""
N_JOBS = 2
"""That a key asks for."""
_REFINEMENTS = {"n": ("negative", ""), "w": ("negative", INPUT), "t": ("positive", REMAINDER)}
"""Role and source of a clip, by key; no source is the stem itself."""
_BEGINNING = re.compile(r"\x1b([\[O][0-9;]*)?\Z")
_KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)


class StripRow(NamedTuple):
    """One strip as it is shown."""

    key: str
    """Selects it."""
    name: str
    condition: str
    strip: Strip


def rows(scene: Scene) -> list[StripRow]:
    """Every strip in the order of the view: stems, remainder, master."""
    stems = [
        StripRow(
            str(i),
            stem.name,
            stem.condition.name,
            stem.strip,
        )
        for i, stem in enumerate(scene.stems, 1)
    ]
    master = Strip(scene.master_db, scene.master_mute)
    return [
        *stems,
        StripRow("r", "remainder", "", scene.remainder),
        StripRow("0", "master", "", master),
    ]


class Keys:
    """Changes the mix by keys; remembers which strip is selected and whether the user wants to
    quit.
    """

    def __init__(self, controller: MixerController) -> None:
        self.controller = controller
        self.is_done = False
        self._selected = ""
        self._asked = ("", "")
        """What played when a preset was last asked for, and which that was."""
        self._named: set[str] = set()
        """Names of conditions that were captured."""

    @property
    def row(self) -> StripRow:
        """The selected strip, or the first where the scene has none of its name."""
        known = rows(self.controller.scene)
        return next(
            (row for row in known if row.name == self._selected),
            known[0],
        )

    def press(self, key: str) -> str:
        """Do what a key says, and return the message that it leaves; other keys do nothing."""
        effect = next(
            (row.press for line in key_lines(self.controller) for row in line if key in row.keys),
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
        known = {row.key: row.name for row in rows(self.controller.scene)}
        self._selected = find(key, known, "strip")

    def turn(self, key: str) -> None:
        """Turn the gain up or down by 1 dB."""
        name, step = self.row.name, 1 if key in {"up", "+", "="} else -1
        gain_db = min(
            max(self.row.strip.gain_db + step, LOWEST_DB),
            HIGHEST_DB,
        )
        if name == "master":
            self.controller.change(lambda scene: replace(scene, master_db=gain_db))
        else:
            self._set(name, gain_db=gain_db)

    def pan(self, key: str) -> None:
        """Pan to the left or to the right by a tenth."""
        _, name, _, strip = self.row
        if name == "master":
            raise UserError("the master has no pan; pan the strips")
        step = PAN_STEP if key == ">" else -PAN_STEP
        self._set(
            name,
            pan=min(
                max(round(strip.pan + step, 3), -1.0),
                1.0,
            ),
        )

    def flip(self, key: str) -> None:
        """Mute or solo, or no longer."""
        _, name, _, strip = self.row
        flag = {"m": "mute", "s": "solo"}[key]
        if name != "master":
            self._set(name, **{flag: not getattr(strip, flag)})
        elif flag == "mute":
            self.controller.change(
                lambda scene: replace(
                    scene,
                    master_mute=not strip.mute,
                )
            )
        else:
            raise UserError("the master has no solo: there is nothing beside it; u ends every solo")

    def unsolo(self, _: str) -> None:
        """Take every solo back."""
        for name in [row.name for row in rows(self.controller.scene) if row.strip.solo]:
            self._set(name, solo=False)

    def bypass(self, _: str) -> None:
        """Bypass, or no longer."""
        self.controller.change(
            lambda scene: replace(
                scene,
                bypass=not scene.bypass,
            )
        )

    def play(self, _: str) -> None:
        """Play the song, or hold it."""
        transport = self.controller.shared.transport
        transport.change(play(not transport.is_playing))

    def seek(self, key: str) -> None:
        """Go back or on in the song, up to its ends."""
        transport = self.controller.shared.transport
        place = transport.position_seconds + (SEEK_SECONDS if key == "right" else -SEEK_SECONDS)
        transport.change(
            seek(
                min(
                    max(place, 0.0),
                    transport.seconds,
                )
            )
        )

    def set_loop(self, key: str) -> None:
        """Begin the loop here, end it here, or clear it."""
        transport = self.controller.shared.transport
        here, command = transport.position_seconds, transport.command.read()
        if key == "[":
            is_before = here + MIN_LOOP_SECONDS <= min(command.b_seconds, transport.seconds)
            transport.change(
                loop(a_seconds=here, b_seconds=command.b_seconds if is_before else math.inf)
            )
        elif key == "]":
            transport.change(loop(b_seconds=here, is_looping=True))
        else:
            transport.change(
                loop(
                    is_looping=False,
                    a_seconds=0.0,
                    b_seconds=math.inf,
                )
            )

    def panic(self, _: str) -> None:
        """Silence, or no longer."""
        self.controller.shared.panic = not self.controller.shared.panic

    def load_neighbour(self, key: str) -> None:
        """Ask for the next or previous preset, counted from the one asked for if that has not come
        yet.
        """
        playing, asked = self.controller.preset, self._asked
        base = asked[1] if asked[0] == playing else playing
        known = sorted(self.controller.library.presets())
        after, before = (
            [name for name in known if name > base],
            [name for name in known if name < base],
        )
        name = (after or known)[0] if key == "p" else (before or known)[-1]
        self._asked = (playing, name)
        self.controller.start_loading(name)

    def cue(self, key: str) -> None:
        """Ask for the next or previous cue."""
        cues = self.controller.cues
        if cues is not None:
            cues.fire(cues.neighbour(1 if key == "g" else -1))

    def capture(self, _: str) -> None:
        """Make a condition of what was heard just now, and let the selected stem play it."""
        captures, stem = self._capturing()
        name = self._new_name()
        captures.ask(captures.last(name, "positive", CAPTURE_SECONDS))
        captures.ask(captures.simple("build", name))
        captures.let_play(stem.name, name)

    def refine(self, key: str) -> None:
        """Take what the selected stem plays, or what is heard now, for something else; or what is
        left for it too.
        """
        captures, stem = self._capturing()
        role, source = _REFINEMENTS[key]
        source = source or stem.name
        captures.ask(captures.last(stem.condition.name, role, CAPTURE_SECONDS, source))
        captures.ask(captures.simple("build", stem.condition.name))

    def undo(self, _: str) -> None:
        """Go back to the condition that the selected stem had before it was refined."""
        captures, stem = self._capturing()
        captures.ask(captures.simple("undo", stem.condition.name))

    def _capturing(self) -> tuple[Captures, Stem]:
        """What captures, and the selected stem.

        Raises:
            UserError: nothing can be captured, or another strip is selected.
        """
        captures = self.controller.captures
        if captures is None:
            raise UserError("nothing can be captured: rtmss live was started with --no-capture")
        if captures.n_free < N_JOBS:
            raise UserError("too much is waiting to be captured already")
        stems = {stem.name: stem for stem in self.controller.scene.stems}
        if self.row.name not in stems:
            raise UserError("captured sounds are for stems; select one with 1 to 8")
        return captures, stems[self.row.name]

    def _new_name(self) -> str:
        """A name that no condition has."""
        known = {*self.controller.library.conditions(), *self._named}
        number = 1
        while f"sound-{number}" in known:
            number += 1
        self._named.add(f"sound-{number}")
        return f"sound-{number}"

    def learn(self, _: str) -> None:
        """Learn which control is for the selected strip's fader; asked again, its mute, its solo,
        and none.
        """
        midi, owner = self._midi()
        leaves = LEARNED[:-1] if self.row.name == "master" else LEARNED
        addresses = [f"{owner}/{leaf}" for leaf in leaves]
        at = addresses.index(midi.learning) + 1 if midi.learning in addresses else 0
        if at < len(addresses):
            midi.learn(addresses[at])
        else:
            midi.stop_learning()

    def forget(self, _: str) -> None:
        """Let no control do anything to the selected strip any longer."""
        midi, owner = self._midi()
        bound = midi.bound_to(owner)
        if not bound:
            raise UserError(f"no control is bound to {self.row.name}")
        for address in bound:
            midi.forget(address)

    def _midi(self) -> tuple[MidiControllers, str]:
        """The controllers, and the addresses of the selected strip."""
        midi, name = self.controller.midi, self.row.name
        assert midi is not None, "the key is there with MIDI alone"
        is_fixed = name in {"master", "remainder"}
        return midi, f"/rtmss/{name}" if is_fixed else f"/rtmss/stem/{name}"

    def quit(self, _: str) -> None:
        """Leave."""
        self.is_done = True

    def _set(self, name: str, **changes: float) -> None:
        self.controller.change(lambda scene: scene.with_strip(name, **changes))


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
    Key("space", "panic", (" ", "x"), Keys.panic),
    Key("q", "quit", ("q",), Keys.quit),
)
"""Every key, and the help line."""
_PAN_KEY = Key("< >", "pan", ("<", ">"), Keys.pan)
_CUE_KEY = Key("gG", "cue", ("g", "G"), Keys.cue)
_CAPTURE_KEYS = (
    Key("c", "that sound", ("c",), Keys.capture),
    Key("n", "not this", ("n",), Keys.refine),
    Key("w", "without it", ("w",), Keys.refine),
    Key("t", "this too", ("t",), Keys.refine),
    Key("z", "undo", ("z",), Keys.undo),
)
_MIDI_KEYS = Key("l", "learn", ("l",), Keys.learn), Key("L", "forget", ("L",), Keys.forget)
_SONG_KEYS = (
    Key("space", "play", (" ",), Keys.play),
    Key("x", "panic", ("x",), Keys.panic),
    Key("←→", "5 s", ("left", "right"), Keys.seek),
    Key("[ ]", "loop from, to", ("[", "]"), Keys.set_loop),
    Key("\\", "no loop", ("\\",), Keys.set_loop),
    _PAN_KEY,
)


def key_lines(controller: MixerController) -> tuple[tuple[Key, ...], ...]:
    """Every key that does something now, by lines of help; where a song plays, the space bar is its
    own.
    """
    capture_keys = _CAPTURE_KEYS if controller.captures else ()
    cue = (_CUE_KEY,) if controller.cues is not None else ()
    midi = _MIDI_KEYS if controller.midi is not None else ()
    if not controller.shared.transport.song:
        return KEYS, (_PAN_KEY, *capture_keys, *cue), *([midi] if midi else [])
    lines = tuple(row for row in KEYS if row.does != "panic"), (*_SONG_KEYS, *cue)
    return (*lines, (*capture_keys, *midi)) if capture_keys or midi else lines


def split_keys(text: str) -> tuple[list[str], str]:
    """Cut what was typed into keys, arrows by name, and the beginning of a sequence whose end has
    not come.
    """
    beginning = _BEGINNING.search(text)
    pending = beginning[0] if beginning else ""
    return [ARROWS.get(key, key) for key in _KEY.findall(text.removesuffix(pending))], pending
