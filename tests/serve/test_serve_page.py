"""The control page in a browser, for the plug-in's instances."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from helpers.browser import SIZES, Pages, chromium
from helpers.instances import DELAY, HOP, RATE, Desktop, book_of
from helpers.makers import MakeCondition, Noise
from helpers.plugin import FakePlugin
from rtmss.audio import Audio
from rtmss.engine.control import Scene
from rtmss.live.control.osc.codec import message
from rtmss.live.control.web.server import WebServer
from rtmss.live.control.web.space import PathNews
from rtmss.model.separator import SeparatorModel
from rtmss.serve.control.process import PageOptions, open_page
from rtmss.serve.control.space import InstanceSpace, shape_news

ROOT = "/rtmss/instance"
PRESETS = {
    "two": "stems: {a: {condition: a}, b: {condition: b, gain_db: -6}}\n",
    "one": "stems: {c: {condition: c, mute: true}}\n",
}


class Stage:
    """Instances that play, and a page, in a thread of their own."""

    def __init__(self, desktop: Desktop, fake: Callable[..., FakePlugin], sound: Audio) -> None:
        self.desktop, self._fake, self._sound = desktop, fake, sound
        self.plugins: list[FakePlugin] = []
        self.lock = threading.Lock()
        space = InstanceSpace(desktop.instances, desktop.dispatcher, desktop.server)
        self.web = WebServer(desktop.server, space, "127.0.0.1", 0)
        self.problems: list[BaseException] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"

    def open(self, preset: str, name: str = "1-abc") -> FakePlugin:
        """An instance that plays; it may go on to preset `one`."""
        with self.lock:  # it comes as a whole, as a real one does
            plugin = self._fake((preset, "one"), name)
            plugin.begin(RATE, HOP, DELAY)
            self.plugins.append(plugin)
        return plugin

    def kill(self, plugin: FakePlugin) -> None:
        with self.lock:
            self.plugins.remove(plugin)
            plugin.die()

    def scene(self, number: int) -> Scene:
        with self.lock:
            return self.desktop.instances.by_number[number].scene

    def until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not done():
            assert time.monotonic() < end, "it has not come"
            time.sleep(0.01)

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self.web.close()
        assert not self.problems

    def _run(self) -> None:
        try:
            while not self._is_over.is_set():
                with self.lock:
                    for plugin in self.plugins:
                        plugin.lay(self._sound)
                    self.desktop.turn()
                    self.web.serve()
                time.sleep(0.004)
        except BaseException as error:  # a test would wait for nothing
            self.problems.append(error)


@pytest.fixture
def stage(
    tmp_path: Path,
    tiny: SeparatorModel,
    make_condition: MakeCondition,
    fake: Callable[..., FakePlugin],
    noise: Noise,
) -> Iterator[Stage]:
    book = book_of(tmp_path / "library", PRESETS, tiny, make_condition)
    desktop = Desktop(tmp_path, book, tiny)
    stage = Stage(desktop, fake, noise(HOP))
    yield stage
    stage.close()
    desktop.close()


@pytest.fixture(scope="module")
def plugin_browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def plugin_pages(plugin_browser: Browser) -> Iterator[Pages]:
    """Pages in which nothing may go wrong."""
    pages = Pages(plugin_browser)
    yield pages
    pages.close()
    assert pages.problems == []


def _tree(stage: Stage, path: str = "/") -> Any:
    with urllib.request.urlopen(stage.url + path, timeout=10) as answer:
        return json.loads(answer.read())


def test_instances_are_described_by_number(stage: Stage) -> None:
    assert "CONTENTS" not in _tree(stage, ROOT)
    stage.open("two")
    stage.until(lambda: "CONTENTS" in _tree(stage, ROOT))
    one = _tree(stage, f"{ROOT}/1")
    assert one["VALUE"][1:] == ["two", RATE, 0]
    presets = _tree(stage, "/rtmss/presets")["VALUE"]
    assert {"one", "two"} < set(presets)
    assert one["CONTENTS"]["preset"]["RANGE"] == [{"VALS": presets}]
    assert one["CONTENTS"]["preset"]["VALUE"] == ["two"]
    gain = one["CONTENTS"]["stem"]["CONTENTS"]["b"]["CONTENTS"]["gain"]
    assert gain["VALUE"] == [-6.0] and gain["UNIT"] == ["gain.db"]
    assert "preset" not in _tree(stage, "/rtmss")["CONTENTS"], "no buttons"


@pytest.mark.slow
def test_the_page_moves_an_instance_and_shows_what_moves_it(
    stage: Stage, plugin_pages: Pages
) -> None:
    stage.open("two")
    page = _opened(stage, plugin_pages)
    release = page.get_by_role("button", name="Back to the DAW")
    expect(release).to_be_disabled()
    fader = page.get_by_role("slider", name="a level")
    fader.focus()
    fader.press("End")
    stage.until(lambda: stage.scene(1).stems[0].strip.gain_db == 12)
    page.get_by_role("button", name="Mute b").click()
    stage.until(lambda: stage.scene(1).stems[1].strip.mute)
    _osc(stage, f"{ROOT}/1/stem/b/gain", -3.0)
    strip = page.get_by_role("region", name="b", exact=True)
    expect(strip.locator(".db")).to_have_text("\N{MINUS SIGN}3.0")
    release.click()
    expect(strip.locator(".db")).to_have_text("\N{MINUS SIGN}6.0")
    assert not stage.scene(1).stems[1].strip.mute
    page.get_by_role("combobox", name="Preset").select_option("one")
    expect(page.locator(".strip")).to_have_count(3)
    expect(page.get_by_role("button", name="Mute c")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#figure-latency dd span")).to_have_text("24.0 ms")
    assert (
        page.locator("#panic, #tab-song, #tab-capture, .meter").locator("visible=true").count() == 0
    )


@pytest.mark.slow
def test_one_instance_is_chosen_and_a_link_keeps_it(stage: Stage, plugin_pages: Pages) -> None:
    first = stage.open("two")
    page = _opened(stage, plugin_pages)
    second = stage.open("one", "1-def")
    choice = page.get_by_role("combobox", name="Plug-in")
    expect(choice.locator("option")).to_have_count(2)
    choice.select_option("2")
    expect(page.locator(".strip")).to_have_count(3)
    assert page.url.endswith("#2")
    page.get_by_role("button", name="Mute master").click()
    stage.until(lambda: stage.scene(2).master_mute)
    assert not stage.scene(1).master_mute
    page.reload()
    expect(page.locator(".strip")).to_have_count(3)
    stage.kill(second)
    expect(page.locator(".strip")).to_have_count(4)
    expect(page.get_by_role("button", name="Mute master")).to_have_attribute(
        "aria-pressed", "false"
    )
    stage.kill(first)
    expect(page.get_by_text("No plug-in is open in a DAW.")).to_be_visible()
    assert page.locator(".strip").locator("visible=true").count() == 0
    stage.open("one", "1-ghi")
    expect(page.locator(".strip").locator("visible=true")).to_have_count(3)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_everybody_can_use_the_page_of_an_instance(
    stage: Stage, plugin_pages: Pages, size: str
) -> None:
    stage.open("two")
    page = _opened(stage, plugin_pages, size)
    found = Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()


def test_where_the_port_is_taken_osc_goes_on_without_a_page(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    space = InstanceSpace(stage.desktop.instances, stage.desktop.dispatcher, stage.desktop.server)
    options = PageOptions("127.0.0.1", stage.web.port, "")
    assert open_page(options, stage.desktop.server, space) is None
    assert "no page: port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        ({}, {1: ("x", ("a",))}, [("PATH_ADDED", f"{ROOT}/1")]),
        ({1: ("x", ("a",))}, {}, [("PATH_REMOVED", f"{ROOT}/1")]),
        ({1: ("x", ("a",))}, {1: ("x", ("b",))}, [("PATH_CHANGED", f"{ROOT}/1/stem")]),
        (
            {2: ("x", ("a",))},
            {2: ("y", ("a",))},
            [("PATH_REMOVED", f"{ROOT}/2"), ("PATH_ADDED", f"{ROOT}/2")],
        ),
        ({1: ("x", ("a",))}, {1: ("x", ("a",))}, []),
    ],
)
def test_it_is_told_how_instances_come_and_go(
    before: Any, after: Any, news: list[tuple[str, str]]
) -> None:
    assert shape_news(before, after) == [PathNews(*one) for one in news]


def _opened(stage: Stage, pages: Pages, size: str = "desk") -> Page:
    page = pages.open(stage.url, size)
    expect(page.locator("#state")).to_have_text("plays")
    expect(page.locator(".strip").first).to_be_visible()
    return page


def _osc(stage: Stage, address: str, value: float) -> None:
    stage.desktop.send(message(address, value))
