"""What a program says to a live host and is answered, for every row of OSC's table that is neither
set nor asked.

A line begins with `>` where it is said and with `<` where it is the answer; `*` is anything.
"""

from __future__ import annotations

from rtmss import __version__

PLAYED = [
    "> /rtmss/transport/play i 1",
    "> /rtmss/meters f 1",
    *3 * ["< /rtmss/meter/vocals/peak f *"],
    "> /rtmss/meters f 0",
]
"""Two seconds and more of the song are heard."""
CUE = ["> /rtmss/subscribe s /rtmss/cue", "< /rtmss/cue s *"]


def _range(name: str, role: str = "positive") -> list[str]:
    """A clip out of the song."""
    return [
        f"> /rtmss/capture/range ssff {name} {role} 1 3",
        f"< /rtmss/done sss /rtmss/capture/range {name} *",
    ]


def _ask_builder(task: str, name: str) -> list[str]:
    return [f"> /rtmss/{task} s {name}", f"< /rtmss/done sss /rtmss/{task} {name} *"]


def _built(name: str) -> list[str]:
    return [*_range(name), *_ask_builder("condition/build", name)]


EXCHANGES = {
    "/rtmss/ping": ["> /rtmss/ping if 5 0.5", f"< /rtmss/pong sif {__version__} 5 0.5"],
    "/rtmss/pong": ["> /rtmss/ping", f"< /rtmss/pong s {__version__}"],
    "/rtmss/unsolo": [
        "> /rtmss/stem/vocals/solo i 1",
        "> /rtmss/stem/vocals/solo",
        "< /rtmss/stem/vocals/solo i 1",
        "> /rtmss/unsolo",
        "> /rtmss/stem/vocals/solo",
        "< /rtmss/stem/vocals/solo i 0",
    ],
    "/rtmss/panic": [
        "> /rtmss/subscribe s /rtmss/panic",
        "< /rtmss/panic i 0",
        "> /rtmss/panic",
        "< /rtmss/panic i 1",
        "> /rtmss/panic i 0",
        "< /rtmss/panic i 0",
    ],
    "/rtmss/sync": ["> /rtmss/sync i 7", "< /rtmss/synced ii 7 *"],
    "/rtmss/synced": ["> /rtmss/sync i -8", "< /rtmss/synced ii -8 *"],
    "/rtmss/preset/<name>": [
        "> /rtmss/preset/no-drums f 1",
        "< /rtmss/done ss /rtmss/preset no-drums",
    ],
    "/rtmss/echo": ["> /rtmss/echo i 5", "< /rtmss/done ss /rtmss/echo *"],
    "/rtmss/subscribe": [
        "> /rtmss/subscribe si /rtmss/stem/drums 5",
        "< /rtmss/stem/drums/gain f 0",
        "> /rtmss/stem/drums/gain f -3",
        "< /rtmss/stem/drums/gain f -3",
    ],
    "/rtmss/token": ["> /rtmss/token s any", "< /rtmss/done ss /rtmss/token *"],
    "/rtmss/listen": [
        "> /rtmss/listen s /rtmss/stem/drums/gain",
        "< /rtmss/stem/drums/gain f 0",
        "> /rtmss/stem/drums/gain f -4",
        "< /rtmss/stem/drums/gain f -4",
    ],
    "/rtmss/ignore": [
        "> /rtmss/listen s /rtmss/meter/drums/peak",
        "< /rtmss/meter/drums/peak f *",
        "> /rtmss/ignore s /rtmss/meter/drums/peak",
        "> /rtmss/ping i 6",
        f"< /rtmss/pong si {__version__} 6",
    ],
    "/rtmss/unsubscribe": [
        "> /rtmss/meters f 30",
        "> /rtmss/meters",
        "< /rtmss/meters f 30",
        "> /rtmss/unsubscribe",
        "> /rtmss/meters",
        "< /rtmss/meters f 0",
    ],
    "/rtmss/done": ["> /rtmss/preset s no-drums", "< /rtmss/done ss /rtmss/preset no-drums"],
    "/rtmss/fail": [
        "> /rtmss/stem/vocals/gain f 99",
        "< /rtmss/fail sss /rtmss/stem/vocals/gain range *",
    ],
    "/rtmss/cue/go": [
        *CUE,
        "> /rtmss/cue/go s two",
        "> /rtmss/cue/go s one",
        "< /rtmss/cue s opener/one",
    ],
    "/rtmss/cue/next": [
        *CUE,
        "> /rtmss/cue/go s two",
        "> /rtmss/cue/go s one",
        "< /rtmss/cue s opener/one",
        "> /rtmss/cue/next",
        "< /rtmss/cue s opener/two",
    ],
    "/rtmss/cue/previous": [
        *CUE,
        "> /rtmss/cue/go s one",
        "> /rtmss/cue/go s two",
        "< /rtmss/cue s opener/two",
        "> /rtmss/cue/previous",
        "< /rtmss/cue s opener/one",
    ],
    "/rtmss/capture/last": [
        *PLAYED,
        "> /rtmss/capture/last ssf last positive 1.5",
        "< /rtmss/done sss /rtmss/capture/last last *",
    ],
    "/rtmss/capture/start": [
        "> /rtmss/capture/start ss start positive",
        "< /rtmss/done sss /rtmss/capture/start start *",
        "> /rtmss/capture/open",
        "< /rtmss/capture/open s start",
        *PLAYED,
        *_ask_builder("capture/stop", "start"),
    ],
    "/rtmss/capture/stop": [
        "> /rtmss/capture/start ss stop positive",
        "< /rtmss/done sss /rtmss/capture/start stop *",
        *PLAYED,
        *_ask_builder("capture/stop", "stop"),
    ],
    "/rtmss/capture/range": _range("range"),
    "/rtmss/capture/clear": [*_range("clear"), *_ask_builder("capture/clear", "clear")],
    "/rtmss/condition/build": _built("build"),
    "/rtmss/condition/undo": [
        *_built("undo"),
        *_built("undo"),
        *_ask_builder("condition/undo", "undo"),
    ],
    "/rtmss/condition/save": [*_built("save"), *_ask_builder("condition/save", "save")],
    "/rtmss/condition/delete": [*_built("delete"), *_ask_builder("condition/delete", "delete")],
    "/rtmss/condition/inspect": [*_built("inspect"), *_ask_builder("condition/inspect", "inspect")],
    "/rtmss/condition/clip": [
        *_built("clip"),
        "> /rtmss/condition/inspect s clip",
        "< /rtmss/condition/clip sssf clip positive-001.flac positive *",
    ],
    "/rtmss/condition/near": [
        *_built("near"),
        "> /rtmss/condition/inspect s near",
        "< /rtmss/condition/near ssf near * *",
    ],
    "/rtmss/condition/source": [
        *_built("source"),
        "> /rtmss/condition/inspect s source",
        "< /rtmss/condition/source ssf source input *",
    ],
    "/rtmss/warning": [
        *_range("warning"),
        *_range("warning", "negative"),
        "> /rtmss/condition/build s warning",
        "< /rtmss/warning sss /rtmss/condition/build warning *",
    ],
    "/rtmss/midi/learn": [
        "> /rtmss/midi/learn s /rtmss/bypass",
        "> /rtmss/midi/learning",
        "< /rtmss/midi/learning s /rtmss/bypass",
    ],
    "/rtmss/midi/forget": [
        "> /rtmss/midi/forget s /rtmss/remainder/pan",
        "< /rtmss/done ss /rtmss/midi/forget /rtmss/remainder/pan",
    ],
    "/rtmss/meter/<name>/peak": ["> /rtmss/meters f 30", "< /rtmss/meter/vocals/peak f *"],
    "/rtmss/meter/<name>/rms": ["> /rtmss/meters f 30", "< /rtmss/meter/vocals/rms f *"],
}
"""By address."""
