"""Both sides of the shared memory agree, on every offset and size."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from rtmss.config import SeparatorConfig
from rtmss.engine.frames import StreamFrames
from rtmss.plugin.sources import plugin_sources
from rtmss.serve import layout


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[Sequence[str]]:
    """What the C++ header says, in words."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    program = tmp_path_factory.mktemp("layout") / "layout"
    source = plugin_sources() / "tests/layout.cpp"
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-invalid-offsetof"]
    subprocess.run([*command, str(source), "-o", str(program)], check=True)
    lines = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    return [line.split() for line in lines.splitlines()]


def _said(said: list[Sequence[str]], kind: str) -> list[Sequence[str]]:
    return [words[1:] for words in said if words[0] == kind]


def test_every_field_stands_where_the_other_side_has_it(said: list[Sequence[str]]) -> None:
    ours = [
        [name, str(offset), str(layout.LAYOUT[name].itemsize)] for name, _, offset in layout.FIELDS
    ]
    assert ours == _said(said, "field")
    assert _said(said, "size") == [[str(layout.N_BYTES)]]
    assert _said(said, "magic") == [[layout.MAGIC.decode()]]


def test_every_constant_is_the_same(said: list[Sequence[str]]) -> None:
    enums = (layout.Control, layout.PlugInFallback, layout.EngineState)
    ours = {name: int(value) for enum in enums for name, value in enum.__members__.items()}
    theirs = {name: int(value) for name, value in _said(said, "constant")}
    assert len(theirs) == 32
    assert {name: ours.get(name, getattr(layout, name, None)) for name in theirs} == theirs


def test_a_stamp_is_the_same(said: list[Sequence[str]]) -> None:
    assert _said(said, "stamp") == [[str(layout.stamp(6, 41))]]


def test_the_frames_are_those_of_the_engine_at_every_rate(said: list[Sequence[str]]) -> None:
    rows = _said(said, "frames")
    assert len(rows) == 10
    for rate, hop, delay in rows:
        expected = StreamFrames.at(int(rate), SeparatorConfig())
        assert (int(hop), int(delay)) == expected, rate


def test_fields_do_not_overlap() -> None:
    ends = 0
    for name, _, offset in layout.FIELDS:
        assert offset >= ends, name
        assert offset % min(8, layout.LAYOUT[name].itemsize) == 0, name
        ends = offset + layout.LAYOUT[name].itemsize
    assert ends == layout.N_BYTES


def test_the_rings_hold_the_shortest_hops() -> None:
    shortest = StreamFrames.at(layout.LEAST_RATE, SeparatorConfig()).hop_length
    assert layout.RING // shortest < layout.HOPS


def test_the_sources_are_here() -> None:
    assert Path(plugin_sources() / "src/Layout.hpp").is_file()
