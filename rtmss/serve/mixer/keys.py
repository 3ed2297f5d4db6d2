"""The mixer of an instance, as keys change it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from rtmss.conditions.strip import Strip, settings
from rtmss.config import UserError
from rtmss.live.control.mixer_keys import (
    MASTER,
    MIXER_KEYS,
    PAN_KEY,
    QUIT_KEY,
    Key,
    MixerKeys,
    StripRow,
)
from rtmss.serve.control.table import LIST
from rtmss.serve.mixer.client import Client

_SETTINGS = {name: (setting.leaf, kind) for name, kind, setting in settings(Strip)}
_REMAINDER = "remainder"


class InstanceMixer:
    """One instance of the plug-in, by the number that OSC knows it by."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.number = 0
        """0 for none."""

    @property
    def root(self) -> str:
        """The beginning of its addresses."""
        return f"{LIST}/{self.number}"

    @property
    def place(self) -> tuple[int, int]:
        """Which of how many it is, from 1."""
        numbers = self.client.numbers
        return numbers.index(self.number) + 1, len(numbers)

    @property
    def rows(self) -> Sequence[StripRow]:
        """Every strip in the order of the view: stems, remainder, master."""
        stems = [str(name) for name in self.client.values.get(f"{self.root}/stems", ())]
        return [
            *(self._row(str(i), name) for i, name in enumerate(stems, 1)),
            self._row("r", _REMAINDER),
            self._row("0", MASTER),
        ]

    @property
    def preset(self) -> str:
        """The name of the one that plays."""
        return str(self.value("preset", ""))

    @property
    def is_bypassed(self) -> bool:
        """Whether the input is heard."""
        return bool(self.value("bypass", 0))

    def value(self, leaf: str, otherwise: Any) -> Any:
        """The first value of an address of the instance; another where it is not known yet."""
        values = self.client.values.get(f"{self.root}/{leaf}", ())
        return values[0] if values else otherwise

    def follow(self) -> None:
        """Stay with the instance, or go to the next where it has left."""
        numbers = self.client.numbers
        if self.number not in numbers:
            later = [number for number in numbers if number > self.number]
            self.number = (later or numbers or [0])[0]

    def turn(self) -> None:
        """Go to the next instance, and from the last to the first.

        Raises:
            UserError: there is no other.
        """
        numbers = self.client.numbers
        if len(numbers) < 2:
            raise UserError("there is no other instance")
        self.number = numbers[self.place[0] % len(numbers)]

    def presets(self) -> Collection[str]:
        """Names of all that can be played."""
        return self.client.presets

    def set_strip(self, name: str, **changes: float) -> None:
        """Change settings of a strip; of the master, `gain_db` and `mute`."""
        for key, value in changes.items():
            leaf, kind = _SETTINGS[key]
            address = f"{self._owner(name)}/{leaf}"
            self.client.set(address, int(value) if kind is bool else float(value))

    def set_bypass(self, on: bool) -> None:
        """Bypass, or no longer."""
        self.client.set(f"{self.root}/bypass", int(on))

    def play(self, preset: str) -> None:
        """Ask for a preset."""
        self.client.send(f"{self.root}/preset", preset)

    def release(self) -> None:
        """Give the DAW back what OSC has moved."""
        self.client.send(f"{self.root}/release")

    def _owner(self, name: str) -> str:
        is_fixed = name in {MASTER, _REMAINDER}
        return f"{self.root}/{name}" if is_fixed else f"{self.root}/stem/{name}"

    def _row(self, key: str, name: str) -> StripRow:
        owner = self._owner(name)
        values = self.client.values
        told = {
            field: kind(values[f"{owner}/{leaf}"][0])
            for field, (leaf, kind) in _SETTINGS.items()
            if values.get(f"{owner}/{leaf}")
        }
        condition = values.get(f"{owner}/condition", ("",))
        return StripRow(key, name, str(condition[0]), Strip(**told))


class InstanceKeys(MixerKeys):
    """Changes instances by keys."""

    def __init__(self, mixer: InstanceMixer) -> None:
        super().__init__(mixer)
        self.instances = mixer

    @property
    def lines(self) -> tuple[tuple[Key, ...], ...]:
        """Every key that does something now, by lines of help."""
        return _LINES if self.instances.number else _LINES_OF_NONE

    def turn_instance(self, _: str) -> None:
        """Go to the next instance."""
        self.instances.turn()

    def release(self, _: str) -> None:
        """Give the DAW back what was moved here."""
        self.instances.release()


_LINES = (
    (*MIXER_KEYS, QUIT_KEY),
    (
        PAN_KEY,
        Key("tab", "next instance", ("\t",), InstanceKeys.turn_instance),
        Key("d", "back to the DAW", ("d",), InstanceKeys.release),
    ),
)
_LINES_OF_NONE = ((QUIT_KEY,),)
