"""A session played through a show of scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from helpers.makers import MakeCondition
from rtmss.audio import Audio
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.session import Output, Session

HOP = 64
N_HOPS = 32


@pytest.fixture(scope="module")
def scenes(make_condition: MakeCondition) -> list[Scene]:
    """A show: condition switch with gains, bypass, another preset, back."""
    a, b, c, d = (make_condition(name, seed) for seed, name in enumerate("abcd"))
    first = Scene(
        (
            Stem("one", a),
            Stem(
                "two",
                b,
                Strip(-6.0),
            ),
        )
    )
    switched = (
        first.with_condition("one", c).with_strip("one", gain_db=3.0).with_strip("two", mute=True)
    )
    bypassed = replace(switched, bypass=True)
    other = Scene(
        (
            Stem(
                "three",
                d,
                Strip(solo=True),
            ),
            Stem("two", b),
        ),
        Strip(-20.0),
        master_db=-3.0,
    )
    return [first, switched, bypassed, other, first]


@pytest.fixture
def show(scenes: list[Scene]) -> dict[int, Scene]:
    """Scenes by the hop at which they are taken up; some come while the last fade still runs."""
    return dict(
        zip(
            (0, 6, 8, 17, 24),
            scenes,
            strict=True,
        )
    )


def play(
    session: Session,
    audio: Audio,
    hops: Sequence[int] = (1,) * N_HOPS,
    show: Mapping[int, Scene] | None = None,
) -> list[Output]:
    outputs, at = [], 0
    for n in hops:
        session.scene = (show or {}).get(at, session.scene)
        outputs.append(session.step(audio[:, at * HOP : (at + n) * HOP]))
        at += n
    return outputs


def joined(outputs: Sequence[Output], field: str) -> Audio:
    return np.concatenate(
        [getattr(output, field) for output in outputs],
        axis=-1,
    )


def delayed(session: Session, audio: Audio) -> Audio:
    return np.pad(
        audio,
        ((0, 0), (session.delay, 0)),
    )[:, : audio.shape[1]]
