"""Teachers: big offline separators that split finished songs into parts, from which a small one can
learn.

Each is a file of its own with a function `load(model, device)`, imported only when it is asked for.
"""

from __future__ import annotations

from importlib import import_module

from rtmss.config import ConfigError
from rtmss.teachers.teacher import Teacher

__all__ = ["TEACHERS", "Teacher", "load_teacher"]

TEACHERS = ("spleeter", "demucs", "openunmix")


def load_teacher(name: str, device: str = "cpu") -> Teacher:
    """Load a teacher.

    Args:
        name: one of TEACHERS, or `<teacher>:<model>` for another than its usual model.
        device: torch's name of what runs it.

    Raises:
        ConfigError: there is no such teacher or model, or its package or weights are missing.
    """
    teacher, _, model = name.partition(":")
    if teacher not in TEACHERS:
        raise ConfigError(f"no teacher '{teacher}'; known: {', '.join(TEACHERS)}")
    loaded: Teacher = import_module(f"{__name__}.{teacher}").load(model, device)
    return loaded
