"""Reading audio files: every format, whole or with a warning."""

from rtmss.files.arrays import (
    AudioArrayError,
    BadSamplesWarning,
    as_audio,
    as_block,
    check_rate,
    silence_bad,
)
from rtmss.files.damage import (
    AudioFileError,
    Damage,
    OnDamage,
    ignore_damage,
    refuse_damage,
    warn_of_damage,
)
from rtmss.files.naming import digest_file, folder_name
from rtmss.files.reader import AudioReader, open_audio, read_audio, resample

__all__ = [
    "AudioArrayError",
    "AudioFileError",
    "AudioReader",
    "BadSamplesWarning",
    "Damage",
    "OnDamage",
    "as_audio",
    "as_block",
    "check_rate",
    "digest_file",
    "folder_name",
    "ignore_damage",
    "open_audio",
    "read_audio",
    "refuse_damage",
    "resample",
    "silence_bad",
    "warn_of_damage",
]
