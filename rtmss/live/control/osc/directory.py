"""Which addresses there are now, and what a message's address means."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc import state
from rtmss.live.control.osc.arguments import RefusedError
from rtmss.live.control.osc.captures import NOT_CAPTURING, PREFIXES
from rtmss.live.control.osc.codec import Message
from rtmss.live.control.osc.cues import NAME, NO_SET_LIST, is_cue
from rtmss.live.control.osc.midi import NO_MIDI
from rtmss.live.control.osc.midi import PREFIX as MIDI_PREFIX
from rtmss.live.control.osc.pattern import is_pattern, select
from rtmss.live.control.osc.song import PREFIX
from rtmss.live.control.osc.table import TABLE, Mode, Row
from rtmss.live.shared.song_state import NO_SONG
from rtmss.lookup import find

MAX_ADDRESS = 1024
"""Letters of an address; that of a button for a preset with a long name has the most."""
MAX_HINT = 64
"""Letters of a part of an address for which one that looks like it is sought."""

_ROWS = {row.address: row for row in TABLE if row.mode is not Mode.SENT}
_STEM = "/rtmss/stem/<name>/"
_STEM_ROWS = {
    address.removeprefix(_STEM): row for address, row in _ROWS.items() if address.startswith(_STEM)
}
_STATUS_ROW = _ROWS["/rtmss/status/<field>"]
_BUTTON_ROW = _ROWS["/rtmss/preset/<name>"]
_FIXED = tuple(
    address
    for address, row in _ROWS.items()
    if row.mode in {Mode.VALUE, Mode.QUERY} and "<" not in address
)

_COMMANDS = tuple(
    address for address, row in _ROWS.items() if address not in _FIXED and "<" not in address
)
_METER_ROWS = tuple(row for row in TABLE if row.address.startswith("/rtmss/meter/"))
_NOT_TOLD = {
    "/rtmss/status",
    "/rtmss/presets",
    "/rtmss/conditions",
    "/rtmss/cues",
    "/rtmss/meters",
    "/rtmss/midi/map",
}
"""Bundles, and what takes a look into folders or belongs to one peer."""


class UnknownAddressError(RefusedError):
    """There is no such address."""

    def __init__(self, address: str) -> None:
        super().__init__("address", f"no address '{address}'")

    def with_hint(self, like: str) -> str:
        """What to say, with an address that looks like it, if there is one."""
        hint = f"did you mean '{like}'? " if like else ""
        return f"{self}; {hint}rtmss osc lists them all"


def check_length(address: str) -> None:
    """See that an address is not too long to be looked for.

    Raises:
        RefusedError: it is.
    """
    if len(address) > MAX_ADDRESS:
        raise RefusedError("address", f"an address has at most {MAX_ADDRESS} characters")


class Target(NamedTuple):
    """A row, and the address by which it was meant."""

    row: Row
    address: str


class Directory:
    """The addresses of a controller while one packet is read."""

    def __init__(self, controller: MixerController) -> None:
        self._controller = controller

    @functools.cached_property
    def known(self) -> Mapping[str, Row]:
        """All addresses that can be asked now."""
        return _known(self._stems, state.status_names(self._controller), self._missing)

    @property
    def commands(self) -> Mapping[str, Row]:
        """All other addresses that act now, but for the buttons of presets."""
        return _commands(self._missing)

    @property
    def meters(self) -> Mapping[str, Row]:
        """Addresses of levels that are sent."""
        return _meters(self._stems)

    @property
    def heard(self) -> Collection[str]:
        """All addresses whose values can be told whenever they change."""
        return self.known.keys() - _NOT_TOLD | self.meters.keys() | {"/rtmss/panic"}

    @functools.cached_property
    def _stems(self) -> tuple[str, ...]:
        return tuple(stem.name for stem in self._controller.scene.stems)

    @functools.cached_property
    def _missing(self) -> tuple[str, ...]:
        """How addresses begin that are not there."""
        missing: list[str] = [] if self._has_song else [PREFIX]
        missing += [] if self._controller.captures else PREFIXES
        missing += [] if self._controller.cues is not None else [NAME]
        missing += [] if self._controller.midi is not None else [MIDI_PREFIX]
        return tuple(missing)

    @functools.cached_property
    def _has_song(self) -> bool:
        return bool(self._controller.shared.transport.song)

    @functools.cached_property
    def _addresses(self) -> tuple[str, ...]:
        return tuple(self.known)

    def targets(self, one: Message) -> list[Target]:
        """What an address means now; a pattern reaches values only, so that none sets off a panic
        by accident.

        Raises:
            RefusedError: there is no such address.
            UserError: there is no such stem.
        """
        check_length(one.address)
        if not is_pattern(one.address):
            return [Target(self._row(one.address), one.address)]
        try:
            found = select(one.address, self._addresses)
        except ValueError as error:
            raise RefusedError("address", str(error)) from error
        targets = [Target(self.known[address], address) for address in found]
        targets = [target for target in targets if not one.args or target.row.mode is Mode.VALUE]
        if not targets:
            what = "can be set" if one.args else "is there"
            raise RefusedError(
                "address", f"nothing that {what} matches; rtmss osc lists all addresses"
            )
        return targets

    def _row(self, address: str) -> Row:
        row = self.known.get(address)
        if row is not None:
            return row
        if address in _ROWS and address.startswith(PREFIX):
            raise RefusedError("song", NO_SONG)
        if address in _ROWS and is_cue(address) and self._controller.cues is None:
            raise RefusedError("cue", NO_SET_LIST)
        if address in _ROWS and address.startswith(MIDI_PREFIX) and self._controller.midi is None:
            raise RefusedError("midi", NO_MIDI)
        if address in _ROWS and address.startswith(PREFIXES) and not self._controller.captures:
            raise RefusedError("capture", NOT_CAPTURING)
        if address in _ROWS and "<" not in address:
            return _ROWS[address]
        match address.split("/")[1:]:
            case ["rtmss", "stem", name, _]:
                stems = {stem.name: stem for stem in self._controller.scene.stems}
                find(name[: MAX_HINT + 1], stems, "stem")
            case ["rtmss", "preset", name] if name:
                return _BUTTON_ROW
        raise UnknownAddressError(address)

    def like(self, address: str) -> str:
        """An address that looks like this one: another word where the first wrong one stands.

        Returns:
            An empty text where there is none.
        """
        return nearest(address, self._addresses)


@functools.lru_cache(maxsize=8)
def _known(
    stems: tuple[str, ...],
    fields: tuple[str, ...],
    missing: tuple[str, ...],
) -> Mapping[str, Row]:
    """All that can be asked, but for what begins like one of `missing`."""
    fixed = {one: _ROWS[one] for one in _FIXED if not one.startswith(missing)}
    status = {f"/rtmss/status/{name}": _STATUS_ROW for name in fields}
    settings = {
        f"/rtmss/stem/{stem}/{leaf}": row for stem in stems for leaf, row in _STEM_ROWS.items()
    }
    return MappingProxyType(fixed | status | settings)


@functools.lru_cache(maxsize=8)
def _commands(missing: tuple[str, ...]) -> Mapping[str, Row]:
    return MappingProxyType({one: _ROWS[one] for one in _COMMANDS if not one.startswith(missing)})


@functools.lru_cache(maxsize=8)
def _meters(stems: tuple[str, ...]) -> Mapping[str, Row]:
    return MappingProxyType(
        {
            row.address.replace("<name>", name): row
            for name in (*stems, "remainder", "master")
            for row in _METER_ROWS
        }
    )


def nearest(address: str, known: tuple[str, ...]) -> str:
    """The one of the known addresses that looks like another; an empty text where none does."""
    head = ""
    parts = address.split("/")[1:]
    for number, part in enumerate(parts):
        head += "/"
        rests = [one[len(head) :] for one in known if one.startswith(head)]
        words = list(dict.fromkeys(rest.partition("/")[0] for rest in rests))
        if part not in words:
            near = difflib.get_close_matches(
                part[:MAX_HINT],
                words,
                n=1,
                cutoff=0.7,
            )
            found = "/".join([head + near[0], *parts[number + 1 :]]) if near else ""
            return found if found in known else ""
        head += part
    return ""
