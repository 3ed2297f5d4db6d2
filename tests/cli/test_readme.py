"""The README's examples run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rtmss.cli import main
from rtmss.conditions.library import Library, shipped
from rtmss.conditions.preset import Preset
from rtmss.config import validate
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.live.control.osc.table import markdown
from rtmss.separator import Separator

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python" and "onnxruntime" not in text]
(ONNX,) = (text for language, text in BLOCKS if language == "python" and "onnxruntime" in text)
COMMANDS = [
    line.removeprefix("rtmss ")
    for language, text in BLOCKS
    if language == "bash"
    for line in text.splitlines()
    # These are run by themselves: the demo in CI, the export here, training and evaluation on data
    # that is not here.
    if line.startswith("rtmss ")
    and not line.startswith(
        (
            "rtmss demo",
            "rtmss export",
            "rtmss train",
            "rtmss evaluate",
            "rtmss data check",
            "rtmss data split",
            "rtmss data synth",
            "rtmss study",
        )
    )
]


@pytest.mark.parametrize("code", PYTHON)
def test_a_python_example_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.usefixtures("home")
def test_the_commands_run_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(COMMANDS) > 5
    for command in COMMANDS:
        monkeypatch.setattr(sys, "argv", ["rtmss", *command.split()])
        main_quietly()


def test_the_example_for_other_programs_hears_what_a_session_hears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").symlink_to(shipped())
    monkeypatch.setattr(sys, "argv", ["rtmss", "export", "onnx", "--output", "separator.onnx"])
    assert " ".join(sys.argv) in README
    main_quietly()
    names: dict[str, Any] = {}
    exec(compile(ONNX, "README.md", "exec"), names)

    separator, library = Separator.load(), Library([])
    scene = Scene((Stem("vocals", library.load_condition("vocals", separator.model_id)),))
    expected = Session(separator.model, scene).step(names["song"][0]).stems[0]
    assert np.abs(expected).max() > 0.001
    assert np.abs(names["vocals"] - expected).max() <= 1e-5


def main_quietly() -> None:
    """Run the command line; a status other than 0 is raised."""
    try:
        main()
    except SystemExit as stop:
        assert not stop.code


def test_the_osc_reference_is_that_of_the_code() -> None:
    assert markdown() in README


def test_the_preset_is_valid() -> None:
    (text,) = (text for language, text in BLOCKS if language == "yaml")
    preset = validate(yaml.safe_load(text), Preset, "README.md")
    assert list(preset.stems) == ["me", "kit"]
