"""Programs of others talk to the live host: `oscsend` says every row of the table, and `oscdump`
reads the answers.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.live_host import Host, jack_server, live_host
from helpers.makers import Noise, WriteAudio
from helpers.osc_clients import OscTools
from helpers.osc_exchanges import EXCHANGES
from rtmss.bench.harness import RATE, free_port
from rtmss.live.control import layouts
from rtmss.live.control.osc.arguments import Arg
from rtmss.live.control.osc.state import STATUS
from rtmss.live.control.osc.table import TABLE, Mode, Row

pytestmark = pytest.mark.jack

LAYOUT_FOLDER = Path(layouts.__file__).parent
SONG_SECONDS = 60
SET_LIST = """
songs:
  - {name: opener, file: song.wav, preset: four-stems, cues: [{name: one}, {name: two}]}
"""
VALUES = {
    "/rtmss/preset": "practice-bass",
    "/rtmss/stem/<name>/condition": "piano",
    "/rtmss/stem/<name>/condition/b": "piano",
    "/rtmss/transport/position": "12.5",
    "/rtmss/transport/a": "5",
    "/rtmss/transport/b": "20",
}
"""What to say where the table does not tell it: names that are there, places in the song."""
EMPTY = {"/rtmss/capture/open"}
"""Lists that have nothing in them at first."""
BEFORE = {"/rtmss/transport/position": "/rtmss/transport/play i 0"}
"""What to say first, so that a value stays as it is set."""


@pytest.fixture(scope="module")
def live(
    tmp_path_factory: pytest.TempPathFactory, noise: Noise, write_audio: WriteAudio
) -> Iterator[Host]:
    """One host for all of these tests, with a set list of one song, a builder, and a
    port for controllers.
    """
    folder = tmp_path_factory.mktemp("song")
    write_audio(folder / "song.wav", noise(SONG_SECONDS * RATE), RATE)
    set_list = folder / "set_list.yaml"
    set_list.write_text(SET_LIST, encoding="utf-8")
    with (
        pytest.MonkeyPatch.context() as patch,
        jack_server(patch) as server,
        live_host(captures=True) as host,
    ):
        server(1024)
        yield host("--setlist", str(set_list), "--midi", "jack")


@pytest.fixture(scope="module")
def talk(live: Host) -> Iterator[OscTools]:
    """oscsend and oscdump, for all of these tests."""
    if shutil.which("oscsend") is None or shutil.which("oscdump") is None:
        pytest.skip("no oscsend and oscdump; Debian: liblo-tools")
    tools = OscTools(live)
    yield tools
    tools.close()


@pytest.fixture
def tools(talk: OscTools) -> OscTools:
    """The same, and a host that plays `four-stems` as it is in the file."""
    talk.reset()
    return talk


def _rows(*modes: Mode) -> list[Row]:
    return [row for row in TABLE if row.mode in modes]


def _addresses(row: Row) -> list[str]:
    """Those that a row stands for now."""
    if row.address.endswith("<field>"):
        return [row.address.replace("<field>", field) for field in STATUS]
    return [row.address.replace("<name>", "vocals")]


def _samples(
    row: Row,
    arg: Arg,
) -> list[tuple[str, str]]:
    """Types and values to say for an argument, one after the other."""
    letter = {
        "float": "f",
        "int": "i",
        "text": "s",
        "bool": "i",
    }[arg.kind]
    if row.address in VALUES:
        return [(letter, VALUES[row.address])]
    if arg.kind == "bool":
        return [
            ("i", "1"),
            ("F", ""),
            ("T", ""),
            ("i", "0"),
            ("f", "1"),
        ]
    if not math.isfinite(arg.high - arg.low):
        pytest.fail(
            f"'{row.address}' is new, and the table has no range: add to VALUES what it accepts"
        )
    samples = [arg.low + part * (arg.high - arg.low) for part in (0.7, 0.2)]
    return [(letter, f"{sample:.4f}" if letter == "f" else f"{sample:.0f}") for sample in samples]


@pytest.mark.parametrize("row", _rows(Mode.VALUE), ids=lambda row: row.address)
def test_oscsend_sets_a_value_and_oscdump_shows_it_asked_for(tools: OscTools, row: Row) -> None:
    (address,) = _addresses(row)
    if row.address in BEFORE:
        tools.say(BEFORE[row.address])
    for spoken in zip(
        *(_samples(row, arg) for arg in row.args),
        strict=True,
    ):
        values = [value for _, value in spoken if value]
        tools.say(
            " ".join(
                [
                    address,
                    "".join(tag for tag, _ in spoken),
                    *values,
                ]
            )
        )
        wanted = [value or str("TF".index(tag) ^ 1) for tag, value in spoken]
        tools.ask_until(f"{address} * {' '.join(wanted)}")


@pytest.mark.parametrize("row", _rows(Mode.QUERY), ids=lambda row: row.address)
def test_oscsend_asks_and_oscdump_shows_the_answer(tools: OscTools, row: Row) -> None:
    for address in _addresses(row):
        tools.say(address)
        if row.sent == "bundle":
            for field in STATUS:
                tools.hear(f"{address}/{field} * *")
            continue
        if row.address in EMPTY:
            tools.hear(f"{address} *")
            continue
        heard = tools.hear(f"{address} * *")
        letters = row.sent.replace(" ", "").replace("h", "i")
        if "..." in letters or "<" in row.address:  # several of a type, or one of several types
            assert heard.types, heard
            assert set(heard.types) <= set(letters), heard
        else:
            assert heard.types == letters, heard


@pytest.mark.parametrize(
    "row",
    _rows(
        Mode.COMMAND,
        Mode.TRIGGER,
        Mode.SENT,
    ),
    ids=lambda row: row.address,
)
def test_oscsend_makes_it_happen_and_oscdump_sees_it(tools: OscTools, row: Row) -> None:
    if row.address not in EXCHANGES:
        pytest.fail(f"'{row.address}' is new: add to EXCHANGES what to say and what is heard then")
    for line in EXCHANGES[row.address]:
        (tools.say if line[0] == ">" else tools.hear)(line[2:])


def test_the_pure_data_patch_asks_sets_follows_and_bundles(live: Host) -> None:
    if shutil.which("pd") is None:
        pytest.skip("no Pure Data; Debian: puredata-core")
    live.ask("/rtmss/preset", "four-stems", answer="/rtmss/done")
    sent = [
        f"rtmss-connect 127.0.0.1 {live.port} {free_port()}",
        "rtmss /rtmss/stem/vocals/gain -6",
        "rtmss /rtmss/stem/vocals/gain",
        "rtmss /rtmss/subscribe",
        "rtmss-add /rtmss/stem/drums/mute 1",
        "rtmss-add /rtmss/stem/bass/gain -3",
        "rtmss-send bang",
    ]
    options = [option for line in sent for option in ("-send", line)]
    _see(
        [
            "pd",
            "-nogui",
            "-noaudio",
            "-nomidi",
            "-stderr",
            *options,
            str(LAYOUT_FOLDER / "rtmss.pd"),
        ],
        "rtmss: stem vocals gain -6",  # asked
        "rtmss: stems vocals drums bass guitar",  # all values
        "rtmss: stem drums mute 1",  # then every change
        "rtmss: stem bass gain -3",
    )


def test_the_supercollider_script_asks_sets_follows_and_bundles(live: Host) -> None:
    if shutil.which("sclang") is None:
        pytest.skip("no SuperCollider; Debian: supercollider-language")
    live.ask("/rtmss/preset", "four-stems", answer="/rtmss/done")
    _see(
        ["sclang", "-D", str(LAYOUT_FOLDER / "rtmss.scd"), str(live.port)],
        "[ /rtmss/stems, vocals, drums, bass, guitar ]",
        "[ /rtmss/stem/vocals/gain, -6.0 ]",
        "vocals at -6.0 dB",
        "[ /rtmss/stem/drums/mute, 1 ]",
        "[ /rtmss/stem/bass/gain, -3.0 ]",
    )


def _see(command: list[str], *wanted: str) -> None:
    """Run a program until it has printed these lines in this order, among others."""
    left = list(wanted)
    screenless = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1"}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | screenless,
    ) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if left and line.strip() == left[0]:
                left.pop(0)
            if not left:
                break
        watchdog.cancel()
        process.kill()
    assert not left, f"never printed '{left[0]}':\n{''.join(lines)}"


def test_examples_are_of_rows_that_there_are() -> None:
    assert {
        *VALUES,
        *BEFORE,
        *EXCHANGES,
    } <= {row.address for row in TABLE}
