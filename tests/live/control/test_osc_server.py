"""None"""

from __future__ import annotations

import logging
import struct
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.osc_server import Studio
from rtmss import __version__
from rtmss.config import UserError
from rtmss.live.control.osc.codec import bundle, message
from rtmss.live.control.osc.server import OscServer

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_a_ping_comes_back_to_the_port_it_came_from(studio: Studio) -> None:
    other = studio.make_socket()
    assert studio.ask("/rtmss/ping", 1) == [("/rtmss/pong", __version__, 1)]
    assert studio.hear(other) == []
    other.close()


def test_a_change_reaches_the_engine(studio: Studio) -> None:
    studio.ask("/rtmss/stem/drums/gain", -7.5)
    assert studio.shared.receive(0)[-1].scene.stems[1].strip.gain_db == -7.5


def test_a_bundle_reaches_the_engine_as_one_scene(studio: Studio) -> None:
    before = studio.controller.number
    studio.send(
        bundle(
            [
                message("/rtmss/fade", 5.0),
                message("/rtmss/bypass", True),
                message("/rtmss/sync", 3),
            ]
        )
    )
    studio.poll(3)
    assert [
        (entry.scene.fade_ms, entry.scene.bypass) for entry in studio.shared.receive(before)
    ] == [(5.0, True)]
    assert studio.hear()[-1][:2] == ("/rtmss/synced", 3)


def test_panic_does_not_wait_for_the_engine(studio: Studio) -> None:
    studio.send(message("/rtmss/panic"))
    studio.turn(1)
    assert studio.shared.panic


def test_subscribers_hear_each_other(studio: Studio) -> None:
    other = studio.make_socket()
    assert ("/rtmss/bypass", 0) in studio.ask("/rtmss/subscribe")
    studio.ask("/rtmss/subscribe", "/rtmss/fade", sock=other)
    assert studio.ask("/rtmss/fade", 12.0) == [("/rtmss/fade", 12.0)]
    assert studio.hear(other) == [("/rtmss/fade", 12.0)]
    other.close()


def test_what_another_hand_changes_is_told_too(studio: Studio) -> None:
    studio.ask("/rtmss/subscribe", "/rtmss/stem/vocals/mute")
    studio.controller.change(lambda scene: scene.with_strip("vocals", mute=True))
    studio.poll()
    assert studio.hear() == [("/rtmss/stem/vocals/mute", 1)]


def test_meters_come_by_themselves(studio: Studio) -> None:
    studio.ask("/rtmss/meters", 30)
    told = studio.until(
        lambda: [one for one in studio.hear() if one[0] == "/rtmss/meter/vocals/rms"]
    )
    assert told[0][1] == pytest.approx(-6.02, abs=0.01)


def test_a_wait_ends_when_meters_are_due(studio: Studio) -> None:
    studio.ask("/rtmss/meters", 20)
    start = time.monotonic()
    studio.turn(5)
    assert time.monotonic() - start < 1


def test_a_bundle_to_come_keeps_nobody_waiting(studio: Studio) -> None:
    when = int((time.time() + 30 + 2_208_988_800) * 2**32).to_bytes(8, "big")
    later = message("/rtmss/bypass", 1)
    studio.send(
        b"#bundle\0"
        + when
        + struct.pack(
            ">I",
            len(later),
        )
        + later
    )
    start = time.monotonic()
    assert studio.pong()
    assert time.monotonic() - start < 1
    assert len(studio.controller.scheduled) == 1


def test_a_malformed_datagram_is_answered_with_the_reason(studio: Studio) -> None:
    studio.send(b"/abc\0\0\0\0,zz\0")
    studio.poll()
    [(fail, address, code, text)] = studio.hear()
    assert (fail, address, code) == ("/rtmss/fail", "", "wire")
    assert "arguments of type 'z' are not taken" in text


@pytest.mark.slow
@FUZZ
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=100),
            st.binary(max_size=60).map(b"/rtmss/\0,".__add__),
        ),
        max_size=5,
    )
)
def test_after_any_datagrams_a_ping_is_answered(studio: Studio, datagrams: list[bytes]) -> None:
    for data in datagrams:
        studio.send(data)
    studio.poll(2)
    assert studio.pong()
    assert studio.server.n_bugs == 0


@pytest.mark.slow
@FUZZ
@given(st.integers(0, 2**64 - 1))
def test_after_a_bundle_of_any_time_a_ping_is_answered(studio: Studio, tag: int) -> None:
    change = message("/rtmss/fade", 1.0)
    studio.send(
        b"#bundle\0"
        + tag.to_bytes(8, "big")
        + struct.pack(
            ">I",
            len(change),
        )
        + change
    )
    assert studio.pong()
    assert studio.server.n_bugs == 0


ANY_VALUE = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(width=32),
    st.booleans(),
    st.none(),
    st.text(st.characters(exclude_characters="\0"), max_size=9),  # which ends a string on the wire
    st.binary(min_size=1),
)

PARTS = [
    "stem",
    "vocals",
    "gain",
    "fader",
    "mute",
    "*",
    "?",
    "{a,vocals}",
    "[a-z]",
    "[",
    "remainder",
    "master",
    "preset",
    "condition",
    "status",
    "sync",
    "subscribe",
    "meters",
    "unsolo",
    "fade",
    "ping",
    "solo",
    "late",
    "",
    "<name>",
]


@pytest.mark.slow
@FUZZ
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(PARTS), max_size=4),
            st.lists(ANY_VALUE, max_size=3),
        ),
        max_size=5,
    )
)
def test_any_messages_leave_a_scene_that_is_whole(
    studio: Studio, rows: list[tuple[list[str], list[Any]]]
) -> None:
    messages = [
        message(
            "/".join(["/rtmss", *parts]),
            *args,
        )
        for parts, args in rows
    ]
    for data in [*messages, bundle(messages)]:
        studio.send(data)
    studio.poll(2)
    assert studio.pong()
    assert studio.server.n_bugs == 0
    scene = studio.controller.scene
    assert [stem.name for stem in scene.stems] == ["vocals", "drums"]
    strips = [scene.remainder, *(stem.strip for stem in scene.stems)]
    assert all(
        -120 <= gain <= 12 for gain in [scene.master_db, *(strip.gain_db for strip in strips)]
    )


def test_a_bug_is_answered_and_logged_once_a_second(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fall(*_: object) -> None:
        raise ZeroDivisionError("oh")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(studio.controller, "change", fall)
        for _ in range(5):
            answer = studio.ask("/rtmss/bypass", 1)
            assert answer == [("/rtmss/fail", "", "bug", "ZeroDivisionError: oh")]
    assert studio.server.n_bugs == 5
    assert len(caplog.records) == 1
    assert studio.pong()


def test_a_bug_while_sending_to_the_engine_does_not_end_the_loop(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fall(*_: object) -> None:
        raise ZeroDivisionError("oh")

    with monkeypatch.context() as patch:
        patch.setattr(studio.controller, "flush", fall)
        studio.poll()
    assert studio.server.n_bugs == 1
    assert studio.pong()


def test_a_taken_port_is_said(studio: Studio) -> None:
    with pytest.raises(
        UserError, match=rf"OSC port {studio.server.port} is taken; is another rtmss running"
    ):
        OscServer(studio.controller, port=studio.server.port)


def test_an_address_of_another_machine_is_said(studio: Studio) -> None:
    with pytest.raises(
        UserError, match=r"it is no address of this machine; try --osc-bind 127\.0\.0\.1"
    ):
        OscServer(studio.controller, "192.0.2.1", 0)


def test_a_host_that_does_not_exist_is_said(studio: Studio) -> None:
    with pytest.raises(UserError, match="no such address"):
        OscServer(studio.controller, "not an address", 0)


def test_a_wide_bind_says_what_it_means(studio: Studio) -> None:
    wide = OscServer(studio.controller, "0.0.0.0", 0)
    assert "whoever reaches this address can change the mix" in wide.describe()
    assert studio.server.describe().endswith("programs on this machine only")
    wide.close()
