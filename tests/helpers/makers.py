"""Types of the fixtures that make something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rtmss.audio import Audio
from rtmss.conditions.condition import Condition

Noise = Callable[..., Audio]
MakeCondition = Callable[..., Condition]
WriteAudio = Callable[[Path, Audio, int], Path]
