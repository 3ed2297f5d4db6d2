"""What tests need beside Python packages, and that nothing is skipped in CI.

With `RTMSS_REQUIRE=1` in the environment, as in CI, a test that would be skipped fails.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import shutil
from collections.abc import Generator

import pytest

_PROGRAMS = ("jackd", "jack_lsp")


def missing_for_jack() -> list[str]:
    """What tests with a JACK server lack here."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    missing += [name for name in ("jack", "portaudio") if ctypes.util.find_library(name) is None]
    if importlib.util.find_spec("jack") is None:
        missing.append("JACK-Client")
    return missing


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a JACK server where there is none."""
    if item.get_closest_marker("jack") is None:
        return
    if missing := missing_for_jack():
        pytest.skip(f"needs {', '.join(missing)} (Debian: jackd2 libportaudio2)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where everything is required."""
    report = yield
    if report.skipped and os.environ.get("RTMSS_REQUIRE"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and RTMSS_REQUIRE is set: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport) -> str:
    why = report.longrepr
    return str(why[2]) if isinstance(why, tuple) else str(why)
