"""The main job without a sound card: a bundled song through the session at real-time pace, with
live switches.

Axes: N stems, C channels, S samples.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pedalboard.io import AudioFile
from rich.console import Console
from rich.live import Live
from rich.table import Table

from rtmss.audio import Audio
from rtmss.conditions.library import Library, shipped
from rtmss.console import one_line
from rtmss.engine.backends.choose import BackendChoice
from rtmss.engine.control import Scene
from rtmss.engine.session import Output, Session
from rtmss.evaluation.metrics import measure, sdr_db
from rtmss.files import AudioFileError, read_audio
from rtmss.separator import Separator, play_whole
from rtmss.spectrograms import draw_spectrograms
from rtmss.tables import WholeTable

SONG = ("vocals", "drums", "bass", "guitar")
"""The bundled song's true stems; the mixture is their sum."""
SWITCHES = (
    (0.0, "karaoke"),
    (9.0, "vocals-only"),
    (14.0, "no-drums"),
    (19.0, "practice-bass"),
    (23.0, "karaoke"),
)
"""When, in seconds, which preset is switched to."""
LATE_SHARE = 0.01
"""The share of late hops from which the demo warns of the machine's speed."""
DIFFERENCE_LIMIT = 1e-4
"""The largest difference of the paced run from the whole run with which the demo passes."""


@dataclass
class LiveReport:
    """What the paced run saw."""

    played: Audio
    """(C, S) the outputs, in order."""
    step_ms: list[float] = field(default_factory=list)
    n_late: int = 0
    """Hops whose result came after the next hop was due."""


def run_demo(
    separator: Separator,
    library: Library,
    folder: Path,
    console: Console,
    choice: BackendChoice | None = None,
    *,
    wait: bool = True,
    seconds: float | None = None,
) -> bool:
    """Run the demo, write its files, print its figures.

    Args:
        separator: the weights.
        library: where the presets are.
        folder: where the files go.
        console: the terminal.
        choice: what runs the model in the paced run; None for eager torch. The whole runs take
            torch, in long blocks.
        wait: keep to real time.
        seconds: play no more than this of the song.

    Returns:
        Whether the paced run played what the whole run says, and the separation helped. Late hops
        are printed, and are no failure: they say how busy the machine was.
    """
    if folder.exists() and not folder.is_dir():
        raise AudioFileError(f"{folder}: is a file, expected a folder for the output")
    truths = np.stack([_stereo(shipped() / "demo" / f"{stem}.ogg", separator) for stem in SONG])
    rate = separator.model.config.sample_rate
    truths = truths[..., : round(seconds * rate)] if seconds else truths
    mixture = truths.sum(0)
    scenes = {
        name: Scene.from_preset(library.load_preset(name), library, separator.model_id)
        for name in {preset for _, preset in SWITCHES} | {"four-stems"}
    }
    choice = choice or BackendChoice("torch", "asked for")
    session = Session(separator.model, scenes["karaoke"], backend=choice.start(separator.model))
    live = play_live(session, mixture, scenes, console, wait=wait)
    whole = play_whole(Session(separator.model, scenes["four-stems"]), mixture)
    karaoke = play_whole(Session(separator.model, scenes["karaoke"]), mixture)
    _write(folder, rate, live.played, whole, karaoke)
    pictures = {
        "mixture": mixture,
        "vocals": whole.stems[0],
        "remainder (karaoke)": karaoke.remainder,
    }
    draw_spectrograms(folder / "spectrograms.png", pictures, rate)
    difference = _difference(live.played, karaoke.mix, separator.model.config.delay, rate)
    console.print(_stream_table(separator, choice, live, difference))
    edges = _print_quality(console, mixture, truths, whole.stems)
    console.print(f"Files: {one_line(str(folder))}", highlight=False)
    return verdict(console, live, difference, edges[0])


def _difference(played: Audio, whole: Audio, delay: int, rate: int) -> float:
    """Largest difference up to the first switch, so long as both play the same."""
    n_same = min(int(SWITCHES[1][0] * rate), played.shape[-1])
    return float(np.abs(played[:, delay:n_same] - whole[:, : n_same - delay]).max())


def verdict(
    console: Console,
    live: LiveReport,
    difference: float,
    vocals_edge_db: float,
) -> bool:
    """Print what is wrong, if anything is; return whether the demo passed."""
    if live.n_late > LATE_SHARE * len(live.step_ms):
        console.print(
            f"{live.n_late} of {len(live.step_ms)} hops were late: this machine was too slow or "
            "too busy just now. Live, a late hop plays a fallback; see docs/speed.md.",
            style="yellow",
        )
    if difference > DIFFERENCE_LIMIT:
        console.print("The paced run does not play what the whole run says", style="red")
    if vocals_edge_db <= 0:
        console.print(
            "The separation did not help: vocals are no better than the mixture or silence",
            style="red",
        )
    return difference <= DIFFERENCE_LIMIT and vocals_edge_db > 0


def play_live(
    session: Session,
    mixture: Audio,
    scenes: dict[str, Scene],
    console: Console,
    *,
    wait: bool = True,
) -> LiveReport:
    """Play (C, S) hop by hop at the pace of a sound card, switching presets on the way."""
    hop, rate = session.hop_length, session.sample_rate
    n_hops = mixture.shape[-1] // hop
    report, pieces = (
        LiveReport(
            np.zeros(
                (2, 0),
                np.float32,
            )
        ),
        [],
    )
    period = hop / rate
    switches = list(SWITCHES)
    preset = switches[0][1]
    started = time.perf_counter()
    with Live(console=console, refresh_per_second=8, transient=True) as view:
        for i in range(n_hops):
            due = started + (i + 1) * period  # when the last sample of this hop has arrived
            if wait:
                time.sleep(max(0.0, due - time.perf_counter()))
            while switches and switches[0][0] <= i * period:
                preset = switches.pop(0)[1]
                session.scene = scenes[preset]
            begun = time.perf_counter()
            output = session.step(mixture[:, i * hop : (i + 1) * hop])
            done = time.perf_counter()
            report.step_ms.append(1000 * (done - begun))
            report.n_late += (done - due if wait else done - begun) > period
            pieces.append(output.mix)
            if i % 20 == 0:
                view.update(
                    _meters(
                        session,
                        preset,
                        output,
                        (i + 1) / n_hops,
                        report,
                    )
                )
    report.played = np.concatenate(pieces, axis=-1)
    return report


def _stereo(path: Path, separator: Separator) -> Audio:
    audio, _ = read_audio(path, separator.model.config.sample_rate)
    return (
        np.repeat(
            audio,
            2,
            axis=0,
        )
        if audio.shape[0] == 1
        else audio
    )


def _meters(
    session: Session, preset: str, output: Output, done: float, report: LiveReport
) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_row("preset", preset, f"{100 * done:3.0f} %  late hops {report.n_late}")
    for stem, audio in zip(
        session.scene.stems,
        output.stems,
        strict=True,
    ):
        table.add_row(
            stem.name,
            *_meter(audio),
            "muted" if stem.strip.mute else "",
        )
    table.add_row(
        "remainder", *_meter(output.remainder), "muted" if session.scene.remainder.mute else ""
    )
    table.add_row("mix", *_meter(output.mix))
    return table


def _meter(audio: Audio) -> tuple[str, str]:
    level_db = 20 * np.log10(float(np.sqrt(np.mean(np.square(audio)))) + 1e-6)
    return "█" * int(
        np.clip(
            (level_db + 60) / 2,
            0,
            30,
        )
    ), f"{level_db:5.0f} dBFS"


def _stream_table(
    separator: Separator, choice: BackendChoice, live: LiveReport, difference: float
) -> WholeTable:
    config = separator.model.config
    latency, rate = config.latency, config.sample_rate
    hop_ms = 1000 * config.stft.hop_length / rate
    p50, p99 = np.percentile(live.step_ms, [50, 99])
    table = WholeTable("", "", show_header=False)
    table.add_row("algorithmic latency", f"{latency} samples = {1000 * latency / rate:.1f} ms")
    table.add_row("backend", str(choice))
    table.add_row("real-time factor", f"{sum(live.step_ms) / len(live.step_ms) / hop_ms:.2f}")
    table.add_row(
        "step time",
        f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {max(live.step_ms):.2f} ms of {hop_ms:.2f} ms",
    )
    table.add_row("late hops", f"{live.n_late} of {len(live.step_ms)}")
    table.add_row("preset switches", f"{len(SWITCHES) - 1}, on the way")
    table.add_row("live against offline", f"largest difference {difference:.1e}")
    return table


def _print_quality(
    console: Console,
    mixture: Audio,
    truths: Audio,
    stems: Audio,
) -> list[float]:
    """Print SDR per stem before and after; return each stem's edge over mixture and silence."""
    table = WholeTable("SDR in dB", ">mixture", ">silence", ">separated", ">edge")
    edges = []
    for name, truth, stem in zip(SONG, truths, stems, strict=True):
        figures = measure(truth, stem, mixture)
        edges.append(figures.edge_db)
        before, after = sdr_db(truth, mixture), figures.sdr_db
        table.add_row(name, f"{before:.1f}", "0.0", f"{after:.1f}", f"{edges[-1]:+.1f}")
    console.print(table)
    return edges


def _write(
    folder: Path,
    rate: int,
    played: Audio,
    whole: Output,
    karaoke: Output,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = {"live": played, "karaoke": karaoke.mix, "remainder": whole.remainder}
    files |= dict(zip(SONG, whole.stems, strict=True))
    for name, audio in files.items():
        with AudioFile(
            str(folder / f"{name}.wav"), "w", rate, audio.shape[0], bit_depth=16
        ) as file:
            file.write(audio)
