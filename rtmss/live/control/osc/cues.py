"""The addresses of cues: which one they mean, and what is said of them."""

from __future__ import annotations

from rtmss.config import UserError
from rtmss.live.control.cues.player import CuePlayer
from rtmss.live.control.osc.arguments import RefusedError, Value
from rtmss.live.control.osc.state import Values

NAME, LIST = "/rtmss/cue", "/rtmss/cues"
PREFIX = NAME + "/"
NO_SET_LIST = "no set list is played; start rtmss live with --setlist FILE"
STEPS = {PREFIX + "next": 1, PREFIX + "previous": -1}


def is_cue(address: str) -> bool:
    """Whether an address is there with a set list alone."""
    return address in {NAME, LIST} or address.startswith(PREFIX)


def cue_asked(cues: CuePlayer, address: str, values: tuple[Value, ...]) -> int | None:
    """The place of the cue that a message asks for; None where a button was let go.

    Raises:
        UserError: there is no such cue.
        RefusedError: there is none before the first or after the last one.
    """
    if address not in STEPS:
        return cues.index(str(values[0]))
    if values and not values[0]:
        return None
    try:
        return cues.neighbour(STEPS[address])
    except UserError as error:
        raise RefusedError("cue", str(error)) from error


def cue_values(cues: CuePlayer | None) -> Values:
    """What subscribers are told; nothing without a set list."""
    if cues is None:
        return {}
    return {NAME: (cues.name,), PREFIX + "upcoming": (cues.upcoming,)}
