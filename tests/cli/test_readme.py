"""What the README and the pages of `docs/` say holds: their commands and examples run."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from helpers.command_line import write
from helpers.makers import Noise
from rtmss.cli import main
from rtmss.conditions.library import Library
from rtmss.conditions.preset import Preset
from rtmss.config import UserError, validate
from rtmss.live.control.osc.state import MIDI, RECORDING, STATUS
from rtmss.live.control.osc.table import markdown, markdown_rows
from rtmss.serve.control.table import INSTANCE_TABLE
from rtmss.show import preset_table

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
DOCS = ROOT / "docs"
CODE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INCLUDED = re.compile(r'^--8<-- "(.*)"$', re.MULTILINE)
RUN_ELSEWHERE = ("rtmss demo", "rtmss export")
"""The demo in CI, the export by the example of ONNX."""
KNOWN = {"bash", "python", "text", "yaml"}
OLD_PROSE = {"model-card.md", "changelog.md", "published.md", "study.md", "architecture.md"}
"""Pages that are records of what was done, or pictures in words, and keep their sentences."""
MOST_WORDS = 25
LINK = re.compile(r"!?\[([^\]]*)\]\(([^)]*)\)")


def _blocks(page: Path, language: str) -> list[str]:
    found = CODE.findall(page.read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language and not INCLUDED.search(text)]


def _commands(page: Path) -> list[str]:
    """What a page runs with rtmss, in order."""
    lines = [line for text in _blocks(page, "bash") for line in text.splitlines()]
    return [
        line.removeprefix("rtmss ")
        for line in lines
        if line.startswith("rtmss ") and not line.startswith(RUN_ELSEWHERE)
    ]


def _name(page: Path) -> str:
    return page.stem


def _run(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(sys, "argv", ["rtmss", *command.split()])
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, command


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if _commands(page)],
    ids=_name,
)
def test_the_commands_of_a_page_run_in_their_order(
    page: Path, home: Path, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "record.wav", noise(70 * 44100))
    made = "condition create my-voice --positive clip-1.wav --positive clip-2.wav"
    _run(monkeypatch, made)  # what some pages take from others
    for command in _commands(page):
        _run(monkeypatch, command)


def test_many_commands_are_run() -> None:
    assert sum(len(_commands(page)) for page in PAGES) > 10


def test_what_a_page_includes_is_tested_or_another_page() -> None:
    found = [name for page in PAGES for name in INCLUDED.findall(page.read_text(encoding="utf-8"))]
    examples = {name.removeprefix("examples/") for name in found if name.startswith("examples/")}
    there = {path.name for path in (ROOT / "examples").iterdir() if path.is_file()}
    assert examples == there
    assert set(found) - {f"examples/{name}" for name in there} == {
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "rtmss/weights/MODEL_CARD.md",
    }


def test_python_stands_in_example_files() -> None:
    assert [page for page in PAGES if _blocks(page, "python")] == []


def test_every_block_says_what_it_is() -> None:
    for page in PAGES:
        fences = re.findall(
            r"^```(.*)$",
            page.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        assert set(fences[::2]) <= KNOWN, page
        assert set(fences[1::2]) <= {""}, page


def test_every_preset_on_a_page_is_valid() -> None:
    presets = [text for page in PAGES for text in _blocks(page, "yaml")]
    assert len(presets) >= 2
    for text in presets:
        validate(yaml.safe_load(text), Preset, "a page")


def test_a_preset_with_a_misspelt_key_would_be_found() -> None:
    with pytest.raises(UserError, match="gian_db"):
        validate(
            {"stems": {"a": {"condition": "x", "gian_db": 0}}},
            Preset,
            "a page",
        )


def test_the_osc_reference_is_that_of_the_code() -> None:
    page = (DOCS / "osc.md").read_text(encoding="utf-8")
    assert markdown() in page
    assert markdown_rows(INSTANCE_TABLE) in page


def test_the_fields_of_the_status_are_those_of_the_code() -> None:
    page = (DOCS / "osc.md").read_text(encoding="utf-8").split("## Fields of the status")[1]
    shown = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert tuple(shown) == (*STATUS, "drift", *RECORDING, *MIDI)


def test_the_readme_shows_a_preset_as_the_command_does() -> None:
    file = io.StringIO()
    Console(
        width=80,
        file=file,
    ).print(preset_table("four-stems", Library([])))
    shown = "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
    assert f"$ rtmss preset show four-stems\n{shown}" in README.read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= 900


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {target.split("#")[0] for _, target in LINK.findall(README.read_text("utf-8"))}
    pages = {f"docs/{page.name}" for page in PAGES[1:]} - {"docs/index.md", "docs/changelog.md"}
    assert pages - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_links_of_a_page_lead_to_files(page: Path) -> None:
    targets = [target for _, target in LINK.findall(page.read_text(encoding="utf-8"))]
    files = [target.split("#")[0] for target in targets if not target.startswith("http")]
    assert [file for file in files if file and not (page.parent / file).is_file()] == []


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name not in OLD_PROSE],
    ids=_name,
)
def test_the_sentences_of_a_page_are_short(page: Path) -> None:
    long = [
        text for text in _sentences(page.read_text(encoding="utf-8")) if _n_words(text) > MOST_WORDS
    ]
    assert long == []


def _sentences(markdown_text: str) -> list[str]:
    """Sentences of paragraphs and lists, without code, tables and headings; code is one word."""
    text = CODE.sub("", markdown_text)
    text = LINK.sub(r"\1", re.sub(r"`[^`]*`", "code", text))
    lines = [line.strip() for line in text.splitlines()]
    told = [
        line
        for line in lines
        if line
        and not line.startswith(
            (
                "|",
                "#",
                ":::",
                "options:",
            )
        )
    ]
    return [
        sentence
        for line in told
        for sentence in re.split(r"(?<=[.!?;:])[*)]*\s+", re.sub(r"^([*-]|\d+\.) ", "", line))
    ]


def _n_words(sentence: str) -> int:
    return len(re.findall(r"[^\W_][\w'.,%-]*", sentence))


def test_a_long_sentence_would_be_found() -> None:
    sentence = "word " * MOST_WORDS + "end."
    assert [_n_words(text) for text in _sentences(f"# Title\n\n{sentence} Short.\n")] == [26, 1]
