"""OSC addresses of the plug-in's instances: those of `rtmss live` that fit, under a number."""

from __future__ import annotations

from rtmss.live.control.osc.table import PUSH, TABLE, Mode, Row

LIST = "/rtmss/instance"
ROOT = f"{LIST}/<n>"
"""`<n>` stands for the number of an instance."""
LIVE = "/rtmss"
REFUSED = "/rtmss/status/refused"
PRESETS, CONDITIONS = "/rtmss/presets", "/rtmss/conditions"
STATUS = ("state", "host", "sample_rate", "late", "fallbacks", "moved")
"""Fields of an instance's status."""
_SHARED = (
    "/rtmss/ping",
    PRESETS,
    CONDITIONS,
    "/rtmss/subscribe",
    "/rtmss/unsubscribe",
    "/rtmss/listen",
    "/rtmss/ignore",
    "/rtmss/echo",
    "/rtmss/token",
    "/rtmss/pong",
    "/rtmss/done",
    "/rtmss/fail",
)
"""What is the same as there."""
_OF_EACH = (
    "/rtmss/preset",
    "/rtmss/stems",
    "/rtmss/latency",
    "/rtmss/unsolo",
    "/rtmss/fade",
    "/rtmss/bypass",
)
_GROUPS_OF_EACH = ("/rtmss/stem/", "/rtmss/remainder/", "/rtmss/master/")


def _is_of_each(row: Row) -> bool:
    return row.address in _OF_EACH or row.address.startswith(_GROUPS_OF_EACH)


def _of_each(row: Row) -> Row:
    return row._replace(address=row.address.replace(LIVE, ROOT, 1))


INSTANCE_TABLE: tuple[Row, ...] = (
    Row(
        LIST,
        Mode.QUERY,
        (),
        f"Numbers of all instances; in a bundle with what {ROOT} says of each",
        "s...",
    ),
    Row(
        ROOT,
        Mode.QUERY,
        (),
        "Program of the host, preset, rate in Hz, late hops",
        "s s i i",
    ),
    *(_of_each(row) for row in TABLE if _is_of_each(row)),
    Row(
        f"{ROOT}/release",
        Mode.TRIGGER,
        (PUSH,),
        "All that OSC has moved is the DAW's again; 0 does nothing",
    ),
    Row(
        f"{ROOT}/status/<field>",
        Mode.QUERY,
        (),
        f"One of {', '.join(STATUS)}; `moved` counts the settings that are as OSC has moved them",
        "s i",
    ),
    Row(
        f"{ROOT}/sync",
        Mode.COMMAND,
        next(row.args for row in TABLE if row.address == "/rtmss/sync"),
        f"{ROOT}/synced when all that came before is heard",
    ),
    Row(f"{ROOT}/synced", Mode.SENT, (), "The number of the sync", "i"),
    Row(
        REFUSED,
        Mode.QUERY,
        (),
        "Packets, answers and places that were refused over a budget",
        "i",
    ),
    *(row for row in TABLE if row.address in _SHARED),
)
