"""The array type of audio in NumPy: (C, S) float32, channels first; imports no file reader."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
"""(C, S): channels and samples, full scale at 1."""
