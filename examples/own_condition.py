"""Make a condition from clip files and render a song with it.

Usage: python own_condition.py SONG CLIP [CLIP...]
"""

import sys
from pathlib import Path

from rtmss import RenderPlan, Scene, Separator, Stem, Strip, UserError, render

song, *clips = map(Path, sys.argv[1:])
separator = Separator.load()
try:
    condition = separator.condition_from_files("solo", clips)
    scene = Scene(
        (Stem("solo", condition, Strip(gain_db=3.0)),),
        remainder=Strip(gain_db=-12.0),
    )
    plan = RenderPlan(scene, stems=True)
    report = render(song, Path("out"), separator.model, plan)
except UserError as error:  # one line that says what to mend
    raise SystemExit(str(error)) from error
print(*report.files, sep="\n")
print(f"{report.seconds:.1f} s of audio in {report.wall_seconds:.1f} s")
