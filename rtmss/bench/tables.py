"""Figures as tables for the terminal and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from rtmss import __version__
from rtmss.bench.callback import CallbackRow
from rtmss.bench.memory import MemoryRow
from rtmss.bench.operators import Anatomy, OperatorRow
from rtmss.bench.paced import DISTURBANCES, PacedRow
from rtmss.bench.sizes import LatencyRow, SizeRow
from rtmss.bench.soak import SoakRow
from rtmss.bench.start import StartRow
from rtmss.bench.steps import StepRow
from rtmss.bench.streams import StreamRow
from rtmss.bench.training import PartRow, TrainingStep
from rtmss.bench.whole import WholeRow
from rtmss.live.realtime.priority import hint
from rtmss.tables import WholeTable

Row = (
    StepRow
    | PacedRow
    | MemoryRow
    | SoakRow
    | CallbackRow
    | WholeRow
    | StreamRow
    | OperatorRow
    | StartRow
    | PartRow
)


def steps_table(rows: Sequence[StepRow], macs_per_second: float) -> WholeTable:
    """Step times; `limit` is what the products alone would take at the measured peak of one thread.

    `one more` is what a target more costs, on the way from the fewest.
    """
    title = (
        f"One thread; a hop lasts {rows[0].hop_ms:.2f} ms; {macs_per_second / 1e9:.0f} "
        "GMAC/s at best"
    )
    if rows[0].is_paced:
        title += f"; paced, {'with' if rows[0].has_priority else 'without'} real-time priority"
    table = WholeTable(
        ">targets",
        "backend",
        ">p50 ms",
        ">p99",
        ">p99.9",
        ">max",
        ">p99.9 / hop",
        ">late",
        ">MMAC",
        ">p50 / limit",
        ">speed-up",
        ">one more ms",
        title=title,
        caption=hint(is_realtime=rows[0].has_priority is not False),
        n_keys=2,
    )
    for row in rows:
        fewest = min((r for r in rows if r.backend == row.backend), key=lambda r: r.n_targets)
        more = row.n_targets - fewest.n_targets
        slowest = max(r.p50_ms for r in rows if r.n_targets == row.n_targets)
        limit_ms = 1000 * row.macs / macs_per_second
        times = [
            f"{ms:.2f}"
            for ms in (
                row.p50_ms,
                row.p99_ms,
                row.p999_ms,
                row.max_ms,
            )
        ]
        shares = [
            f"{row.p999_ms / row.hop_ms:.0%}",
            f"{row.n_late} of {row.n_hops}",
            f"{row.macs / 1e6:.1f}",
        ]
        table.add_row(
            str(row.n_targets),
            row.backend,
            *times,
            *shares,
            f"{row.p50_ms / limit_ms:.1f}",
            f"{slowest / row.p50_ms:.2f}",
            f"{(row.p50_ms - fewest.p50_ms) / more:.2f}" if more else "",
        )
    return table


def operators_table(anatomy: Anatomy, macs_per_second: float) -> WholeTable:
    """Kinds of operators, the longest first; rates beside the measured peak of one thread."""
    rows = anatomy.rows
    n = rows[0].n_targets
    title = (
        f"A step of {n} target{'s' * (n > 1)} in ONNX Runtime: {anatomy.milliseconds:.2f} "
        "ms undisturbed"
    )
    title += f"; {macs_per_second / 1e9:.0f} GMAC/s at best"
    products = [row for row in rows if row.macs]
    limit = 1000 * sum(row.macs for row in products) / macs_per_second / anatomy.milliseconds
    told = (
        f"Products take {sum(row.share for row in products):.0%} of the step; at the peak "
        "they would take"
    )
    table = WholeTable(
        "",
        ">calls",
        ">µs",
        ">share",
        ">MMAC",
        ">GMAC/s",
        ">of the peak",
        title=title,
        caption=f"{told} {limit:.0%}. Less {anatomy.overhead:.1f} µs of the profiler for every "
        "call.",
    )
    for row in rows:
        rate = row.macs_per_second
        counted = (
            (f"{row.macs / 1e6:.2f}", f"{rate / 1e9:.1f}", f"{rate / macs_per_second:.0%}")
            if row.macs
            else ()
        )
        table.add_row(
            row.kind, str(row.n_calls), f"{row.microseconds:.0f}", f"{row.share:.1%}", *counted
        )
    return table


def paced_table(rows: Sequence[PacedRow]) -> WholeTable:
    """Late hops of the live host."""
    told = "; ".join(f"{row.disturbance}: {DISTURBANCES[row.disturbance]}" for row in rows)
    title = f"rtmss live, four-stems, blocks of {rows[0].block}, latency {rows[0].latency} samples"
    table = WholeTable(
        "",
        ">hops",
        ">late",
        ">fallbacks",
        ">xruns",
        ">server's",
        ">p50 ms",
        ">p99",
        ">p99.9",
        ">max",
        title=title,
        caption=told,
    )
    for row in rows:
        times = [
            f"{ms:.2f}"
            for ms in (
                row.p50_ms,
                row.p99_ms,
                row.p999_ms,
                row.max_ms,
            )
        ]
        counts = (
            row.n_hops,
            row.n_late,
            row.n_fallbacks,
            row.n_xruns,
            row.n_server_xruns,
        )
        table.add_row(row.disturbance, *map(str, counts), *times)
    return table


def callback_table(rows: Sequence[CallbackRow]) -> WholeTable:
    """Losses of the two kinds of callback."""
    table = WholeTable(
        ">period",
        "callback",
        ">blocks",
        ">server's xruns",
        ">flags",
        ">late",
        ">longest gap ms",
        title="PortAudio's callback in Python and in C",
        n_keys=2,
    )
    for row in rows:
        gap = "" if row.longest_gap_ms is None else f"{row.longest_gap_ms:.1f}"
        counts = (row.n_blocks, row.n_server_xruns, row.n_flags, row.n_late)
        table.add_row(
            str(row.period),
            row.callback,
            *map(str, counts),
            gap,
        )
    return table


def whole_table(rows: Sequence[WholeRow]) -> WholeTable:
    """Real-time factors, and how many times as long as rtmss each takes."""
    table = WholeTable(
        "separator",
        ">parameters",
        ">real-time factor",
        ">shortest",
        ">longest",
        ">times rtmss",
        ">first audio s",
        title=f"Four stems of {rows[0].audio_seconds:g} s of music, {rows[0].n_threads} threads, "
        "medians",
    )
    for row in rows:
        factors = (
            row.real_time_factor,
            min(row.seconds) / row.audio_seconds,
            max(row.seconds) / row.audio_seconds,
        )
        ratio = row.real_time_factor / rows[0].real_time_factor
        size = f"{row.n_parameters / 1e6:.1f} M"
        first = f"{statistics.median(row.first_audio_seconds):.3f}"
        table.add_row(
            row.name, size, *(f"{factor:.3f}" for factor in factors), f"{ratio:.1f}", first
        )
    return table


def streams_table(rows: Sequence[StreamRow]) -> WholeTable:
    """Steps of many streams."""
    served = max(
        (row.n_streams for row in rows if row.is_served),
        default=0,
    )
    title = (
        f"Streams of {rows[0].n_targets} targets on {rows[0].device}; a hop lasts "
        f"{rows[0].hop_ms:.2f} ms"
    )
    table = WholeTable(
        ">streams",
        ">p50 ms",
        ">p99",
        ">max",
        ">late",
        ">p50 / stream",
        title=title,
        caption=f"served, 99 of 100 steps in time: {served}",
    )
    for row in rows:
        times = [
            f"{ms:.2f}"
            for ms in (
                row.p50_ms,
                row.p99_ms,
                row.max_ms,
            )
        ]
        table.add_row(
            str(row.n_streams),
            *times,
            f"{row.n_late} of {row.n_hops}",
            f"{row.p50_ms / row.n_streams:.2f}",
        )
    return table


def training_table(step: TrainingStep) -> WholeTable:
    """Parts of a training step, and how near the whole is to the machine's peak."""
    speed = f"{step.audio_seconds_per_second:.1f} audio-s/s"
    peak = (
        f"{step.share_of_peak:.0%} of {step.peak_macs_per_second / 1e9:.0f} GMAC/s in "
        f"{step.precision}"
    )
    title = f"A step of {step.audio_seconds:g} s of mixtures, {step.n_threads} threads: {speed}"
    table = WholeTable(
        "part",
        ">median ms",
        ">least ms",
        ">share",
        title=title,
        caption=f"{step.macs / 1e9:.1f} GMAC a step: {peak}",
    )
    for row in (
        *step.rows,
        PartRow(
            "whole",
            step.p50_ms,
            step.least_ms,
        ),
    ):
        table.add_row(
            row.part, f"{row.p50_ms:.0f}", f"{row.least_ms:.0f}", f"{row.p50_ms / step.p50_ms:.0%}"
        )
    return table


def memory_table(rows: Sequence[MemoryRow]) -> WholeTable:
    """MiB of every process."""
    table = WholeTable(
        ">minutes of audio",
        ">hops",
        ">late",
        *(f">{name}" for name in rows[0].mib),
        title="Memory that is not shared, MiB",
    )
    for row in rows:
        table.add_row(
            f"{row.minutes:.1f}",
            str(row.n_hops),
            str(row.n_late),
            *(f"{m:.1f}" for m in row.mib.values()),
        )
    return table


def soak_table(rows: Sequence[SoakRow]) -> WholeTable:
    """Counts, and the memory and open files of every process; the first row is the begin."""
    processes = [f">{name} MiB / files" for name in rows[0].mib]
    table = WholeTable(
        *(">minutes", ">hops", ">late", ">fallbacks", ">xruns", ">lost"),
        *processes,
        title="A session with meters, subscriptions, a preset every second and a recorder",
        caption=f"{rows[-1].n_done} of {rows[-1].n_switches} presets were answered, "
        f"{rows[-1].n_meters} levels told",
    )
    for row in rows:
        counts = [
            row.n_hops,
            row.n_late,
            row.n_fallbacks,
            row.n_xruns,
            row.n_lost,
        ]
        sizes = [f"{mib:.1f} / {row.descriptors[name]}" for name, mib in row.mib.items()]
        table.add_row(f"{row.minutes:.1f}", *map(str, counts), *sizes)
    return table


def start_table(rows: Sequence[StartRow], help_seconds: float) -> WholeTable:
    """Seconds since the start of a process, and its memory."""
    title = f"A fresh process, medians of {rows[0].n_rounds}; seconds since its start"
    table = WholeTable(
        ">targets",
        "backend",
        ">imported",
        ">weights loaded",
        ">backend ready",
        ">first hop",
        ">peak MiB",
        "plays",
        title=title,
        caption=f"rtmss --help takes {help_seconds:.2f} s.",
        n_keys=2,
    )
    for row in rows:
        marks = (row.imported_seconds, row.loaded_seconds, row.chosen_seconds, row.heard_seconds)
        peak = "" if row.peak_mib is None else f"{row.peak_mib:.0f}"
        table.add_row(
            str(row.n_targets), row.backend, *(f"{mark:.2f}" for mark in marks), peak, row.played
        )
    return table


def size_table(rows: Sequence[SizeRow], n_bytes: int) -> WholeTable:
    """Parameters by part."""
    table = WholeTable(
        "part",
        ">parameters",
        ">MiB in memory",
        title=f"The weights are a file of {n_bytes / 2**20:.1f} MiB",
    )
    for row in [
        *rows,
        SizeRow(
            "all",
            sum(r.n_parameters for r in rows),
            sum(r.n_bytes for r in rows),
        ),
    ]:
        table.add_row(row.part, f"{row.n_parameters:,}", f"{row.n_bytes / 2**20:.1f}")
    return table


def latency_table(rows: Sequence[LatencyRow]) -> WholeTable:
    """Latency of the live host by profile and block, without the device's own."""
    table = WholeTable(
        "profile",
        ">hop",
        ">block",
        ">algorithmic",
        ">+ waiting for blocks",
        ">= total",
        ">ms",
        title="Latency of the live host in samples, without the device's own",
        n_keys=3,
    )
    for row in rows:
        numbers = (
            row.hop,
            row.block,
            row.algorithmic,
            row.waiting,
            row.total,
        )
        table.add_row(row.profile, *map(str, numbers), f"{row.milliseconds:.1f}")
    return table


def write_json(
    path: Path,
    rows: Sequence[Row],
    **figures: Any,
) -> None:
    """All figures, and what they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "machine": _machine(),
        **figures,
        "rows": [asdict(row) for row in rows],
    }
    path.write_text(
        json.dumps(told, indent=1) + "\n",
        encoding="utf-8",
    )


def _machine() -> dict[str, Any]:
    try:
        onnxruntime = version("onnxruntime")
    except PackageNotFoundError:
        onnxruntime = ""
    return {
        "rtmss": __version__,
        "torch": torch.__version__,
        "onnxruntime": onnxruntime,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "n_cores": os.cpu_count(),
    }
