"""Bounce a song through the plug-in: its main output, as `rtmss render` writes it."""

import sys
from pathlib import Path

import pedalboard
from pedalboard.io import AudioFile

with AudioFile(sys.argv[1]) as file:
    song, rate = file.read(file.frames), file.samplerate

plugin = pedalboard.VST3Plugin(str(Path.home() / ".vst3/rtmss.vst3"), {"preset": "karaoke"})
mix = plugin(song, rate)

with AudioFile("karaoke.wav", "w", rate, mix.shape[0]) as file:
    file.write(mix)
print(f"{mix.shape[1]} samples in karaoke.wav")
