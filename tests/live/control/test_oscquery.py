"""The address space as OSCQuery describes it, and its WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.web_studio import NAMES, PRESETS, WebStudio
from rtmss.live.control.osc.table import TABLE, Mode
from rtmss.live.control.web.mixer_space import rest_news, stem_news
from rtmss.live.control.web.space import PathNews


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebStudio]:
    studio = WebStudio(tmp_path_factory.mktemp("web"))
    yield studio
    studio.close()


@pytest.fixture(autouse=True)
def _as_at_first(studio: WebStudio) -> None:
    """Whatever a test did before, `band` plays."""
    with studio.socket() as socket:
        socket.say("/rtmss/preset", "band")
        socket.until(("/rtmss/done", "/rtmss/preset", "band"))


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("CONTENTS", {}).values():
        yield from nodes_of(inner)


def test_every_node_is_as_the_proposal_has_it(studio: WebStudio) -> None:
    _, root = studio.ask()
    nodes = list(nodes_of(root))
    assert len(nodes) > 130
    for node in nodes:
        path, n_args = node["FULL_PATH"], len(node.get("TYPE", ""))
        assert path.startswith("/") and node["ACCESS"] in {0, 1, 2, 3}
        assert set(node.get("TYPE", "")) <= set("ifsTFN")
        assert ("TYPE" in node) == (node["ACCESS"] > 0)
        assert bool(node["ACCESS"] & 1) == ("VALUE" in node), path
        for name in ("RANGE", "CLIPMODE", "UNIT"):
            assert len(node.get(name, "x" * n_args)) == n_args, (path, name)
        if "VALUE" in node and node["TYPE"] != "N":
            assert len(node["VALUE"]) == n_args or path == "/rtmss/capture/open"
        if node["ACCESS"] == 0:
            assert node["CONTENTS"], f"{path} is nothing"
        for name, inner in node.get("CONTENTS", {}).items():
            assert inner["FULL_PATH"] == f"{path.rstrip('/')}/{name}"


def test_every_value_lies_in_its_range(studio: WebStudio) -> None:
    _, root = studio.ask()
    checked = 0
    for node in nodes_of(root):
        for kind, value, bounds in zip(
            node.get("TYPE", ""),
            node.get("VALUE", ()),
            node.get("RANGE", ()),
            strict=False,
        ):
            assert isinstance(value, {"i": int, "f": float, "s": str}[kind]), node
            if bounds and "MIN" in bounds:
                assert bounds["MIN"] <= value <= bounds["MAX"], node
                checked += 1
            if bounds and "VALS" in bounds:
                assert value in bounds["VALS"], node
                checked += 1
    assert checked > 40


def test_every_row_of_the_table_is_a_node(studio: WebStudio) -> None:
    _, root = studio.ask()
    paths = {node["FULL_PATH"] for node in nodes_of(root)}
    for row in TABLE:
        if row.mode is Mode.SENT and not row.address.startswith("/rtmss/meter/"):
            assert row.address not in paths, "answers cannot be asked or listened to"
            continue
        address = row.address.replace("<field>", "load")
        name = "karaoke" if "/preset/" in address else "vocals"
        assert address.replace("<name>", name) in paths


def test_without_controllers_there_is_no_node_for_them(
    studio: WebStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio.controller, "midi", None)
    studio.until(lambda: studio.ask("/rtmss/midi/learn")[0] == 404)
    _, root = studio.ask()
    assert not any(node["FULL_PATH"].startswith("/rtmss/midi") for node in nodes_of(root))


def test_a_node_can_be_asked_alone_and_one_attribute_of_it(studio: WebStudio) -> None:
    gain = "/rtmss/stem/vocals/gain"
    _, node = studio.ask(gain)
    assert (node["TYPE"], node["ACCESS"], node["VALUE"]) == ("f", 3, [0.0])
    assert (node["RANGE"], node["UNIT"]) == ([{"MIN": -120.0, "MAX": 12.0}], ["gain.db"])
    assert studio.ask(f"{gain}?VALUE") == (200, {"VALUE": [0.0]})
    assert studio.ask(f"{gain}?CONTENTS")[0] == 204
    assert studio.ask(f"{gain}?COLOUR")[0] == 400
    assert studio.ask("/rtmss/stem/triangle/gain")[0] == 404


def test_texts_say_what_can_be_chosen(studio: WebStudio) -> None:
    presets = studio.ask("/rtmss/preset?RANGE")[1]["RANGE"][0]["VALS"]
    assert set(PRESETS) < set(presets)
    names = studio.ask("/rtmss/stem/drums/condition?RANGE")[1]["RANGE"][0]["VALS"]
    assert {*NAMES, "piano", "choir"} <= set(names)


def test_a_button_of_a_preset_is_found_by_its_address(studio: WebStudio) -> None:
    status, node = studio.ask("/rtmss/preset/rhythm%20section")
    assert (status, node["FULL_PATH"]) == (200, "/rtmss/preset/rhythm%20section")


def test_the_host_says_where_osc_is_and_what_it_can(studio: WebStudio) -> None:
    _, info = studio.ask("/?HOST_INFO")
    assert (info["OSC_IP"], info["OSC_PORT"]) == ("127.0.0.1", studio.server.port)
    assert info["OSC_TRANSPORT"] == "UDP" and info["NAME"].startswith("rtmss")
    assert info["EXTENSIONS"]["LISTEN"] and info["EXTENSIONS"]["PATH_RENAMED"]


def test_a_browser_gets_the_page_where_a_client_gets_the_tree(studio: WebStudio) -> None:
    status, headers, body = studio.get("/", {"Accept": "text/html,*/*"})
    assert status == 200 and "text/html" in headers and b"<title>rtmss" in body


def test_a_value_that_is_listened_to_comes_at_once_and_with_every_change(
    studio: WebStudio,
) -> None:
    with studio.socket() as one, studio.socket() as other:
        one.command("LISTEN", "/rtmss/stem/vocals/gain")
        one.until(("/rtmss/stem/vocals/gain", 0.0))
        other.say("/rtmss/stem/vocals/gain", -6.0)
        other.say("/rtmss/stem/drums/gain", -6.0)
        one.until(("/rtmss/stem/vocals/gain", -6.0))
        assert one.hear(0.1) == []
        one.command("IGNORE", "/rtmss/stem/vocals/gain")
        one.say("/rtmss/ping")
        one.until(("/rtmss/pong",))
        other.say("/rtmss/stem/vocals/gain", -9.0)
        assert one.hear(0.1) == []


def test_a_value_that_is_not_there_cannot_be_listened_to(studio: WebStudio) -> None:
    with studio.socket() as socket:
        for path in ("/rtmss/stem/triangle/gain", "/rtmss/done", "/rtmss/presets"):
            socket.command("LISTEN", path)
            socket.until(("/rtmss/fail", "/rtmss/listen", "address"))


def test_figures_and_levels_can_be_listened_to(studio: WebStudio) -> None:
    with studio.socket() as socket:
        socket.command("LISTEN", "/rtmss/status/load")
        socket.until(("/rtmss/status/load",))
        socket.command("LISTEN", "/rtmss/meter/drums/peak")
        told = socket.hear(0.5)
        assert 8 <= sum(one[0] == "/rtmss/meter/drums/peak" for one in told) <= 17
        assert {one[0] for one in told} <= {"/rtmss/meter/drums/peak", "/rtmss/status/load"}


def test_a_websocket_is_a_peer_like_any_other(studio: WebStudio) -> None:
    with studio.socket() as socket:
        socket.say("/rtmss/stem/drums/mute", 1)
        socket.say("/rtmss/sync", 5)
        socket.until(("/rtmss/synced", 5))
        assert studio.controller.scene.stems[1].strip.mute
        socket.say("/rtmss/stem/drums/gain", 99.0)
        socket.until(("/rtmss/fail", "/rtmss/stem/drums/gain", "range"))
        socket.connection.send(b"no OSC at all")
        socket.until(("/rtmss/fail", "", "wire"))


def test_stems_that_go_are_told_of(studio: WebStudio) -> None:
    with studio.socket() as socket:
        socket.say("/rtmss/preset", "rhythm section")
        socket.until(("/rtmss/done",))
        socket.hear(0.1)
        told = {(one["COMMAND"], one["DATA"]) for one in socket.commands}
        assert told == {
            ("PATH_REMOVED", f"/rtmss/{kind}/{name}")
            for kind in ("stem", "meter")
            for name in ("vocals", "guitar")
        }
        socket.say("/rtmss/preset", "karaoke")
        socket.until(("/rtmss/done",))
        socket.hear(0.1)
        assert {"COMMAND": "PATH_ADDED", "DATA": "/rtmss/stem/vocals"} in socket.commands
        assert studio.ask("/rtmss/stem/drums")[0] == 404


def test_a_stem_with_the_same_condition_under_another_name_is_renamed() -> None:
    news = stem_news({"voice": "vocals", "drums": "drums"}, {"singer": "vocals", "drums": "drums"})
    assert news == [
        PathNews("PATH_RENAMED", "/rtmss/stem/voice", "/rtmss/stem/singer"),
        PathNews("PATH_RENAMED", "/rtmss/meter/voice", "/rtmss/meter/singer"),
    ]
    status = [PathNews("PATH_CHANGED", "/rtmss/status")]
    assert rest_news(frozenset(), frozenset({"/rtmss/status/drift"})) == status


def test_text_that_is_no_command_is_refused_and_counted(studio: WebStudio) -> None:
    with studio.socket() as socket:
        before = studio.n_refused()
        bad: list[Any] = ["{", "[]", "{}", {"COMMAND": "LISTEN"}, {"COMMAND": 1, "DATA": 2}]
        for text in bad:
            socket.connection.send(text if isinstance(text, str) else json.dumps(text))
        studio.until(lambda: studio.n_refused() == before + len(bad))
        socket.say("/rtmss/ping")
        socket.until(("/rtmss/pong",))


def test_whoever_may_only_look_is_sent_levels_and_changes_nothing(studio: WebStudio) -> None:
    with studio.socket("/meters") as socket:
        socket.until(("/rtmss/meter/drums/peak",))
        before = studio.n_refused()
        socket.say("/rtmss/stem/drums/mute", 1)
        socket.say("/rtmss/panic")
        studio.until(lambda: studio.n_refused() == before + 2)
        socket.hear(0.2)
        assert not studio.controller.scene.stems[1].strip.mute and not studio.shared.panic


def test_the_outline_of_the_song_is_there(studio: WebStudio, tmp_path: Path) -> None:
    _, told = studio.ask("/page/waveform")
    assert len(told["PEAKS"]) == 600 and max(told["PEAKS"]) == 1.0
