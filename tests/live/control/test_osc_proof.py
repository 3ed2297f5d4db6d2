"""Addresses that may be false, and how a peer proves its own."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.abroad import Abroad
from helpers.osc_server import Studio
from rtmss.live.control.osc.budget import AMPLIFICATION, Ledger
from rtmss.live.control.osc.codec import message
from rtmss.live.control.osc.fairness import Peer

FUZZ = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

ABROAD = Peer("192.0.2.7", 9000)
QUESTIONS = [
    message("/rtmss/status"), message("/rtmss/*"), message("/rtmss/stem/*/*"),
    message("/rtmss/subscribe"), message("/rtmss/meters", 30.0), message("/rtmss/ping", 1),
    message("/rtmss/preset", "nobody"), message("/x"), message("/rtmss/presets"), b"nonsense",
    message("/rtmss/sync", 4), message("/rtmss/echo", 5), message("/rtmss/fade", 1.0),
]  # fmt: skip


@pytest.mark.slow
@FUZZ
@given(st.lists(st.sampled_from(QUESTIONS), max_size=30))
def test_an_address_that_may_be_somebody_elses_gets_at_most_three_times_what_came(
    studio: Studio, questions: list[bytes]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        abroad = Abroad(studio, patch)
        studio.server.dispatcher.ledger.__init__()  # type: ignore[misc]
        peer = Peer("192.0.2.9", 7)
        n_received = 0
        for data in questions:
            abroad.say(data, peer)
            n_received += len(data)
            studio.poll()
            assert abroad.n_bytes(peer) <= AMPLIFICATION * n_received
        studio.controller.change(
            lambda scene: scene.with_strip(
                "vocals",
                gain_db=-7.0,
            )
        )
        studio.poll(3)
        assert abroad.n_bytes(peer) <= AMPLIFICATION * n_received


def test_whoever_sends_the_number_back_is_told_all(abroad: Abroad) -> None:
    abroad.say(message("/rtmss/subscribe"))
    abroad.studio.poll(2)
    [(address, token)] = [one for one in abroad.hear() if one[0] == "/rtmss/echo"]
    abroad.say(message(address, token))
    assert ("/rtmss/done", "/rtmss/echo", "192.0.2.7 9000") in abroad.hear()
    abroad.studio.poll(2)
    assert {"/rtmss/bypass", "/rtmss/stem/drums/fader"} <= {one[0] for one in abroad.hear()}
    abroad.say(message("/rtmss/status"))
    assert ("/rtmss/status/refused", 0) in abroad.hear()


def test_another_number_is_no_proof(abroad: Abroad) -> None:
    abroad.say(message("/rtmss/echo", 1))
    assert abroad.hear()[0][:3] == ("/rtmss/fail", "/rtmss/echo", "token")
    assert not abroad.studio.server.dispatcher.ledger.is_proven(
        ABROAD,
        time.monotonic(),
    )


def test_the_proof_of_one_port_is_none_for_another(abroad: Abroad) -> None:
    abroad.prove()
    ledger, now = abroad.studio.server.dispatcher.ledger, time.monotonic()
    assert ledger.is_proven(ABROAD, now)
    assert not ledger.is_proven(Peer(ABROAD.host, 1), now)
    assert not ledger.is_proven(ABROAD, now + 3601)


def test_a_connection_proves_the_address_it_comes_from() -> None:
    ledger = Ledger()
    ledger.prove("192.0.2.7", 10.0)
    assert ledger.is_proven(ABROAD, 11.0)


def test_a_refusal_is_shortened_to_what_an_unproven_address_may_get(abroad: Abroad) -> None:
    abroad.say(message("/rtmss/stem/vocals/gain", "loud"))
    [(address, about, code, text)] = abroad.hear()
    assert (address, about, code) == ("/rtmss/fail", "/rtmss/stem/vocals/gain", "type")
    assert "expected a number from -120 to 12 dB, got type 's'".startswith(text)


def test_on_this_machine_nothing_is_withheld(studio: Studio) -> None:
    assert len(studio.ask("/rtmss/status")) > 10
    assert studio.ask("/rtmss/echo", 1)[0][:2] == ("/rtmss/done", "/rtmss/echo")


def test_an_answer_too_long_for_a_datagram_is_a_refusal(studio: Studio) -> None:
    longest = message("/rtmss/ping", bytes(65_490))
    [(address, about, code, _)] = _sent(studio, longest)
    assert (address, about, code) == ("/rtmss/fail", "/rtmss/pong", "size")


def _sent(
    studio: Studio,
    data: bytes,
) -> list[tuple[Any, ...]]:
    studio.server._handle(data, Peer(*studio.udp.getsockname()))
    return studio.hear()
