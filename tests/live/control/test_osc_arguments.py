"""What controllers send, and what is forgiven: silence, rounding, toggles, buttons."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.osc_server import Studio
from rtmss.conditions.condition import save_condition
from rtmss.conditions.library import Library
from rtmss.conditions.preset import Preset
from rtmss.config import ConfigError, validate
from rtmss.live.control.osc.arguments import Arg, RefusedError
from rtmss.live.control.osc.buttons import PREFIX, preset_address, preset_name
from rtmss.live.control.osc.codec import decode, message
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.table import TABLE, Mode

NUMBERS = [(row.address, arg) for row in TABLE for arg in row.args if arg.kind == "float"]
SWITCHES = [row for row in TABLE for arg in row.args if arg.kind == "bool"]


@pytest.mark.parametrize(
    "gain",
    [
        -120.0,
        -120.5,
        -150.0,
        -1e30,
        -math.inf,
        -200,
    ],
)
@pytest.mark.parametrize("owner", ["stem/vocals", "remainder", "master"])
def test_a_gain_at_or_below_120_dB_is_silence(studio: Studio, owner: str, gain: float) -> None:  # noqa: N802
    address = f"/rtmss/{owner}/gain"
    assert studio.ask(address, -6.0) == []
    assert studio.ask(address, gain) == []
    assert studio.ask(address) == [(address, -120.0)]
    assert studio.ask(address.replace("gain", "fader")) == [(address.replace("gain", "fader"), 0)]


@pytest.mark.parametrize("gain", ["-150", "-.inf", "-1e9"])
def test_a_preset_may_say_silence_in_the_same_ways(gain: str) -> None:
    preset = validate(
        {
            "stems": {
                "a": {
                    "condition": "x",
                    "gain_db": float(gain.replace(".inf", "inf")),
                }
            }
        },
        Preset,
        "p.yaml",
    )
    assert preset.stems["a"].gain_db == -120.0


@pytest.mark.parametrize(
    "gain",
    [math.nan, math.inf, 13.0],
)
def test_a_preset_with_another_gain_is_refused(gain: float) -> None:
    with pytest.raises(ConfigError):
        validate(
            {"stems": {"a": {"condition": "x", "gain_db": gain}}},
            Preset,
            "p.yaml",
        )


@pytest.mark.parametrize(("address", "arg"), NUMBERS)
def test_a_number_may_be_rounded_at_the_ends_of_its_range(address: str, arg: Arg) -> None:
    for end, away in ((arg.low, -1), (arg.high, 1)):
        rounded = float(
            np.nextafter(
                np.float32(end),
                np.float32(away * math.inf),
            )
        )
        for value in (rounded, end + away * 9e-6):
            assert arg.check(value, "f") == end


@pytest.mark.slow
@pytest.mark.parametrize(("address", "arg"), NUMBERS)
@given(st.floats())
def test_a_number_is_in_its_range_or_refused(address: str, arg: Arg, value: float) -> None:
    try:
        taken = arg.check(value, "f")
    except RefusedError:
        assert not arg.low <= value <= arg.high
        assert not (arg.unit == "dB" and value <= arg.low)
    else:
        assert arg.low <= float(taken) <= arg.high
        assert taken == min(max(value, arg.low), arg.high)


def test_a_fader_a_little_over_full_is_full(studio: Studio) -> None:
    assert studio.ask("/rtmss/stem/vocals/fader", 1.0000002) == []
    assert studio.ask("/rtmss/stem/vocals/gain") == [("/rtmss/stem/vocals/gain", 12.0)]
    assert studio.ask("/rtmss/stem/vocals/fader", 1.001)[0][2] == "range"


@pytest.mark.parametrize("row", SWITCHES, ids=lambda row: row.address)
@pytest.mark.parametrize(
    "value",
    [0, 1, 0.0, 1.0, True, False, 0.9999999, 1e-7],
)
def test_a_toggle_of_any_type_is_taken(row: Any, value: float) -> None:
    assert row.args[0].check(value, "f") is bool(round(value))


@pytest.mark.parametrize(
    "value",
    [0.5, 2, -1, math.nan, math.inf],
)
def test_what_is_no_toggle_is_refused(value: float) -> None:
    with pytest.raises(RefusedError, match="expected 0 or 1"):
        Arg("bool").check(value, "f")


@pytest.mark.parametrize("on", [1, 1.0, True])
def test_a_button_subscribes_and_letting_it_go_does_nothing(studio: Studio, on: float) -> None:
    off = type(on)(0)
    assert studio.ask("/rtmss/subscribe", off) == []
    assert not studio.server.dispatcher.peers.subscribers
    assert ("/rtmss/bypass", 0) in studio.ask("/rtmss/subscribe", on)
    [subscriber] = studio.server.dispatcher.peers.subscribers.values()
    assert subscriber.ttl == 30
    assert studio.ask("/rtmss/subscribe", off) == []


@pytest.mark.parametrize("ttl", [60, 60.0])
def test_a_time_to_live_may_be_of_any_type_of_number(studio: Studio, ttl: float) -> None:
    studio.ask("/rtmss/subscribe", ttl)
    studio.ask("/rtmss/subscribe", "/rtmss/fade", ttl)
    [subscriber] = studio.server.dispatcher.peers.subscribers.values()
    assert (subscriber.ttl, subscriber.pattern) == (60, "/rtmss/fade")


# A button for every preset.

NAMES = ["karaoke", "slow jam", "50% #2", "a,b*c?", "[x]{y}", "Bäume 🎤", "a.b~c_d-e", "%20"]


@pytest.fixture
def presets(studio: Studio, tmp_path: Path, make_condition: Any) -> Studio:
    """A studio with presets of awkward names."""
    save_condition(tmp_path / "conditions" / "me.safetensors", make_condition())
    for name in NAMES:
        (tmp_path / f"{name}.yaml").write_text("stems: {me: {condition: me}}\n")
    studio.controller.library = Library([tmp_path])
    return studio


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "args",
    [(), (1,), (1.0,), (True,)],
    ids=str,
)
def test_a_button_chooses_a_preset(
    presets: Studio,
    name: str,
    args: tuple[Any, ...],
) -> None:
    presets.send(message(preset_address(name), *args))
    told: list[tuple[Any, ...]] = []

    def is_told() -> bool:
        told.extend(presets.hear())
        return bool(told)

    presets.until(is_told)
    assert told == [("/rtmss/done", "/rtmss/preset", name)]
    assert presets.controller.preset == name


@pytest.mark.parametrize("value", [0, 0.0, False])
def test_letting_go_of_a_presets_button_does_nothing(presets: Studio, value: float) -> None:
    assert presets.ask(preset_address("karaoke"), value) == []
    presets.poll(5)
    assert presets.controller.preset == ""


def test_a_button_of_no_preset_is_refused(presets: Studio) -> None:
    told = presets.ask("/rtmss/preset/karaoka", 1)
    assert told[0][:3] == ("/rtmss/fail", "/rtmss/preset/karaoka", "name")
    assert "did you mean 'karaoke'" in told[0][3]
    assert presets.ask("/rtmss/preset/..%2fkaraoke")[0][2] == "name"


def test_no_pattern_presses_a_button(presets: Studio) -> None:
    assert presets.ask("/rtmss/preset/*", 1)[0][2] == "address"
    assert presets.ask("/rtmss/*/karaoke")[0][2] == "address"


def test_a_button_cannot_be_put_off(presets: Studio) -> None:
    messages = decode(message(preset_address("karaoke"), 1))[0].messages
    peer = Peer("127.0.0.1", 1)
    [failure] = presets.server.dispatcher.handle(
        messages,
        time.time() + 5,
        peer,
    )
    assert b"cannot be put off" in failure


@given(
    st.text(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]),
        min_size=1,
    )
)
def test_an_address_of_a_button_is_legal_and_names_its_preset_alone(name: str) -> None:
    address = preset_address(name)
    rest = address.removeprefix(PREFIX)
    assert address.isascii()
    assert not set(rest) & set(" #*,/?[]{}")
    assert preset_name(address) == name


def test_a_file_name_that_is_no_text_has_an_address() -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    assert preset_address(name) == "/rtmss/preset/caf%E9"
    assert preset_name("/rtmss/preset/caf%e9") == name


def test_names_that_are_no_text_can_be_told(presets: Studio, monkeypatch: Any) -> None:
    names = {b"caf\xe9".decode(errors="surrogateescape"): None}
    monkeypatch.setattr(presets.controller.library, "presets", lambda: names)
    assert presets.ask("/rtmss/presets") == [("/rtmss/presets", "caf?")]


def test_the_button_is_in_the_table() -> None:
    (row,) = (row for row in TABLE if row.address == "/rtmss/preset/<name>")
    assert row.mode is Mode.TRIGGER


@pytest.mark.parametrize("pattern", ["rtmss", "*", "vocals/gain", " /rtmss"])
def test_a_subscription_that_no_address_can_match_is_refused(studio: Studio, pattern: str) -> None:
    [(fail, address, code, _)] = studio.ask("/rtmss/subscribe", pattern)
    assert (fail, address, code) == ("/rtmss/fail", "/rtmss/subscribe", "address")
    assert not studio.server.dispatcher.peers.subscribers
