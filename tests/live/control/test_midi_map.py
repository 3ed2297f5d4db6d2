"""Maps of controllers: what is taken, what is refused and how, and what was learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtmss.config import ConfigError, UserError
from rtmss.live.control.midi.events import control_of
from rtmss.live.control.midi.map_file import (
    LEARNED_FILE,
    MAX_LEARNED,
    Learned,
    MapEntry,
    MidiMap,
    as_yaml,
    load_learned,
    load_map,
    save_learned,
)
from rtmss.live.control.midi.targets import (
    Scale,
    present_address,
    scale_of,
    target_of,
)
from rtmss.live.control.osc.table import FADERS, TABLE, Mode

FADER = "/rtmss/remainder/fader"


def entry(**fields: Any) -> MapEntry:
    return MapEntry.model_validate({"control": "cc 7", "address": FADER, **fields})


def test_the_map_of_rtmss_plays_eight_strips() -> None:
    controls = load_map(None).controls
    addresses = {one.address for one in controls}
    for owner in (*(f"stem/#{i}" for i in range(1, 7)), "remainder"):
        assert {f"/rtmss/{owner}/{leaf}" for leaf in ("fader", "pan", "mute", "solo")} <= addresses
    assert len({one.control for one in controls}) == len(controls)


BAD = {
    "controls: [{address: /rtmss/bypass}]": "'controls.0.control' is missing",
    "controls: [{control: cc 7}]": "'controls.0.address' is missing",
    "controls: [{control: cc 777, address: /rtmss/bypass}]": "control 'cc 777': expected cc 0-127",
    "controls: [{control: 7, address: /rtmss/bypass}]": "'controls.0.control': Input should be a",
    "controls: [{control: cc 7, adress: /rtmss/bypass}]": "unknown key 'controls.0.adress'; known",
    "controls: [{control: cc 7, address: /rtmss/bypas}]": "no address '/rtmss/bypas' that can be",
    "controls: [{control: cc 7, address: /rtmss/latency}]": "no address '/rtmss/latency' that can",
    "controls: [{control: cc 7, address: /rtmss/stem/a}]": "no address '/rtmss/stem/a' that can",
    "controls: [{control: cc 7, address: '/rtmss/stem/#0/gain'}]": "no address '/rtmss/stem/#0/",
    "controls: [{control: cc 7, address: /rtmss/stem/*/gain}]": "'/rtmss/stem/*/gain' is a pattern",
    "controls: [{control: cc 7, address: /rtmss/ping}]": "/rtmss/ping is not for a control",
    "controls: [{control: cc 7, address: /rtmss/midi/learn, args: [a]}]": "is not for a control",
    "controls: [{control: cc 7, address: /rtmss/preset}]": "/rtmss/preset needs args: what to say",
    "controls: [{control: cc 7, address: /rtmss/cue/go}]": "/rtmss/cue/go needs args",
    "controls: [{control: cc 7, address: /rtmss/preset, args: [5]}]": "args of /rtmss/preset: expe",
    "controls: [{control: cc 7, address: /rtmss/fade, args: [1, 2]}]": "expected 1 argument, got 2",
    "controls: [{control: cc 7, address: /rtmss/capture/last, args: [a]}]": "expected 3 to 4 arg",
    "controls: [{control: note 7, address: /rtmss/fade}]": "is a number, and a note needs args",
    "controls: [{control: program 7, address: /rtmss/fade}]": "is a number, and a program needs",
    "controls: [{control: cc 7, address: /rtmss/transport/a}]": "/rtmss/transport/a needs a range",
    "controls: [{control: cc 7, address: /rtmss/fade, range: [5, 5]}]": "range: expected two diff",
    "controls: [{control: cc 7, address: /rtmss/remainder/gain, range: [0, 13]}]": "from -120 to 1",
    "controls: [{control: cc 7, address: /rtmss/fade, range: [.nan, 3]}]": "range: expected two",
    "controls: [{control: cc 7, address: /rtmss/fade, range: [no, 3]}]": "'controls.0.range.0'",
    "controls: [{control: cc 7, address: /rtmss/bypass, range: [0, 1]}]": "range: is for numbers",
    "controls: [{control: cc 7, address: /rtmss/unsolo, button: hold}]": "hold: is for switches",
    "controls: [{control: program 7, address: /rtmss/bypass, button: hold}]": "hold: is for swit",
    "controls: [{control: cc 7, address: /rtmss/bypass, button: press}]": "'controls.0.button'",
    "controls: [{control: cc14 7, address: /rtmss/fade, relative: offset-64}]": "only a control ch",
    "controls: [{control: cc 7, address: /rtmss/bypass, relative: offset-64}]": "is no number",
    "controls: [{control: cc 7, address: /rtmss/fade, relative: mackie}]": "'controls.0.relative'",
    "controls: [{control: cc 7, address: /rtmss/fade, channel: 17}]": "'controls.0.channel'",
    "controls: [{control: cc 7, address: /rtmss/fade, channel: yes}]": "'controls.0.channel'",
    "controls: [{control: cc 7, address: /rtmss/fade, step: 0}]": "'controls.0.step'",
    "controls: [{control: cc 7, address: /rtmss/bypass, light: [0, 128]}]": "'controls.0.light.1'",
    "pickups: true": "unknown key 'pickups'; known here: description, pickup, controls",
    "controls: [{control: cc 7, control: cc 8}]": "line 1: key 'control' stands twice",
    "controls: {": "not valid YAML",
    "- a": "expected 'key: value' lines, got list",
}


@pytest.mark.parametrize("text", BAD)
def test_a_map_that_cannot_be_played_is_refused_by_file_and_field(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_map(path)
    assert str(path) in str(raised.value)
    assert BAD[text] in str(raised.value)


def test_every_row_that_can_be_set_can_be_bound_or_says_why() -> None:
    kinds = {}
    for row in TABLE:
        if row.mode in {Mode.VALUE, Mode.COMMAND, Mode.TRIGGER}:
            address = row.address.replace("<name>", "#1" if "/stem/" in row.address else "karaoke")
            try:
                kinds[row.address] = target_of(address, ()).kind
            except ValueError as error:
                kinds[row.address] = str(error).removeprefix(address).split(":")[0]
    assert kinds["/rtmss/stem/<name>/gain"] == kinds["/rtmss/master/fader"] == "number"
    assert kinds["/rtmss/stem/<name>/mute"] == kinds["/rtmss/panic"] == "switch"
    assert kinds["/rtmss/preset/<name>"] == kinds["/rtmss/cue/next"] == "press"
    assert set(kinds.values()) == {
        "number",
        "switch",
        "press",
        " is not for a control",
        " needs args",
    }


@pytest.mark.parametrize(
    ("address", "ends", "low", "middle", "high"),
    [
        ("/rtmss/stem/a/gain", None, -120, -14, 12),
        ("/rtmss/stem/a/fader", None, 0, 0.5, 1),
        ("/rtmss/master/gain", (-40, 0), -40, -14, 0),
        ("/rtmss/master/gain", (12, -120), 12, -14, -120),
        ("/rtmss/stem/a/pan", None, -1, 0, 1),
        ("/rtmss/stem/a/pan", (0.5, -0.5), 0.5, 0, -0.5),
        ("/rtmss/transport/position", (0, 300), 0, 150, 300),
        ("/rtmss/transport/loops", (0, 9), 0, 4, 9),
    ],
)
def test_a_control_goes_from_one_end_of_a_range_to_the_other(
    address: str, ends: tuple[float, float] | None, low: float, middle: float, high: float
) -> None:
    scale = scale_of(target_of(address, ()), ends)
    assert [scale.value_of(place) for place in (0, 0.5, 1)] == [low, middle, high]
    assert isinstance(scale.value_of(0.3), int) == address.endswith("loops")


SCALES = st.one_of(
    st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
    .filter(lambda ends: abs(ends[0] - ends[1]) > 1e-3)
    .map(lambda ends: Scale(*ends, is_gain=False, is_whole=False)),
    st.sampled_from([(0.0, 1.0), (1.0, 0.0), (0.1, 0.8)]).map(
        lambda ends: Scale(*ends, is_gain=True, is_whole=False)
    ),
)


@given(SCALES, st.sampled_from([127, 16383]), st.data())
def test_a_place_comes_back_from_its_value_to_the_step(
    scale: Scale, steps: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(0, steps))
    value = scale.value_of(step / steps)
    assert round(scale.place_of(value) * steps) == step
    before = scale.value_of(max(0, step - 1) / steps)
    assert (value - before) * (scale.high - scale.low) >= 0


def test_the_taper_of_a_gain_is_that_of_the_faders() -> None:
    scale = scale_of(target_of("/rtmss/stem/a/gain", ()), None)
    assert [scale.value_of(place) for place in FADERS] == [-120, -40, -14, 0, 12]
    assert scale.place_of(-200) == 0
    assert scale.place_of(50) == 1


def test_a_stem_by_its_number_is_the_one_that_plays_there() -> None:
    assert present_address("/rtmss/stem/#2/gain", ("a", "b")) == "/rtmss/stem/b/gain"
    assert present_address("/rtmss/stem/#3/gain", ("a", "b")) is None
    assert present_address("/rtmss/stem/a/condition/b", ()) == "/rtmss/stem/a/condition/b"
    assert present_address(FADER, ()) == FADER


def test_what_is_learned_replaces_the_control_and_the_address_and_nothing_else() -> None:
    mute = "/rtmss/remainder/mute"
    base = MidiMap(
        controls=(
            entry(),
            entry(control="cc 8", address=mute),
            entry(control="cc 9", address="/rtmss/bypass"),
        )
    )
    learned = Learned().with_entry(entry(control="cc 8", channel=2))
    assert [one.text for one in learned.over(base).controls] == [
        "cc 9 -> /rtmss/bypass",
        f"cc 8 channel 2 -> {FADER}",
    ]
    again = learned.with_entry(entry(control="cc 7"))
    assert [one.text for one in again.over(base).controls] == [
        f"cc 8 -> {mute}",
        "cc 9 -> /rtmss/bypass",
        f"cc 7 -> {FADER}",
    ]


def test_what_is_forgotten_stays_so_until_it_is_learned_again() -> None:
    base = MidiMap(controls=(entry(), entry(control="cc 8")))
    forgotten = Learned().without(FADER, base)
    assert forgotten.over(base).controls == ()
    assert forgotten.without(FADER, base) == forgotten
    again = forgotten.with_entry(entry(control="cc 9"))
    assert [one.control for one in again.over(base).controls] == ["cc 9"]
    assert again.without(FADER, base).over(base).controls == ()


def test_the_same_control_of_another_port_or_channel_is_another_one() -> None:
    one = entry(port="a", channel=1)
    assert one.is_same_control(entry())
    assert one.is_same_control(entry(port="a"))
    assert not one.is_same_control(entry(port="b"))
    assert not one.is_same_control(entry(channel=2))


ENTRIES = st.builds(
    lambda number, channel, pickup, light: entry(
        control=f"note {number}",
        channel=channel,
        pickup=pickup,
        light=light,
        address="/rtmss/stem/lead & backing/condition",
        args=[
            "a: b",
        ],
    ),
    st.integers(0, 127),
    st.one_of(st.none(), st.integers(1, 16)),
    st.sampled_from([None, True, False]),
    st.tuples(st.integers(0, 127), st.integers(0, 127)),
)


@settings(max_examples=25)
@given(st.lists(ENTRIES, max_size=8))
def test_what_was_learned_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, entries: list[MapEntry]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "learned"
    learned = Learned(controls=tuple(entries), forgotten=(FADER,))
    save_learned(folder, learned)
    assert load_learned(folder) == learned
    assert [path.name for path in folder.iterdir()] == [LEARNED_FILE]


def test_a_map_comes_back_from_its_text(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(as_yaml(load_map(None)), encoding="utf-8")
    assert load_map(path) == load_map(None)


def test_too_much_is_not_learned(tmp_path: Path) -> None:
    many = Learned()
    for number in range(MAX_LEARNED):
        many = many.with_entry(entry(control=f"nrpn {number}", address=f"/rtmss/stem/{number}/pan"))
    save_learned(tmp_path, many)
    with pytest.raises(UserError, match=f"at most {MAX_LEARNED} controls"):
        save_learned(tmp_path, many.with_entry(entry(control="nrpn 999")))
    assert load_learned(tmp_path) == many


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / LEARNED_FILE).write_text("controls: [", encoding="utf-8")
    with pytest.raises(ConfigError, match=LEARNED_FILE):
        load_learned(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        save_learned(tmp_path / "file" / "library", Learned())


def test_an_entry_names_its_control() -> None:
    assert entry(control="nrpn 300").what == control_of("nrpn 300")
