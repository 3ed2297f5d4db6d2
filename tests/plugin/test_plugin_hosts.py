"""Sound through the plug-in in hosts, with an engine beside them: as `rtmss render` has it."""

from __future__ import annotations

import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from pedalboard.io import AudioFile

from helpers.models import LIGHT, make_model
from helpers.plugin import Engine, private_folder, serving
from rtmss.audio import Audio
from rtmss.conditions.encode import limits_of
from rtmss.conditions.library import Library, shipped
from rtmss.config import PROFILES
from rtmss.engine.backends.choose import start_backend
from rtmss.engine.control import Scene
from rtmss.engine.session import Output, Session
from rtmss.plugin.build import Bundles
from rtmss.plugin.check import check
from rtmss.plugin.hosts import (
    Played,
    play_clap,
    play_lv2,
    play_vst3,
    play_vst3_offline,
    run_host,
)
from rtmss.rendering import RenderPlan, render
from rtmss.separator import Separator
from rtmss.serve.attendant import Attendant
from rtmss.serve.lanes import Lane
from rtmss.serve.layout import N_PRESETS, Control
from rtmss.serve.mapped import MappedInstance
from rtmss.serve.scenes import SceneBook

pytestmark = pytest.mark.slow

RATE, HOP, DELAY = 44100, 512, 512
SECONDS = 1.0
NEAR = 1e-6
NAMES = ("vocals", "drums", "bass", "guitar")
MUTE_2 = Control.FIRST_MUTE + 2
TRIES = 3
"""Runs in which a busy machine may be slow."""
KARAOKE = 1
"""Its number among the presets."""


@pytest.fixture(scope="module")
def song() -> Audio:
    """(2, S) of the demo song."""
    mix = np.zeros((2, int(SECONDS * RATE)), np.float32)
    for name in NAMES:
        with AudioFile(str(shipped() / f"demo/{name}.ogg")) as file:
            file.seek(6 * RATE)
            mix += 0.5 * file.read(mix.shape[1])
    assert np.abs(mix).max() > 0.1
    return mix


class Reference(NamedTuple):
    """What is played without any plug-in, with the same network."""

    graph: Path
    separator: Separator

    def scene(self, preset: str) -> Scene:
        library = Library([])
        loaded = library.load_preset(preset)
        return Scene.from_preset(loaded, library, self.separator.model_id)

    def play(self, audio: Audio, scenes: Mapping[int, Scene], rate: int = RATE) -> Audio:
        """(18, S) all buses, late by the session's delay; `scenes` by their hops."""
        backend = start_backend(self.separator.model, self.graph)
        session = Session(self.separator.model, scenes[0], sample_rate=rate, backend=backend)
        hop = session.hop_length
        outputs = []
        for number in range(audio.shape[1] // hop):
            session.scene = scenes.get(number, session.scene)
            outputs.append(_buses(session.step(audio[:, number * hop : (number + 1) * hop])))
        return np.concatenate(outputs, axis=1)


def _buses(output: Output) -> Audio:
    n_stems, _, n = output.stems.shape
    silent = np.zeros((14 - 2 * n_stems, n), np.float32)
    return np.concatenate([output.mix, output.stems.reshape(-1, n), silent, output.remainder])


@pytest.fixture(scope="module")
def reference(shipped_graph: Path) -> Reference:
    return Reference(shipped_graph, Separator.load())


@pytest.fixture(scope="module")
def rendered(
    tmp_path_factory: pytest.TempPathFactory, song: Audio, reference: Reference
) -> dict[str, Audio]:
    """What `rtmss render --stems` writes, with four-stems."""
    folder = tmp_path_factory.mktemp("rendered")
    with AudioFile(str(folder / "song.wav"), "w", RATE, 2, bit_depth=32) as file:
        file.write(song)
    plan = RenderPlan(reference.scene("four-stems"), stems=True)
    backend = start_backend(reference.separator.model, reference.graph)
    render(folder / "song.wav", folder, reference.separator.model, plan, backend=backend)
    found = {}
    for name in plan.names:
        with AudioFile(str(folder / f"{name}.wav")) as file:
            found[name] = file.read(file.frames)
    assert np.abs(found["vocals"]).max() > 0.01
    return found


@pytest.fixture(scope="module")
def engine(
    tmp_path_factory: pytest.TempPathFactory, bundles: Bundles, shipped_graph: Path
) -> Iterator[Engine]:
    """An engine that plays the shipped weights, for all hosts of this file."""
    folder = private_folder(tmp_path_factory, "instances")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RTMSS_PLUGIN_DIR", str(folder))
        patch.setenv("RTMSS_PLUGIN_SETUP", str(folder / "none"))
        with serving(folder, "--backend", "onnx") as engine:
            yield engine


def _differ(played: Played, expected: Mapping[str, Audio] | Audio) -> float:
    """The largest difference to what is expected of buses; by name, or all of them, not late."""
    audio = played.audio[:, played.latency :]
    if not isinstance(expected, np.ndarray):
        n = next(iter(expected.values())).shape[1]
        rows = np.zeros((18, n), np.float32)
        names = ["mix", *NAMES]
        for number, name in enumerate(names):
            rows[2 * number : 2 * number + 2] = expected[name]
        rows[16:] = expected["remainder"]
        expected = rows
    n = min(audio.shape[1], expected.shape[1])
    assert n > HOP
    return float(np.abs(audio[:, :n] - expected[:, :n]).max())


@pytest.mark.parametrize("block", [64, 512, 8192])
def test_a_bounce_in_pedalboard_equals_a_render(
    engine: Engine, bundles: Bundles, song: Audio, rendered: dict[str, Audio], block: int
) -> None:
    played = play_vst3(bundles, song, RATE, block)
    assert played.audio.shape == song.shape
    assert np.abs(played.audio - rendered["mix"]).max() < NEAR
    karaoke = play_vst3(bundles, song[:, : RATE // 4], RATE, block, preset="karaoke")
    assert np.abs(karaoke.audio - song[:, : RATE // 4]).max() > 0.01, "the preset is heard"


def test_all_nine_buses_equal_a_render_whatever_the_blocks_are(
    engine: Engine, bundles: Bundles, song: Audio, rendered: dict[str, Audio]
) -> None:
    played = play_clap(bundles, song, blocks=(64, 1000, 512, 8192, 1, 333), announce=8192)
    assert played.latency == DELAY + HOP + 8192
    assert _differ(played, rendered) < NEAR
    names = [name for name, _ in played.report["outputs"]]
    stems = [f"Stem {number}" for number in range(1, 8)]
    assert names == ["Audio Output", *stems, "Remainder"]
    assert played.report["parameters"]["Engine"]["text"] == "plays"
    assert played.report["parameters"]["Late hops"]["value"] == 0


def test_a_bounce_does_not_depend_on_what_was_played_before(
    engine: Engine, bundles: Bundles, song: Audio, rendered: dict[str, Audio]
) -> None:
    n = 20001
    sound = np.concatenate([song[:, ::-1][:, :n], song], axis=1)
    event = f"{n}:{int(Control.WAIT)}=1"
    played = play_clap(bundles, sound, mode="rush", blocks=480, event=event)
    assert _differ(played._replace(audio=played.audio[:, n:]), rendered) < NEAR


def test_a_vst3_host_gets_all_nine_buses(
    engine: Engine, bundles: Bundles, song: Audio, rendered: dict[str, Audio]
) -> None:
    played = play_vst3_offline(bundles, song, RATE, 1000)
    assert played.latency == DELAY + HOP + 1000
    assert _differ(played, rendered) < NEAR


def test_the_lv2_waits_where_its_host_freewheels(
    engine: Engine, bundles: Bundles, song: Audio, rendered: dict[str, Audio]
) -> None:
    played = play_lv2(bundles, song, RATE, 700, [f"{int(Control.WAIT)}=1"])
    assert played.latency == DELAY + HOP + 700
    assert _differ(played, rendered) < NEAR


def test_blocks_longer_than_announced_are_played_too(
    engine: Engine, bundles: Bundles, song: Audio, rendered: dict[str, Audio]
) -> None:
    played = play_clap(bundles, song, blocks=(20000, 64), announce=128)
    assert played.latency == DELAY + 2 * HOP
    assert _differ(played, rendered) < NEAR


def test_a_host_at_another_rate_hears_a_session_at_that_rate(
    engine: Engine, bundles: Bundles, song: Audio, reference: Reference
) -> None:
    short = song[:, : RATE // 2]
    played = play_clap(bundles, short, rates=(RATE, 48000), blocks=480)
    first, second = played.report["latencies"]
    assert (first, second) == (DELAY + 2 * HOP, 623 + 2 * 557)
    at_48 = Played(played.audio[:, short.shape[1] :], second, {})
    expected = reference.play(short, {0: reference.scene("four-stems")}, 48000)[:, 623:]
    assert _differ(at_48, expected) < NEAR
    at_44 = Played(played.audio[:, : short.shape[1]], first, {})
    expected = reference.play(short, {0: reference.scene("four-stems")})[:, DELAY:]
    assert _differ(at_44, expected) < NEAR


@pytest.mark.parametrize("kind", ["clap", "vst3"])
def test_automation_counts_from_the_hop_that_holds_it(
    engine: Engine, bundles: Bundles, song: Audio, reference: Reference, kind: str
) -> None:
    mute, preset, bypass = 5001, 17777, 30720
    settings = (
        (mute, int(MUTE_2), 1),
        (preset, int(Control.PRESET), KARAOKE),
        (bypass, int(Control.BYPASS), 1),
    )
    if kind == "clap":
        events = [f"{place}:{number:d}={value}" for place, number, value in settings]
        played = play_clap(bundles, song, blocks=(8192, 100), event=events)
    else:
        most = {int(Control.PRESET): N_PRESETS - 1}
        events = [f"{place}:{n:d}={v / most.get(n, 1)}" for place, n, v in settings]
        played = play_vst3_offline(bundles, song, RATE, 8192, events)
    first = reference.scene("four-stems")
    muted = first.with_strip("drums", mute=True)
    karaoke = reference.scene("karaoke")
    bypassed = replace(karaoke, bypass=True)
    hops = [-(-(place + DELAY) // HOP) for place in (mute, preset, bypass)]
    scenes = dict(zip([0, *hops], [first, muted, karaoke, bypassed], strict=True))
    expected = reference.play(song, scenes)[:, DELAY:]
    audio = played.audio[:, played.latency :]
    n = min(audio.shape[1], expected.shape[1])
    assert np.abs(audio[:2, :n] - expected[:2, :n]).max() < NEAR
    until = hops[2] * HOP - DELAY
    assert np.abs(audio[2:, :until] - expected[2:, :until]).max() < NEAR
    assert not audio[2:, until + HOP : n].any(), "bypass closes the stems"
    assert np.array_equal(audio[:2, until + RATE // 10 : n], song[:, until + RATE // 10 : n])


def test_a_state_brings_back_every_setting_and_the_presets_by_name(
    engine: Engine, bundles: Bundles, song: Audio, tmp_path: Path
) -> None:
    short = song[:, : 4 * HOP]
    values = dict.fromkeys(range(2, int(Control.FALLBACK)), 0.5)
    values |= {int(Control.PRESET): 6, int(Control.FADE): 123.5, int(Control.FALLBACK): 2}
    switches = range(int(Control.REMAINDER_MUTE), int(Control.FALLBACK), 2)
    values |= dict.fromkeys(switches, 1)
    events = [f"0:{number}={value}" for number, value in values.items()]
    saved = tmp_path / "state"
    before = play_clap(bundles, short, event=events, save=saved)
    after = play_clap(bundles, short, load=saved)
    settings = [
        {name: row["value"] for name, row in played.report["parameters"].items()}
        for played in (before, after)
    ]
    assert settings[0] == settings[1]
    by_id = {row["id"]: row["value"] for row in after.report["parameters"].values()}
    assert {number: by_id[number] for number in values} == values
    assert np.array_equal(before.audio, after.audio)
    state = saved.read_bytes()
    assert b"four-stems,karaoke,no-drums" in state
    saved.write_bytes(state.replace(b"vocals-only", b"karaoke-min"))
    other = play_clap(bundles, short, load=saved)
    assert other.report["parameters"]["Engine"]["text"] == "no such preset"


def test_a_state_goes_through_a_vst3_host(engine: Engine, bundles: Bundles, song: Audio) -> None:
    short = song[:, : 8 * HOP]
    set_up = {"preset": "karaoke", "stem_1_gain_db": -7.0, "remainder_mute": True}
    first = play_vst3(bundles, short, RATE, 512, **set_up)
    state = first.report["plugin"].raw_state
    second = play_vst3(bundles, short, RATE, 512, raw_state=state)
    plugin = second.report["plugin"]
    assert plugin.preset == "karaoke"
    assert plugin.stem_1_gain_db == pytest.approx(-7.0, abs=0.01)
    assert plugin.remainder_mute
    assert np.array_equal(first.audio, second.audio)


def _paced(bundles: Bundles, song: Audio, tmp_path: Path, *words: str) -> subprocess.Popen[bytes]:
    """A CLAP host that plays as a sound card does, and goes on while the test does something."""
    source = tmp_path / "in.f32"
    np.ascontiguousarray(song.T).tofile(source)
    command = [str(bundles.clap_host), str(bundles.clap), "in", str(source), "mode", "paced"]
    return subprocess.Popen([*command, "blocks", "256", *words], stdout=subprocess.DEVNULL)


def _crashed(engine: Engine, bundles: Bundles, sound: Audio, tmp_path: Path) -> Audio:
    """(2, S) stem and remainder together, not late, with a crash of the engine in the middle."""
    out = tmp_path / "out.f32"
    engine.wait(  # one that has just started is not started again at once
        lambda: time.time() - engine.playing().create_time() > 2.1, "plays for a while"
    )
    no_drums = f"0:{int(Control.PRESET)}=2"
    host = _paced(bundles, sound, tmp_path, "out", str(out), "before", "1.5", "event", no_drums)
    names = f"instance-{host.pid}-*"
    engine.wait(lambda: bool([*engine.folder.glob(names)]), "an instance")
    (path,) = engine.folder.glob(names)
    instance = MappedInstance(path)
    engine.wait(lambda: instance.n_in > RATE, "a second of sound")
    engine.playing().send_signal(signal.SIGKILL)
    assert host.wait(60) == 0
    audio = np.fromfile(out, np.float32).reshape(-1, 18).T[:, DELAY + 2 * HOP :]
    return np.asarray(audio[2:4] + audio[16:], np.float32)


def _longest_run(is_so: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_so.astype(np.int8), [0]])))
    return int(np.diff(edges)[::2].max(initial=0))


def test_a_crash_of_the_engine_moves_no_sample_and_lasts_less_than_two_seconds(
    engine: Engine, bundles: Bundles, song: Audio, tmp_path: Path
) -> None:
    sound = np.tile(song, 4)
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


def test_the_audio_thread_allocates_nothing(engine: Engine, bundles: Bundles, song: Audio) -> None:
    event = [f"{place}:{int(Control.FIRST_GAIN)}={place % 7}" for place in range(0, RATE // 2, 999)]
    short = song[:, : RATE // 2]
    played = play_clap(bundles, short, mode="paced", blocks=(64, 1000), event=event)
    assert played.report["n_blocks"] > 20
    assert played.report["n_allocations"] == 0


def test_a_killed_host_leaves_nothing(
    engine: Engine, bundles: Bundles, song: Audio, tmp_path: Path
) -> None:
    host = _paced(bundles, song, tmp_path, "instances", "3", "before", "30")
    names = f"instance-{host.pid}-*"
    engine.wait(lambda: len([*engine.folder.glob(names)]) == 3, "three instances")
    host.kill()
    host.wait()
    engine.wait(lambda: not [*engine.folder.glob(names)], "nothing is left")


@pytest.mark.parametrize("rate", [4000, 384000])
def test_a_rate_that_nobody_plays_gives_the_fallback(
    engine: Engine, bundles: Bundles, song: Audio, rate: int
) -> None:
    played = play_clap(bundles, song[:, : RATE // 8], rates=rate, mode="rush", event="0:22=2")
    assert np.isfinite(played.audio).all()


def test_an_engine_of_other_frames_is_not_waited_for(
    bundles: Bundles,
    song: Audio,
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
    played = play_clap(bundles, song, before="0.5")
    is_over.set()
    thread.join()
    lane.end()
    assert played.report["wall_seconds"] < 2
    assert played.report["parameters"]["Engine"]["text"] == "other weights"
    assert np.array_equal(
        played.audio[:2, played.latency :], song[:, : song.shape[1] - played.latency]
    )


def test_without_an_engine_an_offline_host_waits_two_seconds_once(
    bundles: Bundles, song: Audio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nobody"
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(folder))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(folder / "none"))
    played = play_clap(bundles, song, rates=(RATE, RATE), mode="offline")
    assert 2 <= played.report["wall_seconds"] < 3.5
    n = song.shape[1] - played.latency
    main = played.audio[:2, played.latency : song.shape[1]]
    assert np.array_equal(main, song[:, :n]), "dry, as the preset says"
    assert not played.audio[2:].any()
    assert played.report["parameters"]["Engine"]["text"] == "no engine"
    karaoke = play_clap(bundles, song, mode="rush", event=f"0:{int(Control.PRESET)}={KARAOKE}")
    assert not karaoke.audio[:, karaoke.latency :].any(), "silent, as that preset says"
    assert not list(folder.iterdir())


def test_without_a_place_for_its_memory_the_plug_in_passes_the_input_on(
    bundles: Bundles, song: Audio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "open to all"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(folder))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(folder / "none"))
    played = play_clap(bundles, song, mode="rush")
    n = song.shape[1] - played.latency
    assert np.array_equal(played.audio[:2, played.latency :], song[:, :n])
    assert not list(folder.iterdir())


def test_a_setup_that_others_may_write_to_starts_nothing(
    bundles: Bundles, song: Audio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, proof = tmp_path / "setup", tmp_path / "proof"
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(tmp_path / "instances"))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(setup))
    setup.write_text(f"engine /usr/bin/touch\nengine {proof}\n", encoding="utf-8")
    setup.chmod(0o666)
    play_clap(bundles, song[:, :HOP], mode="rush", before="0.3")
    assert not proof.exists()
    setup.chmod(0o600)
    play_clap(bundles, song[:, :HOP], mode="rush", before="0.3")
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
    song: Audio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / ".vst3").mkdir()
    (tmp_path / ".vst3/rtmss.vst3").symlink_to(bundles.vst3)
    with AudioFile(str(tmp_path / "song.wav"), "w", RATE, 2, bit_depth=32) as file:
        file.write(song[:, : RATE // 4])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bounce_in_pedalboard.py", "song.wav"])
    example = Path(__file__).parents[2] / "examples/bounce_in_pedalboard.py"
    runpy.run_path(str(example))
    assert f"{RATE // 4} samples in karaoke.wav" in capsys.readouterr().out
    with AudioFile(str(tmp_path / "karaoke.wav")) as file:
        off = np.abs(file.read(file.frames) - song[:, : RATE // 4])
    assert off.max() > 0.01, "an engine has played"
