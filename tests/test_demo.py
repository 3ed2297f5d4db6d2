"""The demo, and the paced play that it is built on."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from helpers.makers import MakeCondition, Noise
from rtmss import demo
from rtmss.conditions.condition import Condition
from rtmss.conditions.library import Library, shipped
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.session import Session
from rtmss.files import read_audio
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator


@pytest.fixture
def scenes(
    make_condition: MakeCondition,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Scene]:
    monkeypatch.setattr(
        demo,
        "SWITCHES",
        ((0.0, "one"), (0.1, "two")),
    )
    one = Scene((Stem("a", make_condition("a", 1)),))
    return {"one": one, "two": one.with_strip("a", mute=True)}


def test_play_keeps_to_real_time(
    profiles: dict[str, SeparatorModel],
    scenes: dict[str, Scene],
    noise: Noise,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, slept = [0.0], [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        slept[0] += seconds

    monkeypatch.setattr("rtmss.demo.time.sleep", sleep)
    monkeypatch.setattr("rtmss.demo.time.perf_counter", lambda: now[0])
    session = Session(profiles["default"], scenes["one"])
    report = demo.play_live(
        session,
        noise(512 * 40),
        scenes,
        Console(file=io.StringIO()),
    )
    assert slept[0] == pytest.approx(40 * 512 / 44100)
    assert report.n_late == 0
    assert len(report.step_ms) == 40


def test_late_hops_are_counted(
    profiles: dict[str, SeparatorModel],
    scenes: dict[str, Scene],
    noise: Noise,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clock that says every step took 20 ms of the 11.6 that there are."""
    now = [0.0]

    def clock() -> float:
        now[0] += 0.01
        return now[0]

    monkeypatch.setattr("rtmss.demo.time.perf_counter", clock)
    session = Session(profiles["default"], scenes["one"])
    report = demo.play_live(
        session,
        noise(512 * 40),
        scenes,
        Console(file=io.StringIO()),
    )
    assert report.n_late > 20


def test_a_switch_on_the_way_is_heard(
    profiles: dict[str, SeparatorModel], scenes: dict[str, Scene], noise: Noise
) -> None:
    session, audio = (
        Session(
            profiles["default"],
            scenes["one"],
        ),
        noise(512 * 40),
    )
    report = demo.play_live(
        session,
        audio,
        scenes,
        Console(file=io.StringIO()),
        wait=False,
    )
    delayed = np.pad(
        audio,
        ((0, 0), (session.delay, 0)),
    )[:, : audio.shape[1]]
    assert session.scene.stems[0].strip == Strip(mute=True)
    assert np.abs(report.played - delayed)[:, :4000].max() < 1e-6
    assert np.abs(report.played - delayed)[:, -4000:].max() > 0.01


@pytest.mark.slow
def test_the_demo_leaves_its_files_and_says_that_it_helped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Eight seconds of it, the voice among them, with earlier switches.
    switches = [(at / 3, preset) for at, preset in demo.SWITCHES]
    monkeypatch.setattr(demo, "SWITCHES", switches)
    said = io.StringIO()
    console = Console(file=said, width=120)
    demo.run_demo(
        Separator.load(),
        Library([]),
        tmp_path / "out",
        console,
        wait=False,
        seconds=8,
    )
    wanted = ["bass", "drums", "guitar", "karaoke", "live", "remainder", "vocals"]
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.wav")) == wanted
    assert (tmp_path / "out" / "spectrograms.png").read_bytes().startswith(b"\x89PNG")
    assert "1024 samples = 23.2 ms" in said.getvalue()
    assert "did not help" not in said.getvalue()
    stems = [read_audio(tmp_path / "out" / f"{name}.wav")[0] for name in (*demo.SONG, "remainder")]
    truths = [read_audio(shipped() / "demo" / f"{name}.ogg")[0] for name in demo.SONG]
    n = stems[0].shape[1]
    assert n == 8 * 44100
    assert np.abs(sum(stems) - sum(truth[:, :n] for truth in truths)).max() < 1e-3  # 16-bit files


@pytest.mark.slow
def test_the_demo_fails_when_the_separation_does_not_help(
    open_model: SeparatorModel,
    make_condition: MakeCondition,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Anything(Library):
        def load_condition(self, name: str, _: str | None = None) -> Condition:
            return make_condition(name)

    said = io.StringIO()
    separator = Separator(open_model, "0123456789ab")
    assert not demo.run_demo(
        separator,
        Anything([]),
        tmp_path,
        Console(
            file=said,
            width=120,
        ),
        wait=False,
        seconds=4,
    )
    assert "did not help" in said.getvalue()


@pytest.mark.parametrize(
    ("n_late", "difference", "edge_db", "printed", "passed"),
    [
        (1, 1e-7, 7.0, "", True),
        # Late hops are what the machine did, not what was installed.
        (50, 1e-7, 7.0, "50 of 100 hops were late", True),
        (0, 1e-3, 7.0, "does not play what the whole run says", False),
        (0, 1e-7, -0.1, "did not help", False),
    ],
)
def test_the_verdict(
    n_late: int, difference: float, edge_db: float, printed: str, passed: bool
) -> None:
    said = io.StringIO()
    live = demo.LiveReport(
        np.zeros((2, 0), np.float32),
        [5.0] * 100,
        n_late,
    )
    assert (
        demo.verdict(
            Console(file=said, width=200),
            live,
            difference,
            edge_db,
        )
        == passed
    )
    assert printed in said.getvalue()
    assert bool(printed) == bool(said.getvalue())
