"""Clips that are places in a song."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.command_line import Rtmss
from helpers.makers import Noise, WriteAudio
from rtmss.conditions.clips import Excerpt, parse_range, read_clip, recorded_clips
from rtmss.conditions.condition import ConditionError, ConditionHeader, load_condition
from rtmss.conditions.encode import create_condition
from rtmss.model.separator import SeparatorModel

RATE = 44100


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:41-0:46", (41, 46)),
        ("41-46.5", (41, 46.5)),
        ("1:02:03 - 1:02:10", (3723, 3730)),
        ("0-0:00.5", (0, 0.5)),
    ],
)
def test_a_range_is_two_times(text: str, seconds: tuple[float, float]) -> None:
    assert parse_range(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "5",
        "5-",
        "-5",
        "a-b",
        "1:2:3:4-5:0",
        "inf-5",
        "1-nan",
        "--5",
        "0:46 0:50",
        "0:05-9:99",
        "0:60-1:05",
    ],
)
def test_what_is_no_range_is_said(text: str) -> None:
    with pytest.raises(ConditionError, match="expected a range such as 0:41-0:46"):
        parse_range(text)


@pytest.mark.parametrize("text", ["5-5", "0:46-0:41"])
def test_a_range_ends_after_it_begins(text: str) -> None:
    with pytest.raises(ConditionError, match="ends before it begins"):
        parse_range(text)


@pytest.fixture
def song(tmp_path: Path, noise: Noise, write_audio: WriteAudio) -> Path:
    """Six seconds: noise from 2 s to 4 s, otherwise silence."""
    audio = noise(6 * RATE)
    audio[:, : 2 * RATE] = 0
    audio[:, 4 * RATE :] = 0
    return write_audio(tmp_path / "song.wav", audio, RATE)


def test_an_excerpt_is_read_without_its_quiet_edges(song: Path) -> None:
    whole, _ = read_clip(song, RATE)
    part, record = read_clip(Excerpt(song, 1.0, 3.0), RATE)
    assert np.array_equal(part, whole[:, 2 * RATE : 3 * RATE])
    assert (
        record.start_seconds,
        record.stop_seconds,
        record.seconds,
    ) == (1.0, 3.0, 1.0)


def test_silence_is_left_as_it_is(song: Path) -> None:
    part, _ = read_clip(Excerpt(song, 0.0, 1.0), RATE)
    assert part.shape == (2, RATE)
    assert not part.any()


@pytest.mark.parametrize("start", [2, 7])
def test_an_excerpt_past_the_end_is_said(song: Path, start: float) -> None:
    """Also one that begins in the song: half of what was meant is another clip."""
    with pytest.raises(ConditionError, match=rf"from {start} to 8 s: the song ends at 6\.0 s"):
        read_clip(Excerpt(song, start, 8), RATE)


def test_an_excerpt_may_end_at_the_next_whole_second(song: Path) -> None:
    part, _ = read_clip(Excerpt(song, 3, 6.9), RATE)
    assert np.array_equal(part, read_clip(song, RATE)[0][:, 3 * RATE : 4 * RATE])


def test_a_condition_of_excerpts_is_made_again_by_its_records(
    profiles: dict[str, SeparatorModel], song: Path
) -> None:
    model = profiles["default"]
    one = create_condition(
        model,
        "id",
        "one",
        [Excerpt(song, 2, 3)],
        [Excerpt(song, 3, 4)],
    )
    sides = [recorded_clips(side) for side in (one.header.positive, one.header.negative)]
    again = create_condition(model, "id", "one", *sides)
    assert np.array_equal(one.vector, again.vector)
    assert one.header == again.header
    assert one.header.rebuild_command == "rtmss condition rebuild one"


def test_records_of_whole_files_have_no_place() -> None:
    header = ConditionHeader(name="x", model_id="y")
    assert recorded_clips(header.positive) == []


@pytest.mark.slow
def test_the_command_line_takes_places_of_a_song(rtmss: Rtmss, home: Path) -> None:
    line = "condition create mine --from-song song.wav --range 0:00-0:01 --not-range 0-0.6"
    assert rtmss(line).joined[0] == 0
    header = load_condition(home / "library/conditions/mine.safetensors").header
    assert [clip.label for clip in header.positive] == ["song.wav 0-1 s"]
    assert [clip.label for clip in header.negative] == ["song.wav 0-0.6 s"]
    status, said = rtmss("condition inspect mine").joined
    assert status == 0
    assert "song.wav 0-1 s" in said
    assert rtmss("condition rebuild mine").joined[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--range 0-1", "name it with --from-song"),
        ("--from-song song.wav", "--from-song needs a --range or --not-range"),
        ("--from-song song.wav --range 1-0", "ends before it begins"),
        ("--from-song song.wav --range 0-0.1", "is too short"),
        ("--from-song none.wav --range 0-1", "none.wav: no such file"),
        ("--from-song silent.wav --range 0-1", "silent.wav from 0 to 1 s: silent"),
    ],
)
def test_what_cannot_be_taken_is_one_line(
    rtmss: Rtmss, home: Path, options: str, message: str
) -> None:
    status, said = rtmss(f"condition create mine {options}").joined
    assert status == 1
    assert message in said
    assert "Traceback" not in said
