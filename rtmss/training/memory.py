"""The memory of a training process stays with it."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD = -1
_MMAP_MAX = -4
"""Parameters of `mallopt`, from the GNU C library's malloc.h."""
_MOST = 2**31 - 1


def keep_memory() -> bool:
    """Let the C library keep what is freed, rather than give it back to the system and ask for it
    again.

    A training step frees and takes the same large buffers over and over. Given back, each of their
    pages has to be found and cleared at every step, which takes a fifth of the step. To be called
    before torch is imported: what that leaves in memory would lie in the way.

    Returns:
        Whether the C library can do that; only GNU's can.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(set_option(_MMAP_MAX, 0) and set_option(_TRIM_THRESHOLD, _MOST))
