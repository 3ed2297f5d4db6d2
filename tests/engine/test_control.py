from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from helpers.makers import MakeCondition
from rtmss.config import ConfigError
from rtmss.engine.control import Scene, Stem


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    return Scene(
        (
            Stem("vocals", make_condition()),
            Stem(
                "bass",
                make_condition("bass", 1),
            ),
        )
    )


def test_a_scene_cannot_be_changed(scene: Scene) -> None:
    with pytest.raises(FrozenInstanceError):
        scene.bypass = True  # type: ignore[misc]


def test_a_changed_strip_leaves_the_others_and_the_old_scene_alone(scene: Scene) -> None:
    changed = scene.with_strip("bass", gain_db=-3.0, mute=True)
    assert (changed.stems[1].strip.gain_db, changed.stems[1].strip.mute) == (-3.0, True)
    assert changed.stems[0] is scene.stems[0]
    assert not scene.stems[1].strip.mute


def test_the_remainder_has_a_strip_like_any_other(scene: Scene) -> None:
    assert scene.with_strip("remainder", solo=True).remainder.solo


def test_another_condition_keeps_name_and_strip(
    scene: Scene, make_condition: MakeCondition
) -> None:
    other = make_condition("choir", 5)
    changed = scene.with_strip("vocals", gain_db=4.0).with_condition("vocals", other)
    assert changed.stems[0].condition is other
    assert (changed.stems[0].name, changed.stems[0].strip.gain_db) == ("vocals", 4.0)


def test_an_unknown_stem_gets_its_near_misses(scene: Scene, make_condition: MakeCondition) -> None:
    with pytest.raises(ConfigError, match="no stem 'vocal'; did you mean 'vocals'"):
        scene.with_strip("vocal", mute=True)
    with pytest.raises(ConfigError, match="no stem 'vocal'"):
        scene.with_condition("vocal", make_condition())


def test_two_stems_of_one_name_are_refused(scene: Scene) -> None:
    with pytest.raises(ValueError, match="stem names must differ, got vocals, vocals"):
        Scene((scene.stems[0], scene.stems[0]))


def test_nine_stems_are_refused(make_condition: MakeCondition) -> None:
    with pytest.raises(ValueError, match="9 stems, at most 8 at once"):
        Scene(
            tuple(
                Stem(
                    str(i),
                    make_condition(),
                )
                for i in range(9)
            )
        )
