"""Nothing is skipped where everything is required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("required", "outcome"),
    [("", "1 skipped"), ("1", "1 failed")],
)
def test_a_skip_fails_where_everything_is_required(
    tmp_path: Path, required: str, outcome: str
) -> None:
    (tmp_path / "test_one.py").write_text("import pytest\n\ndef test_it():\n    pytest.skip('')\n")
    environment = {"RTMSS_REQUIRE": required, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "helpers.required", "."],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout


class _Item:
    """As much of a test as the folder's rules look at."""

    def __init__(self, marker: str, fixture: str) -> None:
        self.markers, self.fixturenames = [marker], [fixture]

    def get_closest_marker(self, name: str) -> str | None:
        return next((marker for marker in self.markers if marker == name), None)

    def add_marker(self, name: str) -> None:
        self.markers.append(name)


@pytest.mark.parametrize(
    ("marker", "fixture", "is_slow"),
    [
        ("long", "tmp_path", True),
        ("jack", "shipped_graph", True),
        ("jack", "tmp_path", False),
    ],
)
def test_what_takes_long_or_waits_for_what_does_is_slow(
    request: pytest.FixtureRequest, marker: str, fixture: str, is_slow: bool
) -> None:
    path = str(Path(__file__).with_name("conftest.py"))
    rules = request.config.pluginmanager.get_plugin(path)
    assert rules is not None
    item = _Item(marker, fixture)
    rules.pytest_collection_modifyitems([item])
    assert ("slow" in item.markers) == is_slow
