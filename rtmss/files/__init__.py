"""Reading audio files: every format, whole or with a warning."""

from rtmss.files.damage import (
    AudioFileError,
    Damage,
    OnDamage,
    ignore_damage,
    refuse_damage,
    warn_of_damage,
)
from rtmss.files.reader import AudioReader, open_audio, read_audio, resample

__all__ = [
    "AudioFileError",
    "AudioReader",
    "Damage",
    "OnDamage",
    "ignore_damage",
    "open_audio",
    "read_audio",
    "refuse_damage",
    "resample",
    "warn_of_damage",
]
