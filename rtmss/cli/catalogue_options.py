"""Options of `rtmss catalogue`, each declared once."""

from __future__ import annotations

from typing import Annotated

import typer

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Audio files, folders, globs, addresses such as s3://bucket/songs, or manifests "
        "in CSV or JSON lines with path, id, preset and conditions.",
    ),
]
Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="DIR", help="A folder, or an address to write to."),
]
Presets = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|FILE", help="A preset; repeat it: several share one pass over a song."
    ),
]
Stems = Annotated[bool, typer.Option("--stems", help="Write every stem and the remainder too.")]
Loudness = Annotated[
    float | None,
    typer.Option(
        metavar="LUFS",
        min=-40,
        max=-5,
        help="Take every mix to this loudness, its stems with it; no file's true peak exceeds "
        "-1 dB.",
    ),
]
Workers = Annotated[
    int, typer.Option(min=0, help="Songs rendered at once; 0 takes all processors, or GPUs.")
]
OnRay = Annotated[
    str | None,
    typer.Option(
        metavar="local|ADDRESS",
        help="Work on Ray: on this machine, or on the cluster at an address.",
    ),
]
ModelDevice = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="What runs the model.")]
Batch = Annotated[int, typer.Option(min=1, help="Songs in one batch of a worker, for a GPU.")]
Force = Annotated[bool, typer.Option("--force", help="Render again what is there.")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Try again what could not be rendered.")
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Only say how much there is and what it would take, from a sample."
    ),
]
Price = Annotated[
    float | None,
    typer.Option(min=0, help="Of an hour of one worker, for the cost in --dry-run."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Count damaged files as failed.")]
