"""Chromium without a screen, for tests of pages."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

BUSY_MS = 20_000
"""A machine that does other things, too, has shown everything by then."""
SIZES = {"phone": (360, 740), "tablet": (820, 1180), "desk": (1440, 900)}


@contextlib.contextmanager
def chromium(wrapper: Path | None = None) -> Iterator[Browser]:
    """A browser of this test's own.

    Args:
        wrapper: where to write a program that lets the browser run only while nothing else does, as
            if it had a machine of its own; None starts it as it is.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs chromium (Debian: chromium)")
    if wrapper is not None:
        wrapper.write_text(f'#!/bin/sh\nexec chrt --idle 0 {program} "$@"\n')
        wrapper.chmod(0o755)
    expect.set_options(timeout=BUSY_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=wrapper or program)
        try:
            yield browser
        finally:
            browser.close()


class Pages:
    """Pages that a test opens, and what went wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.problems: list[str] = []
        self.urls: set[str] = set()
        self._contexts: list[Any] = []

    def open(self, url: str, size: str = "desk") -> Page:
        width, height = SIZES[size]
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, has_touch=size != "desk"
        )
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: self.problems.append(said.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self.urls.add(request.url))
        page.goto(url)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()
