"""Looking things up by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from rtmss.config import ConfigError, shown

MAX_NAMED, MAX_ALIKE = 40, 200
"""Names that an error lists, and that it compares with the wrong one: a library may be huge."""
MAX_SHOWN = 200
"""Characters of the wrong name."""


def find(
    name: str,
    known: Mapping[str, Any],
    kind: str,
) -> Any:
    """Look a name up.

    Raises:
        ConfigError: `no preset 'karaoka'; did you mean 'karaoke'? known: ...`
    """
    if not isinstance(name, str):
        raise ConfigError(f"expected the name of a {kind}, got {shown(name)}")
    if name in known:
        return known[name]
    names = sorted(known)
    alike = [other for other in names if other[:1] == name[:1]] if len(names) > MAX_ALIKE else names
    near = difflib.get_close_matches(
        name[:MAX_SHOWN],
        alike[:MAX_ALIKE],
        n=3,
        cutoff=0.5,
    )
    hint = f"did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    listed = ", ".join(names[:MAX_NAMED]) or "none"
    raise ConfigError(f"no {kind} '{name:.{MAX_SHOWN}}'; {hint}known: {listed}{more}")
