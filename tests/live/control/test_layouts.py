"""What is given to other programs says only what the OSC table knows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from rtmss.cli import app
from rtmss.conditions.library import Library
from rtmss.conditions.preset import Preset
from rtmss.config import ConfigError, validate
from rtmss.live.control import layouts
from rtmss.live.control.layouts import FILES, LAYOUTS, SURFACE, layout_text
from rtmss.live.control.osc.table import TABLE, Mode, Row

FOLDER = Path(layouts.__file__).parent
RECIPES = Path(__file__).parents[3] / "docs/daw.md"
STEMS = ("vocals", "kit-2")
PRESETS = ("karaoke", "a-b")
ADDRESS = re.compile(r"/rtmss/[\w/@-]*\w")
REAPER_LINE = re.compile(r"^(?:# )?\w+ ([nfb])(/rtmss/\S+)$", re.MULTILINE)


def _row(address: str) -> Row:
    """The row that an address is of; stems are those of STEMS, of `four-stems`, or numbers (@)."""
    names = {
        *STEMS,
        *Library([]).load_preset("four-stems").stems,
        "remainder",
        "master",
        "@",
    }
    if address.startswith("/rtmss/preset/"):
        names = {*Library([]).presets(), *PRESETS}
    for row in TABLE:
        pattern = re.escape(row.address).replace("<name>", "([^/]+)").replace("<field>", "[^/]+")
        match = re.fullmatch(pattern, address)
        if match and set(match.groups()) <= names:
            return row
    raise AssertionError(f"'{address}' is not in the table")


def _widgets(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [tree, *(found for one in tree.get("widgets", ()) for found in _widgets(one))]


@pytest.fixture(scope="module")
def widgets() -> list[dict[str, Any]]:
    """Every widget of the session for STEMS and two presets."""
    return _widgets(json.loads(layout_text(SURFACE, STEMS, PRESETS))["content"])


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_address_is_in_the_table(name: str) -> None:
    text = layout_text(name, STEMS, ())
    addresses = ADDRESS.findall(text)
    assert len(addresses) >= 4
    for address in addresses:
        _row(address)


def test_the_recipes_name_only_addresses_that_there_are() -> None:
    addresses = ADDRESS.findall(RECIPES.read_text(encoding="utf-8"))
    assert len(addresses) >= 8
    for address in addresses:
        _row(address)


@pytest.mark.parametrize(
    "owner", ["/rtmss/stem/vocals", "/rtmss/stem/kit-2", "/rtmss/remainder", "/rtmss/master"]
)
def test_the_surface_has_all_that_a_strip_has(
    widgets: list[dict[str, Any]],
    owner: str,
) -> None:
    shown = {widget.get("address") for widget in widgets}
    pattern = re.sub(r"(?<=/stem/)[^/]+", "<name>", owner)
    in_table = {
        row.address.replace(pattern, owner)
        for row in TABLE
        if row.address.startswith(f"{pattern}/")
    }
    by_name = {f"{owner}/gain", f"{owner}/condition", f"{owner}/condition/b"}
    assert in_table - shown <= by_name, "the fader is the gain"
    assert f"/rtmss/meter/{owner.rsplit('/', 1)[1]}/peak" in shown


def test_the_surface_sets_only_what_can_be_set(widgets: list[dict[str, Any]]) -> None:
    for widget in widgets:
        address = widget.get("address", "auto")
        if address == "auto":
            continue
        is_told = _row(address).mode in {Mode.VALUE, Mode.TRIGGER}
        assert is_told != widget.get("bypass", False), (
            f"{address}: a meter must not send, everything else must"
        )


def test_widgets_have_names_of_their_own(widgets: list[dict[str, Any]]) -> None:
    names = [widget["id"] for widget in widgets]
    assert len(set(names)) == len(names)


def test_the_surface_has_a_button_for_every_preset(widgets: list[dict[str, Any]]) -> None:
    (choice,) = (widget for widget in widgets if widget.get("address") == "/rtmss/preset")
    assert choice["values"] == ["a-b", "karaoke"]
    buttons = [w for w in widgets if w.get("address", "").startswith("/rtmss/preset/")]
    assert [w["address"].rsplit("/")[-1] for w in buttons] == ["a-b", "karaoke"]
    assert {w["type"] for w in buttons} == {"button"}
    assert {w["on"] for w in buttons} == {1}


@pytest.mark.parametrize("name", ["pd", "supercollider", SURFACE])
def test_a_layout_says_how_a_button_chooses_a_preset(name: str) -> None:
    assert "/rtmss/preset/karaoke" in layout_text(name, STEMS, PRESETS)


def test_reaper_sends_numbers_where_numbers_are_taken() -> None:
    lines = REAPER_LINE.findall(layout_text("reaper", (), ()))
    assert len(lines) == 5
    for flag, address in lines:
        (arg,) = _row(address).args
        wanted = {
            "n": ("float", 0.0, 1.0),
            "b": ("bool", -float("inf"), float("inf")),
        }.get(flag)
        assert (
            (
                arg.kind,
                arg.low,
                arg.high,
            )
            == wanted
            if wanted
            else arg.unit == "dB"
        )


def test_the_preset_for_reaper_is_valid() -> None:
    text = layout_text("reaper", (), ())
    lines = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]
    preset = validate(yaml.safe_load("\n".join(lines)), Preset, "rtmss.ReaperOSC")
    assert list(preset.stems) == ["1", "2", "3", "4"]
    assert {stem.condition for stem in preset.stems.values()} <= set(Library([]).conditions())
    assert f"DEVICE_TRACK_COUNT {len(preset.stems)}\n" in text


def test_the_command_prints_a_layout_as_it_is() -> None:
    for name in FILES:
        result = CliRunner().invoke(app, ["osc", "--layout", name])
        assert result.exit_code == 0
        assert result.stdout == (FOLDER / FILES[name]).read_text(encoding="utf-8")


def test_the_command_makes_the_surface_of_a_preset() -> None:
    result = CliRunner().invoke(
        app,
        ["osc", "--layout", SURFACE, "--preset", "karaoke"],
    )
    addresses = {widget.get("address") for widget in _widgets(json.loads(result.stdout)["content"])}
    assert "/rtmss/stem/vocals/fader" in addresses
    assert "/rtmss/stem/drums/fader" not in addresses


def test_the_command_lists_the_buttons_of_all_presets_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTMSS_LIBRARY", str(tmp_path))
    result = CliRunner().invoke(app, ["osc"])
    assert "/rtmss/preset/karaoke" in result.stdout.splitlines()


def test_help_names_every_layout() -> None:
    text = " ".join(
        CliRunner()
        .invoke(
            app,
            ["osc", "--help"],
            env={"COLUMNS": "200"},
        )
        .stdout.split()
    )
    assert ", ".join(sorted(LAYOUTS)) in text


def test_an_unknown_layout_is_named_with_those_there_are() -> None:
    with pytest.raises(
        ConfigError,
        match="no layout 'ableton'; known: open-stage-control, pd, reaper, supercollider",
    ):
        layout_text("ableton", (), ())
