"""The plug-in where something fails or is missing: sound goes on, and nothing is left behind."""

from __future__ import annotations

import runpy
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pedalboard.io import AudioFile

from helpers.models import LIGHT, make_model
from helpers.plugin import Engine, private_folder
from helpers.plugin_sound import (
    DELAY,
    HOP,
    KARAOKE,
    NEAR,
    RATE,
    TRIES,
    paced,
)
from rtmss.audio import Audio
from rtmss.conditions.encode import limits_of
from rtmss.conditions.library import Library
from rtmss.config import PROFILES
from rtmss.engine.session import Session
from rtmss.plugin.build import Bundles
from rtmss.plugin.check import check
from rtmss.plugin.hosts import (
    play_clap,
    run_host,
)
from rtmss.serve.attendant import Attendant
from rtmss.serve.lanes import Lane
from rtmss.serve.layout import Control
from rtmss.serve.mapped import MappedInstance
from rtmss.serve.scenes import SceneBook

pytestmark = pytest.mark.slow


def _crashed(engine: Engine, bundles: Bundles, sound: Audio, tmp_path: Path) -> Audio:
    """(2, S) stem and remainder together, not late, with a crash of the engine in the middle."""
    out = tmp_path / "out.f32"
    engine.wait(  # one that has just started is not started again at once
        lambda: time.time() - engine.playing().create_time() > 2.1, "plays for a while"
    )
    no_drums = f"0:{int(Control.PRESET)}=2"
    host = paced(bundles, sound, tmp_path, "out", str(out), "before", "1.5", "event", no_drums)
    names = f"instance-{host.pid}-*"
    engine.wait(lambda: bool([*engine.folder.glob(names)]), "an instance")
    (path,) = engine.folder.glob(names)
    instance = MappedInstance(path)
    engine.wait(lambda: instance.n_in > RATE, "a second of sound")
    engine.playing().send_signal(signal.SIGKILL)
    assert host.wait(60) == 0
    assert instance.n_late > 0
    audio = np.fromfile(out, np.float32).reshape(-1, 18).T[:, DELAY + 2 * HOP :]
    return np.asarray(audio[2:4] + audio[16:], np.float32)


def _longest_run(is_so: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_so.astype(np.int8), [0]])))
    return int(np.diff(edges)[::2].max(initial=0))


def test_a_crash_of_the_engine_moves_no_sample_and_lasts_less_than_two_seconds(
    engine: Engine, bundles: Bundles, demo_sound: Audio, tmp_path: Path
) -> None:
    sound = np.tile(demo_sound, 4)
    outages = []
    for _ in range(TRIES):
        both = _crashed(engine, bundles, sound, tmp_path)
        is_silent = np.abs(both).max(axis=0) == 0
        off = np.abs(both - sound[:, : both.shape[1]]).max(axis=0)
        heard = [off[part][~is_silent[part]] for part in (slice(0, RATE), slice(-RATE, None))]
        outages.append(_longest_run(is_silent))
        if outages[-1] < 2 * RATE and all(part.size > RATE // 2 for part in heard):
            break
    else:
        pytest.fail(f"too busy a machine: silent for {outages} samples")
    assert outages[-1] > HOP, "the crash is heard"
    for part in heard:
        assert np.median(part) < NEAR, "the stem and the remainder are the input, as late"


def test_the_audio_thread_allocates_nothing(
    engine: Engine, bundles: Bundles, demo_sound: Audio
) -> None:
    event = [f"{place}:{int(Control.FIRST_GAIN)}={place % 7}" for place in range(0, RATE // 2, 999)]
    short = demo_sound[:, : RATE // 2]
    played = play_clap(bundles, short, mode="paced", blocks=(64, 1000), event=event)
    assert played.report["n_blocks"] > 20
    assert played.report["n_allocations"] == 0


def test_a_killed_host_leaves_nothing(
    engine: Engine, bundles: Bundles, demo_sound: Audio, tmp_path: Path
) -> None:
    host = paced(bundles, demo_sound, tmp_path, "instances", "3", "before", "30")
    names = f"instance-{host.pid}-*"
    engine.wait(lambda: len([*engine.folder.glob(names)]) == 3, "three instances")
    host.kill()
    host.wait()
    engine.wait(lambda: not [*engine.folder.glob(names)], "nothing is left")


@pytest.mark.parametrize("rate", [4000, 384000])
def test_a_rate_that_nobody_plays_gives_the_fallback(
    engine: Engine, bundles: Bundles, demo_sound: Audio, rate: int
) -> None:
    played = play_clap(bundles, demo_sound[:, : RATE // 8], rates=rate, mode="rush", event="0:22=2")
    assert np.isfinite(played.audio).all()


def test_an_engine_of_other_frames_is_not_waited_for(
    bundles: Bundles,
    demo_sound: Audio,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = private_folder(tmp_path_factory, "others")
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(folder))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(folder / "none"))
    tight = make_model(LIGHT.retimed(PROFILES["tight"]))
    book = SceneBook(Library([]), "0123456789ab", limits_of(tight))
    lane = Lane()
    attendant = Attendant(folder, [lane], book, tight.config, lambda _: Session(tight))
    is_over = threading.Event()

    def attend() -> None:
        while not is_over.is_set():
            attendant.look()
            time.sleep(0.01)

    thread = threading.Thread(target=attend)
    thread.start()
    played = play_clap(bundles, demo_sound, before="0.5")
    is_over.set()
    thread.join()
    lane.end()
    assert played.report["wall_seconds"] < 2
    assert played.report["parameters"]["Engine"]["text"] == "other weights"
    assert np.array_equal(
        played.audio[:2, played.latency :], demo_sound[:, : demo_sound.shape[1] - played.latency]
    )


def test_without_an_engine_an_offline_host_waits_two_seconds_once(
    bundles: Bundles, demo_sound: Audio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nobody"
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(folder))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(folder / "none"))
    played = play_clap(bundles, demo_sound, rates=(RATE, RATE), mode="offline")
    assert 2 <= played.report["wall_seconds"] < 3.5
    n = demo_sound.shape[1] - played.latency
    main = played.audio[:2, played.latency : demo_sound.shape[1]]
    assert np.array_equal(main, demo_sound[:, :n]), "dry, as the preset says"
    assert not played.audio[2:].any()
    assert played.report["parameters"]["Engine"]["text"] == "no engine"
    assert played.report["parameters"]["Late hops"]["value"] > 0, "it is a bounce without stems"
    karaoke = play_clap(
        bundles, demo_sound, mode="rush", event=f"0:{int(Control.PRESET)}={KARAOKE}"
    )
    assert not karaoke.audio[:, karaoke.latency :].any(), "silent, as that preset says"
    assert karaoke.report["parameters"]["Late hops"]["value"] == 0, "no engine has begun"
    assert not list(folder.iterdir())


def test_without_a_place_for_its_memory_the_plug_in_passes_the_input_on(
    bundles: Bundles, demo_sound: Audio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "open to all"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(folder))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(folder / "none"))
    played = play_clap(bundles, demo_sound, mode="rush")
    n = demo_sound.shape[1] - played.latency
    assert np.array_equal(played.audio[:2, played.latency :], demo_sound[:, :n])
    assert not list(folder.iterdir())


def test_a_setup_that_others_may_write_to_starts_nothing(
    bundles: Bundles, demo_sound: Audio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, proof = tmp_path / "setup", tmp_path / "proof"
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(tmp_path / "instances"))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(setup))
    setup.write_text(f"engine /usr/bin/touch\nengine {proof}\n", encoding="utf-8")
    setup.chmod(0o666)
    play_clap(bundles, demo_sound[:, :HOP], mode="rush", before="0.3")
    assert not proof.exists()
    setup.chmod(0o600)
    play_clap(bundles, demo_sound[:, :HOP], mode="rush", before="0.3")
    assert proof.exists(), "and one of this user's does"


def test_looking_at_a_plug_in_starts_nothing(
    bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, proof = tmp_path / "setup", tmp_path / "proof"
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(tmp_path / "instances"))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(setup))
    setup.write_text(f"engine /usr/bin/touch\nengine {proof}\n", encoding="utf-8")
    setup.chmod(0o600)
    run_host([str(bundles.clap_host), str(bundles.clap), "before", "0.3"])
    assert not proof.exists()


def test_the_check_is_content_with_an_engine(engine: Engine, bundles: Bundles) -> None:
    findings = list(check(bundles))
    assert [finding.what for finding in findings] == ["VST3", "CLAP", "LV2", "engine"]
    assert all(finding.is_good for finding in findings), findings
    assert "stems and remainder are the input" in findings[-1].text


def test_the_check_says_what_is_missing(
    bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(tmp_path / "nobody"))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(tmp_path / "none"))
    broken = bundles._replace(vst3=tmp_path / "none.vst3", lv2=tmp_path / "none.lv2")
    findings = {finding.what: finding for finding in check(broken)}
    assert {what for what, finding in findings.items() if finding.is_good} == {"CLAP"}
    assert "`rtmss serve` starts one" in findings["engine"].text
    assert "none.lv2" in findings["LV2"].text


def test_the_example_bounces_a_song(
    engine: Engine,
    bundles: Bundles,
    demo_sound: Audio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / ".vst3").mkdir()
    (tmp_path / ".vst3/rtmss.vst3").symlink_to(bundles.vst3)
    with AudioFile(str(tmp_path / "song.wav"), "w", RATE, 2, bit_depth=32) as file:
        file.write(demo_sound[:, : RATE // 4])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bounce_in_pedalboard.py", "song.wav"])
    example = Path(__file__).parents[2] / "examples/bounce_in_pedalboard.py"
    runpy.run_path(str(example))
    assert f"{RATE // 4} samples in karaoke.wav" in capsys.readouterr().out
    with AudioFile(str(tmp_path / "karaoke.wav")) as file:
        off = np.abs(file.read(file.frames) - demo_sound[:, : RATE // 4])
    assert off.max() > 0.01, "an engine has played"
