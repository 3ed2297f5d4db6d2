"""The plug-in in programs that CI does not have: Ardour 7.3, and DawDreamer. By hand, with
`pytest -m long`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers import ardour
from helpers.plugin import Engine
from helpers.plugin_sound import DELAY, NEAR, RATE, SECONDS, Reference, differ
from rtmss.audio import Audio
from rtmss.plugin.build import Bundles
from rtmss.plugin.hosts import Played
from rtmss.plugin.install import install
from rtmss.serve.layout import N_OUTPUTS

pytestmark = pytest.mark.long

NO_DRUMS = 2
"""Its number among the presets."""
SETTLED = 1e-4
"""What is left of how long the silence before a song was, after two seconds of it."""


@pytest.fixture
def ardour_home_(
    bundles: Bundles, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A home folder with the plug-in, which Ardour has found."""
    if not ardour.is_there():
        pytest.skip("needs Ardour 7")
    monkeypatch.setenv("HOME", str(tmp_path))
    vst3, *_ = install(bundles, tmp_path)
    ardour.scan_vst3(vst3)
    return tmp_path


@pytest.fixture
def tracks_(demo_sound: Audio) -> dict[str, Audio]:
    """A song, and clicks on a track beside it."""
    clicks = np.zeros_like(demo_sound)
    clicks[:, 5000::10000] = 0.25
    return {"song": demo_sound, "plain": clicks}


@pytest.fixture
def no_drums_(reference: Reference, demo_sound: Audio) -> Audio:
    """(18, S) the buses of a render with as much silence in front as Ardour's export has."""
    silence = np.zeros((2, ardour.PREROLL), np.float32)
    whole = np.concatenate([silence, demo_sound, silence[:, :DELAY]], axis=1)
    played = reference.play(whole, {0: reference.scene("no-drums")})
    return played[:, DELAY + ardour.PREROLL :]


@pytest.mark.parametrize("which", ["LV2", "VST3"])
def test_tracks_of_ardour_stay_aligned_and_bounce_as_a_render(
    ardour_home_: Path, tracks_: dict[str, Audio], no_drums_: Audio, which: str
) -> None:
    without = ardour.export_session(ardour.make_session(ardour_home_ / "none", tracks_, "none"))
    assert np.abs(without - tracks_["song"] - tracks_["plain"]).max() < NEAR
    session = ardour.make_session(ardour_home_ / "bypassed", tracks_, which, bypass=True)
    assert np.array_equal(ardour.export_session(session), without)
    session = ardour.make_session(ardour_home_ / "active", tracks_, which, preset=NO_DRUMS)
    played = ardour.export_session(session) - tracks_["plain"]
    n = no_drums_.shape[1]
    assert n > RATE // 2
    assert np.abs(played[:, :n] - no_drums_[:2]).max() < SETTLED
    assert np.abs(played - tracks_["song"]).max() > 0.1, "the preset is heard"


def test_a_track_of_ardour_has_the_stems_when_its_panner_is_off(
    ardour_home_: Path, tracks_: dict[str, Audio], no_drums_: Audio
) -> None:
    session = ardour.make_session(
        ardour_home_ / "stems", tracks_, "LV2", preset=NO_DRUMS, strict=False
    )
    ardour.connect(session, bus=1)
    played = ardour.export_session(session) - tracks_["plain"]
    n = no_drums_.shape[1]
    assert np.abs(no_drums_[2:4]).max() > 0.1
    assert np.abs(played[:, :n] - no_drums_[2:4]).max() < SETTLED


@pytest.mark.parametrize("block", [64, 512, 8192])
def test_dawdreamer_gives_every_bus_as_a_render(
    engine: Engine, bundles: Bundles, demo_sound: Audio, rendered: dict[str, Audio], block: int
) -> None:
    host = pytest.importorskip("dawdreamer").RenderEngine(RATE, block)
    song = host.make_playback_processor("song", demo_sound)
    plugin = host.make_plugin_processor("rtmss", str(bundles.vst3))
    host.load_graph([(song, []), (plugin, ["song"])])
    host.render(SECONDS)
    played = np.asarray(host.get_audio(), np.float32)
    assert played.shape[0] == N_OUTPUTS
    assert differ(Played(played, plugin.get_latency_samples(), {}), rendered) < NEAR
