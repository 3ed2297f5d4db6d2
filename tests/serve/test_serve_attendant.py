"""Instances are found, served and let go of, and none is in another's way."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from helpers.plugin import FakePlugin
from rtmss.audio import Audio
from rtmss.conditions.condition import save_condition
from rtmss.conditions.encode import limits_of
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.engine.session import Output, Session
from rtmss.model.separator import SeparatorModel
from rtmss.serve.alone import only_one
from rtmss.serve.attendant import Attendant
from rtmss.serve.lanes import Lane
from rtmss.serve.layout import EngineState
from rtmss.serve.places import LOCK
from rtmss.serve.scenes import SceneBook

RATE, HOP, DELAY = 8000, 64, 64
Fake = Callable[..., FakePlugin]


class Studio:
    """An attendant with a lane."""

    def __init__(self, folder: Path, book: SceneBook, model: SeparatorModel) -> None:
        self.lanes = [Lane(), Lane()]
        self.made: list[int] = []
        self.model = model
        self.attendant = Attendant(folder, self.lanes, book, model.config, self._make)

    def _make(self, rate: int) -> Session:
        self.made.append(rate)
        if rate == 9999:
            raise RuntimeError("no session at 9999 Hz")
        return Session(self.model, sample_rate=rate)

    def wait(self, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not is_done():
            self.attendant.look()
            assert time.monotonic() < deadline
            time.sleep(0.005)


@pytest.fixture
def studio(tmp_path: Path, tiny: SeparatorModel, make_condition: MakeCondition) -> Iterator[Studio]:
    library = tmp_path / "library"
    save_condition(library / "conditions/a.safetensors", make_condition("a", 0))
    (library / "two.yaml").write_text("stems: {a: {condition: a}}\n", encoding="utf-8")
    book = SceneBook(Library([library]), "0123456789ab", limits_of(tiny))
    studio = Studio(tmp_path, book, tiny)
    yield studio
    for lane in studio.lanes:
        lane.end()


def test_instances_are_found_played_and_let_go_of(studio: Studio, fake: Fake, noise: Noise) -> None:
    plugins = [fake(name=f"1-{i}") for i in range(5)]
    for plugin in plugins:
        plugin.begin(RATE, HOP, DELAY)
        plugin.lay(noise(4 * HOP))
    studio.wait(lambda: all(plugin.heard(3) is not None for plugin in plugins))
    assert {len(lane.players) for lane in studio.lanes} == {2, 3}
    assert all(int(plugin.memory["engine_beat"]) > 0 for plugin in plugins)
    for plugin in plugins:
        plugin.die()
    studio.wait(lambda: not studio.attendant.players)
    assert [lane.players for lane in studio.lanes] == [(), ()]
    assert not [plugin for plugin in plugins if plugin.path.exists()], "left behind"


def test_what_a_killed_host_left_is_removed_and_not_played(studio: Studio, fake: Fake) -> None:
    stale = fake(name="1-stale")
    stale.die()
    studio.attendant.look()
    assert not stale.path.exists()
    assert not studio.attendant.players


def test_a_liar_is_told_of_once_and_stays_where_it_is(
    studio: Studio, fake: Fake, capfd: pytest.CaptureFixture[str]
) -> None:
    liar = fake(name="1-liar")
    liar.memory["ring"] = 1 << 20
    for _ in range(3):
        studio.attendant.look()
    assert capfd.readouterr().err.count("ring is 1048576, expected 32768") == 1
    assert liar.path.exists()
    assert not studio.attendant.players


def test_an_instance_whose_session_cannot_be_made_is_in_nobodys_way(
    studio: Studio, fake: Fake, noise: Noise, capfd: pytest.CaptureFixture[str]
) -> None:
    other, bad = fake(name="1-other"), fake(name="1-bad")
    frames = Session(studio.model, sample_rate=9999)
    bad.begin(9999, frames.hop_length, frames.delay)
    other.begin(RATE, HOP, DELAY)
    other.lay(noise(HOP))
    studio.wait(lambda: other.heard(0) is not None and bad.state == EngineState.REFUSED)
    for _ in range(5):
        studio.attendant.look()
    assert studio.made.count(9999) == 1
    assert "no session at 9999 Hz" in capfd.readouterr().err


def test_a_step_that_fails_brings_a_new_session(
    studio: Studio, fake: Fake, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin, neighbour = fake(name="1-a"), fake(name="1-b")
    step = Session.step
    failed: list[Session] = []

    def fail_once(session: Session, block: Audio) -> Output:
        if not failed and np.abs(block).max() == 1:
            failed.append(session)
            raise RuntimeError("a step fails")
        return step(session, block)

    monkeypatch.setattr(Session, "step", fail_once)
    for one in (plugin, neighbour):
        one.begin(RATE, HOP, DELAY)
    plugin.lay(np.ones((2, HOP), np.float32))
    neighbour.lay(noise(HOP))
    studio.wait(lambda: plugin.heard(0) is not None and neighbour.heard(0) is not None)
    assert len(failed) == 1
    assert len(studio.made) == 3


def test_making_a_session_stalls_no_other_instance(
    studio: Studio, fake: Fake, noise: Noise
) -> None:
    plugin = fake(name="1-a")
    plugin.begin(RATE, HOP, DELAY)
    plugin.lay(noise(HOP))
    studio.wait(lambda: plugin.heard(0) is not None)
    heard: list[bool] = []
    make = studio._make

    def make_slowly(rate: int) -> Session:
        plugin.lay(noise(HOP))
        deadline = time.monotonic() + 10
        while plugin.heard(1) is None and time.monotonic() < deadline:
            time.sleep(0.001)
        heard.append(plugin.heard(1) is not None)
        return make(rate)

    studio.attendant._make_session = make_slowly
    other = fake(name="1-b")
    other.begin(RATE, HOP, DELAY)
    studio.attendant.look()
    assert heard == [True]


def test_a_host_that_is_stopped_keeps_its_session(
    studio: Studio, fake: Fake, noise: Noise, capfd: pytest.CaptureFixture[str]
) -> None:
    plugin = fake()
    plugin.begin(RATE, HOP, DELAY)
    plugin.lay(noise(HOP))
    plugin.memory["host_beat"] = time.monotonic_ns() - 6_000_000_000
    studio.wait(lambda: plugin.heard(0) is not None)
    for beat in (0, 6_000_000_000, 0):
        plugin.memory["host_beat"] = time.monotonic_ns() - beat
        studio.attendant._looked = 0.0
        studio.attendant.look()
    said = capfd.readouterr().err
    assert said.count("stands still") == 2
    assert said.count("goes on") == 2
    assert studio.made == [RATE]


def test_a_plug_in_that_looks_for_an_engine_keeps_none_from_starting(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    with (tmp_path / LOCK).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        release = threading.Timer(0.05, fcntl.flock, (file, fcntl.LOCK_UN))
        release.start()
        with only_one(tmp_path):
            pass
        release.join()


def test_there_is_one_engine_for_each_user(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        pytest.raises(UserError, match=f"an engine serves already: process {os.getpid()}"),
        only_one(tmp_path),
    ):
        pass
    with only_one(tmp_path):
        assert (tmp_path / LOCK).stat().st_mode & 0o777 == 0o600


def test_what_a_detached_engine_leaves_to_its_starter_is_nothing(tmp_path: Path) -> None:
    log = tmp_path / "cache/serve.log"
    code = f"""
import os, sys, time
from pathlib import Path
from rtmss.serve.alone import detach
detach(Path({str(log)!r}))
print("session", os.getsid(0) != {os.getsid(0)}, "files", sorted(os.listdir("/proc/self/fd"))[:3])
print("errors too", file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == done.stderr == ""
    deadline = time.monotonic() + 20
    while not (log.exists() and "files" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "session True files ['0', '1', '2']" in log.read_text()
    assert "errors too" in log.read_text()
