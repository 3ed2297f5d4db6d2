"""Labels of instruments, and the words of datasets for them."""

from __future__ import annotations

import pytest

from rtmss.datasets import medleydb, moisesdb, musdb, slakh
from rtmss.datasets.taxonomy import FAMILY_OF, HIDES, MIXTURE, common_label

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
