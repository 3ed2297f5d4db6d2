"""Signals that end a command let it put away first what it was writing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from rtmss import __version__
from rtmss.cli import app
from rtmss.config import UserError

FRESH = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
for one in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(one, signal.SIG_DFL)
"""
"""As in a terminal, whatever these tests were started by has turned off."""
SCRIPT = """
import time
from rtmss.cli.endings import orderly_end
with orderly_end():
    try:
        print("writing", flush=True)
        time.sleep(60)
    finally:
        time.sleep(0.5)
        print("put away", flush=True)
"""


def _end(
    *numbers: int,
    before: str = "",
) -> tuple[int, str]:
    """Status and output after these signals, a tenth of a second apart."""
    command = [sys.executable, "-c", FRESH + before + SCRIPT]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.1)
        return process.wait(20), process.stdout.read()


def test_the_version_is_told_and_nothing_else() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"rtmss {__version__}\n")


def test_intel_macs_are_named_as_not_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    result = CliRunner().invoke(app, ["devices"])
    assert isinstance(result.exception, UserError)
    assert "Intel Macs are not supported" in str(result.exception)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_signal_is_an_orderly_end_with_its_status(name: str) -> None:
    number = getattr(signal, name)
    assert _end(number) == (128 + number, "put away\n")


@pytest.mark.slow
def test_the_second_ctrl_c_leaves_nothing_half_done() -> None:
    status, output = _end(signal.SIGINT, signal.SIGINT, signal.SIGTERM)
    assert (status, output) == (-signal.SIGINT, "put away\n")


@pytest.mark.slow
def test_what_nohup_has_turned_off_stays_off() -> None:
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    assert (
        _end(
            signal.SIGHUP,
            signal.SIGTERM,
            before=ignoring,
        )[0]
        == 128 + signal.SIGTERM
    )


def test_a_forked_worker_ends_as_it_would_have() -> None:
    code = """
import os, signal
from rtmss.cli.endings import orderly_end
with orderly_end():
    if not os.fork():
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    print(os.WTERMSIG(os.wait()[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == signal.SIGTERM


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("n_bytes", [10, 100_000])
def test_where_output_has_no_room_that_is_one_line(n_bytes: int) -> None:
    """At once, or when all that was kept is written in the end."""
    code = (
        "import sys, typer; from rtmss.cli import base, main; sys.argv = ['rtmss', 'x']; "
        f"base.app.command('x')(lambda: typer.echo('x' * {n_bytes})); main()"
    )
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert set(done.stderr.splitlines()) <= {
        "rtmss: No space left on device",
        "rtmss: standard output: No space left on device",
    }
    assert done.stderr


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    code = (
        "import sys, typer; from rtmss.cli import base, main; sys.argv = ['rtmss', 'x']; "
        "base.app.command('x')(lambda: (sys.stdin.read(), typer.echo('x'))); main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        assert process.wait(60) == 1
        assert not process.stderr.read()
