"""Datasets in miniature, laid out as they are unpacked."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
import yaml

from helpers.makers import WriteAudio
from rtmss.audio import Audio
from rtmss.datasets import musdb
from rtmss.datasets.track import Track, split_of

RATE = 44100


PITCHES_HZ = {
    "mixture": 300,
    "drums": 500,
    "bass": 800,
    "other": 1300,
    "vocals": 2100,
}


def tone(
    pitch_hz: float,
    seconds: float = 0.5,
    channels: int = 2,
    rate: int = RATE,
) -> Audio:
    wave = 0.1 * np.sin(2 * np.pi * pitch_hz * np.arange(int(seconds * rate)) / rate)
    return np.repeat(
        wave[None],
        channels,
        axis=0,
    ).astype(np.float32)


def write_stem_mp4(path: Path, streams: list[Audio]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as file:
        coded = [
            file.add_stream(
                "aac",
                rate=RATE,
                layout="stereo",
            )
            for _ in streams
        ]
        for stream, audio in zip(coded, streams, strict=True):
            frame = av.AudioFrame.from_ndarray(audio, format="fltp", layout="stereo")
            frame.sample_rate = RATE
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                file.mux(packet)


@pytest.fixture
def musdb18(tmp_path: Path) -> Path:
    songs = ["train/Actor - Tune", "train/Leaf - Summerghost", "test/Other - Song"]
    for song in songs:
        write_stem_mp4(
            tmp_path / f"{song}.stem.mp4", [tone(PITCHES_HZ[stem]) for stem in musdb.STEMS]
        )
    return tmp_path


def write_moises(
    folder: Path, write: WriteAudio, song: str, artist: str, stems: dict[str, dict[str, str]]
) -> None:
    """stems: type of recording by its id, by stem; an id that begins with `bleed` bleeds."""
    rows = []
    for number, (stem, recordings) in enumerate(stems.items()):
        for name in recordings:
            write(
                folder / song / stem / f"{name}.wav",
                tone(200 * (number + 1)),
                RATE,
            )
        tracks = [
            {
                "id": name,
                "trackType": kind,
                "extension": "wav",
                "has_bleed": name.startswith("bleed"),
            }
            for name, kind in recordings.items()
        ]
        rows.append({"stemName": stem, "id": f"{song}-{stem}", "tracks": tracks})
    description = {"song": song, "artist": artist, "genre": "pop", "stems": rows}
    (folder / song / "data.json").write_text(json.dumps(description))


def a_valid_artist() -> str:
    return next(
        name
        for name in map(
            str,
            range(99),
        )
        if split_of(name) == "valid"
    )


def write_medley(
    audio: Path,
    metadata: Path,
    write: WriteAudio,
    song: str,
    instruments: list[str | list[str]],
    **changes: str,
) -> None:
    stems = {}
    for number, instrument in enumerate(instruments, 1):
        stem, raw = f"{song}_STEM_{number:02}.wav", f"{song}_RAW_{number:02}_01.wav"
        write(audio / song / f"{song}_STEMS" / stem, tone(200 * number), RATE)
        write(
            audio / song / f"{song}_RAW" / raw,
            tone(200 * number + 50, channels=1),
            RATE,
        )
        raws = {"R01": {"filename": raw, "instrument": instrument}}
        stems[f"S{number:02}"] = {
            "component": "",
            "filename": stem,
            "instrument": instrument,
            "raw": raws,
        }
    write(audio / song / f"{song}_MIX.wav", tone(1000), RATE)
    content = {
        "artist": "Ana",
        "has_bleed": "no",
        "title": song,
        "stems": stems,
        "version": 1.2,
    } | changes
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / f"{song}_METADATA.yaml").write_text(yaml.safe_dump(content))


def write_slakh(folder: Path, write: WriteAudio, suffix: str = "flac") -> None:
    stems = {
        "S00": {
            "is_drum": True,
            "program_num": 128,
            "plugin_name": "kit.nkm",
            "midi_program_name": "Drums",
        },
        "S01": {
            "is_drum": False,
            "program_num": 33,
            "plugin_name": "p_bass.nkm",
            "midi_program_name": "Electric Bass",
        },
        "S02": {
            "is_drum": False,
            "program_num": 122,
            "plugin_name": "None",
            "audio_rendered": False,
        },
    }
    for number, (name, stem) in enumerate(stems.items(), 1):
        if stem.setdefault("audio_rendered", True):
            write(
                folder / "stems" / f"{name}.{suffix}",
                tone(200 * number, channels=1),
                RATE,
            )
    write(
        folder / f"mix.{suffix}",
        tone(200, channels=1) + tone(400, channels=1),
        RATE,
    )
    (folder / "MIDI").mkdir()
    (folder / "metadata.yaml").write_text(
        yaml.safe_dump({"UUID": "1a81", "audio_dir": "stems", "stems": stems})
    )


def pitch_of(audio: Audio, rate: int = RATE) -> float:
    """The strongest frequency, in Hz."""
    return float(np.abs(np.fft.rfft(audio[0])).argmax() * rate / audio.shape[1])


def names(tracks: list[Track]) -> set[tuple[str, str, str]]:
    return {(track.song, track.stem, track.label) for track in tracks}


@pytest.fixture
def musdb18_hq(tmp_path: Path, write_audio: WriteAudio) -> Path:
    for song in ("train/Actor - Tune", "train/Leaf - Summerghost", "test/Other - Song"):
        for stem, pitch in PITCHES_HZ.items():
            write_audio(tmp_path / song / f"{stem}.wav", tone(pitch), RATE)
    return tmp_path
