"""Sound through bundles in hosts: tiny ones of our own, and pedalboard.

Axes: C channels, S samples.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.plugin.build import Bundles
from rtmss.serve.layout import N_CONTROLS, N_OUTPUTS

N_SHOWN = 2
"""Parameters that hosts show and cannot set."""
PATIENCE_SECONDS = 120.0


class Played(NamedTuple):
    """What a host found."""

    audio: Audio
    """(C, S) all outputs, one bus after the other; late by the latency."""
    latency: int
    """Samples, as the plug-in reports it."""
    report: dict[str, Any]
    """More of it, in the words of the host."""


def play_clap(
    bundles: Bundles, audio: Audio, *, folder: Path | None = None, **options: object
) -> Played:
    """Play (2, S) through the CLAP.

    Args:
        bundles: what was built.
        audio: what goes in.
        folder: where files of samples go; None for a temporary one.
        options: of the host, as its help has them; `event` may be a list.

    Raises:
        UserError: the host or the plug-in fails.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        source, sink = Path(name) / "in.f32", Path(name) / "out.f32"
        _write(source, audio)
        words = ["in", str(source), "out", str(sink), *_words(options)]
        report = json.loads(run_host([str(bundles.clap_host), str(bundles.clap), *words]))
        return Played(_read(sink), report["latencies"][-1], report)


def play_lv2(
    bundles: Bundles, audio: Audio, rate: int, block: int, values: Sequence[str] = ()
) -> Played:
    """Play (2, S) through the LV2; `values` are texts `NUMBER=VALUE`.

    Raises:
        UserError: the host or the plug-in fails.
    """
    library = bundles.lv2 / "rtmss_dsp.so"
    words = [str(rate), str(block), str(N_CONTROLS + N_SHOWN), *values]
    return _play_tiny(bundles.lv2_host, library, audio, words)


def play_vst3_offline(
    bundles: Bundles, audio: Audio, rate: int, block: int, events: Sequence[str] = ()
) -> Played:
    """Play (2, S) through all buses of the VST3; `events` are texts `FRAME:NUMBER=VALUE`, with
    values from 0 to 1.

    Raises:
        UserError: the host or the plug-in fails.
    """
    (library,) = bundles.vst3.glob("Contents/*/rtmss.so")
    return _play_tiny(bundles.vst3_host, library, audio, [str(rate), str(block), *events])


def _play_tiny(host: Path, library: Path, audio: Audio, words: Sequence[str]) -> Played:
    with tempfile.TemporaryDirectory() as name:
        source, sink = Path(name) / "in.f32", Path(name) / "out.f32"
        _write(source, audio)
        said = run_host([str(host), str(library), str(source), str(sink), *words])
        return Played(_read(sink), int(said), {})


def play_vst3(
    bundles: Bundles, audio: Audio, rate: int, block: int, **parameters: object
) -> Played:
    """Play (2, S) through the VST3 in pedalboard, which gives its main output, not late at all.

    Raises:
        UserError: it cannot be loaded.
    """
    import pedalboard

    load_plugin: Any = vars(pedalboard)["load_plugin"]
    try:
        plugin = load_plugin(str(bundles.vst3))
    except (ImportError, ValueError) as error:
        raise UserError(f"{bundles.vst3}: {str(error).splitlines()[0]}") from error
    for name, value in parameters.items():
        setattr(plugin, name, value)
    played = np.asarray(plugin(audio, rate, buffer_size=block), np.float32)
    return Played(played, 0, {"plugin": plugin})


def run_host(command: Sequence[str]) -> str:
    """What a host prints.

    Raises:
        UserError: it fails, or hangs.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{command[0]}: does not come to an end") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise UserError(f"{command[0]}: {lines[-1]}")
    return done.stdout


def _words(options: dict[str, object]) -> list[str]:
    words: list[str] = []
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            text = ",".join(map(str, one)) if isinstance(one, tuple) else str(one)
            words += [name, text]
    return words


def _write(path: Path, audio: Audio) -> None:
    np.ascontiguousarray(audio.T, "<f4").tofile(path)


def _read(path: Path) -> Audio:
    return np.ascontiguousarray(np.fromfile(path, "<f4").reshape(-1, N_OUTPUTS).T)
