"""Looking things up by name."""

from __future__ import annotations

import difflib
from typing import Any

from rtmss.config import ConfigError


def find(name: str, known: dict[str, Any], kind: str) -> Any:
    """Look a name up.

    Raises:
        ConfigError: `no preset 'karaoka'; did you mean 'karaoke'? known: ...`
    """
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    raise ConfigError(f"no {kind} '{name}'; {hint}known: {', '.join(sorted(known)) or 'none'}")
