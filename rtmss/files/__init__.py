"""Reading audio files: every format, whole or with a warning."""

from rtmss.files.damage import (
    AudioFileError,
    Damage,
    OnDamage,
    ignore_damage,
    refuse_damage,
    warn_of_damage,
)
from rtmss.files.digest import digest_file
from rtmss.files.reader import Audio, AudioReader, open_audio, read_audio, resample

__all__ = [
    "Audio",
    "AudioFileError",
    "AudioReader",
    "Damage",
    "OnDamage",
    "digest_file",
    "ignore_damage",
    "open_audio",
    "read_audio",
    "refuse_damage",
    "resample",
    "warn_of_damage",
]
