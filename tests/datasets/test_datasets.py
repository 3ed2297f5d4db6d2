"""Each dataset in miniature, laid out as it is unpacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.datasets import (
    PITCHES_HZ,
    RATE,
    a_valid_artist,
    tone,
    write_medley,
    write_moises,
    write_slakh,
    write_stem_mp4,
)
from helpers.makers import Noise, WriteAudio
from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.datasets import find_tracks, medleydb, moisesdb, musdb, recognize, slakh
from rtmss.datasets.take import Track, read_track, split_of
from rtmss.datasets.taxonomy import FAMILY_OF, HIDES, MIXTURE, common_label
from rtmss.files import AudioFileError, read_audio
from rtmss.training.mixtures.bank import load_bank, load_banks

MOISES_STEMS = (
    "vocals bass drums other guitar other_plucked percussion piano other_keys bowed_strings wind"
)

MOISES_TYPES = """\
lead male singer; lead female singer; human choir; background vocals; other (vocoder, beatboxing
etc); bass guitar; bass synthesizer (moog etc); contrabass/double bass (bass of instrings); tuba
(bass of brass); bassoon (bass of woodwind); snare drum; toms; kick drum; cymbals; overheads; full
acoustic drumkit; drum machine; hi_hat; fx/processed sound, scratches, gun shots, explosions etc;
click track; clean electric guitar; distorted electric guitar; lap steel guitar or slide guitar;
acoustic guitar; banjo, mandolin, ukulele, harp etc; a-tonal percussion (claps, shakers, congas,
cowbell etc); pitched percussion (mallets, glockenspiel, ...); grand piano; electric piano
(rhodes, wurlitzer, piano sound alike); organ, electric organ; synth pad; synth lead; other sounds
(hapischord, melotron etc); violin (solo); viola (solo); cello (solo); violin section; viola
section; cello section; string section; other strings; brass (trumpet, trombone, french horn,
brass etc); flutes (piccolo, bamboo flute, panpipes, flutes etc); reeds (saxophone, clarinets,
oboe, english horn, bagpipe); other wind"""

MEDLEY_INSTRUMENTS = """\
erhu, violin, viola, cello, double bass, violin section, viola section, cello section, string
section, dilruba, acoustic guitar, banjo, guzheng, harp, harpsichord, liuqin, mandolin, oud, slide
guitar, ukulele, zhongruan, sitar, dulcimer, yangqin, piano, tack piano, dizi, flute, flute
section, piccolo, bamboo flute, panpipes, recorder, alto saxophone, baritone saxophone, bass
clarinet, clarinet, clarinet section, tenor saxophone, soprano saxophone, oboe, english horn,
bassoon, bagpipe, trumpet, cornet, trombone, french horn, euphonium, tuba, brass section, french
horn section, trombone section, horn section, trumpet section, harmonica, concertina, accordion,
bandoneon, harmonium, pipe organ, melodica, male singer, female singer, male speaker, female
speaker, male rapper, female rapper, beatboxing, vocalists, choir, crowd, male screamer, female
screamer, triangle, sleigh bells, cowbell, cabasa, high hat, gong, guiro, gu, cymbal, chimes,
castanet, claps, rattle, shaker, maracas, xylophone, vibraphone, marimba, glockenspiel, whistle,
snaps, timpani, toms, snare drum, kick drum, bass drum, bongo, conga, tambourine, darbuka,
doumbek, tabla, auxiliary percussion, drum set, clean electric guitar, distorted electric guitar,
electric bass, lap steel guitar, drum machine, electric piano, electronic organ, synthesizer,
theremin, fx/processed sound, scratches, sampler, Main System, Unlabeled, woodwind section"""


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


@pytest.fixture
def moises(tmp_path: Path, write_audio: WriteAudio) -> Path:
    folder = tmp_path / "moisesdb" / "moisesdb_v0.1"
    stems = {
        "drums": {"k": "kick_drum", "s": "snare_drum", "bleed-o": "overheads", "m": "drum_machine"},
        "bass": {"t": "tuba_(bass_of_brass)", "b1": "bass guitar", "b2": "bass guitar"},
        "vocals": {"v": "lead_female_singer", "bleed-w": "background_vocals"},
        "other_keys": {"p": "glass armonica"},
    }
    write_moises(folder, write_audio, "uuid-1", "Ana", stems)
    write_moises(
        folder,
        write_audio,
        "uuid-2",
        a_valid_artist(),
        {"piano": {"g": "grand_piano"}},
    )
    return folder.parent


@pytest.fixture
def medley(tmp_path: Path, write_audio: WriteAudio) -> Path:
    instruments: list[str | list[str]] = [
        "drum set",
        ["male singer", "vocalists"],
        ["piano", "string section"],
        "erhu",
        ["drum set", "tambourine"],
    ]
    one = tmp_path / "Audio" / "Ana_Tune"
    write_medley(tmp_path / "Audio", one, write_audio, "Ana_Tune", instruments)
    write_medley(
        tmp_path / "V2", tmp_path / "Metadata", write_audio, "Bo_Live", ["piano"], has_bleed="yes"
    )
    write_medley(
        tmp_path / "V2",
        tmp_path / "Metadata",
        write_audio,
        "Cy_Air",
        ["flute"],
        artist=a_valid_artist(),
    )
    return tmp_path


@pytest.fixture
def slakh2100(tmp_path: Path, write_audio: WriteAudio) -> Path:
    for track in (
        "train/Track00001",
        "validation/Track01501",
        "test/Track01876",
        "omitted/Track00049",
    ):
        write_slakh(tmp_path / track, write_audio)
    return tmp_path


@pytest.mark.parametrize(
    ("labels", "vocabulary"),
    [
        (musdb.LABELS, set(musdb.STEMS)),
        (moisesdb.TYPES, {moisesdb.plain(name) for name in MOISES_TYPES.split(";")}),
        (medleydb.LABELS, {" ".join(name.split()) for name in MEDLEY_INSTRUMENTS.split(",")}),
        (slakh.LABELS, set(range(129))),
        (
            moisesdb.STEMS,
            set(MOISES_STEMS.split()),
        ),
    ],
    ids=["MUSDB18", "MoisesDB", "MedleyDB", "Slakh2100", "MoisesDB stems"],
)
def test_every_word_of_a_dataset_has_a_label(
    labels: dict[object, str], vocabulary: set[object]
) -> None:
    assert set(labels) == vocabulary
    assert set(labels.values()) <= {*FAMILY_OF, MIXTURE}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (slakh.LABELS[33], "bass"),
        (slakh.LABELS[43], "bass"),
        (slakh.LABELS[56], "brass"),
        (slakh.LABELS[73], "winds"),
        (slakh.LABELS[52], "other"),
        (slakh.LABELS[128], "drums"),
        (moisesdb.TYPES["tuba_bass_of_brass"], "brass"),
        (medleydb.LABELS["yangqin"], "guitar"),
    ],
)
def test_instruments_land_in_the_family_they_sound_like(label: str, expected: str) -> None:
    assert FAMILY_OF[label] == expected


def test_no_slakh_program_has_two_labels() -> None:
    ranges = [
        program for label in slakh._PROGRAMS.values() for programs in label for program in programs
    ]
    assert len(ranges) == len(set(ranges))


@pytest.mark.parametrize(
    ("labels", "common"),
    [
        (["flute", "flute"], "flute"),
        (["violin", "cello"], "strings"),
        (["drums", "percussion"], "drums"),
        (["vocals", "synth"], "rest"),
        (["fx", "backing"], "rest"),
    ],
)
def test_several_instruments_in_one_recording_have_a_common_label(
    labels: list[str], common: str
) -> None:
    assert common_label(labels) == common


def test_a_stem_of_the_rest_hides_what_is_not_separated() -> None:
    assert HIDES["other"] == {
        "percussion",
        "guitar",
        "piano",
        "keys",
        "synth",
        "strings",
        "winds",
        "brass",
    }
    assert HIDES["rest"] == HIDES["other"] | {"vocals", "drums", "bass"}


def test_musdb18_is_read_from_the_streams_of_its_files(musdb18: Path) -> None:
    assert recognize(musdb18) is musdb.MUSDB18
    tracks = find_tracks(musdb18, "train")
    assert names(tracks) == {
        ("Actor - Tune", stem, stem) for stem in ("drums", "bass", "other", "vocals")
    }
    assert {track.source for track in tracks} == {"Actor"}
    for track in tracks:
        assert pitch_of(read_track(musdb18, track, RATE)) == pytest.approx(
            PITCHES_HZ[track.stem], abs=5
        )


def test_the_split_of_musdb18_is_that_of_its_library(musdb18: Path) -> None:
    songs = {
        split: {track.song for track in find_tracks(musdb18, split)}
        for split in ("train", "valid", "test")
    }
    assert songs == {
        "train": {"Actor - Tune"},
        "valid": {"Leaf - Summerghost"},
        "test": {"Other - Song"},
    }


def test_musdb18_hq_is_read_from_its_wav_files(musdb18_hq: Path) -> None:
    assert recognize(musdb18_hq) is musdb.MUSDB18_HQ
    tracks = find_tracks(musdb18_hq, "valid")
    assert names(tracks) == {
        ("Leaf - Summerghost", stem, stem) for stem in ("drums", "bass", "other", "vocals")
    }
    assert {track.family for track in tracks if track.stem == "other"} == {"other"}


def test_a_missing_stem_is_named(musdb18_hq: Path) -> None:
    (musdb18_hq / "train/Actor - Tune/bass.wav").unlink()
    with pytest.raises(ConfigError, match=r"bass\.wav: missing; unpack the dataset again"):
        find_tracks(musdb18_hq, "train")


def test_a_stem_mp4_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.stem.mp4"
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(AudioFileError, match=r"x\.stem\.mp4: not a readable audio file"):
        read_audio(path)


def test_a_stem_mp4_with_too_few_streams_is_named(tmp_path: Path) -> None:
    write_stem_mp4(tmp_path / "x.stem.mp4", [tone(400)] * 2)
    with pytest.raises(AudioFileError, match="has 2 audio streams, expected at least 5"):
        read_audio(tmp_path / "x.stem.mp4", stream=4)


def test_moisesdb_is_read_by_type_and_the_kit_as_one(moises: Path) -> None:
    assert recognize(moises) is moisesdb.MOISESDB
    assert names(find_tracks(moises, "train")) == {
        ("uuid-1", "drums/kit", "drums"),
        ("uuid-1", "drums/drum_machine", "drums"),
        ("uuid-1", "bass/tuba_bass_of_brass", "tuba"),
        ("uuid-1", "bass/bass_guitar", "bass"),
        ("uuid-1", "vocals/lead_female_singer", "vocals"),
        ("uuid-1", "other_keys/glass_armonica", "keys"),
    }


def test_recordings_of_one_type_are_added(moises: Path) -> None:
    bass = next(track for track in find_tracks(moises, "train") if track.label == "bass")
    assert [Path(file).name for file in bass.files] == ["b1.wav", "b2.wav"]
    assert np.abs(read_track(moises, bass, RATE) - 2 * tone(400)).max() < 1e-4


def test_a_sum_beyond_full_scale_is_scaled_not_clipped(
    tmp_path: Path, write_audio: WriteAudio
) -> None:
    for name in ("a", "b"):
        write_audio(tmp_path / f"{name}.wav", tone(400) * 9, RATE)
    audio = read_track(
        tmp_path,
        Track("a.wav", "drums", "", "", more=("b.wav",)),
        RATE,
    )
    assert np.abs(audio - tone(400) * 10).max() < 1e-3


def test_parts_of_a_sum_may_differ_in_length_and_channels(
    tmp_path: Path, write_audio: WriteAudio
) -> None:
    write_audio(tmp_path / "a.wav", tone(400, 0.2, channels=1), RATE)
    write_audio(tmp_path / "b.wav", tone(900, 0.1, channels=2), RATE)
    audio = read_track(
        tmp_path,
        Track("a.wav", "drums", "", "", more=("b.wav",)),
        RATE,
    )
    expected = tone(400, 0.2)
    expected[:, : RATE // 10] += tone(900, 0.1)
    assert np.abs(audio - expected).max() < 1e-4


def test_an_artist_is_on_one_side_of_the_split(moises: Path) -> None:
    assert {track.source for track in find_tracks(moises, "train")} == {"Ana"}
    assert {track.source for track in find_tracks(moises, "valid")} == {a_valid_artist()}
    assert 0.05 < np.mean([split_of(f"artist {i}") == "valid" for i in range(1000)]) < 0.2


def test_a_file_that_moisesdb_names_but_lacks_is_named(moises: Path) -> None:
    (moises / "moisesdb_v0.1/uuid-1/vocals/v.wav").unlink()
    with pytest.raises(ConfigError, match=r"vocals/v\.wav: missing"):
        find_tracks(moises, "train")


def test_medleydb_is_read_with_stems_and_raw_recordings(medley: Path) -> None:
    assert recognize(medley) is medleydb.MEDLEYDB
    tracks = find_tracks(medley, "train")
    assert names([track for track in tracks if track.song]) == {
        ("Ana_Tune", "drum set", "drums"),
        ("Ana_Tune", "male singer, vocalists", "vocals"),
        ("Ana_Tune", "piano, string section", "rest"),
        ("Ana_Tune", "erhu", "strings"),
        ("Ana_Tune", "drum set, tambourine", "drums"),
    }
    raw = [track for track in tracks if not track.song]
    assert [Path(track.path).name for track in raw] == [
        "Ana_Tune_RAW_02_01.wav",
        "Ana_Tune_RAW_04_01.wav",
    ]
    assert pitch_of(
        read_track(
            medley,
            raw[1],
            RATE,
        )
    ) == pytest.approx(850, abs=2)


def test_a_song_whose_microphones_hear_each_other_is_left_out(medley: Path) -> None:
    assert {track.path.split("/")[1] for track in find_tracks(medley, "train")} == {"Ana_Tune"}


def test_medleydb_metadata_may_lie_in_a_folder_of_its_own(medley: Path) -> None:
    assert {track.song for track in find_tracks(medley, "valid")} == {"Cy_Air", ""}


def test_medleydb_without_metadata_says_where_they_are(medley: Path) -> None:
    next(medley.rglob("Ana_Tune_METADATA.yaml")).unlink()
    with pytest.raises(
        ConfigError, match=r"no Ana_Tune_METADATA\.yaml .*github\.com/marl/medleydb"
    ):
        find_tracks(medley, "train")


def test_slakh_is_read_by_its_programs(slakh2100: Path) -> None:
    assert recognize(slakh2100) is slakh.SLAKH
    tracks = find_tracks(slakh2100, "train")
    assert [
        (
            t.song,
            t.label,
            t.source,
        )
        for t in tracks
    ] == [
        ("Track00001", "drums", "kit.nkm"),
        ("Track00001", "bass", "p_bass.nkm"),
    ]
    assert pitch_of(
        read_track(
            slakh2100,
            tracks[1],
            RATE,
        )
    ) == pytest.approx(400, abs=3)


def test_what_slakh_flags_as_drums_are_drums_whatever_the_program(slakh2100: Path) -> None:
    metadata = slakh2100 / "train/Track00001/metadata.yaml"
    metadata.write_text(metadata.read_text().replace("program_num: 128", "program_num: 0"))
    assert [track.label for track in find_tracks(slakh2100, "train")] == ["drums", "bass"]


def test_the_songs_that_slakh_omits_are_not_read(slakh2100: Path) -> None:
    songs = [
        {track.song for track in find_tracks(slakh2100, split)}
        for split in ("train", "valid", "test")
    ]
    assert songs == [{"Track00001"}, {"Track01501"}, {"Track01876"}]


def test_babyslakh_has_wav_files_and_no_split(tmp_path: Path, write_audio: WriteAudio) -> None:
    for number in range(1, 21):
        write_slakh(tmp_path / f"Track{number:05}", write_audio, "wav")
    songs = [{track.song for track in find_tracks(tmp_path, split)} for split in ("train", "valid")]
    assert len(songs[0]) + len(songs[1]) == 20
    assert songs[0]
    assert songs[1]


def test_a_folder_of_stems_knows_licences_and_leaves_the_mix_out(
    tmp_path: Path, noise: Noise, write_audio: WriteAudio
) -> None:
    for path in (
        "songs/train/a/drums",
        "songs/train/a/other",
        "songs/train/a/mixture",
        "voice/train/b/x",
    ):
        write_audio(tmp_path / f"{path}.wav", noise(100), RATE)
    (tmp_path / "songs/train/a/song.yaml").write_text(
        "licence: MIT\nstems:\n  drums: {licence: CC0-1.0}\n"
    )
    (tmp_path / "index.csv").write_text("path,licence\nvoice/train/b/x.wav,CC-BY-4.0\n")
    tracks = find_tracks(tmp_path, "train")
    assert {(track.label, track.licence) for track in tracks} == {
        ("drums", "CC0-1.0"),
        ("other", "MIT"),
        ("vocals", "CC-BY-4.0"),
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "musdb18",
            r"expected MUSDB18-HQ: .*zenodo\.org/records/3338373 \(for academic"
            r".*MUSDB18: .*records/1117372",
        ),
        (
            "MoisesDB-v0.1",
            r"expected MoisesDB: .*data\.json.*music\.ai/research \(CC BY-NC-SA 4\.0\)",
        ),
        ("MedleyDB_sample", r"expected MedleyDB: .*zenodo\.org/records/1649325.*CC BY-NC-SA"),
        (
            "slakh2100_flac_redux",
            r"expected Slakh2100: .*zenodo\.org/records/4599666 \(CC BY 4\.0\)",
        ),
    ],
)
def test_a_folder_that_is_not_what_it_is_called_says_where_to_get_it(
    tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / name / "stuff").mkdir(parents=True)
    with pytest.raises(ConfigError, match=said):
        find_tracks(tmp_path / name, "train")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        find_tracks(tmp_path / "nowhere", "train")


def test_a_split_that_a_dataset_lacks_is_named(musdb18_hq: Path) -> None:
    for path in sorted(
        (musdb18_hq / "train").rglob("*"),
        reverse=True,
    ):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(
        ConfigError, match="no tracks for 'train' in MUSDB18-HQ; expected train/<artist>"
    ):
        find_tracks(musdb18_hq, "train")


def test_a_bank_holds_the_streams_of_a_stem_mp4(tmp_path: Path, musdb18: Path) -> None:
    bank = load_bank(musdb18, "train", tmp_path / "cache", 22050)
    for index, track in enumerate(bank.tracks):
        assert pitch_of(
            bank.crop(index, 2000, 8000),
            22050,
        ) == pytest.approx(PITCHES_HZ[track.stem], abs=5)


def test_datasets_of_several_kinds_make_one_bank(
    tmp_path: Path, band_folder: Path, musdb18: Path
) -> None:
    both = load_banks([band_folder, musdb18], "train", tmp_path / "cache", 8000)
    alone = [
        load_bank(folder, "train", tmp_path / "cache", 8000) for folder in (band_folder, musdb18)
    ]
    assert both.tracks == alone[0].tracks + alone[1].tracks
    offset = len(alone[0].tracks)
    for index in range(len(alone[1].tracks)):
        assert np.array_equal(
            both.crop(offset + index, 500, 3000),
            alone[1].crop(index, 500, 3000),
        )
        assert np.array_equal(
            both.active_blocks(offset + index),
            alone[1].active_blocks(index),
        )


def test_songs_of_one_name_in_two_folders_stay_two_songs(tmp_path: Path, band_folder: Path) -> None:
    both = load_banks([band_folder, band_folder], "train", tmp_path, 8000)
    assert {track.song for track in both.tracks} == {
        "a",
        "b",
        "a (2)",
        "b (2)",
        "",
    }
    assert (
        sum(track.song == "a" for track in both.tracks)
        == sum(track.song == "a (2)" for track in both.tracks)
        == 4
    )


def test_no_folder_makes_no_bank(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no data folder"):
        load_banks([], "train", tmp_path, 8000)


def test_a_bank_refuses_values_that_are_no_numbers(tmp_path: Path) -> None:
    audio = tone(400)
    audio[:, 100] = np.nan
    (tmp_path / "data/voice/train/a").mkdir(parents=True)
    with AudioFile(
        str(tmp_path / "data/voice/train/a/x.wav"),
        "w",
        RATE,
        2,
        bit_depth=32,
    ) as file:
        file.write(audio)
    with pytest.raises(AudioFileError, match=r"x\.wav: holds values that are not numbers"):
        load_bank(tmp_path / "data", "train", tmp_path, RATE)
