"""OSC 1.0 address patterns: `*`, `?`, `[a-z]`, `[!abc]` and `{this,that}`, none of which matches a
'/'.

No regular expressions: a pattern comes from the network, and those can be made to take hours.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

MAX_LENGTH = 128
SPECIAL = frozenset("*?[]{}")
_TOKEN = re.compile(r"\*+|\?|\[(!?)([^\[\]{}/]+)\]|\{([^\[\]{}/]*)\}|[^*?\[\]{}]")

_Token = Callable[[str, int], set[int]]
"""From a position in an address to those where what follows may go on."""


def is_pattern(address: str) -> bool:
    """Whether an address has characters that make it a pattern."""
    return not SPECIAL.isdisjoint(address)


@functools.lru_cache(maxsize=256)
def select(pattern: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the addresses that the pattern matches.

    Raises:
        ValueError: it is no pattern.
    """
    tokens = _compile(pattern)
    return tuple(address for address in addresses if len(address) in _ends(tokens, address))


@functools.lru_cache(maxsize=256)
def covers(pattern: str, address: str) -> bool:
    """Whether a pattern matches an address or one above it, as `/rtmss/stem/vocals` does for all of
    that stem.

    Raises:
        ValueError: it is no pattern.
    """
    return any(
        end == len(address) or address[end] == "/" for end in _ends(_compile(pattern), address)
    )


def _compile(pattern: str) -> list[_Token]:
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"a pattern has at most {MAX_LENGTH} characters, got {len(pattern)}")
    tokens, index = [], 0
    while index < len(pattern):
        found = _TOKEN.match(pattern, index)
        if found is None:
            raise ValueError(f"'{pattern}' has a '{pattern[index]}' that does not pair up")
        tokens.append(_token(found))
        index = found.end()
    return tokens


def _token(found: re.Match[str]) -> _Token:
    text, (negated, letters, choices) = found[0], found.groups()
    if text[0] == "*":
        return _star
    if choices is not None:
        words = choices.split(",")
        return lambda address, at: {
            at + len(word) for word in words if address.startswith(word, at)
        }
    if text == "?":
        return lambda address, at: {at + 1} if address[at : at + 1] not in {"", "/"} else set()
    if letters is not None:
        accepted = _letters(letters)
        return lambda address, at: (
            {at + 1}
            if address[at : at + 1] not in {"", "/"} and (address[at] in accepted) != bool(negated)
            else set()
        )
    return lambda address, at: {at + 1} if address[at : at + 1] == text else set()


def _star(address: str, at: int) -> set[int]:
    end = address.find("/", at)
    return set(range(at, (end if end >= 0 else len(address)) + 1))


def _letters(text: str) -> set[str]:
    """`a-cx` -> a, b, c, x."""
    letters = set(text)
    for first, last in re.findall("(.)-(.)", text):
        letters |= {chr(code) for code in range(ord(first), ord(last) + 1)}
    return letters


def _ends(tokens: list[_Token], address: str) -> set[int]:
    ends = {0}
    for token in tokens:
        ends = set().union(*(token(address, at) for at in ends))
    return ends
