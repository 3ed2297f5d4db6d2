"""A file is believed only if this user's plug-in has made it, and it keeps to the layout."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers.plugin import FakePlugin
from rtmss.config import UserError
from rtmss.serve.layout import N_BYTES, N_OUTPUTS, RING, SIZES, EngineState
from rtmss.serve.mapped import MappedInstance, is_abandoned
from rtmss.serve.places import make_instances_folder

Fake = Callable[..., FakePlugin]


def test_what_one_side_writes_the_other_reads(fake: Fake) -> None:
    plugin = fake(("two", "karaoke"))
    instance = MappedInstance(plugin.path)
    assert instance.stream() is None
    plugin.begin(8000, 64, 64)
    audio = np.arange(256, dtype=np.float32).reshape(2, 128)
    plugin.lay(audio)
    stream = instance.stream()
    assert stream is not None
    assert (stream.sample_rate, stream.hop_length, stream.delay) == (8000, 64, 64)
    assert np.array_equal(instance.read(1, 64), audio[:, 64:])
    assert np.array_equal(instance.controls(1), plugin.controls)
    assert instance.names() == ["two", "karaoke"]
    output = np.random.default_rng(0).standard_normal((N_OUTPUTS, 64)).astype(np.float32)
    assert plugin.heard(1) is None
    instance.write(stream, 1, output)
    heard = plugin.heard(1)
    assert heard is not None
    assert np.array_equal(heard, output)
    instance.tell(EngineState.PLAYING, stream.epoch, 2)
    instance.beat(77)
    assert plugin.state == EngineState.PLAYING
    assert int(plugin.memory["engine_beat"]) == 77


def test_a_hop_around_the_end_of_the_ring_is_whole(fake: Fake) -> None:
    plugin, hop = fake(), 93
    plugin.begin(8000, hop, 153)
    instance = MappedInstance(plugin.path)
    stream = instance.stream()
    assert stream is not None
    number = RING // hop
    audio = np.arange(2 * hop * (number + 1), dtype=np.float32).reshape(2, -1)
    for start in range(0, audio.shape[1], 1000):
        plugin.lay(audio[:, start : start + 1000])
    assert np.array_equal(instance.read(number, hop), audio[:, number * hop :])
    output = np.arange(N_OUTPUTS * hop, dtype=np.float32).reshape(N_OUTPUTS, hop)
    instance.write(stream, number, output)
    heard = plugin.heard(number)
    assert heard is not None
    assert np.array_equal(heard, output)


def test_a_hop_of_an_earlier_stream_is_not_heard(fake: Fake) -> None:
    plugin = fake()
    plugin.begin(8000, 64, 64)
    instance = MappedInstance(plugin.path)
    stream = instance.stream()
    assert stream is not None
    plugin.begin(8000, 64, 64)
    instance.write(stream, 0, np.ones((N_OUTPUTS, 64), np.float32))
    assert plugin.heard(0) is None


@pytest.mark.parametrize("name", SIZES)
def test_a_lie_about_a_size_is_refused(fake: Fake, name: str) -> None:
    plugin = fake()
    plugin.memory[name] += 1
    with pytest.raises(UserError, match=f"{name} is {SIZES[name] + 1}, expected {SIZES[name]}"):
        MappedInstance(plugin.path)


def test_other_words_at_the_start_are_refused(fake: Fake) -> None:
    plugin = fake()
    plugin.memory["magic"] = b"something"
    with pytest.raises(UserError, match="no memory of a plug-in"):
        MappedInstance(plugin.path)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o700])
def test_a_file_that_others_may_open_is_refused(fake: Fake, mode: int) -> None:
    plugin = fake()
    plugin.path.chmod(mode)
    with pytest.raises(UserError, match=f"mode {mode:o}"):
        MappedInstance(plugin.path)


def test_a_file_of_another_user_is_refused(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin, user = fake(), os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    with pytest.raises(UserError, match="another user"):
        MappedInstance(plugin.path)


@pytest.mark.parametrize("n_bytes", [0, 4096, N_BYTES - 1, N_BYTES + 1])
def test_a_file_of_another_size_is_refused(fake: Fake, n_bytes: int) -> None:
    plugin = fake()
    os.truncate(plugin.path, n_bytes)
    with pytest.raises(UserError, match=f"has {n_bytes} bytes"):
        MappedInstance(plugin.path)


def test_links_are_refused(fake: Fake, tmp_path: Path) -> None:
    plugin = fake()
    symbolic, hard = tmp_path / "instance-2-s", tmp_path / "instance-2-h"
    symbolic.symlink_to(plugin.path)
    with pytest.raises(OSError, match="symbolic"):
        MappedInstance(symbolic)
    hard.hardlink_to(plugin.path)
    with pytest.raises(UserError, match="no plain file"):
        MappedInstance(hard)


@pytest.mark.parametrize(("rate", "lag"), [(7999, 128), (192001, 128), (0, 128), (8000, RING + 1)])
def test_a_stream_that_cannot_be_is_refused(fake: Fake, rate: int, lag: int) -> None:
    plugin = fake()
    plugin.begin(rate, 64, 64, lag)
    with pytest.raises(UserError, match="no stream"):
        MappedInstance(plugin.path).stream()


def test_a_name_that_is_being_written_is_not_read(fake: Fake) -> None:
    plugin = fake()
    plugin.memory["presets_version"] += 1
    instance = MappedInstance(plugin.path)
    assert instance.preset_name(0) is None
    plugin.memory["presets_version"] += 1
    assert instance.preset_name(0) == "two"


def test_a_host_that_has_ended_is_known_by_its_lock(fake: Fake) -> None:
    plugin = fake()
    assert not is_abandoned(plugin.path)
    plugin.die()
    assert is_abandoned(plugin.path)
    plugin.path.unlink()
    assert is_abandoned(plugin.path)


def test_a_folder_that_others_may_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "instances"
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(folder))
    assert make_instances_folder() == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    with pytest.raises(UserError, match="nobody else"):
        make_instances_folder()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(UserError, match="nobody else"):
        make_instances_folder()
