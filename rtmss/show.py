"""Tables for the terminal: conditions, presets, and what rtmss runs on."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from rich.console import Group, RenderableType

from rtmss import __version__
from rtmss.conditions.condition import (
    Condition,
    clip_similarities,
    load_condition,
    nearest,
)
from rtmss.conditions.doubts import is_mixed, outlier
from rtmss.conditions.encode import similarity_to_clips
from rtmss.conditions.library import Library
from rtmss.conditions.preset import StripPreset
from rtmss.conditions.set_list import Move, SetList
from rtmss.config import UserError
from rtmss.console import one_line
from rtmss.engine.backends.choose import BackendChoice
from rtmss.files import read_audio
from rtmss.live.control.cues.sheet import preset_name
from rtmss.live.control.midi.map_file import MapEntry
from rtmss.live.control.midi.port import ListedPort
from rtmss.live.control.osc.table import TABLE, Row, reference
from rtmss.live.control.song_text import clock
from rtmss.live.control.web.announce import Found
from rtmss.live.control.web.links import page_link
from rtmss.live.device.portaudio import PortAudioError, devices
from rtmss.live.realtime.priority import describe
from rtmss.lookup import find
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator
from rtmss.serve.listing import Listed
from rtmss.tables import WholeTable


def conditions_table(library: Library) -> WholeTable:
    """Every condition with its clips and the weights it was made for."""
    table = WholeTable("condition", "positive", "negative", "seconds", "weights", "folder")
    own = library.own_instead_of_shipped()
    for name, path in sorted(library.conditions().items()):
        try:
            header = load_condition(path).header
        except UserError as error:
            table.add_row(
                name,
                "",
                "",
                "",
                "",
                _unusable(error),
                style="red",
            )
            continue
        seconds = sum(clip.seconds for clip in (*header.positive, *header.negative))
        counts = (str(len(header.positive)), str(len(header.negative)))
        instead = " (instead of the shipped one)" if name in own else ""
        table.add_row(
            name, *counts, f"{seconds:.1f}", header.model_id, f"{path.parent.parent}{instead}"
        )
    return table


def condition_details(name: str, library: Library) -> RenderableType:
    """One condition: every clip with its similarity to the others, and the nearest other
    conditions.

    Raises:
        ConfigError: there is none of this name.
    """
    condition = load_condition(find(name, library.conditions(), "condition"))
    clips = WholeTable("clip", "side", "seconds", "similarity to the other clips", "left over")
    for side in ("positive", "negative"):
        _add_clips(clips, condition, side)
    near = WholeTable("nearest conditions", "similarity")
    for other, score in nearest_conditions(condition, library):
        near.add_row(other, f"{score:.2f}")
    title = (
        f"condition '{name}', {condition.vector.size} numbers, made for weights "
        f"{condition.header.model_id}"
    )
    return Group(title, clips, near)


def sounds_table(
    condition: Condition,
    sounds: Sequence[Path],
    model: SeparatorModel,
) -> WholeTable:
    """How like the clips of a condition other sounds are; a file that cannot be used is a row.

    Args:
        condition: has positive clips.
        sounds: audio files.
        model: the weights that the condition was made for.
    """
    table = WholeTable("sound", "similarity to the clips")
    for path in sounds:
        try:
            audio, _ = read_audio(path, model.config.sample_rate)
            alike = f"{similarity_to_clips(model, condition, audio, str(path)):.2f}"
        except UserError as error:
            alike = _unusable(error)
        table.add_row(one_line(str(path)), alike)
    return table


def nearest_conditions(condition: Condition, library: Library) -> list[tuple[str, float]]:
    """The five others of a library that are most like a condition, with their cosines."""
    known = sorted(library.conditions().items())
    others = _readable(path for other, path in known if other != condition.name)
    same = [other for other in others if _is_comparable(condition, other)]
    return nearest(condition, same)[:5]


def _unusable(error: UserError) -> str:
    return f"cannot be used: {one_line(str(error))}"


def _readable(paths: Iterable[Path]) -> Iterator[Condition]:
    """Those of the conditions that can be read; the list of all says what is wrong with others."""
    for path in paths:
        with contextlib.suppress(UserError):
            yield load_condition(path)


def _is_comparable(one: Condition, other: Condition) -> bool:
    same_weights = other.header.model_id == one.header.model_id
    return same_weights and other.vector.shape == one.vector.shape


def _add_clips(table: WholeTable, condition: Condition, side: str) -> None:
    records = getattr(condition.header, side)
    similarities = clip_similarities(getattr(condition, side))
    odd = outlier(condition, side)
    for i, (record, similarity) in enumerate(
        zip(
            records,
            similarities,
            strict=False,
        )
    ):
        alike = f"{similarity:.2f}" if len(records) > 1 else "the only one"
        left = "" if record.left_over_db is None else f"{record.left_over_db:.0f} dB"
        is_doubtful = i == odd or is_mixed(record)
        table.add_row(
            record.label,
            side,
            f"{record.seconds:.1f}",
            f"{alike}{'  the outlier' if i == odd else ''}",
            f"{left}{'  mixed?' if is_mixed(record) else ''}",
            style="yellow" if is_doubtful else None,
        )


def presets_table(library: Library) -> WholeTable:
    """Every preset with its description."""
    table = WholeTable("preset", "stems", "description")
    for name in sorted(library.presets()):
        try:
            preset = library.preset_named(name)
        except UserError as error:
            table.add_row(name, "", _unusable(error), style="red")
            continue
        table.add_row(name, ", ".join(preset.stems), preset.description)
    return table


def preset_table(name: str, library: Library) -> RenderableType:
    """One preset: its strips.

    Raises:
        ConfigError: there is none of this name, or it is not valid.
    """
    preset = library.load_preset(name)
    table = WholeTable("strip", "condition", "gain", "pan", "state", "channels", "effects")
    strips: dict[str, StripPreset] = {
        **preset.stems,
        "remainder": preset.remainder,
    }
    for strip_name, strip in strips.items():
        state = " ".join(
            word for word, is_on in (("mute", strip.mute), ("solo", strip.solo)) if is_on
        )
        effects = ", ".join(effect.type for effect in strip.effects)
        channels = " ".join(map(str, strip.channels))
        table.add_row(
            strip_name,
            getattr(strip, "condition", ""),
            f"{strip.gain_db:+.1f} dB",
            f"{strip.pan:+.1f}" if strip.pan else "",
            state,
            channels,
            effects,
        )
    master = ", ".join(effect.type for effect in preset.master.effects)
    state = "mute" if preset.master.mute else ""
    table.add_row("master", "", f"{preset.master.gain_db:+.1f} dB", "", state, "1 2", master)
    note = f"Changes glide over {preset.fade_ms:g} ms; a late hop plays: {preset.fallback}."
    return Group(preset.description, table, note)


def set_list_table(set_list: SetList) -> WholeTable:
    """Every song of a set list, and its cues: when they come, and what they change."""
    table = WholeTable("song", "cue", "at", "preset", "changes", n_keys=2)
    for song in set_list.songs:
        told = ["over the input" if song.file is None else song.file.name]
        if song.tempo is not None:
            told.append(f"{song.tempo:g} BPM, {song.beats_per_bar} in a bar")
        table.add_row(song.name, "", "", preset_name(song.preset or ""), "; ".join(told))
        for cue in song.cues:
            seconds = song.seconds_of(cue)
            beat = f".{cue.beat:g}" if cue.beat != 1 else ""
            bar = "" if cue.bar is None else f" bar {cue.bar}{beat}"
            when = "asked for" if seconds is None else f"{clock(seconds)}{bar}"
            told = [_move_text(name, move) for name, move in cue.mixer.items()]
            if cue.fade_ms is not None:
                told.append(f"over {cue.fade_ms:g} ms")
            table.add_row("", cue.name, when, preset_name(cue.preset or ""), "; ".join(told))
    return table


def _move_text(name: str, move: Move) -> str:
    """`vocals gain_db -6, mute`."""
    words = []
    for field, value in (*move.conditions.items(), *move.others.items(), *move.strip.items()):
        if isinstance(value, bool) or value is None:
            words.append(field if value else f"no {field}")
        else:
            parts = value if isinstance(value, tuple) else (value,)
            told = (f"{part:g}" if isinstance(part, float) else str(part) for part in parts)
            words.append(" ".join([field, *told]))
    return f"{name} {', '.join(words)}".strip()


def info_table(separator: Separator, choice: BackendChoice) -> WholeTable:
    """Versions, processor, sound devices, the model and its latency."""
    config = separator.model.config
    n_parameters = sum(p.numel() for p in separator.model.parameters())
    table = WholeTable("", "", show_header=False)
    table.add_row("rtmss", __version__)
    table.add_row("Python, torch", f"{platform.python_version()}, {torch.__version__}")
    table.add_row(
        "processor", f"{platform.machine()}, {torch.get_num_threads()} threads for the model"
    )
    table.add_row(
        "GPU",
        torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    )
    table.add_row("backend hop by hop", str(choice))
    table.add_row("weights", f"{separator.model_id}, {n_parameters / 1e6:.1f} million parameters")
    table.add_row("sample rate", f"{config.sample_rate} Hz")
    latency, hop = config.latency, config.stft.hop_length
    milliseconds = 1000 * latency / config.sample_rate
    table.add_row("algorithmic latency", f"{latency} samples = {milliseconds:.1f} ms, hop {hop}")
    table.add_row("real-time priority", describe())
    try:
        names = [str(device) for device in devices()] or ["none"]
    except PortAudioError as error:
        names = [str(error)]
    for i, name in enumerate(names):
        table.add_row("" if i else "sound devices", name)
    return table


def devices_table() -> WholeTable:
    """Every sound device.

    Raises:
        PortAudioError: PortAudio is not installed.
    """
    table = WholeTable("device", "host API", "in", "out", "default rate", "option")
    options = {"both": "--device", "input": "--input only", "output": "--output only"}
    for device in devices():
        channels = str(device.n_inputs), str(device.n_outputs)
        option = options.get(device.ways, "mono output")
        table.add_row(device.name, device.api, *channels, f"{device.sample_rate} Hz", option)
    return table


def instances_table(instances: Iterable[Listed]) -> WholeTable:
    """Every instance of the plug-in."""
    table = WholeTable("OSC", "DAW", "preset", "engine", ">rate", ">latency", ">late hops")
    for one in instances:
        number, latency = str(one.number or "-"), "-"
        if one.sample_rate:
            latency = f"{1000 * one.latency / one.sample_rate:.1f} ms"
        rate = f"{one.sample_rate} Hz" if one.sample_rate else "-"
        table.add_row(number, one.host, one.preset, one.state, rate, latency, str(one.n_late))
    return table


def midi_ports_table(ports: Iterable[ListedPort]) -> WholeTable:
    """Every MIDI port."""
    table = WholeTable("port", "controls", "lights")
    for port in ports:
        table.add_row(port.name, *("yes" if has else "no" for has in port[1:]))
    return table


def midi_map_table(entries: Iterable[MapEntry]) -> WholeTable:
    """Every control of a map, and what it does."""
    table = WholeTable("control", "channel", "address", "says", "range", "how")
    for entry in entries:
        ends = "" if entry.range is None else f"{entry.range[0]:g} to {entry.range[1]:g}"
        how = entry.relative or (entry.button if entry.target.kind == "switch" else "")
        channel = str(entry.channel or "any") + (f" of {entry.port}" if entry.port else "")
        said = " ".join(map(str, entry.args))
        table.add_row(entry.control, channel, entry.address, said, ends, how)
    return table


def hosts_table(hosts: Iterable[Found]) -> WholeTable:
    """Live hosts of the network."""
    table = WholeTable("host", "page", "OSC", "version")
    for host in hosts:
        page = page_link(host.address, host.web_port)
        osc = "" if host.osc_port is None else f"{host.address} {host.osc_port}"
        table.add_row(one_line(host.name), page, osc, one_line(host.version))
    return table


def osc_table(rows: Sequence[Row] = TABLE) -> WholeTable:
    """Every OSC address of a table."""
    table = WholeTable("address", "use", "types", "range", "effect")
    for row in reference(rows):
        table.add_row(*row)
    return table
