"""Takes whose recorder was killed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from helpers.recording import take_events
from helpers.studio import HOP, Studio, assert_same_again, read_take
from rtmss.cli.live import recorder_options
from rtmss.live.options import EngineOptions
from rtmss.recording.unfinished import KILLED, end_unfinished
from rtmss.separator import Separator

pytestmark = pytest.mark.usefixtures("one_thread")


def _kill_everything(recording_studio: Studio) -> Path:
    """The recorder ends as it is: the system closes its files."""
    take = recording_studio.recorder._take
    assert take is not None
    for file in take._files.values():
        file.close()
    take._log.close()
    recording_studio.recorder._take = None
    return take.folder


def test_a_take_whose_recorder_was_killed_gets_the_end_that_it_lacks(
    recording_studio: Studio, tmp_path: Path
) -> None:
    recording_studio.play(40)
    take = _kill_everything(recording_studio)
    with (take / "input.wav").open("ab") as file:
        file.write(b"half a hop")
    (take / "conditions.partial").write_bytes(b"half")
    assert end_unfinished(recording_studio.folder) == [take]
    assert take_events(take, "end") == [
        {
            "event": "end",
            "hop": 40,
            "reason": KILLED,
        }
    ]
    audio = read_take(take)
    assert {samples.shape[1] for samples in audio.values()} == {40 * HOP}
    assert np.array_equal(
        audio["input"],
        np.concatenate(recording_studio.heard, axis=1),
    )
    assert not [*take.glob("*.partial")]
    assert_same_again(take, tmp_path / "again", recording_studio.model)
    assert end_unfinished(recording_studio.folder) == []


def test_a_hop_of_which_a_file_is_missing_is_not_there(recording_studio: Studio) -> None:
    recording_studio.play(40)
    take = _kill_everything(recording_studio)
    os.truncate(
        take / "mix.wav",
        (take / "mix.wav").stat().st_size - 4,
    )
    assert end_unfinished(recording_studio.folder) == [take]
    assert {samples.shape[1] for samples in read_take(take).values()} == {39 * HOP}


def test_the_next_recording_into_a_folder_ends_what_was_left_there(
    recording_studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `rtmss live --record` does at its start."""
    recording_studio.play(30)
    take, separator = _kill_everything(recording_studio), Separator(recording_studio.model, "x")
    engine = EngineOptions(n_condition=12, n_outputs=4)
    options = recorder_options(recording_studio.folder, separator, engine)
    assert options.folder == recording_studio.folder
    assert take_events(take, "end") == [{"event": "end", "hop": 30, "reason": KILLED}]
    assert f"{take}: its recorder was killed with everything else" in capsys.readouterr().err
    recorder_options(recording_studio.folder, separator, engine)
    assert not capsys.readouterr().err


def test_a_take_that_is_being_written_is_left_alone(recording_studio: Studio) -> None:
    recording_studio.play(40)
    assert end_unfinished(recording_studio.folder) == []
    assert take_events(recording_studio.end(), "end") == [
        {
            "event": "end",
            "hop": 40,
            "reason": "stopped",
        }
    ]


def test_what_is_no_take_is_left_alone(tmp_path: Path) -> None:
    for name, text in {
        "empty": "",
        "other": "{}\n",
        "text": "hello\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "session.jsonl").write_text(text)
    assert end_unfinished(tmp_path) == []
