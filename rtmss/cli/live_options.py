"""Options of `rtmss live`, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FirstPreset = Annotated[
    str, typer.Option("--preset", "-p", metavar="NAME|FILE", help="What plays at first.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the scene that was played last.")
]
DeviceName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The sound device, in and out, or a part of its name."),
]
InputName = Annotated[
    str | None,
    typer.Option("--input", metavar="NAME", help="The input's device, if the output is another."),
]
OutputName = Annotated[
    str | None, typer.Option("--output", metavar="NAME", help="The output's device.")
]
BlockLength = Annotated[
    int | None,
    typer.Option(min=16, max=4096, help="Samples per block; else what the device brings at once."),
]
DeviceRate = Annotated[
    int | None, typer.Option(metavar="HZ", help="Of the devices; else their own.")
]
Queue = Annotated[
    int | None,
    typer.Option(min=1, max=16, help="Blocks that a step may take; more is safer and later."),
]
OscPort = Annotated[
    int,
    typer.Option(
        min=1,
        max=65535,
        help="UDP and TCP port for OSC.",
    ),
]
OscAddress = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Where OSC listens; 0.0.0.0 is everywhere.")
]
OscToken = Annotated[
    bool,
    typer.Option("--osc-token", help="OSC from other machines wants the page's token first."),
]
Web = Annotated[
    bool, typer.Option("--web", help="Serve a control page and OSCQuery; prints the link.")
]
WebPort = Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")]
WebAddress = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="Where the page is; beyond this machine it wants a token. 0.0.0.0 is everywhere.",
    ),
]
SongFile = Annotated[
    Path | None, typer.Option(metavar="SONG", help="Play a file in the place of the input.")
]
Loop = Annotated[
    str | None, typer.Option(metavar="A:B", help="Repeat the song from A to B, in seconds.")
]
LoopCount = Annotated[
    int,
    typer.Option(min=0, max=9999, help="How many times; the song then goes on. 0 is without end."),
]
SongStart = Annotated[
    float, typer.Option(min=0, metavar="S", help="Where the song begins, in seconds.")
]
SetListOption = Annotated[
    Path | None,
    typer.Option(
        "--setlist", metavar="FILE", help="Play the songs and cues of a set list, in YAML."
    ),
]
MidiPorts = Annotated[
    list[str] | None,
    typer.Option(
        "--midi", metavar="PORT", help="A MIDI controller, or a part of its name; several times."
    ),
]
MidiMapFile = Annotated[
    Path | None,
    typer.Option("--midi-map", metavar="FILE", help="What its controls do, in YAML."),
]
RecordFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Record input, mix, stems and log into the next DIR/take-NNN."
    ),
]
NoCapture = Annotated[
    bool,
    typer.Option(
        "--no-capture", help="Let no clips be captured; saves 110 MiB and a process of 0.4 GiB."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show nothing.")]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Print statistics, a JSON object per second.")
]
