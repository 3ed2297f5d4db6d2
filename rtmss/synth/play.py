"""The one door to the program fluidsynth."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.files import read_audio
from rtmss.synth.midi import write_midi
from rtmss.synth.score import Part
from rtmss.synth.soundfonts import INSTALL

_OPTIONS = (
    "-n -i -q -R 0 -C 0 -g 0.5 -T wav -O float -z 1024 -o synth.dynamic-sample-loading=1 "
    "-o synth.polyphony=256"
)
"""No device, no shell, no effects; only the sounds that a part needs are loaded."""


def check_tools() -> None:
    """Raise UserError, which says what to install, if there is no fluidsynth or no mido."""
    if importlib.util.find_spec("mido") is None:
        raise UserError("making music up needs mido: pip install 'rtmss[train]'")
    if shutil.which("fluidsynth") is None:
        raise UserError(f"the program fluidsynth is missing; install it ({INSTALL})")


def play_part(
    part: Part,
    soundfont: Path,
    n_samples: int,
    sample_rate: int,
) -> Audio:
    """Render a part.

    Args:
        part: of a song.
        soundfont: that has the part's instrument.
        n_samples: length of the result.
        sample_rate: Hz.

    Returns:
        (2, n_samples), dry.

    Raises:
        UserError: fluidsynth fails, with what it says.
    """
    with tempfile.TemporaryDirectory(prefix="rtmss-") as folder:
        midi, wav = Path(folder) / "part.mid", Path(folder) / "part.wav"
        write_midi(part, n_samples / sample_rate, midi)
        command = [
            "fluidsynth",
            *_OPTIONS.split(),
            "-r",
            str(sample_rate),
            "-F",
            str(wav),
            str(soundfont),
            str(midi),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        messages = [
            line for line in done.stderr.splitlines() if "error" in line
        ]  # its status is 0 even then
        if done.returncode or messages or not wav.exists():
            raise UserError(
                f"fluidsynth cannot play {soundfont}: "
                f"{messages[0] if messages else f'status {done.returncode}'}"
            )
        audio, _ = read_audio(wav)
    out = np.zeros((2, n_samples), np.float32)
    n = min(n_samples, audio.shape[1])
    out[:, :n] = audio[:, :n]
    return out
