"""What programs may rely on: the names of `rtmss`, and how each is called."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rtmss

ROOT = Path(__file__).parent.parent
CALLS = {
    "Condition": "(header, vector, positive, negative)",
    "Library": "(folders)",
    "Output": "(mix, stems, remainder, dry)",
    "Preset": "(*, description, stems, remainder, master, fade_ms, fallback)",
    "RenderPlan": "(scene, effects, mix, stems, format)",
    "Scene": "(stems, remainder, master_db, fade_ms, bypass, fallback, master_mute)",
    "Separator": "(model, model_id)",
    "Session": "(model, scene, n_outputs, sample_rate, backend, *, resample)",
    "SessionLog": "(header, events, scenes)",
    "Stem": "(name, condition, strip, condition_b, morph)",
    "Strip": "(gain_db, mute, solo, channels, pan)",
    "render": "(source, folder, model, plan, report, *, backend)",
    "replay": "(source, folder, model, log, *, stems, backend, report)",
}
METHODS = {
    "Condition": {"bare": "(name, vector)"},
    "Library": {
        "load_condition": "(self, name, model_id)",
        "load_preset": "(self, name)",
        "conditions": "(self)",
        "presets": "(self)",
    },
    "Scene": {
        "from_preset": "(preset, library, model_id)",
        "with_strip": "(self, name, **changes)",
        "with_condition": "(self, name, condition)",
        "without_solos": "(self)",
    },
    "Separator": {
        "load": "(path, profile)",
        "condition": "(self, positive, negative, *, sample_rate, name)",
        "condition_from_files": "(self, name, positive, negative)",
        "separate": "(self, audio, sample_rate, condition)",
        "separate_all": "(self, audio, sample_rate, conditions)",
    },
    "Session": {"step": "(self, block)", "reset": "(self)"},
    "SessionLog": {"load": "(path, model_id)"},
}


def _call(function: object) -> str:
    """Names and kinds of a call's arguments, without types and defaults."""
    assert callable(function)
    empty = inspect.Parameter.empty
    signature = inspect.signature(function)
    bare = [
        p.replace(
            annotation=empty,
            default=empty,
        )
        for p in signature.parameters.values()
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def test_the_public_names_are_these() -> None:
    assert set(rtmss.__all__) == {*CALLS, "PROFILES", "UserError"}


@pytest.mark.parametrize("name", CALLS)
def test_a_public_name_is_called_as_before(name: str) -> None:
    assert _call(getattr(rtmss, name)) == CALLS[name]


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, names in METHODS.items() for name in names]
)
def test_a_public_method_is_called_as_before(owner: str, name: str) -> None:
    assert (
        _call(
            getattr(
                getattr(rtmss, owner),
                name,
            )
        )
        == METHODS[owner][name]
    )


def test_every_public_name_is_documented() -> None:
    for name in CALLS:
        text = getattr(rtmss, name).__doc__
        assert text
        assert not text.startswith(f"{name}("), "that is what a dataclass says without a text"


def test_the_profiles_are_those_of_the_command_line() -> None:
    assert list(rtmss.PROFILES) == ["default", "tight", "tighter"]


def test_a_name_that_is_not_public_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Mixer'"):
        _ = rtmss.Mixer


@pytest.mark.slow
def test_a_public_function_stays_itself_after_its_module_is_imported() -> None:
    code = "import rtmss.rendering, rtmss.recording.replay; from rtmss import render, replay"
    subprocess.run(
        [sys.executable, "-c", f"{code}; assert callable(render) and callable(replay)"], check=True
    )


def test_importing_rtmss_loads_neither_torch_nor_the_metadata() -> None:
    code = "import rtmss, sys; print({'torch', 'importlib.metadata'} & sys.modules.keys())"
    found = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            code,
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert found.stdout == "set()\n"


@pytest.mark.slow
def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    quoted = ast.unparse(ast.Constant(project["version"]))
    sources = [*ROOT.glob("rtmss/**/*.py"), *ROOT.glob("tests/**/*.py")]
    assert len(sources) > 100
    assert [path for path in sources if quoted in ast.unparse(ast.parse(path.read_bytes()))] == []


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(rtmss.__file__).with_name("py.typed").is_file()
