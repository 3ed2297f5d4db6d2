"""At 80 columns, and at any other width, no table loses text."""

from __future__ import annotations

import ast
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from rtmss import show
from rtmss.bench.sizes import latencies
from rtmss.bench.steps import StepRow
from rtmss.bench.tables import latency_table, steps_table
from rtmss.conditions.library import Library
from rtmss.conditions.set_list import load_set_list
from rtmss.datasets.report import print_datasets
from rtmss.live.control.midi.map_file import load_map
from rtmss.live.control.midi.port import ListedPort
from rtmss.serve.control.table import INSTANCE_TABLE
from rtmss.serve.listing import Listed
from rtmss.study import Edge, edges_table
from rtmss.tables import WholeTable

PACKAGE = Path(show.__file__).parent
EXAMPLES = Path(__file__).parent.parent / "examples"
OWN_TABLES = {"tables.py", "demo.py", "live/control/drawing.py"}
"""The class itself, and two views that are drawn again and again, in columns of fixed width."""
WORDS = st.text("abc/ -", max_size=30)


def _printed(shown: RenderableType, width: int) -> str:
    file = io.StringIO()
    Console(
        width=width,
        file=file,
        _environ={"TERM": "dumb"},
    ).print(shown)
    return file.getvalue()


def _characters(text: str) -> Counter[str]:
    """How often each is there; lines and gaps are no text."""
    return Counter("".join(text.replace("─", "").split()))


def _is_whole(shown: RenderableType, width: int) -> bool:
    """Whether nothing is missing of what a terminal as wide as one likes has."""
    narrow, wide = _printed(shown, width), _printed(shown, 4000)
    fits = max(len(line) for line in narrow.splitlines()) <= width
    return fits and not _characters(wide) - _characters(narrow) and "…" not in narrow


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.data(),
    st.integers(1, 6),
    st.integers(12, 120),
    st.integers(1, 3),
)
def test_nothing_is_cut_off(
    data: st.DataObject,
    n_columns: int,
    width: int,
    n_keys: int,
) -> None:
    texts = st.lists(WORDS, min_size=n_columns, max_size=n_columns)
    marks = data.draw(
        st.lists(
            st.sampled_from(("", ">")),
            min_size=n_columns,
            max_size=n_columns,
        )
    )
    heads = [
        mark + head
        for mark, head in zip(
            marks,
            data.draw(texts),
            strict=True,
        )
    ]
    table = WholeTable(
        *heads,
        n_keys=min(n_keys, n_columns),
        title=data.draw(WORDS),
    )
    for _ in range(3):
        table.add_row(*data.draw(texts))
    assert _is_whole(table, width)


def test_figures_stand_on_one_line_while_texts_wrap() -> None:
    table = WholeTable("effect", ">range")
    table.add_row("a long text of many words", "-120 .. 12 dB")
    lines = _printed(table, 30).splitlines()
    assert len(lines) > 3
    assert sum("-120 .. 12 dB" in line for line in lines) == 1


def test_columns_without_room_are_printed_below_with_their_keys() -> None:
    table = WholeTable("targets", ">first figure", ">second figure")
    table.add_row("four", "1.00", "2.00")
    above, below = _printed(table, 24).split("\n\n")
    assert "first figure" in above and "1.00" in above and "second" not in above
    assert "four" in below and "second figure" in below and "2.00" in below


def _step(backend: str) -> StepRow:
    return StepRow(
        backend=backend,
        n_targets=8,
        is_switching=False,
        is_paced=True,
        has_priority=False,
        n_hops=10_000,
        p50_ms=10.11,
        p99_ms=20.22,
        p999_ms=30.33,
        max_ms=40.44,
        n_late=9_999,
        hop_ms=11.61,
        macs=99_900_000,
    )


def _edges() -> list[RenderableType]:
    variants = ("few-shot", "class-label", "half-a-second-ahead", "film-at-bottleneck")
    edges = [
        Edge(variant, seed, "seen", "vocals", "unknown voices", "10+10", -10.5)
        for variant in variants
        for seed in (0, 1)
    ]
    return [edges_table("seen", edges)]


TABLES: dict[str, Callable[[], list[RenderableType]]] = {
    "bench step": lambda: [
        steps_table(
            [_step("torch"), _step("onnx")],
            9e10,
        )
    ],
    "bench start": lambda: [latency_table(latencies())],
    "condition list": lambda: [show.conditions_table(Library([]))],
    "condition inspect": lambda: [show.condition_details("vocals", Library([]))],
    "preset list": lambda: [show.presets_table(Library([]))],
    "preset show": lambda: [show.preset_table("four-stems", Library([]))],
    "setlist show": lambda: [show.set_list_table(load_set_list(EXAMPLES / "set_list.yaml"))],
    "midi check": lambda: [show.midi_map_table(load_map(None).controls)],
    "midi list": lambda: [
        show.midi_ports_table([ListedPort("a fader box", has_input=True, has_output=False)])
    ],
    "osc": lambda: [show.osc_table(), show.osc_table(INSTANCE_TABLE)],
    "plugin instances": lambda: [
        show.instances_table(
            [
                Listed(12, "ardour-8.6.0", "four-stems", 192000, "no such preset", 123456, 9999),
                Listed(0, "reaper", "", 0, "no engine", 0, 0),
            ]
        )
    ],
    "study": _edges,
}


@pytest.mark.parametrize("command", TABLES)
def test_a_command_prints_all_of_its_tables_at_80_columns(command: str) -> None:
    for table in TABLES[command]():
        assert _is_whole(table, 80)


def test_step_times_name_their_backend_and_every_column_at_80_columns() -> None:
    printed = _printed(steps_table([_step("torch")], 9e10), 80)
    for text in ("torch", "p50 ms", "p99.9 / hop", "9999 of 10000", "one more ms"):
        assert text in printed


def test_datasets_are_printed_whole_at_80_columns() -> None:
    file = io.StringIO()
    print_datasets(
        Console(
            width=80,
            file=file,
            _environ={"TERM": "dumb"},
        )
    )
    assert "…" not in file.getvalue()
    assert max(map(len, file.getvalue().splitlines())) <= 80


@pytest.mark.slow
def test_no_other_tables_are_made() -> None:
    makers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ImportFrom) and node.module == "rich.table"
    }
    assert makers == OWN_TABLES
