"""The addresses of MIDI: what a control is bound to, and what is said of the ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtmss.live.control.osc.state import Values

if TYPE_CHECKING:
    from rtmss.live.control.midi.controllers import MidiControllers

PREFIX = "/rtmss/midi/"
LEARN, FORGET = PREFIX + "learn", PREFIX + "forget"
MAP, PORTS, LEARNING = PREFIX + "map", PREFIX + "ports", PREFIX + "learning"
NOTHING = "-"
"""What stands for an address where none is learned."""
TRANSPORT = "midi"
"""Of the peer for which controls speak."""
NO_MIDI = "no MIDI port is played; start rtmss live with --midi PORT"


def midi_values(controllers: MidiControllers | None) -> Values:
    """What subscribers are told; nothing without a port."""
    return (
        {}
        if controllers is None
        else {PORTS: controllers.ports, LEARNING: (controllers.learning or NOTHING,)}
    )
