"""Presets as addresses, for buttons that cannot send a text.

A name of a preset may have any character that a file name may have, an address only some. In the
address all others are written as in the address of a web page: every byte of the name in UTF-8 that
is no letter, digit, `-`, `_`, `.` or `~` of ASCII is `%` and two hexadecimal digits.
"""

from __future__ import annotations

import os
from urllib.parse import quote_from_bytes, unquote_to_bytes

PREFIX = "/rtmss/preset/"


def preset_address(name: str) -> str:
    """The address of a preset's button: `/rtmss/preset/slow%20jam` for `slow jam`."""
    return PREFIX + quote_from_bytes(os.fsencode(name), safe="")


def preset_name(address: str) -> str:
    """The preset that a button's address names."""
    return os.fsdecode(unquote_to_bytes(address.removeprefix(PREFIX)))
