"""What a control does when it is moved: pick-up, toggles, encoders; and what its light shows."""

from __future__ import annotations

from rtmss.live.control.midi.events import COARSE, Control, Event, ticks_of
from rtmss.live.control.midi.map_file import MapEntry
from rtmss.live.control.midi.targets import present_address
from rtmss.live.control.osc.arguments import Value
from rtmss.live.control.osc.codec import Message
from rtmss.live.control.osc.state import Values

PRESSED = 64
"""A control change from here on is a button that is down."""


class PickUp:
    """Whether a fader is at the value that it stands for. Places are in steps of the control."""

    def __init__(self, steps: int) -> None:
        self._near = steps / COARSE
        self._place: float | None = None
        """Where the fader was last."""
        self._set: float | None = None
        """Where the value was when the fader had last set it."""

    def takes(self, place: float, present: float) -> bool:
        """Whether the fader moves the value: it has done so and nobody else has since, it is beside
        the value, or it has passed it now.
        """
        before, self._place = self._place, place
        is_passed = before is not None and (before - present) * (place - present) <= 0
        is_held = self._set is not None and abs(self._set - present) < 0.5
        return is_held or is_passed or abs(place - present) <= self._near

    def set_to(self, present: float) -> None:
        """The fader has set the value."""
        self._set = present

    def let_go(self) -> None:
        """Nobody knows any longer where the fader is."""
        self._place = self._set = None


class Binding:
    """One entry of a map on one port."""

    def __init__(self, entry: MapEntry, *, picks_up: bool) -> None:
        """Say what.

        Args:
            entry: of the map.
            picks_up: whether its fader waits until it has passed the present value.
        """
        self.entry = entry
        self.control: Control = entry.what
        self.target = entry.target
        self._scale = entry.scale if self.target.kind == "number" else None
        self._picks_up = picks_up if entry.pickup is None else entry.pickup
        self._pick_up = PickUp(self.control.steps)
        self._value = -1
        """That came last."""
        self._exact: tuple[Value, float] | None = None
        """What an encoder has set, and its place in between."""

    @property
    def is_number(self) -> bool:
        """Whether its last place is all that counts."""
        return self._scale is not None

    def let_go(self) -> None:
        """The controller may be another one now."""
        self._pick_up.let_go()
        self._value = -1
        self._exact = None

    def address(self, stems: tuple[str, ...]) -> str | None:
        """What it means now; None where there is no such stem."""
        return present_address(self.target.address, stems)

    def move(self, value: int, address: str, values: Values) -> Message | None:
        """What is said when the control has come to a value, or has been turned by ticks.

        Args:
            value: of the event; of a relative encoder the sum of its ticks.
            address: what it means now.
            values: present ones by address.

        Returns:
            None where nothing is to be done.
        """
        if self._scale is not None:
            return self._turn(value, address, values)
        before, self._value = self._value, value
        is_down = value >= (1 if self.control.kind == "note" else PRESSED)
        if self.entry.button == "hold":
            return self.target.message(address, int(is_down))
        # Some buttons never say that they are let go: they send the same value again.
        was_down = before >= PRESSED and value != before and self.control.kind != "note"
        if not is_down or was_down:
            return None
        if self.target.kind == "press":
            return self.target.message(address)
        lit = self.target.is_lit(address, values)
        return None if lit is None else self.target.message(address, int(not lit))

    def _turn(self, value: int, address: str, values: Values) -> Message | None:
        assert self._scale is not None
        if address not in values:
            return None
        present = values[address][0]
        if not isinstance(present, int | float):
            return None
        if self.entry.relative:
            return self._tick(value, address, present)
        steps = self.control.steps
        at = self._scale.place_of(present) * steps
        if self._picks_up and not self._pick_up.takes(value, at):
            return None
        if round(at) == value:
            self._pick_up.set_to(at)
            return None
        new = self._scale.value_of(value / steps)
        self._pick_up.set_to(self._scale.place_of(new) * steps)
        return self.target.message(address, new)

    def _tick(self, ticks: int, address: str, present: float) -> Message | None:
        assert self._scale is not None
        place = self._scale.place_of(present)
        if self._exact is not None and self._exact[0] == present:
            place = self._exact[1]  # a whole number may take several ticks
        place = min(max(place + ticks * self.entry.step, 0.0), 1.0)
        new = self._scale.value_of(place)
        self._exact = (new, place)
        return self.target.message(address, new) if new != present else None

    def ticks(self, value: int) -> int:
        """How far an encoder was turned."""
        assert self.entry.relative is not None
        return ticks_of(self.entry.relative, value)

    def lamp(self, channel: int, address: str | None, values: Values) -> Event | None:
        """What the control's light or motor should show; None where it shows nothing.

        A button for what is not there is dark.
        """
        if self.control.kind == "program":
            return None
        if self._scale is None:
            lit = self.target.is_lit(address, values) if address else False
            if lit is None and self.target.kind == "press":
                return None
            return Event(self.control, channel, self._light(on=bool(lit)))
        present = values[address][0] if address in values else None
        if not isinstance(present, int | float):
            return None
        place = self._scale.place_of(present)
        return Event(self.control, channel, round(place * self.control.steps))

    def _light(self, *, on: bool) -> int:
        light = self.entry.light[on]
        steps = self.control.steps
        return light if steps == COARSE else round(light / COARSE * steps)
