"""Name the songs that a catalogue could not render.

Usage: python failed_songs.py DIR
"""

import json
import sys
from pathlib import Path

report = Path(sys.argv[1]) / "report.jsonl"
rows = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
for row in rows:
    if row["status"] == "failed":
        print(f"{row['id']}: {row['error']}")
