"""What is refused before it is parsed, and without waiting, by every reader of settings."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from helpers.makers import MakeCondition
from helpers.oddities import ODDITIES, bomb_of_aliases
from rtmss.conditions.condition import load_condition, save_condition
from rtmss.conditions.library import Library
from rtmss.conditions.preset import Preset
from rtmss.config import UserError, read_yaml
from rtmss.model.checkpoint import load_model
from rtmss.recording.log_reader import SessionLog

HEADER = {"name": "x", "model_id": "0123456789ab"}
SECONDS = 2.0


def read_preset(path: Path) -> object:
    return read_yaml(path, Preset)


def read_log(path: Path) -> object:
    return SessionLog.load(path, "")


READERS: list[Callable[[Path], object]] = [
    read_preset,
    load_condition,
    load_model,
    read_log,
]


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    """Nothing here may wait for anybody."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 10 * SECONDS


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("make", ODDITIES)
def test_what_is_no_file_of_its_kind_is_refused_in_one_line(
    tmp_path: Path, read: Callable[[Path], object], make: Callable[[Path], None]
) -> None:
    path = tmp_path / "thing"
    make(path)
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def bomb_of_merges() -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 60)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        "stems: " + "[" * 100_000,
        "[" * 30_000,
        "stems: " + "{a: " * 5_000,
        "- " * 20_000 + "x",
        bomb_of_aliases(),
        bomb_of_merges(),
        "stems: &a {x: *a}",
        "stems: &a [*a]",
        "description: 2024-13-45",
        "description: !!timestamp x",
        "description: !!bool x",
        "description: !!int ''",
        "description: " + "9" * 60_000,
        "description: \x01",
        'description: "\\ud800"',
        "x" * 2_000_000,
        "? {a: b}\n: 1",
        "fade_ms: .nan\nstems: {a: {condition: b}}",
        "stems: {a: {condition: b, gain_db: .nan}}",
        "stems: {a: {condition: b, pan: .nan}}",
        "master: {gain_db: .nan}\nstems: {a: {condition: b}}",
        "stems: {a: {condition: b, effects: [{type: Gain, parameters: {gain_db: .nan}}]}}",
        "stems: {a: {condition: b, effects: [{type: Gain, parameters: {gain_db: .inf}}]}}",
        "1: 2",
        "stems: {1: {condition: b}}",
        "stems: {a: {condition: b, channels: [1.5]}}",
    ],
)
def test_yaml_that_asks_for_too_much_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(UserError) as caught:
        read_yaml(path, Preset)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_an_alias_and_a_merge_are_read(tmp_path: Path) -> None:
    path = tmp_path / "scene.yaml"
    path.write_text("stems:\n  a: &a {condition: x, gain_db: -6}\n  b: {<<: *a, condition: y}\n")
    stems = read_yaml(path, Preset).stems
    assert (stems["b"].condition, stems["b"].gain_db) == ("y", -6)


def arrays(**changed: Any) -> dict[str, Any]:
    nothing = np.zeros((0, 4), np.float32)
    return {
        "vector": np.ones(12, np.float32),
        "positive": nothing,
        "negative": nothing,
    } | changed


def condition_file(path: Path, condition: str, **changed: Any) -> Path:
    metadata = {"kind": "rtmss-condition", "condition": condition}
    path.write_bytes(save(arrays(**changed), metadata=metadata))
    return path


@pytest.mark.parametrize(
    "condition",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "",
        "{",
        "[]",
        "null",
        '{"name": NaN}',
        "9" * 5000,
    ],
)
def test_a_condition_whose_header_lies_is_refused_in_one_line(
    tmp_path: Path, condition: str
) -> None:
    path = condition_file(tmp_path / "c.safetensors", condition)
    with pytest.raises(UserError) as caught:
        load_condition(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [np.nan, np.inf, -np.inf],
)
@pytest.mark.parametrize("name", ["vector", "positive", "negative"])
def test_a_condition_that_is_not_finite_is_refused(tmp_path: Path, name: str, value: float) -> None:
    bad = np.full(
        12 if name == "vector" else (1, 4),
        value,
        np.float32,
    )
    path = condition_file(
        tmp_path / "c.safetensors",
        json.dumps(HEADER),
        **{name: bad},
    )
    with pytest.raises(UserError, match=f"{name} holds NaN or infinite numbers"):
        load_condition(path)


@pytest.mark.parametrize(
    "bad",
    [
        np.ones((1, 12), np.float32),
        np.ones((), np.float32),
        np.ones(0, np.float32),
        np.ones(12, np.float64),
        np.ones(12, np.float16),
        np.ones(12, np.int32),
        np.ones(12, np.bool_),
        np.ones(12, np.complex64),
    ],
)
def test_a_condition_of_another_shape_or_type_is_refused(tmp_path: Path, bad: Any) -> None:
    path = condition_file(tmp_path / "c.safetensors", json.dumps(HEADER), vector=bad)
    with pytest.raises(UserError, match=r"damaged|not a condition"):
        load_condition(path)


@pytest.mark.parametrize(
    "n_header",
    [
        0,
        1,
        7,
        1 << 20,
        1 << 40,
        (1 << 64) - 1,
    ],
)
def test_a_length_of_a_header_that_lies_is_refused(
    tmp_path: Path, make_condition: MakeCondition, n_header: int
) -> None:
    path = tmp_path / "c.safetensors"
    save_condition(path, make_condition())
    data = path.read_bytes()
    path.write_bytes(n_header.to_bytes(8, "little") + data[8:])
    for read in (load_condition, load_model):
        with pytest.raises(UserError, match="not a"):
            read(path)


def test_a_library_of_oddities_still_lists_the_others(tmp_path: Path) -> None:
    (tmp_path / "conditions").mkdir()
    for make in ODDITIES:
        make(tmp_path / f"{make.__name__}.yaml")
    (tmp_path / "good.yaml").write_text("stems: {a: {condition: b}}")
    readable = list(Library([tmp_path]).readable_presets())
    assert any(list(preset.stems) == ["a"] for preset in readable)
