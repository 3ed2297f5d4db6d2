"""Types of the fixtures that make something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rtmss.conditions.condition import Condition
from rtmss.files import Audio

Noise = Callable[..., Audio]
MakeCondition = Callable[..., Condition]
WriteAudio = Callable[[Path, Audio, int], Path]
