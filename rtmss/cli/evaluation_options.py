"""Options of `rtmss evaluate`, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JudgedData = Annotated[
    list[Path],
    typer.Argument(metavar="DIR...", help="Datasets or folders of stems, judged together."),
]
ReportFolder = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="JSON, CSV and a picture go here."),
]
TaskName = Annotated[
    str,
    typer.Option(
        "--task",
        "--exam",
        metavar="targets|unseen|stems|duets",
        help="One target after the other; instruments that training has nothing of; all stems "
        "of a dataset, as results are published; or one of two sources of a family.",
    ),
]
SplitName = Annotated[
    str | None,
    typer.Option(
        metavar="train|valid|test",
        help="Which songs.",
        show_default="valid; test for published stems",
    ),
]
SongNames = Annotated[
    list[str] | None,
    typer.Option("--song", metavar="NAME", help="Only these, or such as 'band-*'; repeat it."),
]
TargetNames = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help="Families, instruments, or an instrument alone: vocals-alone.",
        show_default="the usual four",
    ),
]
Shots = Annotated[str, typer.Option(metavar="K,...", help="Positive clips of each condition.")]
NegativeShots = Annotated[
    str, typer.Option(metavar="N,...", help="Negative clips; every K goes with every N.")
]
ClipSource = Annotated[
    str,
    typer.Option(
        metavar="other-song|same-song|both",
        help="Positive clips of other songs, of the judged stem, or each.",
    ),
]
ClipFolders = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR", help="Take clips from this folder's training songs instead; repeat it."
    ),
]
ClipSeconds = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0.5,
        help="How long a clip is.",
    ),
]
Seed = Annotated[int, typer.Option(help="Fixes which clips are drawn.")]
MaxSeconds = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", min=1.0, help="Hear at most this much of each song."),
]
Loudest = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="With --max-seconds: hear where this target is loudest."),
]
Mastered = Annotated[
    bool,
    typer.Option(
        "--mastered", help="Judge on mixtures compressed, limited and as loud as records."
    ),
]
Bss = Annotated[
    bool,
    typer.Option(
        "--bss", help="SDR, ISR, SIR and SAR by BSSEval v4 too: takes many times as long."
    ),
]
References = Annotated[
    bool, typer.Option("--references/--no-references", help="Score baselines and oracles too.")
]
Apart = Annotated[bool, typer.Option("--apart", help="Give every folder a mean of its own.")]
Processes = Annotated[int, typer.Option(min=1, help="Pieces judged at once.")]
Compare = Annotated[
    str | None,
    typer.Option(
        metavar="SONG:TARGET", help="Instead: one target by positives, negatives, and both."
    ),
]
