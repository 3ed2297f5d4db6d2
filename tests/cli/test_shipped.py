"""What comes with rtmss: weights, conditions that fit them, presets that load, audio with its
attribution.
"""

from __future__ import annotations

import pytest
import yaml

from rtmss.conditions.library import Library, shipped
from rtmss.engine.control import Scene
from rtmss.separator import Separator, default_weights

PRESETS = [
    "four-stems",
    "karaoke",
    "no-drums",
    "practice-bass",
    "practice-guitar",
    "practice-keys",
    "vocals-only",
]


@pytest.fixture(scope="module")
def separator() -> Separator:
    return Separator.load()


def test_every_preset_is_there() -> None:
    assert sorted(Library([]).presets()) == PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_fits_the_weights(name: str, separator: Separator) -> None:
    library = Library([])
    scene = Scene.from_preset(library.load_preset(name), library, separator.model_id)
    assert scene.stems


@pytest.mark.slow
def test_every_condition_is_rebuilt_by_its_clips(
    separator: Separator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What it leaves of its clips is measured after it is made, and tested with small networks.
    monkeypatch.setattr("rtmss.conditions.encode.left_over_db", lambda *_: 0.0)
    library = Library([])
    for name in library.conditions():
        condition = library.load_condition(name, separator.model_id)
        positive = [shipped() / clip.file for clip in condition.header.positive]
        negative = [shipped() / clip.file for clip in condition.header.negative]
        again = separator.condition_from_files(name, positive, negative)
        assert condition.vector == pytest.approx(again.vector, abs=1e-3)
        assert [clip.sha256 for clip in again.header.positive] == [
            clip.sha256 for clip in condition.header.positive
        ]


@pytest.mark.parametrize("folder", ["clips", "demo"])
def test_every_clip_has_its_source_and_licence(folder: str) -> None:
    rows = yaml.safe_load((shipped() / folder / "SOURCES.yaml").read_text(encoding="utf-8"))
    assert sorted(row["file"] for row in rows) == sorted(
        path.name for path in (shipped() / folder).glob("*.ogg")
    )
    assert all(
        row[key]
        for row in rows
        for key in (
            "title",
            "author",
            "source",
            "licence",
            "change",
        )
    )


def test_the_weights_are_small_enough_to_ship() -> None:
    assert default_weights().stat().st_size < 16e6
