"""Many streams in one step are so many streams."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from rtmss.audio import Audio
from rtmss.bench.streams import measure_streams
from rtmss.engine.backends.streams import StreamBatch
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.model.separator import SeparatorModel

HOP = 64
N_HOPS = 40


@pytest.fixture
def vectors(make_condition: MakeCondition) -> list[Stem]:
    return [
        Stem(
            f"s{i}",
            make_condition(f"s{i}", i),
        )
        for i in range(3)
    ]


def in_hops(audio: Audio) -> list[Audio]:
    return [
        audio[:, at : at + HOP]
        for at in range(
            0,
            audio.shape[1],
            HOP,
        )
    ]


def test_each_stream_says_what_it_says_alone(
    tiny: SeparatorModel, noise: Noise, vectors: list[Stem]
) -> None:
    songs = [
        in_hops(
            noise(
                N_HOPS * HOP,
                seed=seed,
            )
        )
        for seed in (1, 2)
    ]
    alone = [
        Session(
            tiny,
            Scene((vectors[0], vectors[1])),
        ),
        Session(tiny, Scene((vectors[2],))),
    ]
    batch = StreamBatch(tiny, 2, 2)
    batch.put(0, 0, vectors[0].condition.vector)
    batch.put(0, 1, vectors[1].condition.vector)
    batch.put(1, 0, vectors[2].condition.vector)
    loudest = 0.0
    for pair in zip(*songs, strict=True):
        said = batch.step(np.stack(pair))
        for stream, (session, hop) in enumerate(
            zip(
                alone,
                pair,
                strict=True,
            )
        ):
            expected = session.step(hop).stems
            loudest = max(loudest, float(np.abs(expected).max()))
            assert np.abs(said[stream, : len(expected)] - expected).max() < 1e-5
        assert not said[1, 1].any()
    assert loudest > 0.1


def test_a_switch_starts_with_empty_memory_and_leaves_the_others_alone(
    tiny: SeparatorModel, noise: Noise, vectors: list[Stem]
) -> None:
    song = in_hops(noise(N_HOPS * HOP))
    batch, session = (
        StreamBatch(tiny, 1, 2),
        Session(
            tiny,
            Scene((vectors[0], vectors[1])),
        ),
    )
    batch.put(0, 0, vectors[0].condition.vector)
    batch.put(0, 1, vectors[1].condition.vector)
    for number, hop in enumerate(song):
        if number == 20:
            batch.put(0, 1, vectors[2].condition.vector)
            session.scene = Scene((vectors[0], vectors[2]))
        said, expected = batch.step(hop[None])[0], session.step(hop).stems
        # The session's stem also holds what the old target leaves ringing.
        if number != 20:
            assert np.abs(said - expected).max() < 1e-5
        assert np.abs(said[0] - expected[0]).max() < 1e-5


def test_a_stream_that_begins_anew_has_heard_nothing(
    tiny: SeparatorModel, noise: Noise, vectors: list[Stem]
) -> None:
    song = in_hops(noise(N_HOPS * HOP))
    batch, fresh = StreamBatch(tiny, 2, 1), StreamBatch(tiny, 1, 1)
    fresh.put(0, 0, vectors[1].condition.vector)
    for stream in (0, 1):
        batch.put(stream, 0, vectors[0].condition.vector)
    for hop in song[:20]:
        batch.step(np.stack([hop, hop]))
    batch.begin(1)
    assert not batch.step(np.stack([song[20], song[20]]))[1].any()
    batch.begin(1)
    batch.put(1, 0, vectors[1].condition.vector)
    for hop in song[20:]:
        assert np.abs(batch.step(np.stack([hop, hop]))[1] - fresh.step(hop[None])[0]).max() < 1e-5


def test_a_batch_of_nothing_is_refused(tiny: SeparatorModel) -> None:
    with pytest.raises(ValueError, match="got 0 and 1"):
        StreamBatch(tiny, 0, 1)


def test_streams_are_added_until_they_are_late(
    tiny: SeparatorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(np.arange(1e6))

    def tick() -> float:
        """A second passes between any two readings: every step is late."""
        return float(next(clock))

    (row,) = measure_streams(tiny, "cpu", 1, 5, (1,))
    assert (
        row.n_streams,
        row.n_hops,
        row.device,
    ) == (1, 5, "cpu")
    assert 0 < row.p50_ms <= row.p99_ms <= row.max_ms
    monkeypatch.setattr("time.perf_counter", tick)
    rows = measure_streams(tiny, "cpu", 1, 5, (1, 2, 4))
    assert [row.n_streams for row in rows] == [1]
    assert not rows[0].is_served
    assert rows[0].n_late == 5
