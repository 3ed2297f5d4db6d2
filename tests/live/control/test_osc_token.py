"""OSC from other machines with a token."""

from __future__ import annotations

import pytest

from helpers.abroad import ABROAD, Abroad
from rtmss.live.control.osc.codec import bundle, message
from rtmss.live.control.osc.doorkeeper import MAX_PAIRED, PAIRED_SECONDS, Doorkeeper
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.pairing import MAX_BAD_TOKENS, Pairing

TOKEN = "a-token-of-these-tests"
MUTE = message("/rtmss/stem/vocals/mute", 1)
OTHER_PORT = ABROAD._replace(port=9001)
SOMEBODY = Peer("192.0.2.8", 9000)


@pytest.fixture
def guarded(abroad: Abroad) -> Abroad:
    abroad.studio.server._doorkeeper = Doorkeeper(Pairing(TOKEN))
    return abroad


def is_muted(abroad: Abroad) -> bool:
    return abroad.studio.controller.scene.stems[0].strip.mute


def test_nothing_of_a_stranger_is_looked_at(guarded: Abroad) -> None:
    guarded.say(MUTE)
    [(_, about, code, _)] = guarded.hear()
    assert (about, code) == ("/rtmss/stem/vocals/mute", "token")
    for data in (message("/rtmss/ping"), message("/rtmss/subscribe"), b"nonsense", bundle([MUTE])):
        guarded.say(data)
    assert not guarded.hear() and not is_muted(guarded)
    assert guarded.studio.server.dispatcher.ledger.n_refused == 5
    assert not guarded.studio.server.dispatcher.peers.subscribers


def test_the_panic_of_a_stranger_is_not_heard(guarded: Abroad) -> None:
    guarded.studio.server._queue(message("/rtmss/panic"), ABROAD)
    guarded.studio.poll(2)
    assert not guarded.studio.shared.panic


def test_whoever_shows_the_token_is_let_in_with_all_ports(guarded: Abroad) -> None:
    guarded.say(message("/rtmss/token", TOKEN))
    assert guarded.hear() == [("/rtmss/done", "/rtmss/token", ABROAD.host)]
    guarded.say(MUTE, OTHER_PORT)
    assert is_muted(guarded)
    guarded.say(message("/rtmss/stem/vocals/mute", 0), SOMEBODY)
    assert is_muted(guarded), "another host has not shown it"


def test_a_bundle_may_begin_with_the_token(guarded: Abroad) -> None:
    guarded.say(bundle([message("/rtmss/token", TOKEN), MUTE]))
    assert is_muted(guarded)


def test_wrong_tokens_lock_their_host_out(guarded: Abroad) -> None:
    for number in range(MAX_BAD_TOKENS):
        guarded.say(message("/rtmss/token", f"guess-{number}"))
    guarded.say(message("/rtmss/token", TOKEN))
    guarded.say(MUTE)
    assert not is_muted(guarded)
    for strange in (
        message("/rtmss/token"),
        message("/rtmss/token", 1),
        message("/rtmss/token", TOKEN, 1),
    ):
        guarded.say(strange, SOMEBODY)
    guarded.say(MUTE, SOMEBODY)
    assert not is_muted(guarded)


def test_this_machine_needs_no_token(guarded: Abroad) -> None:
    guarded.say(MUTE, Peer("127.0.0.1", 5000))
    assert is_muted(guarded)


def test_a_pairing_ends_when_nothing_comes_for_an_hour() -> None:
    keeper = Doorkeeper(Pairing(TOKEN))
    assert keeper.lets_in(message("/rtmss/token", TOKEN), ABROAD, 0.0)
    assert keeper.lets_in(MUTE, ABROAD, PAIRED_SECONDS - 1)
    assert keeper.lets_in(MUTE, ABROAD, 2 * PAIRED_SECONDS - 2)
    assert not keeper.lets_in(MUTE, ABROAD, 4 * PAIRED_SECONDS)


def test_hosts_that_are_paired_are_bounded() -> None:
    keeper = Doorkeeper(Pairing(TOKEN))
    for number in range(1000):
        peer = Peer(f"192.0.{number // 250}.{number % 250 + 1}", 1)
        assert keeper.lets_in(message("/rtmss/token", TOKEN), peer, 0.0)
    assert len(keeper._paired) == MAX_PAIRED
