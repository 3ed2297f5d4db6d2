"""A session's log, read to be played again: what is stepped together, and which scene is taken up
where.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from rtmss.bounded import UnreadableError, parse_json, read_lines
from rtmss.config import Config, ConfigError, UserError, validate
from rtmss.engine.control import Scene
from rtmss.recording.log import LOG, VECTORS, VERSION, Event, EventKind, Header, Vectors

MAX_LINE_BYTES = 1 << 16
"""A scene of eight stems takes some 2 KiB."""
MAX_LINES = 4_000_000
"""Six hours in which every hop is late, one by one."""

Line = TypeVar("Line", bound=Config)


class SessionLogError(UserError):
    """A log that cannot be read, or not be played here; the message says why."""


class ReplayStep(NamedTuple):
    """Hops that belong together."""

    hop: int
    n: int
    start: Scene | None
    """Begin again with this scene first."""
    scene: Scene | None
    """Then take up this one."""
    is_missing: bool
    """They are not stepped; silence is what there is of them."""


@dataclass(frozen=True)
class SessionLog:
    """A log."""

    header: Header
    events: tuple[Event, ...]
    scenes: dict[tuple[EventKind, int], Scene]
    """What is begun with, and what is taken up, at which hop."""

    @classmethod
    def load(cls, path: Path, model_id: str) -> SessionLog:
        """Read a log and the vectors beside it.

        Raises:
            SessionLogError: it is no log, it is damaged, or it was written with other weights than
                `model_id`.
        """
        header, events = read_log(path)
        if header.model_id != model_id:
            raise SessionLogError(
                f"{path}: was recorded with weights {header.model_id} ({header.weights}), these "
                f"are {model_id}; "
                "name the same with --weights"
            )
        try:
            vectors = Vectors(path.with_name(VECTORS))
            scenes = {
                (event.event, event.hop): vectors.make(event.scene)
                for event in events
                if event.scene
            }
        except KeyError as error:
            raise SessionLogError(
                f"{path.with_name(VECTORS)}: holds no vector {error}, which {path.name} names"
            ) from error
        except (OSError, ValueError) as error:
            raise SessionLogError(f"{path}: cannot be played: {error}") from error
        return cls(header, tuple(events), scenes)

    @property
    def stems(self) -> list[str]:
        """Names of all stems that there ever were, in the order of their coming."""
        return list(
            dict.fromkeys(stem.name for scene in self.scenes.values() for stem in scene.stems)
        )

    @property
    def n_lost(self) -> int:
        """Hops that were played and not recorded; after the first of them, samples may differ."""
        return sum(self.lengths("lost").values())

    @property
    def n_moves(self) -> int:
        """Times that a song was started, stopped or moved; such a place cannot be played again to
        the bit.
        """
        return sum(event.event == "transport" and bool(event.on) for event in self.events)

    def lengths(self, *kinds: EventKind) -> dict[int, int]:
        """From which hop on for how many hops there is an event of one of these kinds."""
        return {event.hop: event.hops or 1 for event in self.events if event.event in kinds}

    def steps(self, n_hops: int) -> Iterator[ReplayStep]:
        """The first `n_hops` hops of the stream; what comes after the log is stepped one by one."""
        missing, steps = self.lengths("gave_up", "lost"), self.lengths("step")
        changes = sorted({hop for _, hop in self.scenes} | set(missing))
        hop = 0
        while hop < n_hops:
            is_missing = hop in missing
            n = missing.get(hop, steps.get(hop, 1))
            n = min(n, n_hops - hop)
            if not is_missing:
                n = min(
                    [
                        n,
                        *(
                            change - hop
                            for change in changes[bisect.bisect_right(changes, hop) :][:1]
                        ),
                    ]
                )
            yield ReplayStep(
                hop, n, self.scenes.get(("start", hop)), self.scenes.get(("scene", hop)), is_missing
            )
            hop += n


def read_log(path: Path) -> tuple[Header, list[Event]]:
    """The lines of a log.

    Raises:
        SessionLogError: it is none, or it is damaged.
    """
    lines = _lines(path)
    if not lines:
        raise SessionLogError(f"{path}: is no log; expected the {LOG} of a recording")
    if len(lines) > 1 and not lines[-1].endswith("}"):
        lines.pop()  # half a line is what a recorder leaves that was killed
    header = _parse(lines[0], Header, f"{path}, line 1")
    if header.version > VERSION:
        raise SessionLogError(
            f"{path}: a log of version {header.version}, this rtmss reads up to {VERSION}"
        )
    return header, [
        _parse(line, Event, f"{path}, line {number}")
        for number, line in enumerate(
            lines[1:],
            2,
        )
    ]


def _lines(path: Path) -> list[str]:
    """The lines of a log, none longer than a line may be.

    Raises:
        SessionLogError: it cannot be read, or is no text of lines.
    """
    try:
        found = read_lines(path, MAX_LINES, MAX_LINE_BYTES)
        return [line.decode("utf-8").rstrip("\r\n") for line in found]
    except UnreadableError as error:
        raise SessionLogError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise SessionLogError(f"{path}: cannot be read ({error})") from error


def _parse(
    line: str,
    kind: type[Line],
    origin: str,
) -> Line:
    try:
        content = parse_json(line)
        if not isinstance(content, dict):
            raise SessionLogError(f"{origin}: expected a JSON object")
        return validate(content, kind, origin)
    except (UnreadableError, ConfigError) as error:
        raise SessionLogError(
            str(error) if isinstance(error, ConfigError) else f"{origin}: {error}"
        ) from error
