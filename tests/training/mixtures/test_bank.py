from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.makers import Noise, WriteAudio
from rtmss.config import ConfigError
from rtmss.training.mixtures.bank import (
    FAMILIES,
    FAMILY_OF,
    Bank,
    Track,
    choose_share,
    find_tracks,
    load_bank,
)

RATE = 8000


@pytest.fixture
def folder(tmp_path: Path, noise: Noise, write_audio: WriteAudio) -> Path:
    data = tmp_path / "data"
    for seed, stem in enumerate(["vocals", "drums", "keys"]):
        write_audio(data / "songs/train/tune" / f"{stem}.wav", noise(16000, 2, seed), RATE)
    (data / "songs/train/tune/song.yaml").write_text(
        "stems:\n  keys: {instrument: drawbar organ, library: old box}\n  drums: {instrument: "
        "trumpet}\n"
    )
    write_audio(data / "performances/train/violin/ana__etude.wav", noise(16000, 1, 7), RATE)
    write_audio(data / "voice/train/bo/hum.wav", noise(20000, 1, 8), 10000)
    write_audio(data / "voice/valid/cy/hum.wav", noise(16000, 1, 9), RATE)
    return data


@pytest.fixture
def bank(tmp_path: Path, folder: Path) -> Bank:
    return load_bank(folder, "train", tmp_path / "cache", RATE)


def index_of(bank: Bank, path: str) -> int:
    return next(i for i, track in enumerate(bank.tracks) if track.path == path)


def test_every_label_belongs_to_one_family() -> None:
    labels = [label for labels in FAMILIES.values() for label in labels.split()]
    assert len(labels) == len(set(labels)) == len(FAMILY_OF)


def test_the_tracks_of_a_split_are_found_with_their_sources(folder: Path) -> None:
    found = {
        (track.path, track.label, track.source, track.song)
        for track in find_tracks(folder, "train")
    }
    assert found == {
        ("songs/train/tune/vocals.wav", "vocals", "tune", "tune"),
        ("songs/train/tune/drums.wav", "drums", "tune", "tune"),
        ("songs/train/tune/keys.wav", "organ", "old box", "tune"),
        ("performances/train/violin/ana__etude.wav", "violin", "ana", ""),
        ("voice/train/bo/hum.wav", "vocals", "bo", ""),
    }


def test_a_crop_is_the_audio_of_the_file(bank: Bank, noise: Noise) -> None:
    crop = bank.crop(index_of(bank, "songs/train/tune/drums.wav"), 3000, 5000)
    assert np.abs(crop - noise(16000, 2, 1)[:, 3000:8000]).max() < 2 / 32768


def test_a_track_at_another_rate_is_resampled(bank: Bank) -> None:
    assert bank.tracks[index_of(bank, "voice/train/bo/hum.wav")].n_samples == 16000


@pytest.mark.parametrize(
    ("start", "silent"),
    [
        (-100, slice(0, 100)),
        (15900, slice(100, 500)),
        (20000, slice(0, 500)),
    ],
)
def test_outside_a_track_there_is_silence(bank: Bank, start: int, silent: slice) -> None:
    index = index_of(bank, "performances/train/violin/ana__etude.wav")
    crop = bank.crop(index, start, 500)
    assert crop.shape == (1, 500)
    assert not crop[:, silent].any()
    assert start == 20000 or crop.any()


@pytest.mark.parametrize(
    ("loud", "quiet"),
    [(1.0, 0.02), (0.04, 0.1)],
    ids=["34 dB under the loudest", "under -55 dBFS"],
)
def test_silent_half_seconds_are_not_active(
    tmp_path: Path, noise: Noise, write_audio: WriteAudio, loud: float, quiet: float
) -> None:
    audio = noise(16000, 1) * np.float32(loud)
    audio[:, 4000:12000] *= quiet
    write_audio(tmp_path / "data/voice/train/a/x.wav", audio, RATE)
    bank = load_bank(tmp_path / "data", "train", tmp_path, RATE)
    assert bank.active_blocks(0).tolist() == [0, 3]


def test_levels_are_the_rms_of_half_seconds(bank: Bank, noise: Noise) -> None:
    expected = np.sqrt(np.square(noise(16000, 2, 1)).reshape(2, 4, 4000).mean((0, 2)))
    assert np.allclose(
        bank.levels[index_of(bank, "songs/train/tune/drums.wav")], expected, atol=1e-4
    )


def test_the_second_load_decodes_nothing(tmp_path: Path, folder: Path, bank: Bank) -> None:
    for path in folder.rglob("*.wav"):
        path.write_bytes(b"x" * path.stat().st_size)  # no audio any more
    again = load_bank(folder, "train", tmp_path / "cache", RATE)
    assert again.tracks == bank.tracks
    assert all(
        np.array_equal(one, other)
        for one, other in zip(
            again.audio,
            bank.audio,
            strict=True,
        )
    )


def test_replaced_audio_is_decoded_again(
    tmp_path: Path, folder: Path, bank: Bank, noise: Noise, write_audio: WriteAudio
) -> None:
    replaced = next(folder.rglob("*.wav"))
    write_audio(replaced, noise(RATE), RATE)
    again = load_bank(folder, "train", tmp_path / "cache", RATE)
    assert sum(audio.size for audio in again.audio) != sum(audio.size for audio in bank.audio)


def test_an_unknown_stem_is_named_with_the_choices(
    folder: Path, noise: Noise, write_audio: WriteAudio
) -> None:
    write_audio(folder / "songs/train/tune/kazoo.wav", noise(100), RATE)
    with pytest.raises(ConfigError, match=r"unknown stem 'kazoo'; known: accordion, "):
        find_tracks(folder, "train")


def test_an_unknown_instrument_is_named_with_the_choices(
    folder: Path, noise: Noise, write_audio: WriteAudio
) -> None:
    write_audio(folder / "performances/train/kazoo/a__b.wav", noise(100), RATE)
    with pytest.raises(ConfigError, match=r"unknown instrument 'kazoo'; known: accordion, "):
        find_tracks(folder, "train")


def test_an_empty_folder_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no tracks for 'train'; expected songs/train/<song>"):
        load_bank(tmp_path, "train", tmp_path / "cache", RATE)


@pytest.fixture
def tracks() -> list[Track]:
    """Two tracks of each: 12 songs' drums, 6 singers, 2 violinists."""
    songs = [
        Track(
            f"{n}/{part}",
            "drums",
            "kit",
            f"song {n}",
        )
        for n in range(12)
        for part in (1, 2)
    ]
    singers = [
        Track(
            f"v{n}/{part}",
            "vocals",
            f"singer {n}",
            "",
        )
        for n in range(6)
        for part in (1, 2)
    ]
    return (
        songs
        + singers
        + [
            Track(f"s{n}/{part}", "violin", f"violinist {n}", "")
            for n in range(2)
            for part in (1, 2)
        ]
    )


@pytest.mark.parametrize(
    ("share", "n_songs", "n_singers", "n_violinists"),
    [
        (1.0, 12, 6, 2),
        (0.25, 3, 2, 1),
        (0.01, 1, 1, 1),
    ],
)
def test_a_share_has_whole_songs_and_sources_and_at_least_one_of_each(
    tracks: list[Track], share: float, n_songs: int, n_singers: int, n_violinists: int
) -> None:
    kept = [
        tracks[index]
        for index in choose_share(
            tracks,
            range(len(tracks)),
            share,
            seed=3,
        )
    ]
    assert len(kept) == 2 * (n_songs + n_singers + n_violinists)
    assert len({track.song for track in kept if track.song}) == n_songs
    for label, n in [("vocals", n_singers), ("violin", n_violinists)]:
        assert len({track.source for track in kept if track.label == label}) == n


def test_a_share_is_of_what_is_named(tracks: list[Track]) -> None:
    assert choose_share(
        tracks,
        [5, 4, 30],
        1.0,
        seed=3,
    ) == [4, 5, 30]


def test_a_smaller_share_is_part_of_a_larger_one_and_another_seed_draws_another(
    tracks: list[Track],
) -> None:
    shares = [
        set(
            choose_share(
                tracks,
                range(len(tracks)),
                share,
                seed=3,
            )
        )
        for share in (0.1, 0.3, 0.6)
    ]
    assert shares[0] < shares[1] < shares[2]
    assert shares[1] != set(
        choose_share(
            tracks,
            range(len(tracks)),
            0.3,
            seed=4,
        )
    )


def test_a_track_knows_where_it_was_cut_off(
    tmp_path: Path, folder: Path, noise: Noise, write_audio: WriteAudio
) -> None:
    write_audio(folder / "voice/train/dull/hum.wav", noise(8 * 8000, 1, 3), 8000)
    write_audio(folder / "voice/train/full/hum.wav", noise(8 * 44100, 1, 4), 44100)
    bank = load_bank(folder, "train", tmp_path / "cache", 44100)
    widths = {track.path: track.bandwidth_hz for track in bank.tracks}
    assert widths["voice/train/dull/hum.wav"] == pytest.approx(3750, abs=250)
    assert widths["voice/train/full/hum.wav"] == float("inf")


def test_a_bank_that_was_decoded_before_learns_its_bandwidths(
    tmp_path: Path, folder: Path, bank: Bank
) -> None:
    for kept in (tmp_path / "cache").glob("bandwidths-*.json"):
        kept.unlink()
    for path in folder.rglob("*.wav"):
        path.write_bytes(b"x" * path.stat().st_size)  # no audio any more
    assert load_bank(folder, "train", tmp_path / "cache", RATE).tracks == bank.tracks
    assert list((tmp_path / "cache").glob("bandwidths-*.json"))
