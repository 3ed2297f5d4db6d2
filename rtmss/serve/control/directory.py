"""Which addresses there are now, and what a message's address means."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rtmss.live.control.osc.arguments import RefusedError
from rtmss.live.control.osc.codec import Message
from rtmss.live.control.osc.directory import UnknownAddressError, check_length, nearest
from rtmss.live.control.osc.pattern import is_pattern, select
from rtmss.live.control.osc.table import Mode, Row
from rtmss.serve.control.instances import Instance
from rtmss.serve.control.table import INSTANCE_TABLE, LIST, LIVE, ROOT, STATUS

_ROWS = {row.address: row for row in INSTANCE_TABLE if row.mode is not Mode.SENT}
_SHARED = {address: row for address, row in _ROWS.items() if not address.startswith(ROOT)}


class Target(NamedTuple):
    """What an address means."""

    row: Row
    address: str
    number: int
    """Of an instance; 0 where it is about none."""

    @property
    def local(self) -> str:
        """The address as `rtmss live` has it."""
        return self.address.replace(f"{LIST}/{self.number}", LIVE, 1)


class Directory:
    """The addresses of some instances, while one packet is read."""

    def __init__(self, instances: Iterable[Instance]) -> None:
        """Take the instances as they are now."""
        shapes = [(one.number, tuple(stem.name for stem in one.scene.stems)) for one in instances]
        self.known = _known(tuple(shapes))

    def targets(self, one: Message) -> list[Target]:
        """What an address means; a pattern reaches values only.

        Raises:
            RefusedError: there is no such address.
        """
        check_length(one.address)
        if not is_pattern(one.address):
            if one.address not in self.known:
                raise UnknownAddressError(one.address)
            return [self.known[one.address]]
        try:
            found = select(one.address, tuple(self.known))
        except ValueError as error:
            raise RefusedError("address", str(error)) from error
        targets = [self.known[address] for address in found]
        modes = {Mode.VALUE} if one.args else {Mode.VALUE, Mode.QUERY}
        targets = [target for target in targets if target.row.mode in modes]
        if not targets:
            raise RefusedError("address", "nothing that is there matches")
        return targets

    def like(self, address: str) -> str:
        """An address that looks like this one; an empty text where there is none."""
        return nearest(address, tuple(self.known))


@functools.lru_cache(maxsize=8)
def _known(shapes: tuple[tuple[int, tuple[str, ...]], ...]) -> Mapping[str, Target]:
    known = {address: Target(row, address, 0) for address, row in _SHARED.items()}
    for number, stems in shapes:
        for general, row in _ROWS.items():
            if general.startswith(ROOT):
                for address in _addresses(general.replace("<n>", str(number), 1), stems):
                    known[address] = Target(row, address, number)
    return known


def _addresses(general: str, stems: tuple[str, ...]) -> list[str]:
    """All that a row of one instance stands for."""
    if "<field>" in general:
        return [general.replace("<field>", field) for field in STATUS]
    if "<name>" in general:
        return [general.replace("<name>", stem) for stem in stems]
    return [general]
