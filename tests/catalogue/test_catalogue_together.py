"""Several plans, and several songs, in one pass."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from helpers.catalogue import Room, write_song
from helpers.makers import MakeCondition, Noise
from rtmss.catalogue.songs import find_songs
from rtmss.catalogue.worker import Worker
from rtmss.engine.backends.together import Member, Together
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.files import read_audio
from rtmss.model.separator import SeparatorModel


@pytest.mark.slow
def test_several_plans_in_one_pass_are_what_each_is_alone(room: Room) -> None:
    write_song(room.songs / "a.wav", 2.0)
    room.render(["solo", "pair"], "together")
    room.render(["solo"], "alone")
    room.render(["pair"], "alone")
    together, alone = room.files("together"), room.files("alone")
    assert together.keys() == alone.keys()
    for name in together:
        one, other = (read_audio(room.folder / out / name)[0] for out in ("together", "alone"))
        assert np.abs(one - other).max() < 1e-6, name


def test_several_plans_share_one_pass_of_the_encoder(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_targets: list[int] = []
    step = TorchBackend.step

    def counted(backend: TorchBackend, block: np.ndarray[tuple[int, ...], np.dtype[np.float32]]):  # type: ignore[no-untyped-def]
        out = step(backend, block)
        n_targets.append(len(out))
        return out

    monkeypatch.setattr(TorchBackend, "step", counted)
    write_song(room.songs / "a.wav", 2.0)
    room.render(["solo"], "one")
    n_blocks, n_targets[:] = len(n_targets), []
    room.render(["solo", "pair"], "both")
    assert n_targets == [2] * n_blocks


def test_streams_stepped_together_say_what_each_says_alone(
    tiny: SeparatorModel, make_condition: MakeCondition, noise: Noise
) -> None:
    scenes = [Scene((Stem("a", make_condition("a", seed)),)) for seed in range(3)]
    songs = [noise(64 * n_hops, 2, n_hops) for n_hops in (40, 24, 40)]
    together = Together(tiny, "cpu")
    everybody = threading.Barrier(3)

    def play(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        with Member(together) as member:
            everybody.wait()
            session = Session(tiny, scenes[number], backend=member)
            blocks = np.split(songs[number], songs[number].shape[-1] // 512, axis=-1)
            return np.concatenate([session.step(block).stems for block in blocks], axis=-1)

    with ThreadPoolExecutor(3) as pool:
        played = list(pool.map(play, range(3)))
    for number, stems in enumerate(played):
        alone = Session(tiny, scenes[number]).step(songs[number]).stems
        assert np.abs(alone).max() > 0.01
        assert np.abs(stems - alone).max() < 1e-5
    assert (together.n_steps, together.n_calls) == (13, 5)


def test_an_error_of_a_shared_step_reaches_every_stream(
    tiny: SeparatorModel, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = Together(tiny, "cpu")

    def broken(_: object) -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(together, "_run", broken)
    with Member(together) as member, pytest.raises(RuntimeError, match="no memory left"):
        member.step(noise(64))


def test_a_worker_renders_several_songs_at_once(mixed_songs: Room) -> None:
    mixed_songs.render(output="alone")
    songs, task = mixed_songs.task(find_songs([str(mixed_songs.songs)]), output="batch")
    outcomes = Worker(replace(task, batch=5))(songs)
    assert [outcome.song for outcome in outcomes] == songs
    alone, batch = mixed_songs.files("alone"), mixed_songs.files("batch")
    assert alone.keys() == batch.keys()
    for name in alone:
        one, other = (read_audio(mixed_songs.folder / out / name)[0] for out in ("alone", "batch"))
        assert np.abs(one - other).max() < 1e-5, name
