"""A JACK server without hardware, a live host on it, and a song that is played into it."""

from __future__ import annotations

import ctypes.util
import importlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from types import ModuleType
from typing import Any

from rtmss.config import UserError
from rtmss.live.control.osc.codec import Argument, message

RATE = 44_100
START_SECONDS = 180
"""A host that is not playing after this will not."""
_QUIET = subprocess.DEVNULL


def jack_environment(name: str) -> dict[str, str]:
    """Variables with which a process finds a JACK server of this name, and starts none itself."""
    return {**os.environ, "JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}


def start_jack_server(
    name: str, period: int, *, n_outputs: int = 4, is_realtime: bool = False, rate: int = RATE
) -> subprocess.Popen[bytes]:
    """A JACK server without hardware, stereo in; `jack_environment` leads to it.

    Raises:
        UserError: it, or what finds it, is not installed, or it does not start.
    """
    _check_installed()
    command = [
        "jackd",
        "--realtime" if is_realtime else "--no-realtime",
        "-n",
        name,
        "-d",
        "dummy",
        "-r",
        str(rate),
    ]
    ports = [
        "-p",
        str(period),
        "-C",
        "2",
        "-P",
        str(n_outputs),
    ]
    server = subprocess.Popen(
        [*command, *ports],
        stdout=_QUIET,
        stderr=_QUIET,
    )
    environment = jack_environment(name)
    for _ in range(100):
        if (
            subprocess.run(
                ["jack_lsp"], stdout=_QUIET, stderr=_QUIET, env=environment, check=False
            ).returncode
            == 0
        ):
            return server
        time.sleep(0.05)
    server.kill()
    raise UserError("the JACK server does not start")


def free_port() -> int:
    """A UDP port that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def require_psutil() -> ModuleType:
    """What looks at other processes.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module("psutil")
    except ImportError as error:
        raise UserError("this needs psutil: pip install -c constraints.txt '.[test]'") from error


def host_processes(pid: int) -> dict[str, int]:
    """Process numbers of a running `rtmss live` by part: supervisor (`pid` itself), engine,
    control, and recorder and builder if they are there.

    Raises:
        UserError: psutil is not installed.
    """
    found = {"supervisor": pid}
    psutil = require_psutil()
    for child in psutil.Process(pid).children(recursive=True):
        try:
            words = " ".join(child.cmdline())
        except psutil.NoSuchProcess:  # it has just ended
            continue
        if "rtmss.live.control.process" in words:
            found["control"] = child.pid
        elif "rtmss.live.recorder" in words:
            found["recorder"] = child.pid
        elif "rtmss.live.capture.process" in words:
            found["builder"] = child.pid
        elif "realtime.launch" in words or ("forkserver" in words and child.ppid() != pid):
            found["engine"] = child.pid
    return found


class LiveHarness:
    """All of it, as a context; leave it and every process ends."""

    def __init__(
        self,
        options: list[str],
        period: int,
        *,
        is_realtime: bool = False,
    ) -> None:
        """Say what to start.

        Args:
            options: of `rtmss live`.
            period: samples per block of the server.
            is_realtime: let the server ask for real-time priority, as it has on a musician's
                machine.
        """
        self.port = free_port()
        self.latest: dict[str, Any] = {}
        """What the host has told last, as `rtmss live --json` does."""
        self._options, self._period, self._is_realtime = options, period, is_realtime
        self._processes: list[subprocess.Popen[Any]] = []
        self._reader: threading.Thread | None = None
        self._name = f"rtmss-bench-{os.getpid()}"
        self._library = tempfile.TemporaryDirectory()
        own = {"RTMSS_LIBRARY": self._library.name}
        self._environment = jack_environment(self._name) | own

    def __enter__(self) -> LiveHarness:
        """Start everything.

        Raises:
            UserError: something is not installed or does not start.
        """
        try:
            self._processes.append(
                start_jack_server(self._name, self._period, is_realtime=self._is_realtime)
            )
            options = [
                "live",
                "--json",
                "--preset",
                "four-stems",
                "--osc-port",
                str(self.port),
                *self._options,
            ]
            self.host = self.spawn("rtmss", *options, stdout=subprocess.PIPE)
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
            self._wait_for_host()
            self._feeder = self.spawn(
                "rtmss.bench.feeder", stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._answer("ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End every process, the last one first."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._reader is not None:
            self._reader.join()
        self._library.cleanup()
        for pipe in (
            pipe for process in self._processes for pipe in (process.stdin, process.stdout)
        ):
            if pipe is not None:
                pipe.close()

    def spawn(
        self,
        module: str,
        *args: str,
        **how: Any,
    ) -> subprocess.Popen[str]:
        """Run a module as a process of this harness."""
        command = [sys.executable, "-m", module, *args]
        process = subprocess.Popen(
            command,
            text=True,
            env=self._environment,
            **how,
        )
        self._processes.append(process)
        return process

    def check(self) -> None:
        """See that the host is there.

        Raises:
            UserError: it has ended.
        """
        if self.host.poll() is not None:
            raise UserError(f"rtmss live has ended with exit status {self.host.returncode}")

    def feed(self, command: str = "tell") -> dict[str, float]:
        """Tell the feeder something; `seconds` played, `peak` heard, `xruns` of the server so
        far.
        """
        assert self._feeder.stdin is not None
        self._feeder.stdin.write(command + "\n")
        self._feeder.stdin.flush()
        answer: dict[str, float] = json.loads(self._answer("{"))
        return answer

    def send(self, address: str, *args: Argument) -> None:
        """One OSC message to the host."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.sendto(message(address, *args), ("127.0.0.1", self.port))

    def _wait_for_host(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not (self.latest.get("state") == "running" and self.latest["hop"] > 0):
            self.check()
            if time.monotonic() > deadline:
                raise UserError("rtmss live does not start")
            time.sleep(0.1)

    def _answer(self, start: str) -> str:
        """What the feeder says next, which begins in this way.

        Raises:
            UserError: it is not there.
        """
        assert self._feeder.stdout is not None
        line: str = self._feeder.stdout.readline()
        if not line.startswith(start):
            raise UserError("nothing can be played into the JACK server")
        return line

    def _read(self) -> None:
        assert self.host.stdout is not None
        for line in self.host.stdout:
            if line.startswith("{"):
                self.latest = json.loads(line)


def _check_installed() -> None:
    missing = [name for name in ("jackd", "jack_lsp") if shutil.which(name) is None]
    missing += ["libportaudio2"] * (ctypes.util.find_library("portaudio") is None)
    if missing:
        raise UserError(
            f"this needs {', '.join(missing)} (Debian: apt install jackd2 libportaudio2)"
        )
    if importlib.util.find_spec("jack") is None:
        raise UserError("this needs a JACK client: pip install -c constraints.txt '.[test]'")
