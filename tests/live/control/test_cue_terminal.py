"""The terminal with a set list: the cue that is on, the one that follows, and the keys."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from helpers.cues import Songs, make_sheet
from helpers.song import insert
from helpers.terminal import STATUS, draw, press
from rtmss.live.control.captures import Captures
from rtmss.live.control.controller import MixerController
from rtmss.live.control.cues.player import CuePlayer
from rtmss.live.control.terminal import statistics_line, status_line, view
from rtmss.live.shared.capture_ring import CaptureRing
from rtmss.live.shared.jobs import JobQueue

LONG = "x" * 60
SONGS: Songs = [
    {"name": "opener", "cues": [{"name": "solo", "at": 62.34}, {"name": "end"}]},
    {"name": LONG, "cues": [{"name": LONG, "at": 3599.0}]},
]


def list_of(controller: MixerController, *, files: bool = False) -> CuePlayer:
    controller.cues = CuePlayer(make_sheet(SONGS, files=files), controller)
    return controller.cues


def test_the_view_shows_the_cue_and_the_one_that_follows(controller: MixerController) -> None:
    cues = list_of(controller)
    for index, line in enumerate(
        (
            " CUE  none yet   next opener",
            " CUE  opener   next solo at 1:02.3",
            " CUE  opener/solo   next end",
        )
    ):
        if index:
            cues.fire(index - 1)
        lines = draw(view(controller, {}, STATUS))
        assert line in [one.rstrip() for one in lines]
    cues.fire(cues.index(f"{LONG}/{LONG}"))
    told = "".join(draw(view(controller, {}, STATUS)))
    assert f" CUE  {LONG[:25]}…   the last one" in told
    cues.fire(3)
    told = "".join(draw(view(controller, {}, STATUS)))
    assert f" CUE  {LONG[:25]}…   next {LONG[:25]}… at 59:59.0" in told


@pytest.fixture
def captures() -> Iterator[Captures]:
    ring, queue = CaptureRing.create(), JobQueue.create()
    yield Captures(ring, queue)
    ring.close(unlink=True)
    queue.close(unlink=True)


@pytest.mark.parametrize("has_song", [True, False])
@pytest.mark.parametrize("can_capture", [True, False])
def test_it_fits_into_80_columns_and_24_lines(
    controller: MixerController, captures: Captures, has_song: bool, can_capture: bool
) -> None:
    controller.captures = captures if can_capture else None
    cues = list_of(controller)
    if has_song:
        insert(controller.shared, is_looping=True, a_seconds=10.0, b_seconds=75.5, n_loops=4)
    cues.fire(3)
    lines = draw(view(controller, {}, STATUS, "a word " * 40))
    assert len(lines) <= 24
    assert max(len(line.rstrip()) for line in lines) <= 80
    keys = " ".join(lines[-3:])
    assert "gG cue" in keys
    assert ("c that sound" in keys) == can_capture


def test_without_a_set_list_there_is_nothing_of_it(controller: MixerController) -> None:
    told = "".join(draw(view(controller, {}, STATUS)))
    assert "cue" not in told.lower()
    assert press(controller, "g") == [""]
    assert "cue" not in json.loads(statistics_line(controller, STATUS, {}))


def test_keys_go_on_and_back(controller: MixerController) -> None:
    cues = list_of(controller)
    assert press(controller, "ggG") == ["", "", ""]
    assert cues.name == "opener"
    assert press(controller, "G") == ["there is no cue before this one"]


def test_lines_for_logs_and_scripts_name_the_cue(controller: MixerController) -> None:
    cues = list_of(controller)
    assert ", cue none" in status_line(controller, STATUS)
    assert json.loads(statistics_line(controller, STATUS, {}))["cue"] == ""
    cues.fire(1)
    assert ", cue opener/solo" in status_line(controller, STATUS)
    assert json.loads(statistics_line(controller, STATUS, {}))["cue"] == "opener/solo"
