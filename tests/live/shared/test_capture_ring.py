"""The last minute of what was heard: what is read is what was put, or is not there any more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.makers import MakeCondition
from rtmss.audio import Audio
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Output
from rtmss.live.shared import capture_ring
from rtmss.live.shared.capture_ring import INPUT, REMAINDER, CaptureRing

RATE = 8000
N_SAMPLES, MARGIN = 1000, 200


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_ring, "RING_SAMPLES", N_SAMPLES)
    monkeypatch.setattr(capture_ring, "MARGIN_SAMPLES", MARGIN)


@pytest.fixture
def ring() -> Iterator[CaptureRing]:
    ring = CaptureRing.create()
    yield ring
    ring.close(unlink=True)


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    return Scene((Stem("voice", make_condition()), Stem("kit", make_condition("drums", 1))))


def ramp(start: int, n: int, row: int = 0) -> Audio:
    """(2, n) of which every sample says its place and its signal; exact in 16 bits."""
    numbers = np.arange(start, start + n) % 3000 + 3000 * row
    return np.repeat(numbers[None] / np.float32(32767), 2, axis=0).astype(np.float32)


def put(ring: CaptureRing, scene: Scene, n: int, rate: int = RATE) -> None:
    start = ring.written
    stems = [ramp(start, n, 2 + row) for row in range(len(scene.stems))]
    output = Output(
        ramp(start, n),
        np.stack(stems) if stems else np.zeros((0, 2, n), np.float32),
        ramp(start, n, 1),
        ramp(start, n),
    )
    ring.put(ramp(start, n), output, scene, rate)


@given(steps=st.lists(st.integers(1, MARGIN), max_size=40), data=st.data())
@settings(deadline=None, max_examples=60)
def test_whatever_the_steps_each_signal_is_read_as_it_was(
    steps: list[int], data: st.DataObject
) -> None:
    ring = CaptureRing.create()
    scene = Scene()
    for n in steps:
        put(ring, scene, n)
    start = data.draw(st.integers(0, ring.written + 10))
    stop = data.draw(st.integers(start, ring.written + 20))
    for row, name in enumerate((INPUT, REMAINDER)):
        piece = CaptureRing.attach(ring.path).read(name, start, stop)
        if not steps:
            assert piece is None
            continue
        assert piece is not None
        audio, first = piece
        oldest = max(0, ring.written - N_SAMPLES + MARGIN)
        end = min(stop, ring.written)
        assert first == min(max(start, oldest), end)
        assert np.array_equal(audio, ramp(first, end - first, row))
    ring.close(unlink=True)


def test_stems_are_found_by_name(ring: CaptureRing, scene: Scene) -> None:
    put(ring, scene, 100)
    for row, name in enumerate(("voice", "kit"), 2):
        piece = ring.read(name, 10, 30)
        assert piece is not None
        assert np.array_equal(piece[0], ramp(10, 20, row))
    assert ring.read("guitar", 10, 30) is None


def test_a_signal_begins_where_it_came_to_its_place(
    ring: CaptureRing, scene: Scene, make_condition: MakeCondition
) -> None:
    put(ring, scene, 100)
    put(ring, Scene((Stem("bass", make_condition("bass")), scene.stems[1])), 100)
    bass, kit = ring.read("bass", 0, 200), ring.read("kit", 0, 200)
    assert bass is not None and bass[1] == 100
    assert kit is not None and kit[1] == 0
    assert ring.read("voice", 0, 200) is None


def test_at_another_rate_everything_begins_again(ring: CaptureRing, scene: Scene) -> None:
    put(ring, scene, 100)
    engine = CaptureRing.attach(ring.path)
    put(engine, scene, 100, rate=48000)
    piece = ring.read(INPUT, 0, 200)
    assert piece is not None and piece[1] == 100
    assert ring.contents.sample_rate == 48000


def test_a_new_engine_goes_on(ring: CaptureRing, scene: Scene) -> None:
    put(ring, scene, 100)
    put(CaptureRing.attach(ring.path), scene, 100)
    piece = ring.read("kit", 50, 150)
    assert piece is not None and piece[1] == 50
    assert np.array_equal(piece[0], ramp(50, 100, 3))


@pytest.mark.parametrize("n_overtaken", [1, 300, 900, 3000])
def test_what_the_engine_writes_over_while_it_is_copied_is_not_given(
    ring: CaptureRing, scene: Scene, n_overtaken: int
) -> None:
    class Interrupted(CaptureRing):
        def _copy(self, row: int, start: int, stop: int) -> NDArray[np.int16]:
            for _ in range(0, n_overtaken, 100):
                put(ring, scene, 100)
            return super()._copy(row, start, stop)

    for _ in range(30):
        put(ring, scene, 100)
    piece = Interrupted.attach(ring.path).read(INPUT, 0, ring.written)
    assert piece is not None
    audio, first = piece
    assert np.array_equal(audio, ramp(first, audio.shape[1]))
    assert (audio.shape[1] == 0) == (n_overtaken >= N_SAMPLES - MARGIN)


def test_what_is_louder_than_full_scale_is_clipped_not_wrapped(
    ring: CaptureRing, scene: Scene
) -> None:
    loud = np.full((2, 50), 1.7, np.float32)
    output = Output(loud, np.stack([loud, -loud]), loud, loud)
    ring.put(loud, output, scene, RATE)
    voice, kit = ring.read("voice", 0, 50), ring.read("kit", 0, 50)
    assert voice is not None and (voice[0] == 1).all()
    assert kit is not None and (kit[0] == -1).all()
