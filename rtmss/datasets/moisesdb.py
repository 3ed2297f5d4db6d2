"""MoisesDB: 240 songs in 11 stems of several recordings each.

    moisesdb_v0.1/<song>/data.json
    moisesdb_v0.1/<song>/<stem>/<recording>.wav

Source: github.com/moises-ai/moises-db, track.py for `data.json`, defaults.py for the taxonomy,
beside which the dataset has `hi_hat`; that library is in no package registry. A track is all
recordings of one type in a song; the kit is one track however many microphones it had. There is no
official split: by artist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rtmss.bounded import MAX_JSON_BYTES, parse_json, read_text
from rtmss.datasets.track import (
    Dataset,
    Note,
    Problem,
    Track,
    split_of,
    tracks_of_song,
)

STEMS = {
    "vocals": "vocals",
    "bass": "bass",
    "drums": "drums",
    "other": "rest",
    "guitar": "guitar",
    "other_plucked": "plucked",
    "percussion": "percussion",
    "piano": "piano",
    "other_keys": "keys",
    "bowed_strings": "strings",
    "wind": "winds",
}
"""Label of each stem, for recordings of an unknown type."""

TYPES = {
    "lead_male_singer": "vocals",
    "lead_female_singer": "vocals",
    "human_choir": "choir",
    "background_vocals": "backing_vocals",
    "other_vocoder_beatboxing_etc": "vocals",
    "bass_guitar": "bass",
    "bass_synthesizer_moog_etc": "synth_bass",
    "contrabass_double_bass_bass_of_instrings": "upright_bass",
    "tuba_bass_of_brass": "tuba",
    "bassoon_bass_of_woodwind": "bassoon",
    "snare_drum": "drums",
    "toms": "drums",
    "kick_drum": "drums",
    "hi_hat": "drums",
    "cymbals": "drums",
    "overheads": "drums",
    "full_acoustic_drumkit": "drums",
    "drum_machine": "drums",
    "fx_processed_sound_scratches_gun_shots_explosions_etc": "fx",
    "click_track": "fx",
    "clean_electric_guitar": "electric_guitar",
    "distorted_electric_guitar": "electric_guitar",
    "lap_steel_guitar_or_slide_guitar": "guitar",
    "acoustic_guitar": "acoustic_guitar",
    "banjo_mandolin_ukulele_harp_etc": "plucked",
    "a_tonal_percussion_claps_shakers_congas_cowbell_etc": "percussion",
    "pitched_percussion_mallets_glockenspiel": "mallets",
    "grand_piano": "piano",
    "electric_piano_rhodes_wurlitzer_piano_sound_alike": "electric_piano",
    "organ_electric_organ": "organ",
    "synth_pad": "synth_pad",
    "synth_lead": "synth_lead",
    "other_sounds_hapischord_melotron_etc": "keys",
    "violin_solo": "violin",
    "viola_solo": "viola",
    "cello_solo": "cello",
    "violin_section": "string_section",
    "viola_section": "string_section",
    "cello_section": "string_section",
    "string_section": "string_section",
    "other_strings": "strings",
    "brass_trumpet_trombone_french_horn_brass_etc": "brass",
    "flutes_piccolo_bamboo_flute_panpipes_flutes_etc": "flute",
    "reeds_saxophone_clarinets_oboe_english_horn_bagpipe": "winds",
    "other_wind": "winds",
}
"""Label of each type of recording; written as `plain` gives it, since copies differ in blanks and
punctuation.
"""

KIT = frozenset(
    {"snare_drum", "toms", "kick_drum", "hi_hat", "cymbals", "overheads", "full_acoustic_drumkit"}
)


def plain(name: str) -> str:
    """A name in small letters and digits, joined by single underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _descriptions(folder: Path) -> list[Path]:
    """The songs' data.json, however deep the folder was unpacked."""
    levels = (sorted(folder.glob("*/" * depth + "data.json")) for depth in (1, 2, 3))
    return next((files for files in levels if files), [])


def _recognize(folder: Path) -> bool:
    return bool(_descriptions(folder))


def _read(
    folder: Path,
    split: str,
    note: Note,
) -> Iterator[Track]:
    for path in _descriptions(folder):
        try:
            content = parse_json(read_text(path, MAX_JSON_BYTES))
            artist = content.get("artist") or path.parent.name
            stems = [(stem["stemName"], stem["tracks"]) for stem in content["stems"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            note(
                Problem(
                    "unreadable",
                    path.parent.name,
                    f"{path}: not a description of a MoisesDB song ({error!r})",
                )
            )
            continue
        if split_of(str(artist)) == split:
            tracks = _song(folder, path.parent, artist, stems, split, note)
            yield from tracks_of_song(tracks, path.parent.name, path, note)


def _song(
    folder: Path,
    song: Path,
    artist: str,
    stems: list[tuple[str, list[dict[str, Any]]]],
    split: str,
    note: Note,
) -> Iterator[Track]:
    groups: dict[tuple[str, str], list[str]] = {}
    bleeding = set()
    for stem, recordings in stems:
        for recording in recordings:
            kind = plain(str(recording.get("trackType", "")))
            group = stem, "kit" if kind in KIT else kind
            path = song / stem / f"{recording.get('id')}.{recording.get('extension', 'wav')}"
            if not path.exists():
                note(
                    Problem(
                        "missing",
                        song.name,
                        f"{path}: missing; unpack the dataset again, or take the song away",
                    )
                )
                continue
            groups.setdefault(group, []).append(path.relative_to(folder).as_posix())
            if (
                recording.get("has_bleed") and kind not in KIT
            ):  # the parts of a kit always hear each other
                bleeding.add(group)
    for (stem, kind), (first, *more) in groups.items():
        if (stem, kind) in bleeding:
            note(
                Problem(
                    "bleed", song.name, f"{song.name}: {kind} hears others; left out", spoils=False
                )
            )
            continue
        label = (
            "drums"
            if kind == "kit"
            else TYPES.get(kind)
            or _stem_label(
                stem,
                kind,
                song,
                note,
            )
        )
        yield Track(
            first,
            label,
            artist,
            song.name,
            split=split,
            stem=f"{plain(stem)}/{kind}",
            licence="CC BY-NC-SA 4.0",
            more=tuple(more),
        )


def _stem_label(
    stem: str,
    kind: str,
    song: Path,
    note: Note,
) -> str:
    label = STEMS.get(plain(stem), "rest")
    text = f"{song}: unknown type '{kind}' in stem '{stem}'; taken as {label}"
    note(Problem("unknown instrument", song.name, text, spoils=False))
    return label


MOISESDB = Dataset(
    "MoisesDB",
    "moisesdb_v0.1/<song>/data.json and moisesdb_v0.1/<song>/<stem>/<recording>.wav",
    "music.ai/research",
    "CC BY-NC-SA 4.0",
    _recognize,
    _read,
    "moises",
)
