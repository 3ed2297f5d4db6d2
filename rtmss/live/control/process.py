"""The control side's process: OSC and the terminal, at one controller. It may die and come back
without a sound.

Started by the supervisor as `python -m rtmss.live.control.process OPTIONS`.
"""

from __future__ import annotations

import contextlib
import gc
import math
import signal
import sys
import time
from typing import TYPE_CHECKING, Protocol

from rich.console import Console

from rtmss.conditions.condition import ConditionLimits
from rtmss.conditions.library import Library
from rtmss.conditions.set_list import load_set_list
from rtmss.config import UserError
from rtmss.console import can_take
from rtmss.live.control.captures import Captures, told
from rtmss.live.control.controller import MixerController
from rtmss.live.control.cues.player import CuePlayer
from rtmss.live.control.cues.sheet import load_sheet
from rtmss.live.control.midi.controllers import open_controllers
from rtmss.live.control.osc.server import OscServer
from rtmss.live.control.pairing import Pairing, load_token
from rtmss.live.control.terminal import Terminal, statistics_line
from rtmss.live.control.web.guard import is_loopback
from rtmss.live.options import EXIT_REFUSED, ControlOptions
from rtmss.live.saved import SceneSaver
from rtmss.live.shared.capture_ring import CaptureRing
from rtmss.live.shared.cue_state import CueState
from rtmss.live.shared.heartbeat import Supervision
from rtmss.live.shared.jobs import JobQueue
from rtmss.live.shared.parent import ignore_group_signals
from rtmss.live.shared.state import SharedState

if TYPE_CHECKING:
    from rtmss.live.control.web.server import WebServer

TICK_SECONDS = 0.005


def run_control(options: ControlOptions) -> None:
    """Serve until the shared state says stop, or the user does."""
    ignore_group_signals()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the terminal is left as it was
    shared = SharedState.attach(options.memory, options.n_condition)
    longest = math.inf if options.largest_norm is None else options.largest_norm
    supervision = Supervision(shared, options.supervisor, signal.SIGTERM)
    folders = [options.drafts, options.library] if options.drafts else [options.library]
    controller = MixerController(
        shared,
        Library(folders),
        options.model_id,
        ConditionLimits(options.n_condition, longest),
        _captures(options),
    )
    problem = _load_cues(controller, options)
    if options.midi:
        controller.midi = open_controllers(
            controller, options.midi, options.midi_map, options.library
        )
    pairing = Pairing(load_token(options.library)) if options.osc_token else None
    server = OscServer(controller, options.osc_bind, options.osc_port, pairing)
    web = open_web(server, options)
    # Collections pass over what was loaded: looking through all of it would hold up the loop, and
    # count as work of the peer whose packet it met.
    gc.collect()
    gc.freeze()
    saver = SceneSaver(options.library)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(server))
        if controller.midi:
            stack.enter_context(contextlib.closing(controller.midi))
        shown = stack.enter_context(_shown(controller, options.output))
        shown.say(problem or server.describe())
        if web is not None:
            stack.callback(web.close)
            shown.say(web.describe())
            shown.show_card(web.card())
        while not shared.stop and not supervision.is_gone():
            shared.beat("control")
            if not take_turn(controller, server, shown, TICK_SECONDS):
                shared.stop = True
            if web is not None:
                web.serve()
            cues = controller.cues
            place = cues.position_seconds if cues is not None else 0.0
            saver.save(controller.scene, controller.preset, cues.name if cues else "", place)


def open_web(server: OscServer, options: ControlOptions) -> WebServer | None:
    """The page and OSCQuery, if they are asked for.

    Raises:
        UserError: they cannot be had.
    """
    if options.web_port is None:
        return None
    from rtmss.live.control.web.mixer_space import MixerSpace
    from rtmss.live.control.web.server import WebServer
    from rtmss.live.control.web.waveform import Waveforms

    token = "" if is_loopback(options.web_bind) else load_token(options.library)
    waveforms = Waveforms(server.dispatcher.controller.shared.transport)
    space, where = MixerSpace(server), (options.web_bind, options.web_port)
    return WebServer(server, space, *where, token, waveforms.peaks)


def _captures(options: ControlOptions) -> Captures | None:
    if options.capture is None or options.jobs is None:
        return None
    return Captures(CaptureRing.attach(options.capture), JobQueue.attach(options.jobs))


def _load_cues(controller: MixerController, options: ControlOptions) -> str:
    """Read the set list, if there is one; what has kept a control side that comes back from it.

    Raises:
        UserError: it cannot be played, and nothing of it has been yet.
    """
    if options.set_list is None:
        return ""
    try:
        set_list = load_set_list(options.set_list)
        sheet = load_sheet(set_list, controller.library, controller.model_id, controller.limits)
    except UserError as error:
        if controller.shared.cues.read() == CueState():
            raise
        return f"no cues: {error}"  # the sound goes on, and so does everything else
    controller.cues = CuePlayer(sheet, controller)
    return ""


class Display(Protocol):
    """What shows the mixer to the user, and may read keys."""

    def say(self, text: str) -> None:
        """Show a line."""

    def show_card(self, text: str) -> None:
        """Show a link as a picture, if there is one."""

    def poll(self) -> bool:
        """Act on keys and show what is new; False once the user asked to quit."""


def take_turn(
    controller: MixerController, server: OscServer, shown: Display, timeout: float
) -> bool:
    """One turn of the loop; everything that came in until then is sent to the engine at once.

    Args:
        controller: what OSC and keys change.
        server: waited on for at most `timeout` seconds.
        shown: the terminal, or what stands in for it.
        timeout: seconds.

    Returns:
        False once the user asked to quit.
    """
    server.receive(timeout)
    goes_on = shown.poll()
    loaded = controller.finish_loading()
    _follow_cues(controller, server)
    _play_midi(controller, server)
    captured = controller.finish_captures()
    try:
        controller.flush()
    except Exception as error:  # the sound plays on, and so does the control side
        server.report_bug(error)
        refused = UserError(f"it cannot be played: {error}")
        loaded = [
            one._replace(
                scene=None,
                error=one.error or refused,
            )
            for one in loaded
        ]
    server.answer(loaded, captured)
    for preset in loaded:
        shown.say(str(preset.error) if preset.error else f"preset {preset.name}")
    for news in controller.cues.take_news() if controller.cues is not None else ():
        shown.say(news)
    for news in controller.midi.take_news() if controller.midi is not None else ():
        shown.say(news)
    for one in captured:
        shown.say(told(one.answer))
    return goes_on


def _follow_cues(controller: MixerController, server: OscServer) -> None:
    """Let cues by time come; a bug among them keeps nothing else from the engine."""
    try:
        if controller.cues is not None:
            controller.cues.follow()
    except Exception as error:
        server.report_bug(error)


def _play_midi(controller: MixerController, server: OscServer) -> None:
    """Let controls act; a bug among them keeps nothing else from the engine."""
    try:
        if controller.midi is not None:
            controller.midi.play(server.dispatcher)
    except Exception as error:
        server.report_bug(error)


class Lines:
    """One JSON object per second, or nothing at all."""

    def __init__(self, controller: MixerController, *, is_quiet: bool) -> None:
        self._controller = controller
        self._is_quiet = is_quiet
        self._due = time.monotonic()

    def say(self, text: str) -> None:
        """Nobody is there to read it; OSC is answered anyway."""

    def show_card(self, text: str) -> None:
        """Nobody is there to see it."""

    def poll(self) -> bool:
        """Print when it is time."""
        if not self._is_quiet and time.monotonic() >= self._due:
            self._due = time.monotonic() + 1.0
            if not can_take(sys.stdout):
                return True  # the next line says what counts then
            try:
                print(
                    statistics_line(
                        self._controller, self._controller.status, self._controller.meters()
                    ),
                    flush=True,
                )
            except BrokenPipeError:
                self._is_quiet = True
        return True


def _shown(
    controller: MixerController, output: str
) -> contextlib.AbstractContextManager[Terminal | Lines]:
    if output == "view":
        return Terminal(controller, Console())
    return contextlib.nullcontext(Lines(controller, is_quiet=output == "none"))


if __name__ == "__main__":
    try:
        run_control(ControlOptions.of_text(sys.argv[1]))
    except UserError as error:
        print(f"rtmss: {error}", file=sys.stderr)
        sys.exit(EXIT_REFUSED)
