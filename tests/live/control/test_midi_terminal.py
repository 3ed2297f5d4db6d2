"""Controllers in the terminal and on the control side's loop: what is shown, keys, and answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from helpers.cues import make_sheet
from helpers.makers import MakeCondition
from helpers.midi import AtOnce
from helpers.osc_server import Studio
from helpers.song import insert
from helpers.terminal import STATUS, draw, press
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.live.control.captures import Captures
from rtmss.live.control.controller import MixerController
from rtmss.live.control.cues.player import CuePlayer
from rtmss.live.control.midi.connection import Connection
from rtmss.live.control.midi.controllers import MidiControllers, open_controllers
from rtmss.live.control.midi.map_file import LEARNED_FILE, MidiMap
from rtmss.live.control.midi.memory import MemoryPort
from rtmss.live.control.midi.messages import note_on
from rtmss.live.control.osc.dispatch import Dispatcher
from rtmss.live.control.process import Lines
from rtmss.live.control.terminal import statistics_line, status_line, view
from rtmss.live.shared.capture_ring import CaptureRing
from rtmss.live.shared.jobs import JobQueue
from rtmss.live.shared.state import SharedState

BYPASS = {"control": "note 1", "address": "/rtmss/bypass"}


def plug(controller: MixerController, folder: Path, *controls: dict[str, str]) -> MemoryPort:
    """A controller that is there."""
    port = MemoryPort()
    base = MidiMap.model_validate({"controls": controls})
    connections = [Connection("box", port, AtOnce())]
    controller.midi = MidiControllers(controller, connections, base, folder)
    return port


def desk_of(controller: MixerController) -> MidiControllers:
    assert controller.midi is not None
    return controller.midi


@pytest.fixture
def captures() -> Iterator[Captures]:
    ring, queue = CaptureRing.create(), JobQueue.create()
    yield Captures(ring, queue)
    ring.close(unlink=True)
    queue.close(unlink=True)


@pytest.fixture
def studio(shared: SharedState, make_condition: MakeCondition) -> Iterator[Studio]:
    studio = Studio(shared, make_condition)
    yield studio
    studio.server.close()
    studio.udp.close()


@pytest.mark.parametrize("has_song", [True, False])
@pytest.mark.parametrize("can_capture", [True, False])
def test_everything_fits_into_80_columns_and_24_lines(
    controller: MixerController,
    captures: Captures,
    tmp_path: Path,
    has_song: bool,
    can_capture: bool,
) -> None:
    controller.captures = captures if can_capture else None
    controller.cues = CuePlayer(make_sheet([{"name": "one"}], files=False), controller)
    plug(controller, tmp_path)
    if has_song:
        insert(controller.shared)
    press(controller, "l")
    lines = draw(view(controller, {}, STATUS, "a word " * 40))
    assert len(lines) <= 24
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert "l learn L forget" in " ".join(lines[-3:])


def test_the_view_shows_what_is_waited_for_and_learned(
    controller: MixerController, tmp_path: Path
) -> None:
    assert "MIDI" not in "".join(draw(view(controller, {}, STATUS)))
    plug(controller, tmp_path)
    dispatcher = Dispatcher(controller, "1")
    assert " MIDI waits for box " in "".join(draw(view(controller, {}, STATUS)))
    assert ", MIDI waits for box" in status_line(controller, STATUS)
    for _ in range(2):
        desk_of(controller).play(dispatcher)
    assert " MIDI " in "".join(draw(view(controller, {}, STATUS)))
    assert "waits" not in status_line(controller, STATUS)
    told = json.loads(statistics_line(controller, STATUS, {}))["midi"]
    assert told == {"ports": ["box: open"], "midi_open": 1, "midi_reconnects": 0, "midi_lost": 0}
    press(controller, "0l")
    told = "".join(draw(view(controller, {}, STATUS)))
    assert " MIDI: move a control for /rtmss/master/fader " in told


def test_a_key_learns_fader_mute_and_solo_of_the_strip(
    controller: MixerController, tmp_path: Path
) -> None:
    assert press(controller, "lL") == ["", ""]
    plug(controller, tmp_path)
    stem = controller.scene.stems[1].name
    asked = []
    for n_pressed in range(5):
        press(controller, "2" + "l" * n_pressed if n_pressed else "2")
        asked.append(desk_of(controller).learning)
        desk_of(controller).stop_learning()
    owner = f"/rtmss/stem/{stem}"
    assert asked == ["", f"{owner}/fader", f"{owner}/mute", f"{owner}/solo", ""]
    press(controller, "rl")
    assert desk_of(controller).learning == "/rtmss/remainder/fader"
    press(controller, "0l")
    assert desk_of(controller).learning == "/rtmss/master/fader"
    press(controller, "0ll")
    assert desk_of(controller).learning == ""


def test_a_key_forgets_all_of_the_strip(controller: MixerController, tmp_path: Path) -> None:
    plug(controller, tmp_path, BYPASS, BYPASS | {"address": "/rtmss/stem/#1/mute"})
    assert press(controller, "1L") == ["", ""]
    assert desk_of(controller).lines == ["note 1 -> /rtmss/bypass"]
    name = controller.scene.stems[0].name
    assert press(controller, "1L")[1] == f"no control is bound to {name}"


def test_controls_act_in_the_turn_in_which_they_move(studio: Studio, tmp_path: Path) -> None:
    port = plug(studio.controller, tmp_path, BYPASS)
    studio.poll(3)
    port.incoming.append(note_on(1, 1, 9))
    studio.poll()
    latest = studio.shared.latest()
    assert latest is not None
    assert latest.scene.bypass


def test_who_learns_over_osc_is_told_and_so_are_subscribers(studio: Studio, tmp_path: Path) -> None:
    port = plug(studio.controller, tmp_path)
    studio.ask("/rtmss/subscribe", "/rtmss/midi")
    assert ("/rtmss/midi/learning", "/rtmss/bypass") in studio.ask(
        "/rtmss/midi/learn", "/rtmss/bypass"
    )
    port.incoming.append(note_on(1, 7, 9))
    studio.poll(3)
    told = studio.hear()
    assert ("/rtmss/done", "/rtmss/midi/learn", "/rtmss/bypass", "note 7") in told
    assert ("/rtmss/midi/learning", "-") in told


def test_what_fails_later_is_told_by_the_terminal(
    shared: SharedState, make_condition: MakeCondition, tmp_path: Path
) -> None:
    """A preset is loaded in the background, and may turn out to be none."""
    (tmp_path / "broken.yaml").write_text("stems: 5", encoding="utf-8")
    studio = Studio(shared, make_condition)
    studio.controller.library = Library([tmp_path])
    port = plug(studio.controller, tmp_path, BYPASS | {"address": "/rtmss/preset/broken"})
    studio.poll(3)
    port.incoming.append(note_on(1, 1, 9))
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch, closing(studio.server), studio.udp:
        patch.setattr(Lines, "say", lambda _, text: said.append(text))
        studio.until(lambda: any("broken.yaml" in one for one in said))
        studio.poll(3)
    assert studio.server.n_bugs == 0
    assert not studio.server.dispatcher.pending


def test_a_bug_among_controls_keeps_nothing_else_from_the_engine(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(studio.controller, tmp_path)

    def fail(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(studio.controller.midi, "play", fail)
    studio.ask("/rtmss/bypass", 1)
    latest = studio.shared.latest()
    assert latest is not None
    assert latest.scene.bypass
    assert studio.server.n_bugs > 0


def test_a_desk_is_opened_with_the_map_and_what_was_learned(
    controller: MixerController, tmp_path: Path
) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("controls: [{control: note 1, address: /rtmss/bypass}]", encoding="utf-8")
    (tmp_path / LEARNED_FILE).write_text("forgotten: [/rtmss/bypass]", encoding="utf-8")
    for map_file, n_lines in ((path, 0), (None, 47)):
        controllers = open_controllers(
            controller, ["box"], map_file, tmp_path, lambda _: MemoryPort()
        )
        assert len(controllers.lines) in {n_lines, n_lines - 1}
        controllers.close()
    (tmp_path / LEARNED_FILE).write_text("forgotten: 5", encoding="utf-8")
    with pytest.raises(UserError, match=LEARNED_FILE):
        open_controllers(controller, ["box"], path, tmp_path, lambda _: MemoryPort())
