"""Maps in YAML: which control does what, and what was learned since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, model_validator

from rtmss.bounded import is_there
from rtmss.config import NO_SWITCH, Config, UserError, read_yaml
from rtmss.live.control.midi.events import Control, control_of
from rtmss.live.control.midi.targets import Scale, Target, scale_of, target_of
from rtmss.ownership import whole_file

LEARNED_FILE = "midi-learned.yaml"
MAX_ENTRIES = 1000
MAX_LEARNED = 128
"""Controls, and addresses that were forgotten."""
Relative = Literal["twos-complement", "offset-64", "sign-magnitude"]
Light = Annotated[int, NO_SWITCH, Field(ge=0, le=127)]
_PUSHED = {"note", "program"}
"""Kinds of controls that have no place."""


class MapEntry(Config):
    """One control, and what it does."""

    control: str
    """Such as `cc 7`, `cc14 7`, `nrpn 300`, `note 36`, `pitch`, `program 5`."""
    address: Annotated[str, Field(max_length=256)]
    channel: Annotated[int, NO_SWITCH, Field(ge=1, le=16)] | None = None
    """None for any."""
    port: str = ""
    """As `--midi` has it; empty for any."""
    args: Annotated[tuple[bool | int | float | str, ...], Field(max_length=8)] = ()
    """What is said when it is pressed."""
    range: tuple[Annotated[float, NO_SWITCH], Annotated[float, NO_SWITCH]] | None = None
    """Values at its both ends; without, those of the address."""
    button: Literal["toggle", "hold"] = "toggle"
    """Whether a press turns a switch over, or it is on as long as the button is down."""
    relative: Relative | None = None
    """How an endless encoder counts."""
    step: Annotated[float, NO_SWITCH, Field(gt=0, le=1)] = 0.01
    """Of a relative encoder: the part of the range that a tick is."""
    pickup: bool | None = None
    """Whether a fader does nothing until it has passed the present value; None as the map says."""
    feedback: bool = True
    """Whether its light or motor follows."""
    light: tuple[Light, Light] = (0, 127)
    """Of a button: what is sent when it is off and on, a colour on some controllers."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        control, target = self.what, self.target
        if self.relative and control.kind != "cc":
            raise ValueError("relative: only a control change counts ticks")
        if self.relative and target.kind != "number":
            raise ValueError(f"relative: {self.address} is no number")
        if target.kind == "number":
            if control.kind in _PUSHED:
                raise ValueError(f"{self.address} is a number, and a {control.kind} needs args")
            scale_of(target, self.range)
        elif self.range is not None:
            raise ValueError("range: is for numbers only")
        if self.button == "hold" and (target.kind != "switch" or control.kind == "program"):
            raise ValueError("hold: is for switches on controls that can be let go")
        return self

    @property
    def what(self) -> Control:
        """The control.

        Raises:
            ValueError: the text names none.
        """
        try:
            return control_of(self.control)
        except ValueError as error:
            raise ValueError(f"control '{self.control}': {error}") from None

    @property
    def target(self) -> Target:
        """What it does.

        Raises:
            ValueError: the address is none for a control.
        """
        return target_of(self.address, self.args)

    @property
    def scale(self) -> Scale:
        """From its place to a number."""
        return scale_of(self.target, self.range)

    @property
    def text(self) -> str:
        """As one line."""
        where = f" channel {self.channel}" if self.channel else ""
        port = f" of {self.port}" if self.port else ""
        said = "".join(f" {arg}" for arg in self.args)
        return f"{self.control}{where}{port} -> {self.address}{said}"

    def is_same_control(self, other: MapEntry) -> bool:
        """Whether both may be moved by one hand."""
        return (
            self.what == other.what
            and (not self.port or not other.port or self.port == other.port)
            and (not self.channel or not other.channel or self.channel == other.channel)
        )

    def is_same_target(self, other: MapEntry) -> bool:
        """Whether both do the same."""
        return (self.address, self.args) == (other.address, other.args)


class MidiMap(Config):
    """A file of a map."""

    description: str = ""
    pickup: bool = True
    """Of all faders that do not say it themselves."""
    controls: Annotated[tuple[MapEntry, ...], Field(max_length=MAX_ENTRIES)] = ()


class Learned(Config):
    """What was learned and forgotten since, whatever map it is laid over."""

    controls: Annotated[tuple[MapEntry, ...], Field(max_length=MAX_LEARNED)] = ()
    forgotten: Annotated[tuple[str, ...], Field(max_length=MAX_LEARNED)] = ()
    """Addresses of which the map's own controls do nothing."""

    def over(self, base: MidiMap) -> MidiMap:
        """The map with all of it: a learned control does nothing else, and what it does is done by
        no other.
        """
        kept = (
            entry
            for entry in base.controls
            if entry.address not in self.forgotten and not _is_replaced(entry, self.controls)
        )
        return base.model_copy(update={"controls": (*kept, *self.controls)})

    def with_entry(self, entry: MapEntry) -> Learned:
        """The same with a control that was learned now."""
        kept = [one for one in self.controls if not _is_replaced(one, [entry])]
        forgotten = [address for address in self.forgotten if address != entry.address]
        return self._with((*kept, entry), tuple(forgotten))

    def without(self, address: str, base: MidiMap) -> Learned:
        """The same, and no control of an address does anything."""
        kept = tuple(one for one in self.controls if one.address != address)
        known = {entry.address for entry in base.controls} - set(self.forgotten)
        forgotten = (*self.forgotten, *({address} & known))
        return self._with(kept, forgotten)

    def _with(self, controls: tuple[MapEntry, ...], forgotten: tuple[str, ...]) -> Learned:
        return self.model_copy(update={"controls": controls, "forgotten": forgotten})


def _is_replaced(entry: MapEntry, others: Iterable[MapEntry]) -> bool:
    return any(entry.is_same_control(one) or entry.is_same_target(one) for one in others)


def load_map(path: Path | None) -> MidiMap:
    """A map; None for the one that comes with rtmss.

    Raises:
        ConfigError: it cannot be read; names file, field and value.
    """
    if path is not None:
        return read_yaml(path, MidiMap)
    with as_file(files("rtmss.live.control.midi") / "default.yaml") as default:
        return read_yaml(default, MidiMap)


def load_learned(folder: Path) -> Learned:
    """What was learned; nothing where nothing was.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = folder / LEARNED_FILE
    return read_yaml(path, Learned) if is_there(path) else Learned()


def save_learned(folder: Path, learned: Learned) -> None:
    """Keep what was learned, whole or not at all.

    Raises:
        UserError: the file cannot be written, or there is too much.
    """
    path, text = folder / LEARNED_FILE, as_yaml(learned)
    if max(len(learned.controls), len(learned.forgotten)) > MAX_LEARNED:
        raise UserError(f"at most {MAX_LEARNED} controls are learned; write a map instead")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error


def as_yaml(content: MidiMap | Learned) -> str:
    """A map as it is written into a file; what is as usual is left out."""
    plain = content.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def lines_of(entries: Sequence[MapEntry]) -> list[str]:
    """A line for each control."""
    return [entry.text for entry in entries]
