"""Every instance as OSC sees it: what its host has set, and what was moved on top of that."""

from __future__ import annotations

import contextlib
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.live.control.osc.changes import PacketChange
from rtmss.live.control.osc.state import Values, mixer_values
from rtmss.serve.board import N_ASKED, Board, Played
from rtmss.serve.control.table import LIST
from rtmss.serve.layout import STATES, Control
from rtmss.serve.mapped import MappedInstance, StreamHead
from rtmss.serve.moves import (
    BYPASS,
    PRESET,
    RELEASE,
    REMAINDER,
    Moves,
    Place,
    Value,
    joined,
    moved,
    of_text,
    to_text,
)
from rtmss.serve.places import program_of
from rtmss.serve.scenes import SceneBook, mixed, sane


class _Asked(NamedTuple):
    """Moves that are not known to be heard."""

    change: int
    """Of the changes of this instance that were made here, with the latest of these."""
    number: int
    """Of the message that carried them; 0 before they are sent."""
    moves: Moves


class Instance:
    """One instance of the plug-in."""

    def __init__(self, number: int, mapped: MappedInstance, book: SceneBook, board: Board) -> None:
        """Say which, and where its presets and what it plays are found."""
        self.number, self._mapped = number, mapped
        self._book, self._board = book, board
        self.host = program_of(mapped.pid)
        self.root = f"{LIST}/{number}"
        self.preset = ""
        self.scene = Scene()
        """As it is once everything that was asked for is heard."""
        self.n_changes = 0
        """That were made here."""
        self.n_applied = 0
        """Of those, by the engine."""
        self.moves: Moves = {}
        """What counts with all that was asked for."""
        self._played, self._kept = Played(), dict[Place, Value]()
        self._asked: list[_Asked] = []
        self._made_of: tuple[object, ...] = ()

    @property
    def name(self) -> str:
        """Of its file."""
        return self._mapped.path.name

    def take_up(self, played: Played) -> None:
        """Take up what the engine says."""
        with contextlib.suppress(UserError):  # a condition has gone since
            self._kept = of_text(played.moves, self._book.condition)
        self._played = played
        done = [one for one in self._asked if 0 < one.number <= played.applied]
        self.n_applied = max([self.n_applied, *(one.change for one in done)])
        self._asked = self._asked[len(done) :]
        self._join()

    def refresh(self) -> None:
        """Read what the host has set last."""
        stream = self._stream()
        controls = None if stream is None else self._mapped.latest_controls(stream)
        if controls is None:
            self.scene, self.preset, self._made_of = Scene(), "", ()
            return
        taken = sane(controls)
        chosen = self._mapped.preset_name(int(taken[Control.PRESET]))
        made_of = controls.tobytes(), chosen, self._mapped.is_offline, self.moves
        if chosen is None or made_of == self._made_of:
            return
        moves = {} if self._mapped.is_offline else self.moves
        self.preset = str(moves.get(PRESET, chosen))
        self._book.read([self.preset])
        preset = self._book.scene(self.preset) or Scene()
        self.scene = moved(mixed(preset, taken), moves)
        self._made_of = made_of

    def change(self, change: PacketChange) -> None:
        """Change what is moved, from the next `flush` on."""
        self._queue(moves_of(change, self.scene))

    def play(self, preset: str) -> None:
        """Play another preset."""
        self._queue({PRESET: preset})

    def release(self) -> None:
        """Give the host everything back."""
        self._queue({RELEASE: True})

    def flush(self) -> None:
        """Send what there is room for; the rest is sent as it is then."""
        for place, one in enumerate(self._asked):
            if one.number:
                continue
            if self._board.n_asked(self.number) - self._played.applied >= N_ASKED:
                return
            number = self._board.ask(self.number, self.name, to_text(one.moves))
            self._asked[place] = one._replace(number=number)

    @property
    def latency(self) -> int:
        """Samples from input to output; 0 without a stream."""
        stream = self._stream()
        return 0 if stream is None else stream.delay + stream.lag

    @property
    def sample_rate(self) -> int:
        """Hz; 0 without a stream."""
        stream = self._stream()
        return 0 if stream is None else stream.sample_rate

    def status(self) -> dict[str, str | int]:
        """What it is like."""
        return {
            "state": "renders" if self._mapped.is_offline else STATES[self._mapped.state],
            "host": self.host,
            "sample_rate": self.sample_rate,
            "late": self._mapped.n_late,
            "fallbacks": self._mapped.n_fallbacks,
            "moved": len(self.moves),
        }

    def values(self) -> Values:
        """Everything that is set or asked, by address."""
        latency, rate = self.latency, self.sample_rate
        status = self.status()
        return {
            self.root: (self.host, self.preset, rate, status["late"]),
            f"{self.root}/preset": (self.preset,),
            f"{self.root}/latency": (latency, 1000.0 * latency / (rate or 1)),
            **{f"{self.root}/status/{field}": (value,) for field, value in status.items()},
            **mixer_values(self.scene, self.root),
        }

    def _stream(self) -> StreamHead | None:
        try:
            return self._mapped.stream()
        except UserError:
            return None

    def _queue(self, moves: Moves) -> None:
        self.n_changes += 1
        sent = [one for one in self._asked if one.number]
        waiting = _waiting_with([one for one in self._asked if not one.number], moves)
        self._asked = [*sent, *waiting, _Asked(self.n_changes, 0, moves)]
        if len(waiting) and not ({PRESET, RELEASE} & {*moves, *waiting[-1].moves}):
            together = {**waiting[-1].moves, **moves}
            self._asked[-2:] = [_Asked(self.n_changes, 0, together)]
        self._join()

    def _join(self) -> None:
        self.moves = reduce(joined, (one.moves for one in self._asked), self._kept)
        self.refresh()


def _waiting_with(waiting: list[_Asked], moves: Moves) -> list[_Asked]:
    """What still has to be sent before some moves: what they make void is left out."""
    if RELEASE in moves:
        return []
    if PRESET not in moves:
        return waiting
    released = [one for one in waiting if RELEASE in one.moves]
    bypass = [one for one in waiting if BYPASS in one.moves][-1:]
    kept = [one._replace(moves={BYPASS: one.moves[BYPASS]}) for one in bypass]
    return [*released, *kept]


def moves_of(change: PacketChange, scene: Scene) -> dict[Place, Value]:
    """What a change moves in a scene."""
    strips = {REMAINDER: scene.remainder} | {stem.name: stem.strip for stem in scene.stems}
    moves: dict[Place, Value] = {}
    if change.ends_solos:
        moves |= {Place(name, "solo"): False for name, strip in strips.items() if strip.solo}
    moves |= {Place(name, "condition"): one for name, one in change.conditions.items()}
    for group in (change.stems, change.strips, {"": change.mix}):
        moves |= {Place(owner, key): v for owner, row in group.items() for key, v in row.items()}
    return moves


class Instances:
    """All instances that have numbers."""

    def __init__(self, board: Board, folder: Path, book: SceneBook) -> None:
        """Find them on a board; their files are in a folder."""
        self.book = book
        self.by_number: dict[int, Instance] = {}
        """By number, in order."""
        self._board, self._folder = board, folder
        self._versions: list[int] = []

    def look(self) -> None:
        """See which instances there are, and what they play."""
        versions = self._board.versions()
        if versions == self._versions:
            return
        before = self._versions or [0] * len(versions)
        self._versions = versions
        for number, (old, new) in enumerate(zip(before, versions, strict=True), 1):
            if old != new:
                self._look_at(number)
        self.by_number = dict(sorted(self.by_number.items()))

    def flush(self) -> None:
        """Send to the engine what has been changed."""
        for instance in self.by_number.values():
            instance.flush()

    def _look_at(self, number: int) -> None:
        played = self._board.played(number)
        known = self.by_number.get(number)
        if known is None or known.name != played.name:
            self.by_number.pop(number, None)
            if not played.name:
                return
            try:
                mapped = MappedInstance(self._folder / played.name)
            except (UserError, OSError):
                return  # it has gone already
            known = self.by_number[number] = Instance(number, mapped, self.book, self._board)
        known.take_up(played)
