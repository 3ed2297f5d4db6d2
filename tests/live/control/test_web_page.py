"""The control page in a browser, beside an engine that is none: both show the same, and either
moves the other.
"""

from __future__ import annotations

import random
import socket
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from helpers.browser import SIZES, Pages, chromium
from helpers.web_studio import GUITAR_FADER, WebStudio
from rtmss.live.control.midi.messages import control_change
from rtmss.live.control.osc.codec import message
from rtmss.live.control.osc.table import fader_of

pytestmark = pytest.mark.slow

MINUS = "\N{MINUS SIGN}"
N_CHANGES = 100
HARDEST = pytest.param(1000, marks=pytest.mark.long)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebStudio]:
    studio = WebStudio(tmp_path_factory.mktemp("web"))
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(browser: Browser) -> Iterator[Pages]:
    """Pages in which nothing may go wrong."""
    pages = Pages(browser)
    yield pages
    pages.close()
    assert pages.problems == []


@pytest.fixture(scope="module", name="desk")
def desk_(pages: Pages, studio: WebStudio) -> Page:
    """One page for most tests."""
    return mixer(pages, studio)


@pytest.fixture(scope="module", name="phone")
def phone_(pages: Pages, studio: WebStudio) -> Page:
    return mixer(pages, studio, "phone")


@pytest.fixture(autouse=True)
def _as_at_first(studio: WebStudio) -> None:
    """`band` plays, whatever a test did before."""
    with studio.socket() as client:
        client.say("/rtmss/panic", 0)
        client.say("/rtmss/bypass", 0)
        client.say("/rtmss/preset", "band")
        client.until(("/rtmss/done", "/rtmss/preset", "band"))


def mixer(pages: Pages, studio: WebStudio, size: str = "desk") -> Page:
    page = pages.open(studio.url, size)
    expect(page.locator(".strip")).to_have_count(6)
    expect(page.locator("#state")).to_have_text("running")
    return page


def strip(page: Page, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


def gain(studio: WebStudio, name: str) -> float:
    scene = studio.controller.scene
    if name == "master":
        return scene.master_db
    strips = {stem.name: stem.strip for stem in scene.stems} | {"remainder": scene.remainder}
    return strips[name].gain_db


def wait_for_gain(studio: WebStudio, name: str, wanted: float) -> None:
    studio.until(lambda: gain(studio, name) == pytest.approx(wanted, abs=0.1))


def shown_gain(page: Page, name: str) -> float:
    text = strip(page, name).locator(".db").inner_text().replace(MINUS, "-").replace("∞", "120")
    return float(text)


def send(studio: WebStudio, address: str, *args: float | str) -> None:
    """As a controller on the network does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(message(address, *args), ("127.0.0.1", studio.server.port))


def test_a_fader_moves_by_keys(desk: Page, studio: WebStudio) -> None:
    fader = desk.get_by_role("slider", name="drums level")
    fader.focus()
    for _ in range(3):
        before = gain(studio, "drums")
        fader.press("ArrowDown")
        wait_for_gain(studio, "drums", before - 1)
        expect(fader).to_have_attribute("aria-valuetext", f"{MINUS}{1 - before:.1f} dB")
    for key, wanted in {"Home": -120.0, "End": 12.0, "0": 0.0}.items():
        fader.press(key)
        wait_for_gain(studio, "drums", wanted)


def test_a_fader_is_dragged_from_where_it_is(desk: Page, studio: WebStudio) -> None:
    box = strip(desk, "bass").locator(".fader").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8
    desk.mouse.move(x, y)
    desk.mouse.down()
    time.sleep(0.1)
    assert gain(studio, "bass") == 0.0, "a touch alone moves nothing"
    desk.mouse.move(x, y + (box["height"] - 32) / 4, steps=4)
    desk.mouse.up()
    wait_for_gain(studio, "bass", -14.0)
    studio.until(lambda: abs(shown_gain(desk, "bass") + 14.0) < 0.11)


def test_a_thumb_moves_a_lying_fader_on_a_phone(phone: Page, studio: WebStudio) -> None:
    page = phone
    box = strip(page, "vocals").locator(".fader").bounding_box()
    assert box is not None and box["width"] > 250 and box["height"] >= 44
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 200, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 200 - (box["width"] - 32) / 4, y, steps=4)
    page.mouse.up()
    wait_for_gain(studio, "vocals", -14.0)


def test_mute_and_solo_go_both_ways(desk: Page, studio: WebStudio) -> None:
    mute = desk.get_by_role("button", name="Mute drums")
    mute.click()
    studio.until(lambda: studio.controller.scene.stems[1].strip.mute)
    expect(mute).to_have_attribute("aria-pressed", "true")
    send(studio, "/rtmss/stem/drums/mute", 0)
    expect(mute).to_have_attribute("aria-pressed", "false")
    strip(desk, "bass").get_by_role("slider", name="bass level").press("s")
    studio.until(lambda: studio.controller.scene.stems[2].strip.solo)
    desk.get_by_role("button", name="End solo").click()
    studio.until(lambda: not studio.controller.scene.stems[2].strip.solo)


def test_what_a_stem_separates_is_chosen_and_morphed(desk: Page, studio: WebStudio) -> None:
    place = strip(desk, "vocals")
    place.get_by_role("button", name="vocals sound, pan").click()
    place.get_by_label("Sound, vocals").select_option("choir")
    place.get_by_label("Morph to, vocals").select_option("piano")
    stem = studio.until(
        lambda: next(
            (
                one
                for one in studio.controller.scene.stems
                if one.condition.name == "choir" and one.condition_b is not None
            ),
            None,
        )
    )
    assert stem.name == "vocals" and stem.condition_b.name == "piano"
    morph = place.get_by_role("slider", name="Morph vocals")
    expect(morph).to_be_enabled()
    morph.fill("0.5")
    studio.until(lambda: studio.controller.scene.stems[0].morph == pytest.approx(0.5))
    place.get_by_role("slider", name="Pan vocals").fill("-0.25")
    studio.until(lambda: studio.controller.scene.stems[0].strip.pan == pytest.approx(-0.25))


def test_a_preset_brings_its_strips(desk: Page, studio: WebStudio) -> None:
    desk.get_by_label("Preset").select_option("rhythm section")
    expect(desk.locator(".strip .name")).to_have_text(["drums", "bass", "remainder", "master"])
    send(studio, "/rtmss/preset", "karaoke")
    expect(desk.locator(".strip .name")).to_have_text(["vocals", "remainder", "master"])
    expect(desk.get_by_label("Preset")).to_have_value("karaoke")


def test_panic_and_bypass(desk: Page, studio: WebStudio) -> None:
    panic = desk.locator("#panic")
    panic.click()
    studio.until(lambda: studio.shared.panic)
    expect(panic).to_have_text("Silent: end")
    panic.click()
    studio.until(lambda: not studio.shared.panic)
    desk.get_by_role("button", name="Bypass").click()
    studio.until(lambda: studio.controller.scene.bypass)


def test_the_song_is_played_and_looped(desk: Page, studio: WebStudio) -> None:
    transport = studio.shared.transport
    desk.get_by_role("button", name="Pause").click()
    studio.until(lambda: not transport.is_playing)
    desk.get_by_role("slider", name="Position in the song").fill("30")
    studio.until(lambda: abs(transport.position_seconds - 30) < 0.1)
    desk.get_by_role("button", name="A here").click()
    desk.get_by_role("button", name="+5 s").click()
    studio.until(lambda: abs(transport.position_seconds - 35) < 0.1)
    desk.get_by_role("button", name="B here").click()
    desk.get_by_role("button", name="Loop", exact=True).click()
    command = studio.until(lambda: one if (one := transport.command.read()).is_looping else None)
    assert command.a_seconds == pytest.approx(30, abs=0.2)
    assert command.b_seconds == pytest.approx(35, abs=0.2)
    desk.get_by_role("button", name="Play", exact=True).click()
    studio.until(lambda: transport.is_playing)


def test_cues_come_from_the_page(desk: Page, studio: WebStudio) -> None:
    desk.get_by_role("button", name="opener", exact=True).click()
    expect(desk.locator("#cue-now")).to_have_text("opener")
    desk.get_by_role("button", name="Next: verse").click()
    expect(desk.locator("#cue-now")).to_have_text("opener/verse")
    wait_for_gain(studio, "vocals", -12.0)


def test_clips_and_builds_are_asked_for(desk: Page, studio: WebStudio) -> None:
    studio.hear_sound()
    desk.get_by_label("Name").fill("flute")
    desk.get_by_label("Goes to").select_option("vocals")
    desk.get_by_role("button", name="This sound").click()
    desk.get_by_role("button", name="Build and play").click()
    jobs = studio.until(lambda: jobs if len(jobs := studio.asked_jobs()) == 2 else None)
    assert [(job.task, job.name) for job in jobs] == [("last", "flute"), ("build", "flute")]
    assert (jobs[0].role, jobs[0].source) == ("positive", "input")


def test_levels_move_and_peaks_are_held(desk: Page, studio: WebStudio) -> None:
    bar = strip(desk, "drums").locator(".meter")

    def levels() -> list[float]:
        script = "(b) => [...b.children].map((i) => Number(i.style.getPropertyValue('--level')))"
        return [float(one) for one in bar.evaluate(script)]

    seen = set()
    for _ in range(10):
        rms, peak, hold = levels()
        assert rms <= peak <= hold + 0.02
        seen.add(round(peak, 2))
        time.sleep(0.05)
    assert len(seen) >= 5


@pytest.mark.parametrize("way", ["OSC", "MIDI"])
def test_a_change_is_seen_within_a_tenth_of_a_second(
    desk: Page, studio: WebStudio, way: str
) -> None:
    """From the message's sending to the element's change, by the same clock.

    A machine that has much else to do gets three attempts.
    """
    medians = []
    for attempt in range(3):
        took = _milliseconds_to_the_page(desk, studio, way, 1 + 21 * attempt)
        medians.append(statistics.median(took))
        print(f"ms from {way} to page: median {medians[-1]:.0f}, most {max(took):.0f}")
        if medians[-1] < 100:
            break
    assert min(medians) < 100


def _milliseconds_to_the_page(desk: Page, studio: WebStudio, way: str, first: int) -> list[float]:
    desk.evaluate(
        """() => {
            window.seen = [];
            const place = document.querySelector('[aria-label="guitar"] .db');
            let shown = place.textContent;
            const note = () => {
                if (place.textContent === shown) return;  // drawn again as it was
                shown = place.textContent;
                window.seen.push(performance.timeOrigin + performance.now());
            };
            window.observer?.disconnect();
            window.observer = new MutationObserver(note);
            window.observer.observe(place, { childList: true, characterData: true, subtree: true });
        }"""
    )
    sent = []
    for number in range(first, first + 21):
        sent.append(1000 * time.time())
        if way == "OSC":
            send(studio, "/rtmss/stem/guitar/gain", -float(number))
        else:
            studio.midi_port.incoming.append(control_change(1, GUITAR_FADER, number))
        desk.wait_for_function("(number) => window.seen.length >= number", arg=1 + number - first)
    seen = desk.evaluate("() => window.seen")
    return [after - before for before, after in zip(sent, seen, strict=True)]


@pytest.mark.parametrize("n_changes", [N_CHANGES, HARDEST])
def test_two_pages_and_a_controller_agree(
    desk: Page, phone: Page, studio: WebStudio, n_changes: int
) -> None:
    names = ("vocals", "drums", "bass", "guitar", "remainder", "master")
    rng = random.Random(1)
    move = """(changes) => {
        for (const [name, place] of changes) {
            const fader = document.querySelector(`[aria-label="${name} level"]`);
            fader.value = place;
            fader.dispatchEvent(new Event("input"));
        }
    }"""
    with studio.socket() as client:
        client.say("/rtmss/subscribe", "/rtmss")
        heard: dict[str, Any] = {}
        for _ in range(0, n_changes, 5):
            changes = [(rng.choice(names), round(rng.random(), 3)) for _ in range(5)]
            who = rng.choice((desk, phone, None))
            if who is None:
                for name, place in changes:
                    client.say(f"{_owner(name)}/fader", place)
            else:
                who.evaluate(move, changes)
            heard |= {told[0]: told[1] for told in client.hear(0.002) if len(told) == 2}
        for page in (desk, phone):  # what they have left to say is said with the next picture
            page.evaluate("() => new Promise((done) => setTimeout(done, 400))")
        heard |= {told[0]: told[1] for told in client.hear(0.5) if len(told) == 2}
    for name in names:
        wanted = gain(studio, name)
        assert heard[f"{_owner(name)}/gain"] == pytest.approx(wanted, abs=0.01)
        for page in (desk, phone):
            assert shown_gain(page, name) == pytest.approx(wanted, abs=0.06)
            fader = strip(page, name).locator(".fader input")
            assert float(fader.input_value()) == pytest.approx(fader_of(wanted), abs=0.002)


def _owner(name: str) -> str:
    return f"/rtmss/{name}" if name in {"remainder", "master"} else f"/rtmss/stem/{name}"


@pytest.mark.parametrize("size", SIZES)
def test_every_control_has_a_name_a_size_and_a_place_in_the_tab_order(
    desk: Page, phone: Page, size: str
) -> None:
    page = phone if size == "phone" else desk
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    for tab in ("song", "capture", "engine", "mix") if size == "phone" else ("mix",):
        if size == "phone":
            page.locator(f"nav [data-tab={tab}]").click()
        found = page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, a[href]")]
                .filter((one) => one.checkVisibility())
                .map((one) => [one.outerHTML.slice(0, 90), one.offsetHeight, one.tabIndex])"""
        )
        assert len(found) > 5
        for text, tall, place in found:
            assert tall >= 44 and place >= 0, text
        roles = {f"- {role}" for role in ("button", "slider", "combobox", "textbox", "link")}
        lines = page.locator("body").aria_snapshot().splitlines()
        assert [line for line in lines if line.strip().rstrip(":") in roles] == []
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing(pages: Pages, studio: WebStudio, size: str) -> None:
    """Names, roles, contrast, order: whatever axe-core knows of the guidelines (WCAG)."""
    page = mixer(pages, studio, size)
    found: dict[tuple[str, str], list[str]] = {}
    for tab in ("song", "capture", "engine", "mix") if size == "phone" else ("mix",):
        if size == "phone":
            page.locator(f"nav [data-tab={tab}]").click()
        violations = Axe().run(page).response["violations"]
        found |= {(tab, one["id"]): [node["html"] for node in one["nodes"]] for one in violations}
    assert found == {}


def test_the_whole_page_is_reached_by_the_tab_key(desk: Page) -> None:
    n_controls = desk.evaluate(
        """() => [...document.querySelectorAll("button, input, select, a[href]")]
            .filter((one) => one.checkVisibility() && !one.disabled).length"""
    )
    desk.locator("body").click(position={"x": 2, "y": 2})
    reached = set()
    for _ in range(n_controls):
        desk.keyboard.press("Tab")
        reached.add(desk.evaluate("() => document.activeElement.outerHTML"))
    assert len(reached) >= n_controls - 1  # the select of a stem's second condition may be hidden


def test_nothing_is_loaded_from_elsewhere(pages: Pages, desk: Page, studio: WebStudio) -> None:
    assert len(pages.urls) > 8
    assert all(url.startswith(studio.url) for url in pages.urls)


def test_the_view_for_everybody_shows_levels_and_has_no_controls(
    pages: Pages, studio: WebStudio
) -> None:
    page = pages.open(studio.url + "/page/view.html", "tablet")
    expect(page.locator("#bars li")).to_have_count(6)
    expect(page.locator("#scene")).to_have_text("band")
    assert page.locator("button, input, select, a").count() == 0
    level = page.locator("#bars .peak").first
    studio.until(lambda: level.evaluate("(i) => Number(i.style.getPropertyValue('--level'))") > 0)
