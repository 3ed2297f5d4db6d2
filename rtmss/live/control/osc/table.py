"""The one table of OSC addresses: what is taken, in which units and ranges, and what it does.

Validation, `rtmss osc` and the reference in `docs/osc.md` all come from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from rtmss.conditions.strip import Named, Strip, settings
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.osc.arguments import MAX_INT, Arg, RefusedError, Value
from rtmss.live.control.osc.codec import Message
from rtmss.live.shared.capture_ring import CAPTURE_SECONDS
from rtmss.live.shared.song_state import MAX_LOOPS

MAX_HZ = 30
MAX_TTL = 3600
MAX_SECONDS = 86400
TTL = 30
MAX_AHEAD_SECONDS = 60
FADERS = (0.0, 0.25, 0.5, 0.75, 1.0)
DECIBELS = (-120.0, -40.0, -14.0, 0.0, 12.0)
"""The fader's taper: straight lines in dB between these."""


class Mode(StrEnum):
    """How an address is used."""

    VALUE = "set, query"
    QUERY = "query"
    COMMAND = "command"
    TRIGGER = "trigger"
    SENT = "sent"


class Row(NamedTuple):
    """One address. `<name>` stands for a stem, or for a preset as an address has it (see
    `buttons`); `<field>` for one of the status values.
    """

    address: str
    mode: Mode
    args: tuple[Arg, ...]
    effect: str
    sent: str = ""
    """Arguments of what is only sent, or of a query's answer where they are others than `args`."""

    def check(self, message: Message) -> tuple[Value, ...]:
        """The message's arguments, coerced; none at all is a query where the address can be asked.

        Raises:
            RefusedError: there are too many or too few, or one is not as it should be.
        """
        n_least = sum(not arg.is_optional for arg in self.args)
        if not message.args and self.mode is not Mode.COMMAND:
            return ()
        if not n_least <= len(message.args) <= len(self.args):
            least = f"{n_least} to " if n_least < len(self.args) else ""
            noun = "argument" if len(self.args) == 1 else "arguments"
            raise RefusedError(
                "arity", f"expected {least}{len(self.args)} {noun}, got {len(message.args)}"
            )
        rows = zip(self.args, message.args, message.tags, strict=False)
        return tuple(arg.check(value, tag) for arg, value, tag in rows)


NAME = Arg("text")
SWITCH = Arg("bool")
PUSH = Arg("bool", is_optional=True)
FADER = Arg("float", "", 0, 1)
TAPER = ", ".join(
    f"{fader:g} is {gain:g}"
    for fader, gain in zip(
        FADERS,
        DECIBELS,
        strict=True,
    )
)


def _arg(named: Named) -> Arg:
    """The argument of a setting of the mixer."""
    setting = named.setting
    return (
        SWITCH
        if named.kind is bool
        else Arg(
            "float",
            setting.unit,
            setting.low,
            setting.high,
        )
    )


def _strip(owner: str, what: str) -> list[Row]:
    """Rows of every setting of a strip, and the fader that stands for its gain."""
    rows = []
    for named in settings(Strip):
        leaf, effect = named.setting.leaf, named.setting.effect.format(what)
        rows.append(
            Row(
                f"{owner}/{leaf}",
                Mode.VALUE,
                (_arg(named),),
                effect,
            )
        )
        if leaf == "gain":
            rows.append(_fader(owner))
    return rows


def _fader(owner: str) -> Row:
    return Row(f"{owner}/fader", Mode.VALUE, (FADER,), "The same gain as a fader; see the taper")


_MIX = {
    named.setting.leaf: Row(
        f"/rtmss/{named.setting.leaf}", Mode.VALUE, (_arg(named),), named.setting.effect
    )
    for named in settings(Scene)
}
"""Rows of the settings that hold for the whole scene."""


_PLACE = (Arg("float", "s", 0, MAX_SECONDS),)
_SONG = (
    Row(
        "/rtmss/transport/play",
        Mode.VALUE,
        (SWITCH,),
        "Play the song of --file, or hold it where it is",
    ),
    Row(
        "/rtmss/transport/position",
        Mode.VALUE,
        _PLACE,
        "Where it is; it falls silent for a moment to get elsewhere",
    ),
    Row(
        "/rtmss/transport/length", Mode.QUERY, (), "Its length in s; 0 while it is being read", "f"
    ),
    Row("/rtmss/transport/loop", Mode.VALUE, (SWITCH,), "Go back to A whenever it comes to B"),
    Row("/rtmss/transport/a", Mode.VALUE, _PLACE, "Beginning of the loop"),
    Row(
        "/rtmss/transport/b",
        Mode.VALUE,
        _PLACE,
        "End of the loop; set A and B in one bundle to move both",
    ),
    Row(
        "/rtmss/transport/loops",
        Mode.VALUE,
        (Arg("int", "", 0, MAX_LOOPS),),
        "How many times the loop is played before the song goes on; 0 without end",
    ),
    Row("/rtmss/transport/passes", Mode.QUERY, (), "How many times it has gone back to A", "i"),
)

_CUES = (
    Row("/rtmss/cue", Mode.QUERY, (), "The cue of the set list that came last", "s"),
    Row("/rtmss/cue/upcoming", Mode.QUERY, (), "The one that follows it in the list", "s"),
    Row("/rtmss/cues", Mode.QUERY, (), "Names of all cues, in order", "s..."),
    Row("/rtmss/cue/next", Mode.TRIGGER, (PUSH,), "The cue that follows, now; 0 does nothing"),
    Row("/rtmss/cue/previous", Mode.TRIGGER, (PUSH,), "The cue before, now; 0 does nothing"),
    Row(
        "/rtmss/cue/go",
        Mode.COMMAND,
        (NAME,),
        "A cue by name, now: song/cue, a cue of this song, or a song",
    ),
)
_CLIP = (NAME, NAME)
"""The name of a condition, and the role: positive or negative."""
_SOURCE = Arg("text", is_optional=True)
_LENGTH = Arg("float", "s", 0, CAPTURE_SECONDS)
_CAPTURE = (
    Row(
        "/rtmss/capture/last",
        Mode.COMMAND,
        (*_CLIP, _LENGTH, _SOURCE),
        "The last seconds become a clip: name, role (positive or negative), seconds, and of what: "
        "input, remainder or a stem",
    ),
    Row(
        "/rtmss/capture/start",
        Mode.COMMAND,
        (*_CLIP, _SOURCE),
        "Begin a clip: name, role, and of what",
    ),
    Row("/rtmss/capture/stop", Mode.COMMAND, (NAME,), "End it"),
    Row(
        "/rtmss/capture/range",
        Mode.COMMAND,
        (*_CLIP, *_PLACE, *_PLACE),
        "A place in the song of --file becomes a clip: name, role, from, to",
    ),
    Row("/rtmss/capture/clear", Mode.COMMAND, (NAME,), "Throw the clips of a name away"),
    Row("/rtmss/capture/open", Mode.QUERY, (), "Names for which a clip goes on", "s..."),
    Row(
        "/rtmss/condition/build",
        Mode.COMMAND,
        (NAME,),
        "Make a condition of the clips; stems that play it, or are told to meanwhile, switch",
    ),
    Row("/rtmss/condition/undo", Mode.COMMAND, (NAME,), "The version before, without later clips"),
    Row("/rtmss/condition/save", Mode.COMMAND, (NAME,), "Keep it for all commands and presets"),
    Row("/rtmss/condition/delete", Mode.COMMAND, (NAME,), "Throw it away, unless it was saved"),
    Row(
        "/rtmss/condition/inspect",
        Mode.COMMAND,
        (NAME,),
        "How alike its clips and the stems are, and which conditions are near",
    ),
)

_MIDI = (
    Row(
        "/rtmss/midi/learn",
        Mode.COMMAND,
        (NAME, _SOURCE),
        "The next control that moves is bound to an address, and says a text there if one is given",
    ),
    Row("/rtmss/midi/forget", Mode.COMMAND, (NAME,), "No control is bound to an address any more"),
    Row("/rtmss/midi/learning", Mode.QUERY, (), "The address that is learned; - for none", "s"),
    Row("/rtmss/midi/map", Mode.QUERY, (), "What every control is bound to", "s..."),
    Row("/rtmss/midi/ports", Mode.QUERY, (), "Every port, and whether it is open", "s..."),
)

TABLE: tuple[Row, ...] = (
    Row(
        "/rtmss/ping",
        Mode.COMMAND,
        (),
        "Answers /rtmss/pong: the version, and whatever came",
        "any",
    ),
    Row("/rtmss/status", Mode.QUERY, (), "A bundle of all that is under /rtmss/status", "bundle"),
    Row(
        "/rtmss/status/<field>",
        Mode.QUERY,
        (),
        "State, load, late hops, and other figures of the engine",
        "s i f",
    ),
    Row(
        "/rtmss/latency",
        Mode.QUERY,
        (),
        "Samples and ms from input to output, without the device",
        "i f",
    ),
    Row("/rtmss/preset", Mode.VALUE, (NAME,), "Switch the scene; /rtmss/done when it plays"),
    Row(
        "/rtmss/preset/<name>",
        Mode.TRIGGER,
        (PUSH,),
        "The same by a button; 0 does nothing; in the name %20 is a space, and so on",
    ),
    Row("/rtmss/presets", Mode.QUERY, (), "Names of all presets", "s..."),
    Row("/rtmss/conditions", Mode.QUERY, (), "Names of all conditions", "s..."),
    Row("/rtmss/stems", Mode.QUERY, (), "Names of the stems that play", "s..."),
    *_strip("/rtmss/stem/<name>", "a stem"),
    Row("/rtmss/stem/<name>/condition", Mode.VALUE, (NAME,), "What the stem separates"),
    Row(
        "/rtmss/stem/<name>/condition/b",
        Mode.VALUE,
        (NAME,),
        "What it can be morphed to; - for nothing",
    ),
    *(
        Row(
            f"/rtmss/stem/<name>/{named.setting.leaf}",
            Mode.VALUE,
            (_arg(named),),
            named.setting.effect,
        )
        for named in settings(Stem)
    ),
    *_strip("/rtmss/remainder", "all that no stem takes"),
    _MIX["master/gain"],
    _fader("/rtmss/master"),
    _MIX["master/mute"],
    Row("/rtmss/unsolo", Mode.TRIGGER, (PUSH,), "End every solo; 0 does nothing"),
    _MIX["fade"],
    _MIX["bypass"],
    Row(
        "/rtmss/panic",
        Mode.TRIGGER,
        (PUSH,),
        "Silence, before all else in a packet; 0 ends it, a new preset too",
    ),
    *_SONG,
    *_CAPTURE,
    *_CUES,
    *_MIDI,
    Row(
        "/rtmss/sync",
        Mode.COMMAND,
        (Arg("int", "", -MAX_INT, MAX_INT),),
        "/rtmss/synced when all that came before is heard",
    ),
    Row(
        "/rtmss/subscribe",
        Mode.COMMAND,
        (
            Arg("text", is_optional=True),
            Arg(
                "int",
                "s",
                1,
                MAX_TTL,
                is_optional=True,
            ),
        ),
        f"All values under a pattern (/rtmss), then every change, for {TTL} s after each message "
        "from here; 1 alone, as from a button, is the same, 0 nothing",
    ),
    Row("/rtmss/unsubscribe", Mode.TRIGGER, (PUSH,), "End that, the meters and all listening"),
    Row(
        "/rtmss/listen",
        Mode.COMMAND,
        (NAME,),
        "One value to this peer, now and whenever it changes, figures of the engine and levels too",
    ),
    Row("/rtmss/ignore", Mode.COMMAND, (NAME,), "End that"),
    Row(
        "/rtmss/meters",
        Mode.VALUE,
        (Arg("float", "Hz", 0, MAX_HZ),),
        "Levels to this peer, so often; 0 ends it",
    ),
    Row(
        "/rtmss/echo",
        Mode.COMMAND,
        (Arg("int", "", -MAX_INT, MAX_INT),),
        "Send back the number that came from here, and answers over UDP from another machine may "
        "be long",
    ),
    Row(
        "/rtmss/token",
        Mode.COMMAND,
        (NAME,),
        "With --osc-token, before anything else from another machine: the token of the page's link",
    ),
    Row("/rtmss/pong", Mode.SENT, (), "Version, and what the ping carried", "s any"),
    Row(
        "/rtmss/done",
        Mode.SENT,
        (),
        "Address and name: what was asked for plays, or is done; of captures also what was done",
        "s s [s]",
    ),
    Row(
        "/rtmss/warning",
        Mode.SENT,
        (),
        "Address, name, text: it was done, and is doubtful",
        "s s s",
    ),
    Row(
        "/rtmss/condition/clip",
        Mode.SENT,
        (),
        "Condition, clip, role, and how like the others it is: a cosine",
        "s s s f",
    ),
    Row(
        "/rtmss/condition/near",
        Mode.SENT,
        (),
        "Condition, another one, and how alike they are: a cosine",
        "s s f",
    ),
    Row(
        "/rtmss/condition/source",
        Mode.SENT,
        (),
        "Condition, a signal that plays, and how like the positive clips it is: a cosine",
        "s s f",
    ),
    Row(
        "/rtmss/fail",
        Mode.SENT,
        (),
        "Address, code, text: it was refused, and nothing has changed",
        "s s s",
    ),
    Row("/rtmss/synced", Mode.SENT, (), "The number of the sync, and the hop", "i i"),
    Row(
        "/rtmss/meter/<name>/peak",
        Mode.SENT,
        (),
        "Peak of a stem, of remainder or of master in dBFS",
        "f",
    ),
    Row("/rtmss/meter/<name>/rms", Mode.SENT, (), "RMS of the same in dBFS", "f"),
)


class Reference(NamedTuple):
    """One row as it is printed."""

    address: str
    use: str
    args: str
    range: str
    effect: str


def reference(rows: Sequence[Row] = TABLE) -> list[Reference]:
    """A table as text."""
    return [
        Reference(
            row.address,
            row.mode.value,
            _types(row),
            "; ".join(filter(None, map(_range, row.args))),
            row.effect,
        )
        for row in rows
    ]


def markdown_rows(rows: Sequence[Row]) -> str:
    """A table for a page."""
    lines = ["| address | use | types | range | effect |", "|---|---|---|---|---|"]
    lines += [
        f"| `{r.address}` | {r.use} | {_code(r.args)} | {r.range} | {r.effect} |"
        for r in reference(rows)
    ]
    return "\n".join(lines)


def markdown() -> str:
    """The table of `docs/osc.md`."""
    return "\n".join(
        [markdown_rows(TABLE), "", f"Fader taper: {TAPER} dB, straight lines in dB between."]
    )


def _code(text: str) -> str:
    return text and f"`{text}`"


def gain_of(fader: float) -> float:
    """Gain in dB of a fader position from 0 to 1."""
    return float(np.interp(fader, FADERS, DECIBELS))


def fader_of(gain_db: float) -> float:
    """Fader position from 0 to 1 of a gain in dB."""
    return float(np.interp(gain_db, DECIBELS, FADERS))


def _types(row: Row) -> str:
    letters = {"float": "f", "int": "i", "bool": "i/T/F", "text": "s"}
    return row.sent or " ".join(
        f"[{letters[a.kind]}]" if a.is_optional else letters[a.kind] for a in row.args
    )


def _range(arg: Arg) -> str:
    return " ".join(
        filter(
            None,
            [arg.range_text(), arg.unit],
        )
    )
