"""Readers and parsers under bytes of chance: an answer or one line, quickly, and nothing else.

`RTMSS_FUZZ_EXAMPLES=100000 python -m pytest tests/fuzz` looks for hours.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save

from rtmss.bounded import UnreadableError, json_depth, parse_json
from rtmss.conditions.condition import ConditionLimits, load_condition
from rtmss.conditions.library import shipped
from rtmss.conditions.preset import Preset
from rtmss.config import UserError, read_yaml
from rtmss.engine.control import Scene
from rtmss.files import open_audio
from rtmss.live.control.osc.codec import Framer, OscDecodeError, decode
from rtmss.model.checkpoint import load_model
from rtmss.plain_yaml import parse_yaml
from rtmss.recording.log_reader import SessionLog

N_EXAMPLES = int(os.environ.get("RTMSS_FUZZ_EXAMPLES", "40"))
MOST_SECONDS = 5.0
"""Of one example; a machine that does other things too takes longer than the work needs."""
fuzzed = settings(
    max_examples=N_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PRESET = (shipped() / "karaoke.yaml").read_bytes()
CONDITION = (shipped() / "conditions" / "vocals.safetensors").read_bytes()
SONG = (shipped() / "demo" / "bass.ogg").read_bytes()[:60_000]
HEADER = {
    "model_id": "0123456789ab",
    "sample_rate": 8000,
    "hop_length": 64,
    "delay": 64,
    "n_outputs": 2,
}
SCENE = {"stems": [], "remainder": {"gain_db": -3}}
LOG = "\n".join(
    json.dumps(line)
    for line in (
        HEADER,
        {"event": "start", "hop": 0, "scene": SCENE},
        {"event": "step", "hop": 4, "hops": 3},
        {"event": "end", "hop": 90},
    )
).encode()


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with some bytes overwritten, left out, doubled, or put in, or only its beginning."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        n = draw(
            st.sampled_from(
                [
                    0,
                    1,
                    4,
                    8,
                    64,
                ]
            )
        )
        piece = draw(
            st.binary(max_size=16)
            | st.sampled_from(
                [
                    b"\xff" * 8,
                    b"[" * 99,
                    b"{",
                    b'"',
                ]
            )
        )
        match draw(st.sampled_from(["overwrite", "insert", "cut", "double"])):
            case "overwrite":
                data[at : at + len(piece)] = piece
            case "insert":
                data[at:at] = piece
            case "cut":
                del data[at : at + n]
            case "double":
                data[at:at] = data[at : at + n]
    return bytes(
        data[
            : draw(
                st.just(len(data))
                | st.integers(
                    0,
                    len(data),
                )
            )
        ]
    )


def read_preset(path: Path) -> object:
    return read_yaml(path, Preset)


def read_log(path: Path) -> object:
    return SessionLog.load(path, HEADER["model_id"]).events  # type: ignore[arg-type]


def read_samples(path: Path) -> object:
    with open_audio(path, on_damage=lambda _: None) as file:
        return sum(block.shape[1] for block in file.blocks())


READERS: dict[str, tuple[Callable[[Path], object], bytes]] = {
    "preset": (read_preset, PRESET),
    "condition": (load_condition, CONDITION),
    "weights": (load_model, CONDITION),
    "log": (read_log, LOG),
    "audio": (read_samples, SONG),
}


def attempt(
    read: Callable[[], object],
    *expected: type[Exception],
) -> object:
    """What comes of it, None where it is refused as it should be."""
    started = time.monotonic()
    try:
        return read()
    except expected as error:
        assert "\n" not in str(error)
        return None
    finally:
        assert time.monotonic() - started < MOST_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
@fuzzed
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    read, whole = READERS[kind]
    path = tmp_path / "damaged"
    path.write_bytes(data.draw(damaged(whole) | st.binary(max_size=300)))
    attempt(lambda: read(path), UserError)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["condition", "gain_db", "stems", "karaoke", "vocals", "remainder"])
)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=6),
            inner,
        )
    ),
    max_leaves=12,
)
STRIPS = st.fixed_dictionaries(
    {},
    optional={
        "gain_db": SCALARS,
        "mute": SCALARS,
        "channels": SCALARS | st.lists(SCALARS, max_size=3),
        "pan": SCALARS,
        "effects": TREES,
        "condition": SCALARS,
    },
)
PRESETS = st.fixed_dictionaries(
    {
        "stems": st.dictionaries(
            st.text(max_size=6) | st.just("a"),
            STRIPS,
            max_size=3,
        )
    },
    optional={"remainder": STRIPS, "master": TREES, "fade_ms": SCALARS, "fallback": SCALARS},
)


@fuzzed
@given(content=PRESETS | TREES)
def test_a_preset_of_any_values_is_a_scene_in_range_or_refused(
    tmp_path: Path, content: Any
) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=False), encoding="utf-8")
    preset = attempt(lambda: read_yaml(path, Preset), UserError)
    if isinstance(preset, Preset):
        Scene(remainder=preset.remainder, fade_ms=preset.fade_ms, fallback=preset.fallback)


@fuzzed
@given(content=TREES)
def test_values_come_back_from_yaml_and_json_as_they_were(content: Any) -> None:
    told = attempt(lambda: parse_yaml(yaml.safe_dump(content, sort_keys=False)), UnreadableError)
    assert told is None or repr(told) == repr(content)
    assert repr(parse_json(json.dumps(content))) == repr(content)


@fuzzed
@given(content=TREES)
def test_the_depth_of_json_is_that_of_its_value(content: Any) -> None:
    def depth(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value
        is_nested = isinstance(value, dict | list)
        return 1 + max(map(depth, inner), default=0) if is_nested else 0

    assert json_depth(json.dumps(content)) == depth(content)


@fuzzed
@given(text=st.text(alphabet='[]{}",:\\ a1&*!<-?\n\t', max_size=200))
def test_yaml_and_json_of_chance_are_read_or_refused(text: str) -> None:
    attempt(lambda: parse_yaml(text), UnreadableError)
    attempt(lambda: parse_json(text), UnreadableError)


def make_array(
    shape: tuple[int, ...],
    kind: type,
    value: float,
) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return np.full(shape, value).astype(kind)


NOTES = st.dictionaries(
    st.sampled_from(["kind", "condition", "version", "config", "model_id"]),
    st.sampled_from(["rtmss-condition", "rtmss-separator", "1", "2"])
    | st.text(max_size=20)
    | st.builds(
        json.dumps,
        TREES | st.just({"name": "x", "model_id": "y"}),
    ),
)
ARRAYS = st.dictionaries(
    st.sampled_from(["vector", "positive", "negative", "other"]),
    st.builds(
        make_array,
        st.lists(
            st.integers(0, 4),
            max_size=3,
        ).map(tuple),
        st.sampled_from(
            [
                np.float32,
                np.float64,
                np.float16,
                np.int8,
                np.bool_,
            ]
        ),
        st.sampled_from(
            [
                0.0,
                1.0,
                np.nan,
                np.inf,
                3e38,
            ]
        ),
    ),
    max_size=4,
)


@fuzzed
@given(notes=NOTES, tensors=ARRAYS)
def test_a_condition_of_any_arrays_is_one_or_refused(
    tmp_path: Path, notes: dict[str, str], tensors: dict[str, Any]
) -> None:
    path = tmp_path / "c.safetensors"
    path.write_bytes(save(tensors, metadata=notes))
    condition: Any = attempt(lambda: load_condition(path), UserError)
    if condition is not None:
        attempt(lambda: ConditionLimits(4, 10.0).check(condition), UserError)
    attempt(lambda: load_model(path), UserError)


@fuzzed
@given(data=damaged(b"#bundle\0" + bytes(8) + b"\0\0\0\x10/rtmss/ping\0\0\0,i\0\0") | st.binary())
def test_osc_of_chance_is_decoded_or_refused(data: bytes) -> None:
    attempt(lambda: decode(data), OscDecodeError)
    attempt(lambda: Framer().feed(data), OscDecodeError)
