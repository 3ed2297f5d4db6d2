"""OSC 1.0 address patterns: `*`, `?`, `[a-z]`, `[!abc]` and `{this,that}`, none of which matches a
'/'.

All addresses are matched at once. They are laid end to end as one text, and a whole number has a
bit for every place of that text at which a match may go on; a token of the pattern moves all bits
together. Nothing is tried twice, so the time is that of the pattern's length, whatever it says
(bit-parallel automata: Navarro and Raffinot, Flexible Pattern Matching in Strings, 2002).
No regular expressions: a pattern comes from the network, and those can be made to take hours.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

MAX_LENGTH = 128
SPECIAL = frozenset("*?[]{}")
END = "\n"
"""Stands behind every address in the text; no address has one."""
_TOKEN = re.compile(r"\*+|\?|\[(!?)([^\[\]{}/]+)\]|\{([^\[\]{}/]*)\}|[^*?\[\]{}]+")

_Token = Callable[["AddressIndex", int], int]
"""From places in the text to those where what follows may go on."""


def is_pattern(address: str) -> bool:
    """Whether an address has characters that make it a pattern."""
    return not SPECIAL.isdisjoint(address)


@functools.lru_cache(maxsize=128)
def select(
    pattern: str,
    addresses: tuple[str, ...],
) -> tuple[str, ...]:
    """Those of the addresses that the pattern matches.

    Raises:
        ValueError: it is no pattern.
    """
    index = _index(addresses)
    return index.found(_places(pattern, index) & index.letters[END])


@functools.lru_cache(maxsize=128)
def covered(
    pattern: str,
    addresses: tuple[str, ...],
) -> tuple[str, ...]:
    """Those that the pattern matches, and all below them, as `/rtmss/stem/vocals` has all of that
    stem.

    Raises:
        ValueError: it is no pattern.
    """
    index = _index(addresses)
    ends = index.letters[END] | index.letters["/"]
    return index.found(_places(pattern, index) & ends)


def check_pattern(pattern: str) -> None:
    """See that it is an address, or a pattern of some.

    Raises:
        ValueError: it is no pattern.
    """
    _compile(pattern)


class AddressIndex:
    """Addresses as one text, with a whole number for each letter: a bit where it stands.

    Every address begins with '/'.
    """

    def __init__(self, addresses: tuple[str, ...]) -> None:
        text = "".join(address + END for address in addresses)
        self.letters = {
            "/": 0,
            END: 0,
        } | {letter: _bits(letter, text) for letter in set(text)}
        """Where a letter stands."""
        self.inside = _ones(len(text)) & ~self.letters["/"] & ~self.letters[END]
        """Where any letter of a part stands."""
        self.starts = 0
        self.guards: list[int] = []
        """By the number of a part in its address: the bits one place behind the ends of parts."""
        self._spans: list[tuple[str, int]] = []
        start = 0
        for address in addresses:
            self.starts |= 1 << start
            self._add_guards(address, start)
            length = len(address) + 1
            self._spans.append((address, _ones(length) << start))
            start += length

    def _add_guards(self, address: str, start: int) -> None:
        end = start
        for number, part in enumerate(address.split("/")):
            end += len(part)
            if number == len(self.guards):
                self.guards.append(0)
            self.guards[number] |= 1 << (end + 1)
            end += 1

    def found(self, places: int) -> tuple[str, ...]:
        """The addresses in which one of the places lies."""
        if not places:
            return ()
        return tuple(address for address, span in self._spans if places & span)


@functools.lru_cache(maxsize=8)
def _index(addresses: tuple[str, ...]) -> AddressIndex:
    return AddressIndex(addresses)


def _bits(letter: str, text: str) -> int:
    # The text is turned round, for its first place is the lowest bit.
    return int(
        "".join("1" if one == letter else "0" for one in reversed(text)),
        2,
    )


def _ones(n: int) -> int:
    return (1 << n) - 1


def _places(pattern: str, index: AddressIndex) -> int:
    places = index.starts
    for token in _compile(pattern):
        places = token(index, places)
        if not places:
            break
    return places


@functools.lru_cache(maxsize=256)
def _compile(pattern: str) -> tuple[_Token, ...]:
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"a pattern has at most {MAX_LENGTH} characters, got {len(pattern)}")
    tokens: list[_Token] = []
    at = 0
    while at < len(pattern):
        found = _TOKEN.match(pattern, at)
        if found is None:
            raise ValueError(f"'{pattern}' has a '{pattern[at]}' that does not pair up")
        tokens.append(_token(found, pattern.count("/", 0, at)))
        at = found.end()
    return tuple(tokens)


def _token(found: re.Match[str], part: int) -> _Token:
    """The token that was found, in a part of the pattern by its number."""
    text, (negated, letters, choices) = found[0], found.groups()
    if text[0] == "*":
        return functools.partial(_star, part)
    if text == "?":
        return lambda index, places: (places & index.inside) << 1
    if letters is not None:
        return functools.partial(_one_of, letters, bool(negated))
    words = [text] if choices is None else choices.split(",")
    return functools.partial(_any_word, words)


def _star(part: int, index: AddressIndex, places: int) -> int:
    """All places from the first one on to the end of the part."""
    if part >= len(index.guards):
        return 0
    # All places of an address lie in the same part. Taking them from the bit behind its end leaves
    # all bits between but those that were there themselves.
    guards = index.guards[part]
    return ((guards - places) | places) & ~guards


def _one_of(
    letters: str,
    is_negated: bool,
    index: AddressIndex,
    places: int,
) -> int:
    ranges = re.findall("(.)-(.)", letters)
    accepted = 0
    for letter, bits in index.letters.items():
        if letter in letters or any(first <= letter <= last for first, last in ranges):
            accepted |= bits
    accepted = ~accepted if is_negated else accepted
    return (places & accepted & index.inside) << 1


def _any_word(
    words: list[str],
    index: AddressIndex,
    places: int,
) -> int:
    after = 0
    for word in words:
        moved = places
        for letter in word:
            moved = (moved & index.letters.get(letter, 0)) << 1
        after |= moved
    return after
