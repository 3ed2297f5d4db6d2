"""The picture of how alike clips are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition
from rtmss.conditions.condition import Condition
from rtmss.conditions.picture import draw_likeness
from rtmss.config import UserError


@pytest.mark.slow
def test_it_is_a_picture_of_all_clips(tmp_path: Path, make_condition: MakeCondition) -> None:
    from matplotlib.image import imread

    condition = make_condition("voice")
    near = [("choir", 0.7), ("a $name_ that is no formula", 0.2)]
    draw_likeness(tmp_path / "one.png", condition, near)
    others = Condition(condition.header, condition.vector, -condition.positive, condition.negative)
    assert imread(tmp_path / "one.png").std() > 0.05
    mirrored = Condition(
        condition.header, condition.vector, condition.positive[:1], -condition.positive[1:]
    )
    draw_likeness(tmp_path / "two.png", mirrored, near)
    draw_likeness(tmp_path / "three.png", others, near)
    one, two, three = (imread(tmp_path / f"{name}.png") for name in ("one", "two", "three"))
    assert np.array_equal(one, three), "cosines are the same"
    assert one.shape != two.shape or not np.array_equal(one, two)


def test_a_condition_without_clips_has_none(tmp_path: Path) -> None:
    condition = Condition.bare("voice", np.ones(12, np.float32))
    with pytest.raises(UserError, match="no clips"):
        draw_likeness(tmp_path / "one.png", condition, [])


def test_a_place_where_nothing_can_be_written_is_named(
    tmp_path: Path, make_condition: MakeCondition
) -> None:
    with pytest.raises(UserError, match="nowhere"):
        draw_likeness(tmp_path / "nowhere" / "one.png", make_condition(), [])
