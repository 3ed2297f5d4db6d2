"""Workers that cannot start. Imports little: each process that starts one imports it again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtmss.config import UserError

if TYPE_CHECKING:
    from rtmss.catalogue.songs import Song
    from rtmss.catalogue.worker import Outcome


class Doomed:
    """A worker that cannot start."""

    def __init__(self) -> None:
        raise UserError("these weights cannot be used here")

    def __call__(self, songs: Sequence[Song]) -> list[Outcome]:
        raise NotImplementedError


class Fragile(Doomed):
    """A worker that dies as it starts."""

    def __init__(self) -> None:
        os._exit(9)
