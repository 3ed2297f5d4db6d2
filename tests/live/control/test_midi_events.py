"""Messages as events of controls, and back: 7 and 14 bits, NRPNs, and encoders that count ticks."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmss.live.control.midi.events import (
    HIGHEST,
    RELATIVE,
    Control,
    Decoder,
    Event,
    control_of,
    encode,
    ticks_of,
)
from rtmss.live.control.midi.learning import Listener, relative_of
from rtmss.live.control.midi.map_file import Relative
from rtmss.live.control.midi.messages import parse


def hear(*messages: list[int]) -> list[Event]:
    """Events of messages as bytes, one after the other."""
    decoder, events = Decoder(), []
    for data in messages:
        message = parse(data)
        assert message is not None
        events += decoder.feed(message)
    return events


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([0xB0, 70, 5], [Event(Control("cc", 70), 1, 5)]),
        ([0xBF, 127, 127], [Event(Control("cc", 127), 16, 127)]),
        ([0x92, 36, 100], [Event(Control("note", 36), 3, 100)]),
        ([0x92, 36, 0], [Event(Control("note", 36), 3, 0)]),
        ([0x82, 36, 64], [Event(Control("note", 36), 3, 0)]),
        ([0xC1, 5], [Event(Control("program", 5), 2, 127)]),
        ([0xE0, 0, 0], [Event(Control("pitch"), 1, 0)]),
        ([0xE0, 0, 64], [Event(Control("pitch"), 1, 8192)]),
        ([0xE0, 127, 127], [Event(Control("pitch"), 1, 16383)]),
        ([0xD0, 64], []),
        ([0xA0, 36, 64], []),
        ([0xF0, 1, 2, 0xF7], []),
        ([0xF8], []),
        ([0xFF], []),
    ],
)
def test_every_kind_of_message_is_an_event_or_none(data: list[int], expected: list[Event]) -> None:
    assert hear(data) == expected


@pytest.mark.parametrize(
    "data", [[], [0xB0], [0xB0, 1], [0xB0, 200, 1], [1, 2, 3], [0xF0, 1], [300]]
)
def test_bytes_that_are_no_message_are_none(data: list[int]) -> None:
    assert parse(data) is None


def test_a_pair_of_control_changes_has_14_bits() -> None:
    fine = hear([0xB0, 39, 1], [0xB0, 7, 64], [0xB0, 39, 3], [0xB1, 39, 5])
    assert [one for one in fine if one.control.kind == "cc14"] == [
        Event(Control("cc14", 7), 1, 64 << 7),
        Event(Control("cc14", 7), 1, (64 << 7) + 3),
    ]


def test_an_nrpn_is_chosen_and_set_until_an_rpn_is() -> None:
    heard = hear(
        *(
            [0xB0, *rest]
            for rest in ((99, 2), (98, 44), (6, 64), (38, 1), (98, 45), (38, 9), (6, 1))
        ),
        *([0xB0, *rest] for rest in ((101, 0), (100, 0), (6, 2))),
    )
    assert [one for one in heard if one.control.kind == "nrpn"] == [
        Event(Control("nrpn", 300), 1, 8192),
        Event(Control("nrpn", 300), 1, 8193),
        Event(Control("nrpn", 301), 1, 128),
    ]


CONTROLS = st.sampled_from(sorted(set(HIGHEST) - {"program"})).flatmap(
    lambda kind: st.builds(Control, st.just(kind), st.integers(0, HIGHEST[kind]))
)
EVENTS = CONTROLS.flatmap(
    lambda control: st.builds(
        Event, st.just(control), st.integers(1, 16), st.integers(0, control.steps)
    )
)


@given(EVENTS)
def test_what_a_light_is_told_comes_back_as_the_same_event(event: Event) -> None:
    decoder = Decoder()
    heard = [one for message in encode(event) for one in decoder.feed(message)]
    assert [one for one in heard if one.control == event.control][-1] == event


@given(CONTROLS)
def test_a_control_is_written_as_it_is_read(control: Control) -> None:
    assert control_of(control.text) == control


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cc",
        "cc 128",
        "cc14 32",
        "nrpn 16384",
        "note -1",
        "pitch 3",
        "CC 7",
        "cc 7 8",
        "fader 1",
    ],
)
def test_what_names_no_control_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected cc 0-127"):
        control_of(text)


def test_every_way_to_count_has_a_name_in_maps() -> None:
    assert set(RELATIVE) == set(get_args(Relative))


TICKS = {
    "twos-complement": lambda ticks: ticks % 128,
    "offset-64": lambda ticks: 64 + ticks,
    "sign-magnitude": lambda ticks: ticks if ticks >= 0 else 64 - ticks,
}


@given(st.sampled_from(sorted(RELATIVE)), st.integers(-63, 63))
def test_ticks_are_read_as_they_are_counted(kind: str, ticks: int) -> None:
    assert ticks_of(kind, TICKS[kind](ticks)) == ticks


@given(
    st.sampled_from(sorted(RELATIVE)),
    st.lists(st.integers(1, 8), min_size=2),
    st.lists(st.integers(-8, -1), min_size=1),
)
def test_an_encoder_that_was_turned_both_ways_is_told_by_its_ticks(
    kind: str, up: list[int], down: list[int]
) -> None:
    values = [TICKS[kind](ticks) for ticks in (up[0], *up, *down)]
    assert relative_of(values) == kind


@given(st.lists(st.integers(0, 127), unique=True))
def test_a_fader_is_no_encoder(values: list[int]) -> None:
    assert relative_of(values) is None


@pytest.mark.parametrize(
    "values", [[127], [127, 0], [127, 127, 127], [127, 0, 127, 0], [0, 0, 0], [64, 64, 64]]
)
def test_a_button_is_no_encoder(values: list[int]) -> None:
    assert relative_of(values) is None


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([[0xB2, 70, 5], [0xB2, 70, 6]], (Control("cc", 70), 3, None)),
        ([[0xB0, 7, 5], [0xB0, 39, 6], [0xB0, 7, 6]], (Control("cc14", 7), 1, None)),
        ([[0xB0, 99, 1], [0xB0, 98, 2], [0xB0, 6, 3]], (Control("nrpn", 130), 1, None)),
        ([[0xB0, 7, 5], [0xB0, 7, 7], [0xB0, 9, 6], [0xB0, 7, 9]], (Control("cc", 7), 1, None)),
        ([[0x95, 40, 1]], (Control("note", 40), 6, None)),
        ([[0xC0, 9]], (Control("program", 9), 1, None)),
        ([[0xE3, 0, 70]], (Control("pitch"), 4, None)),
        ([[0xB0, 7, one] for one in (1, 1, 127, 2)], (Control("cc", 7), 1, "twos-complement")),
    ],
)
def test_what_was_moved_is_known_after_a_while(
    messages: list[list[int]], expected: tuple[Control, int, str | None]
) -> None:
    listener = Listener()
    assert not listener.is_sure(1e9)
    for event in hear(*messages):
        listener.hear(event, 5.0)
    assert listener.is_sure(5.0) == (expected[0].kind in {"note", "pitch", "program"})
    assert listener.is_sure(6.0)
    assert listener.found() == expected
