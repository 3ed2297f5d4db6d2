"""Late hops of the live host at the pace of a sound card, while something tries to disturb it.

Every disturbance has a host of its own, so that its percentiles are its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rtmss.bench.harness import LiveHarness
from rtmss.config import UserError

DISTURBANCES = {
    "none": "nothing else",
    "osc": "10,000 OSC messages a second",
    "preset": "the preset loaded again every 5 s",
    "capture": "5 s captured every 5 s, and a stem's condition built of them",
    "busy": "another process that keeps a core busy",
}
OSC_RATE = 10_000
EVERY_SECONDS = 5.0
CAPTURED = "captured"
"""A condition of that name."""
SETTLE_SECONDS = 5.0
"""What happens before this has passed since the start is not counted."""


@dataclass(frozen=True)
class PacedRow:
    """How one run went. Times are per hop, of all steps of the host; counts are those of the
    run.
    """

    disturbance: str
    n_hops: int
    n_late: int
    n_fallbacks: int
    n_xruns: int
    """Blocks that the host lost."""
    n_server_xruns: int
    """Those that the JACK server told another client of."""
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    block: int
    latency: int
    """Samples, without the device's own."""
    has_priority: bool
    """The engine had real-time priority."""
    peak: float
    """Of what came out."""


def measure_paced(
    disturbance: str,
    n_hops: int,
    period: int,
    options: list[str],
    *,
    is_realtime: bool,
    say: Callable[[str], None],
) -> PacedRow:
    """Run the live host on a JACK server without hardware with the shipped `four-stems`.

    Args:
        disturbance: one of DISTURBANCES.
        n_hops: hops to play.
        period: the server's block in samples.
        options: more of them for `rtmss live`.
        is_realtime: let the server ask for real-time priority.
        say: told how it goes, now and then.

    Raises:
        UserError: there is no such disturbance, or the host or what it needs does not start, or the
            host ends.
    """
    if disturbance not in DISTURBANCES:
        raise UserError(f"no disturbance '{disturbance}'; known: {', '.join(DISTURBANCES)}")
    with LiveHarness(options, period, is_realtime=is_realtime) as harness:
        time.sleep(SETTLE_SECONDS)
        if disturbance == "osc":
            harness.spawn("rtmss.bench.disturb", "osc", str(harness.port), str(OSC_RATE))
        elif disturbance == "busy":
            harness.spawn("rtmss.bench.disturb", "busy")
        first, fed = harness.latest, harness.feed()
        done = time.monotonic()
        while harness.latest["hop"] - first["hop"] < n_hops:
            harness.check()
            if time.monotonic() - done > EVERY_SECONDS:
                _disturb(harness, disturbance)
                done = time.monotonic()
            say(
                f"{disturbance}: {harness.latest['hop'] - first['hop']} of {n_hops} hops, "
                f"{harness.latest['late']} late"
            )
            time.sleep(0.5)
        last, told = harness.latest, harness.feed()
    return PacedRow(
        disturbance,
        n_hops=last["hop"] - first["hop"],
        n_late=last["late"] - first["late"],
        n_fallbacks=last["fallbacks"] - first["fallbacks"],
        n_xruns=last["xruns"] - first["xruns"],
        n_server_xruns=int(told["xruns"] - fed["xruns"]),
        p50_ms=last["p50_ms"],
        p99_ms=last["p99_ms"],
        p999_ms=last["p999_ms"],
        max_ms=last["max_ms"],
        block=last["block"],
        latency=last["latency"],
        has_priority=bool(last["realtime"]),
        peak=told["peak"],
    )


def _disturb(harness: LiveHarness, disturbance: str) -> None:
    """What is done now and then."""
    if disturbance == "preset":
        harness.send("/rtmss/preset", "four-stems")
    elif disturbance == "capture":
        harness.send("/rtmss/capture/clear", CAPTURED)
        harness.send("/rtmss/capture/last", CAPTURED, "positive", EVERY_SECONDS)
        harness.send("/rtmss/condition/build", CAPTURED)
        harness.send("/rtmss/stem/vocals/condition", CAPTURED)
