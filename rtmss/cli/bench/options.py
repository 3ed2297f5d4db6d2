"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="All figures as JSON.")
]
Period = Annotated[
    int, typer.Option(min=16, max=4096, help="Samples per block of the JACK server.")
]
Realtime = Annotated[
    bool,
    typer.Option(
        "--realtime/--no-realtime", help="Let the JACK server ask for real-time priority."
    ),
]
