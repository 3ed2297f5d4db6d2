"""What may go wrong in a live show without a device; what needs one is in the tests with JACK."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from helpers.osc_server import Studio, Told
from rtmss import __version__
from rtmss.audio import Audio
from rtmss.conditions.condition import save_condition
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.session import Session
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.control.controller import MAX_SCHEDULED, MixerController
from rtmss.live.control.osc.codec import bundle, message
from rtmss.live.control.osc.dispatch import MAX_SCHEDULED as MAX_SCHEDULED_BY_ONE
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.server import OscServer
from rtmss.live.realtime.player import Player
from rtmss.live.realtime.source import DeviceSource
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel

HOP = 64
BAD = slice(40 * HOP, 80 * HOP)
"""When the input is out of its mind."""
Input = Callable[[Audio], Audio]
NONSENSE: dict[str, Input] = {
    "NaN": lambda audio: np.full_like(audio, np.nan),
    "inf": lambda audio: np.full_like(audio, np.inf),
    "-inf and NaN here and there": lambda audio: np.where(
        audio > 0.2,
        -np.inf,
        np.where(
            audio < -0.2,
            np.nan,
            audio,
        ),
    ),
    "DC": lambda audio: audio * 0 + 1,
    "+60 dB": lambda audio: audio * 1000,
}


def _player(session: Session, shared: SharedState) -> Player:
    timeline = Timeline(2, HOP, HOP, session.delay)
    return Player(DeviceSource(session, timeline), timeline, shared)


@pytest.fixture
def play(
    tiny: SeparatorModel, make_condition: MakeCondition
) -> Iterator[Callable[..., tuple[Audio, Player]]]:
    """play(audio, gain_db) -> what is heard through a live player, and the player."""
    memories: list[SharedState] = []

    def run(audio: Audio, gain_db: float) -> tuple[Audio, Player]:
        memories.append(SharedState.create(12))
        memories[-1].send(
            Scene(
                (Stem("voice", make_condition("vocals"), Strip(gain_db)),),
                fade_ms=0.0,
            ),
            "",
        )
        session = Session(tiny)
        player = _player(session, memories[-1])
        out = np.zeros_like(audio)
        for start in range(0, audio.shape[1], HOP):
            player.work()
            player.timeline.exchange(
                audio[:, start : start + HOP],
                out[:, start : start + HOP],
            )
        return out, player

    yield run
    for shared in memories:
        shared.close(unlink=True)


@pytest.fixture
def spoilt(
    noise: Noise,
    request: pytest.FixtureRequest,
) -> tuple[Audio, Audio]:
    """Noise that is nonsense for a while, and the same noise without that."""
    clean = noise(200 * HOP)
    bad = clean.copy()
    bad[:, BAD] = NONSENSE[request.param](clean[:, BAD])
    return bad, clean


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", NONSENSE, indirect=True)
def test_stems_and_remainder_add_up_to_the_input_through_nonsense_and_after_it(
    play: Callable[..., tuple[Audio, Player]], spoilt: tuple[Audio, Audio]
) -> None:
    bad, clean = spoilt
    heard, player = play(bad, gain_db=0.0)
    latency, after = player.timeline.latency, BAD.stop
    sane = np.clip(
        np.where(np.isfinite(bad), bad, 0),
        -16,
        16,
    )
    assert np.isfinite(heard).all()
    assert np.abs(heard[:, latency:] - sane[:, :-latency]).max() < 1e-4
    assert np.abs(heard[:, after + latency :] - clean[:, after:-latency]).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", NONSENSE, indirect=True)
def test_after_nonsense_the_stems_are_what_they_would_have_been(
    play: Callable[..., tuple[Audio, Player]], spoilt: tuple[Audio, Audio]
) -> None:
    bad, clean = spoilt
    (heard, player), (expected, _) = (
        play(
            bad,
            gain_db=-120.0,
        ),
        play(clean, gain_db=-120.0),
    )
    last = slice(-40 * HOP, None)  # what the recurrent layers remember has faded by then
    assert np.abs(expected[:, last]).max() > 0.05
    assert np.abs(heard[:, BAD] - expected[:, BAD]).max() > 0.01
    assert np.abs(heard[:, last] - expected[:, last]).max() < 1e-3 * np.abs(expected[:, last]).max()
    assert player.status.late == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoilt", ["NaN", "inf", "-inf and NaN here and there", "+60 dB"], indirect=True
)
def test_bad_samples_are_counted_in_the_status(
    play: Callable[..., tuple[Audio, Player]], spoilt: tuple[Audio, Audio]
) -> None:
    bad, _ = spoilt
    _, player = play(bad, gain_db=0.0)
    assert player.status.bad_samples == np.count_nonzero(~(np.abs(bad) <= 16)) > 0


def test_a_preset_that_was_deleted_is_refused_and_what_plays_goes_on(
    studio: Studio, tmp_path: Path, make_condition: MakeCondition
) -> None:
    save_condition(tmp_path / "conditions" / "vocals.safetensors", make_condition())
    for name in ("here", "gone"):
        (tmp_path / f"{name}.yaml").write_text("stems: {voice: {condition: vocals}}\n")
    studio.controller.library = Library([tmp_path])
    studio.send(message("/rtmss/preset", "here"))
    studio.until(lambda: ("/rtmss/done", "/rtmss/preset", "here") in studio.hear())
    before = studio.controller.scene
    (tmp_path / "gone.yaml").unlink()
    [(fail, address, code, text)] = studio.ask("/rtmss/preset", "gone")
    assert (fail, address, code) == ("/rtmss/fail", "/rtmss/preset", "name")
    assert text.startswith("no preset 'gone'")
    assert studio.controller.scene is before
    assert studio.controller.preset == "here"
    assert studio.pong()


def test_a_preset_whose_condition_was_deleted_is_refused_and_what_plays_goes_on(
    studio: Studio, tmp_path: Path
) -> None:
    (tmp_path / "orphan.yaml").write_text("stems: {voice: {condition: deleted-one}}\n")
    studio.controller.library, before = Library([tmp_path]), studio.controller.scene
    told: list[Told] = studio.ask("/rtmss/preset", "orphan")

    def is_told() -> bool:
        told.extend(studio.hear())
        return bool(told)

    studio.until(is_told)
    assert told[0][:3] == ("/rtmss/fail", "/rtmss/preset", "refused")
    assert "no condition 'deleted-one'" in told[0][3]
    assert studio.controller.scene is before


def bundle_at(tag: int, *packets: bytes) -> bytes:
    """A bundle with an NTP time tag of 64 bits."""
    elements = (
        struct.pack(
            ">I",
            len(packet),
        )
        + packet
        for packet in packets
    )
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(elements)


def test_a_bundle_whose_clock_has_wrapped_in_2036_is_refused(studio: Studio) -> None:
    studio.send(bundle_at(10 << 32, message("/rtmss/bypass", 1)))
    studio.poll(2)
    [(fail, address, code, text)] = studio.hear()
    assert (fail, address, code) == ("/rtmss/fail", "#bundle", "time")
    assert "at most 60 s ahead" in text
    assert not studio.controller.scene.bypass
    assert studio.controller.scheduled == []
    assert studio.pong()


def seeds() -> list[bytes]:
    """Datagrams that mean something, to be spoilt."""
    fade, mute = message("/rtmss/fade", 20.0), message("/rtmss/stem/*/mute", True)
    soon = int((time.time() + 2_208_988_830) * 2**32)
    return [
        fade,
        mute,
        bundle([fade, mute]),
        bundle_at(1, bundle_at(soon, fade), mute),
        bundle_at(soon, fade),
        message("/rtmss/ping", 1, "two", 3.0, b"four", True, None),
        message("/rtmss/stem/vocals/gain", -6.0),
        message("/rtmss/stem/vocals/condition", "drums"),
        message("/rtmss/{remainder,master}/f*", 0.5),
        message("/rtmss/preset", "karaoke"),
        message("/rtmss/sync", 7),
        message("/rtmss/subscribe", "/rtmss/stem", 5),
        message("/rtmss/meters", 30.0),
        message("/rtmss/status"),
        message("/rtmss/panic", 0),
        message("/rtmss/unsolo"),
        message("/rtmss/*"),
        b"",
        b"/",
        b"#bundle\0",
    ]


def spoil(
    rng: random.Random,
    data: bytes,
    others: list[bytes],
) -> bytes:
    """Change a few bytes, cut, repeat, or splice; now and then nothing but noise."""
    spoilt = bytearray(data)
    for _ in range(
        rng.choice(
            (
                1,
                1,
                2,
                5,
            )
        )
    ):
        place = rng.randrange(len(spoilt) + 1)
        match rng.randrange(7):
            case 0:
                del spoilt[place:]
            case 1:
                spoilt[place:place] = rng.randbytes(
                    rng.choice(
                        (
                            1,
                            2,
                            4,
                            40,
                        )
                    )
                )
            case 2:
                spoilt[place:] = rng.choice(others)
            case 3:
                spoilt[place:place] = rng.choice(
                    (b"\0", b",", b"/", b"*", b"[", b"{", b"#bundle\0", b"\xff\xff\xff\xff")
                )
            case 4:
                spoilt = bytearray(rng.randbytes(rng.randrange(64)))
            case _ if place < len(spoilt):
                spoilt[place] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


@pytest.mark.slow
def test_100_000_fuzzed_datagrams_find_no_bug_and_pings_are_answered(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, known, sent = random.Random(0), seeds(), 0
    answers: list[bytes] = []
    monkeypatch.setattr(
        OscServer, "_send", lambda _self, _peer, packet, _name=None: answers.append(packet)
    )
    peers = [Peer("127.0.0.1", 40_000 + i) for i in range(40)]
    ping, pong = message("/rtmss/ping", 99), message("/rtmss/pong", __version__, 99)
    for _ in range(200):
        for data in (
            spoil(
                rng,
                rng.choice(known),
                known,
            )
            for _ in range(500)
        ):
            studio.server._handle(data, rng.choice(peers))
            sent += 1
        answers.clear()
        studio.server._handle(ping, peers[0])
        assert answers == [pong]
        studio.poll()
    assert sent == 100_000
    assert studio.server.n_bugs == 0
    assert [stem.name for stem in studio.controller.scene.stems]
    waiting = Counter(getattr(change, "peer", None) for _, change in studio.controller.scheduled)
    assert waiting.total() <= MAX_SCHEDULED
    assert max(waiting.values(), default=0) <= MAX_SCHEDULED_BY_ONE


@pytest.mark.slow
def test_after_3_000_fuzzed_datagrams_over_a_socket_each_next_ping_is_answered(
    studio: Studio,
) -> None:
    rng, known = random.Random(1), seeds()
    for _ in range(100):
        for _ in range(30):
            studio.send(spoil(rng, rng.choice(known), known))
        assert studio.pong()
    assert studio.server.n_bugs == 0


@pytest.mark.slow
def test_truncated_weights_are_one_line_at_the_start(tmp_path: Path) -> None:
    from rtmss.separator import default_weights

    weights = tmp_path / "cut.safetensors"
    shutil.copy(default_weights(), weights)
    os.truncate(weights, weights.stat().st_size // 2)
    command = [sys.executable, "-m", "rtmss", "live", "--weights", str(weights)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"rtmss: {weights}: not a safetensors file")
    assert done.stdout == ""


def test_a_controller_without_an_engine_answers_and_keeps_what_it_is_told(studio: Studio) -> None:
    studio.shared.announce("reopening")
    assert studio.server.dispatcher.controller.status.state == "reopening"
    studio.send(message("/rtmss/bypass", 1))
    studio.turn(0.05)
    studio.send(message("/rtmss/ping", 1))
    studio.turn(0.05)
    assert ("/rtmss/pong", __version__, 1) in studio.hear()
    assert MixerController(studio.shared, Library([]), "0123456789ab").scene.bypass
