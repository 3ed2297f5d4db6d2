"""What can be read over OSC, as a flat dictionary from addresses to values."""

from __future__ import annotations

import math

from rtmss.conditions.strip import Strip, settings
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc.codec import Argument
from rtmss.live.control.osc.table import fader_of

Values = dict[str, tuple[Argument, ...]]

NO_CONDITION = "-"
"""What stands for a condition where there is none; no condition can have this name."""
SILENT_DB = -120.0
STATUS = (
    "state",
    "preset",
    "load",
    "late",
    "fallbacks",
    "xruns",
    "sample_rate",
    "block",
    "p50_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "bad_samples",
    "bad_outputs",
    "late_bundles",
    "refused",
    "hop",
    "device_latency",
    "realtime",
)
"""Fields of `/rtmss/status` that are always there."""


RECORDING = ("recording", "recording_seconds", "recording_lost")
"""Those that are there with `rtmss live --record`."""
MIDI = ("midi_open", "midi_reconnects", "midi_lost")
"""Those that are there with `rtmss live --midi`."""


def scene_values(controller: MixerController) -> Values:
    """Everything that a subscriber is told of; switches are 0 or 1."""
    scene = controller.scene
    values: Values = {
        "/rtmss/status/state": (controller.status.state,),
        "/rtmss/preset": (controller.preset,),
        "/rtmss/panic": (int(controller.shared.panic),),
        **mixer_values(scene),
    }
    if controller.captures is not None:
        values["/rtmss/capture/open"] = controller.captures.open
    return values


def mixer_values(scene: Scene, root: str = "/rtmss") -> Values:
    """Everything that is set in a scene, under addresses that begin with `root`."""
    values: Values = {
        f"{root}/stems": tuple(stem.name for stem in scene.stems),
        **_settings(root, scene),
        **_settings(f"{root}/remainder", scene.remainder),
    }
    for stem in scene.stems:
        owner = f"{root}/stem/{stem.name}"
        second = stem.condition_b.name if stem.condition_b else NO_CONDITION
        values |= _settings(owner, stem.strip) | _settings(owner, stem)
        values[f"{owner}/condition"] = (stem.condition.name,)
        values[f"{owner}/condition/b"] = (second,)
    return values


def status_names(controller: MixerController) -> tuple[str, ...]:
    """Fields of `/rtmss/status` now; there is a drift only where there are two devices,
    and counts of MIDI where there is a port.
    """
    drift = ("drift",) if controller.status.n_devices > 1 else ()
    midi = () if controller.midi is None else MIDI
    recording = () if controller.shared.recording.state == "off" else RECORDING
    return STATUS + drift + recording + midi


def status_values(controller: MixerController, counts: dict[str, int]) -> Values:
    """Everything under `/rtmss/status`, with what is counted elsewhere; the drift in ppm."""
    others = {
        "preset": controller.preset,
        "drift": controller.status.drift_ppm,
    }
    state, seconds, lost = controller.shared.recording
    recording = dict(
        zip(
            RECORDING,
            (state, seconds, lost),
            strict=True,
        )
    )
    midi = {} if controller.midi is None else controller.midi.counts
    fields = controller.status._asdict() | others | counts | recording | midi
    return {f"/rtmss/status/{name}": (fields[name],) for name in status_names(controller)}


def latency_values(controller: MixerController) -> Values:
    """The latency in samples and in ms."""
    status = controller.status
    return {"/rtmss/latency": (status.latency, 1000.0 * status.latency / (status.sample_rate or 1))}


def name_values(controller: MixerController) -> dict[str, tuple[str, ...]]:
    """What could be chosen. Looks into folders."""
    return {
        "/rtmss/presets": tuple(sorted(controller.library.presets())),
        "/rtmss/conditions": tuple(sorted(controller.library.conditions())),
    }


def meter_values(controller: MixerController) -> Values:
    """Levels in dBFS."""
    meters = controller.meters().items()
    peaks: Values = {
        f"/rtmss/meter/{name}/peak": (_decibels(meter.peak),) for name, meter in meters
    }
    return peaks | {f"/rtmss/meter/{name}/rms": (_decibels(meter.rms),) for name, meter in meters}


def _settings(owner: str, values: Scene | Stem | Strip) -> Values:
    """Every setting of a strip or of the scene; a gain also as a fader."""
    found: Values = {}
    owned: type = type(values)
    for name, kind, setting in settings(owned):
        value = getattr(values, name)
        address = f"{owner}/{setting.leaf}"
        found[address] = (int(value) if kind is bool else float(value),)
        if address.endswith("/gain"):
            found[f"{address.removesuffix('gain')}fader"] = (fader_of(value),)
    return found


def _decibels(level: float) -> float:
    return 20 * math.log10(level) if level > 10 ** (SILENT_DB / 20) else SILENT_DB
