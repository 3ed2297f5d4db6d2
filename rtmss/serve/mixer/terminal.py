"""An instance of the plug-in drawn on a terminal, and changed by keys."""

from __future__ import annotations

import select
import time

from rich.console import Group, RenderableType
from rich.text import Text

from rtmss.live.control.drawing import (
    N_LINES,
    help_line,
    length,
    line,
    message_lines,
    plain,
    strips_table,
)
from rtmss.live.control.screen import Screen
from rtmss.serve.layout import STATES, EngineState
from rtmss.serve.mixer.client import Client
from rtmss.serve.mixer.keys import InstanceKeys, InstanceMixer

DRAW_SECONDS = 0.1
POLL_SECONDS = 0.03


def view(keys: InstanceKeys, message: str = "") -> RenderableType:
    """Everything at a glance, 80 columns by 24 lines at most."""
    mixer = keys.instances
    shown = _instance(keys) if mixer.number else [*_nobody(mixer.client)]
    below = [help_line(row) for row in keys.lines]
    n_strips = len(mixer.rows) if mixer.number else 0
    n_lines = len(shown) + n_strips + len(below)
    return Group(*shown, *message_lines(message, N_LINES - n_lines), *below)


def _nobody(client: Client) -> list[Text]:
    """What is shown where no instance is there."""
    if client.is_answered:
        text = "no plug-in plays"
    else:
        text = f"no engine answers at port {client.port}; the first plug-in that plays starts one"
    return [line((f" {text} ", "reverse")), Text()]


def _instance(keys: InstanceKeys) -> list[RenderableType]:
    mixer = keys.instances
    place, n_instances = mixer.place
    state = str(mixer.value("status/state", ""))
    is_good = state in {STATES[EngineState.PLAYING], "renders"}
    style = "bold black on green" if is_good else "bold white on red"
    host = plain(str(mixer.value("status/host", "")))
    rate = int(mixer.value("status/sample_rate", 0))
    late, moved = int(mixer.value("status/late", 0)), int(mixer.value("status/moved", 0))
    bypass = (" BYPASS: the input is heard, b ends it ", "bold black on yellow")
    return [
        line(
            (f" {state.upper()} ", style),
            (f" {plain(mixer.preset):.40}", "bold"),
            f"  instance {mixer.number}, {place} of {n_instances}",
        ),
        line(f"{host}, {rate} Hz, latency {length(int(mixer.value('latency', 0)), rate)}"),
        line(
            (f"late hops {late}  ", "bold red" if late else ""),
            (f"moved here {moved}  ", "bold" if moved else ""),
            bypass if mixer.is_bypassed else "",
        ),
        strips_table(mixer.rows, keys.row.name, None),
        Text(),
    ]


class InstanceTerminal:
    """The mixers of all instances, one at a time, until the user quits."""

    def __init__(self, client: Client, screen: Screen) -> None:
        """Say whose instances they are, and where they are shown and keys are typed."""
        self.keys = InstanceKeys(InstanceMixer(client))
        self._client, self._screen = client, screen
        self._message = ""
        self._due = 0.0

    def run(self) -> None:
        """Go on until the user asks to quit, or the keyboard has gone."""
        while self.poll() and self._screen.has_keys:
            select.select([self._client.fileno(), self._screen.keyboard], [], [], POLL_SECONDS)

    def poll(self) -> bool:
        """Act on what has come and draw if it is time; False once the user asked to quit."""
        self._client.poll()
        mixer = self.keys.instances
        mixer.follow()
        for key in self._screen.typed():
            self._client.refusal = ""
            self._message = self.keys.press(key)
        now = time.monotonic()
        if now >= self._due and self._screen.can_take:
            self._due = now + DRAW_SECONDS
            self._screen.draw(view(self.keys, self._message or self._client.refusal))
        return not self.keys.is_done
