"""How alike the clips of a condition are, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rtmss.conditions.condition import Condition
from rtmss.config import UserError

MAX_LETTERS = 32
"""Of a clip's name beside the picture."""


def draw_likeness(
    path: Path,
    condition: Condition,
    near: Sequence[tuple[str, float]],
) -> None:
    """Write a PNG: cosines of all clips with one another, and of the condition with others.

    Args:
        path: of the picture.
        condition: whose clips.
        near: other conditions with the cosines of their vectors.

    Raises:
        UserError: it has no clips, or the picture cannot be written there.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    clips = np.concatenate([condition.positive, condition.negative])
    if not len(clips):
        raise UserError(f"condition '{condition.name}' has no clips to compare")
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    cosines = clips @ clips.T
    picture = left.imshow(cosines, vmin=-1, vmax=1, cmap="RdBu_r")
    names = _names(condition)
    left.set_xticks(range(len(names)), names, rotation=60, ha="right")
    left.set_yticks(range(len(names)), names)
    left.set_title(f"clips of '{condition.name}': + wanted, - unwanted")
    if len(clips) <= 12:
        for (row, column), cosine in np.ndenumerate(cosines):
            colour = "white" if abs(cosine) > 0.6 else "black"
            left.text(column, row, f"{cosine:.2f}", ha="center", va="center", color=colour)
    figure.colorbar(picture, ax=left, label="cosine")
    others = list(reversed(near))
    right.barh([name for name, _ in others], [cosine for _, cosine in others], color="#0072b2")
    right.set_xlim(0, 1)
    right.set_xlabel("cosine")
    right.set_title("nearest conditions")
    try:
        figure.savefig(path, dpi=110, format="png")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error


def _names(condition: Condition) -> list[str]:
    """Every clip by its file's name, with its side; a number where nothing is known of it."""
    names = []
    for sign, side in (("+", "positive"), ("-", "negative")):
        records = getattr(condition.header, side)
        for number in range(len(getattr(condition, side))):
            known = number < len(records)
            name = Path(records[number].file).name if known else f"clip {number + 1}"
            names.append(f"{sign} {name[:MAX_LETTERS]}".replace("$", r"\$"))
    return names
