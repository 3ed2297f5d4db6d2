"""The addresses of capturing: what they ask the condition builder for, and its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rtmss.live.control.captures import Captures
from rtmss.live.control.osc.arguments import Value
from rtmss.live.control.osc.codec import failure, message
from rtmss.live.shared.jobs import Answer, Job, Task

PREFIXES = ("/rtmss/capture/", "/rtmss/condition/")
NOT_CAPTURING = "nothing can be captured: rtmss live was started with --no-capture"
_SIMPLE: dict[str, Task] = {
    "/rtmss/capture/clear": "clear",
    "/rtmss/condition/build": "build",
    "/rtmss/condition/save": "save",
    "/rtmss/condition/undo": "undo",
    "/rtmss/condition/delete": "delete",
    "/rtmss/condition/inspect": "inspect",
}


def capture_job(captures: Captures, address: str, values: Sequence[Value]) -> Job:
    """What a command asks for.

    Raises:
        UserError: it cannot be.
    """
    if address in _SIMPLE:
        return captures.simple(_SIMPLE[address], str(values[0]))
    makers: dict[str, Callable[..., Job]] = {
        "/rtmss/capture/last": captures.last,
        "/rtmss/capture/start": captures.start,
        "/rtmss/capture/stop": captures.stop,
        "/rtmss/capture/range": captures.range,
    }
    return makers[address](*values)


def answer_packets(address: str, answer: Answer) -> list[bytes]:
    """What whoever asked is told at once; `/rtmss/done` comes when it is heard."""
    name = answer.name
    packets = [message("/rtmss/warning", address, name, text) for text in answer.warnings]
    for clip in answer.clips:
        packets.append(message("/rtmss/condition/clip", name, clip.file, clip.role, clip.alike))
    for other, alike in answer.near:
        packets.append(message("/rtmss/condition/near", name, other, alike))
    for source, alike in answer.sources:
        packets.append(message("/rtmss/condition/source", name, source, alike))
    if not answer.is_done:
        packets.append(failure(address, "refused", f"{name}: {answer.text}"))
    return packets
