"""One bad thing never takes its neighbours: lists, batches, and the control side go on."""

from __future__ import annotations

import gc
import json
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from helpers.command_line import Rtmss
from helpers.makers import MakeCondition, Noise
from helpers.oddities import ODDITIES, bomb_of_aliases
from helpers.osc_server import Studio, Told
from rtmss.audio import Audio
from rtmss.conditions.condition import Condition, ConditionHeader, ConditionLimits, save_condition
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.live.control.osc.codec import BUNDLE_BYTES, decode, message, texts
from rtmss.lookup import find

MODEL_ID = "0123456789ab"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_condition: MakeCondition) -> Path:
    """A library in which everything but `good` is broken."""
    monkeypatch.setenv("COLUMNS", "400")  # a row is a line
    library = tmp_path / "library"
    (library / "conditions").mkdir(parents=True)
    save_condition(library / "conditions" / "good.safetensors", make_condition("good"))
    (library / "good.yaml").write_text("description: fine\nstems: {a: {condition: good}}\n")
    for make in ODDITIES:
        make(library / f"{make.__name__}.yaml")
        make(library / "conditions" / f"{make.__name__}.safetensors")
    for name, text in {
        "aliases": bomb_of_aliases(),
        "deep": "[" * 50_000,
        "date": "description: 2024-13-45",
        "key": "stems: {a: {condition: b, gain: 3}}",
    }.items():
        (library / f"{name}.yaml").write_text(text)
    monkeypatch.setenv("RTMSS_LIBRARY", str(library))
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(tmp_path)
    return library


@pytest.mark.parametrize("line", ["preset list", "condition list"])
def test_a_list_shows_what_is_broken_as_rows_and_goes_on(
    rtmss: Rtmss, home: Path, line: str
) -> None:
    status, said, _ = rtmss(line)
    rows = {row.split()[0]: row for row in said.splitlines() if row.split()}
    assert status == 0
    assert "cannot be used" not in rows["good"]
    assert {
        "good",
        "vocals" if line.startswith("condition") else "karaoke",
    } <= rows.keys()
    for make in ODDITIES:
        assert f"{make.__name__}." in rows[make.__name__]
        assert "cannot be used: " in rows[make.__name__]
    if line == "preset list":
        assert "nested more than 32 deep" in rows["deep"]
        assert "more than 10000 values" in rows["aliases"]


def test_a_condition_is_inspected_beside_broken_ones(rtmss: Rtmss, home: Path) -> None:
    status, said, _ = rtmss("condition inspect good")
    assert status == 0
    assert "condition 'good', 12 numbers" in said


@pytest.mark.slow
def test_rebuilding_goes_on_after_a_condition_that_cannot_be(
    rtmss: Rtmss, home: Path, noise: Noise, write_audio: Callable[[Path, Audio, int], Path]
) -> None:
    write_audio(Path("clip.wav"), noise(44100), 44100)
    assert rtmss("condition create mine -p clip.wav")[0] == 0
    status, said, complaints = rtmss("condition rebuild good make_fifo mine")
    assert status == 1
    assert said.count("Rebuilt") == 1
    assert "Rebuilt condition 'mine'" in said
    assert "2 of 3 conditions could not be rebuilt" in complaints.splitlines()[-1]


@pytest.mark.slow
def test_a_batch_goes_on_after_anything_that_is_no_song(
    rtmss: Rtmss, home: Path, noise: Noise, write_audio: Callable[[Path, Audio, int], Path]
) -> None:
    for name in ("first", "last"):
        write_audio(Path(f"{name}.wav"), noise(30000), 44100)
    Path("text.wav").write_text("no audio")
    os.mkfifo("pipe.wav")
    Path("folder.wav").mkdir()
    line = "render first.wav text.wav pipe.wav folder.wav gone.wav last.wav --preset karaoke -o o"
    status, said, complaints = rtmss(line)
    assert status == 1
    assert "o/first/mix.wav" in said
    assert "o/last/mix.wav" in said
    told = complaints.splitlines()
    assert [row.split()[1] for row in told[:-1]] == [
        "text.wav:",
        "pipe.wav:",
        "folder.wav:",
        "gone.wav:",
    ]
    assert told[-1] == "rtmss: 4 of 6 files could not be rendered"


@pytest.fixture
def crowd(studio: Studio, tmp_path: Path) -> Studio:
    """A studio with 4,000 presets and conditions, names of all kinds among them."""
    (tmp_path / "conditions").mkdir()
    for number in range(4000):
        (tmp_path / f"a-preset-of-many-{number:04}.yaml").touch()
        (tmp_path / "conditions" / f"a-condition-of-many-{number:04}.safetensors").touch()
    for name in (
        b"caf\xe9.yaml",
        "🎤 b.yaml".encode(),
        b"two\nlines.yaml",
        b"x" * 200 + b".yaml",
    ):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    studio.controller.library = Library([tmp_path])
    return studio


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["preset", "condition"])
def test_four_thousand_names_are_told_in_packets_that_fit(crowd: Studio, kind: str) -> None:
    crowd.send(message(f"/rtmss/{kind}s"))
    told: list[Told] = []
    names: list[object] = []

    def all_are_told() -> bool:
        while True:
            try:
                packet = crowd.udp.recv(1 << 16)
            except BlockingIOError:
                return len(names) >= 4000
            assert len(packet) <= BUNDLE_BYTES
            [part] = decode(packet)
            told.extend((one.address, *one.args) for one in part.messages)
            names[:] = [name for _, *some in told for name in some]

    crowd.until(all_are_told)
    assert {address for address, *_ in told} == {f"/rtmss/{kind}s"}
    assert set(names) >= {f"a-{kind}-of-many-{number:04}" for number in range(4000)}
    assert len(set(names)) == len(names)


def test_a_wrong_name_among_thousands_is_answered_briefly(crowd: Studio) -> None:
    [(fail, address, code, text)] = crowd.ask("/rtmss/preset", "a-preset-of-many-400")
    assert (fail, address, code) == ("/rtmss/fail", "/rtmss/preset", "name")
    assert "did you mean" in text
    assert len(text) <= 400


def test_an_answer_larger_than_a_datagram_is_refused_in_one_that_fits(studio: Studio) -> None:
    [
        (
            fail,
            _,
            code,
            text,
        )
    ] = studio.ask("/rtmss/ping", b"x" * 65_480)
    assert (fail, code) == ("/rtmss/fail", "size")
    assert "ask over TCP" in text


def test_names_are_cut_into_messages_by_their_size() -> None:
    names = [f"name-{i}" * (i % 40 + 1) for i in range(500)]
    packets = texts("/rtmss/presets", names)
    assert max(map(len, packets)) <= BUNDLE_BYTES
    assert min(map(len, packets[:-1])) > BUNDLE_BYTES - 340
    assert [name for data in packets for name in decode(data)[0].messages[0].args] == names
    assert [decode(data)[0].messages[0].args for data in texts("/a", [])] == [()]


def wait_for_answer(studio: Studio, address: str, *args: str) -> Told:
    told = studio.ask(address, *args)

    def is_told() -> bool:
        told.extend(studio.hear())
        return bool(told)

    studio.until(is_told)
    return told[0]


def spoilt_conditions(folder: Path) -> None:
    """Conditions that cannot be played, each of another kind, and a preset for each."""
    (folder / "conditions").mkdir()
    nothing = np.zeros((0, 4), np.float32)
    vectors = {
        "one": np.ones(1, np.float32),
        "long": np.ones(13, np.float32),
        "nan": np.full(12, np.nan, np.float32),
        "inf": np.full(12, np.inf, np.float32),
        "loud": np.full(12, 3e38, np.float32),
        "matrix": np.ones((12, 1), np.float32),
        "wide": np.ones(12, np.float64),
    }
    for name, vector in vectors.items():
        metadata = {
            "kind": "rtmss-condition",
            "condition": json.dumps({"name": name, "model_id": MODEL_ID}),
        }
        tensors: dict[str, Any] = {
            "vector": vector,
            "positive": nothing,
            "negative": nothing,
        }
        data = save(tensors, metadata=metadata)
        (folder / "conditions" / f"{name}.safetensors").write_bytes(data)
        (folder / f"{name}.yaml").write_text(f"stems: {{voice: {{condition: {name}}}}}\n")


def test_a_preset_that_cannot_be_played_leaves_the_old_scene_and_is_answered(
    studio: Studio, tmp_path: Path, make_condition: MakeCondition
) -> None:
    spoilt_conditions(tmp_path)
    save_condition(tmp_path / "conditions" / "fine.safetensors", make_condition("fine"))
    (tmp_path / "fine.yaml").write_text("stems: {voice: {condition: fine}}\n")
    studio.controller.library = Library([tmp_path])
    studio.controller.limits = ConditionLimits(12, largest_norm=100.0)
    assert wait_for_answer(studio, "/rtmss/preset", "fine") == (
        "/rtmss/done",
        "/rtmss/preset",
        "fine",
    )
    before = studio.controller.scene
    for name in ("one", "long", "nan", "inf", "loud", "matrix", "wide"):
        told = wait_for_answer(studio, "/rtmss/preset", name)
        assert told[:3] == ("/rtmss/fail", "/rtmss/preset", "refused")
        told = wait_for_answer(studio, "/rtmss/stem/voice/condition", name)
        assert told[0] == "/rtmss/fail"
        assert studio.controller.scene is before
        assert studio.ask("/rtmss/preset") == [("/rtmss/preset", "fine")]
    studio.send(message("/rtmss/stem/voice/gain", -6.0))
    studio.poll(3)
    latest = studio.shared.latest()
    assert latest is not None
    assert latest.scene.stems[0].strip.gain_db == -6


def refuse(*_: object) -> None:
    raise ValueError("no room")


def test_a_scene_that_cannot_be_sent_is_answered_and_the_control_side_goes_on(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_condition: MakeCondition
) -> None:
    (tmp_path / "conditions").mkdir()
    save_condition(tmp_path / "conditions" / "fine.safetensors", make_condition("fine"))
    (tmp_path / "fine.yaml").write_text("stems: {voice: {condition: fine}}\n")
    studio.controller.library = Library([tmp_path])
    with monkeypatch.context() as patch:
        patch.setattr(studio.shared, "send", refuse)
        told = wait_for_answer(studio, "/rtmss/preset", "fine")
    assert told[:3] == ("/rtmss/fail", "/rtmss/preset", "refused")
    assert "no room" in told[3]
    assert studio.controller.preset == ""
    assert wait_for_answer(studio, "/rtmss/preset", "fine")[0] == "/rtmss/done"


def test_a_name_over_osc_never_opens_a_file_elsewhere(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_condition: MakeCondition
) -> None:
    elsewhere, library = tmp_path / "elsewhere", tmp_path / "library"
    elsewhere.mkdir()
    save_condition(library / "conditions" / "fine.safetensors", make_condition("fine"))
    (library / "x.yaml.yaml").write_text("stems: {ours: {condition: fine}}\n")
    (elsewhere / "x.yaml").write_text("stems: {theirs: {condition: fine}}\n")
    monkeypatch.chdir(elsewhere)
    studio.controller.library = Library([library])
    assert wait_for_answer(studio, "/rtmss/preset", "x.yaml")[0] == "/rtmss/done"
    assert [stem.name for stem in studio.controller.scene.stems] == ["ours"]


@pytest.mark.slow
def test_rewriting_a_condition_again_and_again_keeps_no_old_ones(tmp_path: Path) -> None:
    library, path = Library([tmp_path]), tmp_path / "conditions" / "mine.safetensors"
    clips = np.ones((1, 4), np.float32)

    def rewrite(number: int) -> None:
        vector = np.full(50_000, number, np.float32)
        condition = Condition(
            ConditionHeader(name="mine", model_id="a"),
            vector,
            clips,
            clips,
        )
        save_condition(path, condition)
        assert library.load_condition("mine").vector[0] == number

    rewrite(0)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1, 30):
            rewrite(number)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


def test_many_conditions_are_not_all_kept(tmp_path: Path, make_condition: MakeCondition) -> None:
    library = Library([tmp_path])
    for number in range(100):
        save_condition(tmp_path / "conditions" / f"c{number}.safetensors", make_condition())
        library.load_condition(f"c{number}")
    assert len(library._loaded) == 64


def test_a_wrong_name_among_many_is_refused_quickly_and_briefly() -> None:
    known = {f"name-{number}": number for number in range(20_000)}
    started = time.monotonic()
    with pytest.raises(UserError, match="and 19960 more") as caught:
        find("name-x", known, "preset")
    assert time.monotonic() - started < 1
    assert len(str(caught.value)) < 1000
