"""The keys of the live host: those of its mixer, and of song, cues, captures and MIDI."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.live.control.captures import Captures
from rtmss.live.control.controller import MixerController
from rtmss.live.control.mixer_keys import (
    MASTER,
    MIXER_KEYS,
    PAN_KEY,
    QUIT_KEY,
    Key,
    MixerKeys,
    StripRow,
)
from rtmss.live.shared.capture_ring import INPUT, REMAINDER
from rtmss.live.shared.song_state import MIN_LOOP_SECONDS, loop, play, seek

if TYPE_CHECKING:
    from rtmss.live.control.midi.controllers import MidiControllers

SEEK_SECONDS = 5.0
CAPTURE_SECONDS = 5.0
LEARNED = ("fader", "mute", "solo")
"""What controls are learned for, one after the other."""
N_JOBS = 2
"""That a key asks for."""
_REFINEMENTS = {"n": ("negative", ""), "w": ("negative", INPUT), "t": ("positive", REMAINDER)}
"""Role and source of a clip, by key; no source is the stem itself."""


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
        StripRow("0", MASTER, "", master),
    ]


class LiveMixer:
    """The mixer of the live host, as keys change it."""

    def __init__(self, controller: MixerController) -> None:
        self._controller = controller

    @property
    def rows(self) -> Sequence[StripRow]:
        """Every strip in the order of the view: stems, remainder, master."""
        return rows(self._controller.scene)

    @property
    def preset(self) -> str:
        """The name of the one that plays."""
        return self._controller.preset

    @property
    def is_bypassed(self) -> bool:
        """Whether the input is heard."""
        return self._controller.scene.bypass

    def presets(self) -> Collection[str]:
        """Names of all that can be played."""
        return self._controller.library.presets()

    def set_strip(self, name: str, **changes: float) -> None:
        """Change settings of a strip; of the master, `gain_db` and `mute`."""
        if name != MASTER:
            self._controller.change(lambda scene: scene.with_strip(name, **changes))
            return
        fields = {"gain_db": "master_db", "mute": "master_mute"}
        of_scene = {fields[key]: value for key, value in changes.items()}
        self._controller.change(lambda scene: replace(scene, **of_scene))  # type: ignore[arg-type]

    def set_bypass(self, on: bool) -> None:
        """Bypass, or no longer."""
        self._controller.change(lambda scene: replace(scene, bypass=on))

    def play(self, preset: str) -> None:
        """Ask for a preset."""
        self._controller.start_loading(preset)


class Keys(MixerKeys):
    """Changes what the live host plays, by keys."""

    def __init__(self, controller: MixerController) -> None:
        super().__init__(LiveMixer(controller))
        self.controller = controller
        self._named: set[str] = set()
        """Names of conditions that were captured."""

    @property
    def lines(self) -> tuple[tuple[Key, ...], ...]:
        """Every key that does something now, by lines of help."""
        return key_lines(self.controller)

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


_PANIC_KEY = Key("space", "panic", (" ", "x"), Keys.panic)
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
    PAN_KEY,
)


def key_lines(controller: MixerController) -> tuple[tuple[Key, ...], ...]:
    """Every key that does something now, by lines of help; where a song plays, the space bar is its
    own.
    """
    capture_keys = _CAPTURE_KEYS if controller.captures else ()
    cue = (_CUE_KEY,) if controller.cues is not None else ()
    midi = _MIDI_KEYS if controller.midi is not None else ()
    if not controller.shared.transport.song:
        first = (*MIXER_KEYS, _PANIC_KEY, QUIT_KEY)
        return first, (PAN_KEY, *capture_keys, *cue), *([midi] if midi else [])
    lines = (*MIXER_KEYS, QUIT_KEY), (*_SONG_KEYS, *cue)
    return (*lines, (*capture_keys, *midi)) if capture_keys or midi else lines
