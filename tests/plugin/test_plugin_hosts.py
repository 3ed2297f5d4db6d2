"""Sound through the plug-in in hosts, with an engine beside them: as `rtmss render` has it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.plugin import Engine
from helpers.plugin_sound import (
    DELAY,
    HOP,
    KARAOKE,
    MUTE_2,
    NEAR,
    RATE,
    Reference,
    differ,
)
from rtmss.audio import Audio
from rtmss.plugin.build import Bundles
from rtmss.plugin.hosts import (
    Played,
    play_clap,
    play_lv2,
    play_vst3,
    play_vst3_offline,
)
from rtmss.serve.layout import N_CONTROLS, N_PRESETS, Control

pytestmark = pytest.mark.slow

NUMBER = "OSC number"
"""It is another one if the one before has not left yet."""


@pytest.mark.parametrize("block", [64, 512, 8192])
def test_a_bounce_in_pedalboard_equals_a_render(
    engine: Engine, bundles: Bundles, demo_sound: Audio, rendered: dict[str, Audio], block: int
) -> None:
    played = play_vst3(bundles, demo_sound, RATE, block)
    assert played.audio.shape == demo_sound.shape
    assert np.abs(played.audio - rendered["mix"]).max() < NEAR
    karaoke = play_vst3(bundles, demo_sound[:, : RATE // 4], RATE, block, preset="karaoke")
    assert np.abs(karaoke.audio - demo_sound[:, : RATE // 4]).max() > 0.01, "the preset is heard"


def test_all_nine_buses_equal_a_render_whatever_the_blocks_are(
    engine: Engine, bundles: Bundles, demo_sound: Audio, rendered: dict[str, Audio]
) -> None:
    played = play_clap(bundles, demo_sound, blocks=(64, 1000, 512, 8192, 1, 333), announce=8192)
    assert played.latency == DELAY + HOP + 8192
    assert differ(played, rendered) < NEAR
    names = [name for name, _ in played.report["outputs"]]
    stems = [f"Stem {number}" for number in range(1, 8)]
    assert names == ["Audio Output", *stems, "Remainder"]
    assert played.report["parameters"]["Engine"]["text"] == "plays"
    assert played.report["parameters"]["Late hops"]["value"] == 0


def test_a_bounce_does_not_depend_on_what_was_played_before(
    engine: Engine, bundles: Bundles, demo_sound: Audio, rendered: dict[str, Audio]
) -> None:
    n = 20001
    sound = np.concatenate([demo_sound[:, ::-1][:, :n], demo_sound], axis=1)
    event = f"{n}:{int(Control.WAIT)}=1"
    played = play_clap(bundles, sound, mode="rush", blocks=480, event=event)
    assert differ(played._replace(audio=played.audio[:, n:]), rendered) < NEAR


def test_a_vst3_host_gets_all_nine_buses(
    engine: Engine, bundles: Bundles, demo_sound: Audio, rendered: dict[str, Audio]
) -> None:
    played = play_vst3_offline(bundles, demo_sound, RATE, 1000)
    assert played.latency == DELAY + HOP + 1000
    assert differ(played, rendered) < NEAR


def test_the_lv2_waits_where_its_host_freewheels(
    engine: Engine, bundles: Bundles, demo_sound: Audio, rendered: dict[str, Audio]
) -> None:
    played = play_lv2(bundles, demo_sound, RATE, 700, [f"{int(Control.WAIT)}=1"])
    assert played.latency == DELAY + HOP + 700
    assert differ(played, rendered) < NEAR


def test_blocks_longer_than_announced_are_played_too(
    engine: Engine, bundles: Bundles, demo_sound: Audio, rendered: dict[str, Audio]
) -> None:
    played = play_clap(bundles, demo_sound, blocks=(20000, 64), announce=128)
    assert played.latency == DELAY + 2 * HOP
    assert differ(played, rendered) < NEAR


def test_a_host_at_another_rate_hears_a_session_at_that_rate(
    engine: Engine, bundles: Bundles, demo_sound: Audio, reference: Reference
) -> None:
    short = demo_sound[:, : RATE // 2]
    played = play_clap(bundles, short, rates=(RATE, 48000), blocks=480)
    first, second = played.report["latencies"]
    assert (first, second) == (DELAY + 2 * HOP, 623 + 2 * 557)
    at_48 = Played(played.audio[:, short.shape[1] :], second, {})
    expected = reference.play(short, {0: reference.scene("four-stems")}, 48000)[:, 623:]
    assert differ(at_48, expected) < NEAR
    at_44 = Played(played.audio[:, : short.shape[1]], first, {})
    expected = reference.play(short, {0: reference.scene("four-stems")})[:, DELAY:]
    assert differ(at_44, expected) < NEAR


@pytest.mark.parametrize("kind", ["clap", "vst3"])
def test_automation_counts_from_the_hop_that_holds_it(
    engine: Engine, bundles: Bundles, demo_sound: Audio, reference: Reference, kind: str
) -> None:
    mute, preset, bypass = 5001, 17777, 30720
    settings = (
        (mute, int(MUTE_2), 1),
        (preset, int(Control.PRESET), KARAOKE),
        (bypass, int(Control.BYPASS), 1),
    )
    if kind == "clap":
        events = [f"{place}:{number:d}={value}" for place, number, value in settings]
        played = play_clap(bundles, demo_sound, blocks=(8192, 100), event=events)
    else:
        most = {int(Control.PRESET): N_PRESETS - 1}
        events = [f"{place}:{n:d}={v / most.get(n, 1)}" for place, n, v in settings]
        played = play_vst3_offline(bundles, demo_sound, RATE, 8192, events)
    first = reference.scene("four-stems")
    muted = first.with_strip("drums", mute=True)
    karaoke = reference.scene("karaoke")
    bypassed = replace(karaoke, bypass=True)
    hops = [-(-(place + DELAY) // HOP) for place in (mute, preset, bypass)]
    scenes = dict(zip([0, *hops], [first, muted, karaoke, bypassed], strict=True))
    expected = reference.play(demo_sound, scenes)[:, DELAY:]
    audio = played.audio[:, played.latency :]
    n = min(audio.shape[1], expected.shape[1])
    assert np.abs(audio[:2, :n] - expected[:2, :n]).max() < NEAR
    until = hops[2] * HOP - DELAY
    assert np.abs(audio[2:, :until] - expected[2:, :until]).max() < NEAR
    assert not audio[2:, until + HOP : n].any(), "bypass closes the stems"
    assert np.array_equal(audio[:2, until + RATE // 10 : n], demo_sound[:, until + RATE // 10 : n])


def test_a_state_brings_back_every_setting_and_the_presets_by_name(
    engine: Engine, bundles: Bundles, demo_sound: Audio, tmp_path: Path
) -> None:
    short = demo_sound[:, : 4 * HOP]
    values = dict.fromkeys(range(2, int(Control.FALLBACK)), 0.5)
    values |= {int(Control.PRESET): 6, int(Control.FADE): 123.5, int(Control.FALLBACK): 2}
    switches = range(int(Control.REMAINDER_MUTE), int(Control.FALLBACK), 2)
    values |= dict.fromkeys(switches, 1)
    morphs = range(int(Control.FIRST_MORPH), N_CONTROLS)
    values |= dict.fromkeys(morphs, -0.5)
    events = [f"0:{number}={value}" for number, value in values.items()]
    saved = tmp_path / "state"
    before = play_clap(bundles, short, event=events, save=saved)
    after = play_clap(bundles, short, load=saved)
    settings = [
        {name: row["value"] for name, row in played.report["parameters"].items() if name != NUMBER}
        for played in (before, after)
    ]
    assert settings[0] == settings[1]
    by_id = {row["id"]: row["value"] for row in after.report["parameters"].values()}
    assert {number: by_id[number] for number in values} == values
    assert np.array_equal(before.audio, after.audio)
    state = saved.read_bytes()
    assert b"four-stems,karaoke,no-drums" in state
    end = b"__dpf_parameters_end__"
    first, _, rest = state.partition(b"morph_1\0")
    saved.write_bytes(first + end + rest.partition(end)[2])
    old = play_clap(bundles, short, load=saved)
    by_id = {row["id"]: row["value"] for row in old.report["parameters"].values()}
    expected = values | dict.fromkeys(morphs, 0)
    assert {number: by_id[number] for number in values} == expected, "before there were morphs"
    saved.write_bytes(state.replace(b"vocals-only", b"karaoke-min"))
    other = play_clap(bundles, short, load=saved)
    assert other.report["parameters"]["Engine"]["text"] == "no such preset"


def test_a_state_goes_through_a_vst3_host(
    engine: Engine, bundles: Bundles, demo_sound: Audio
) -> None:
    short = demo_sound[:, : 8 * HOP]
    set_up = {"preset": "karaoke", "stem_1_gain_db": -7.0, "remainder_mute": True}
    first = play_vst3(bundles, short, RATE, 512, **set_up)
    state = first.report["plugin"].raw_state
    second = play_vst3(bundles, short, RATE, 512, raw_state=state)
    plugin = second.report["plugin"]
    assert plugin.preset == "karaoke"
    assert plugin.stem_1_gain_db == pytest.approx(-7.0, abs=0.01)
    assert plugin.remainder_mute
    assert np.array_equal(first.audio, second.audio)


def test_the_smallest_numbers_are_left_to_the_host(
    engine: Engine, bundles: Bundles, demo_sound: Audio
) -> None:
    """A library that is linked with fast mathematics would turn them off where it is loaded."""
    play_vst3(bundles, demo_sound[:, :HOP], RATE, HOP)
    assert sys.float_info.min / 2 > 0
