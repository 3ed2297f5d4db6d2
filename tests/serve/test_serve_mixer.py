"""The mixer of instances on a terminal, against an engine and its OSC."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from helpers.command_line import Rtmss
from helpers.instances import HOP, Desktop
from helpers.makers import Noise
from helpers.plugin import FakePlugin
from helpers.terminal import draw, row_of
from rtmss.live.control.mixer_keys import split_keys
from rtmss.live.control.screen import Screen
from rtmss.serve.mixer.client import Client
from rtmss.serve.mixer.keys import InstanceKeys, InstanceMixer
from rtmss.serve.mixer.terminal import InstanceTerminal, view

Fake = Callable[..., FakePlugin]
# After all that come with rtmss.
PRESETS = {
    "zy": "stems: {a: {condition: a}, b: {condition: b, gain_db: -6, pan: 0.5}}\n",
    "zz": "stems: {a: {condition: a, mute: true}}\n",
}


@pytest.fixture
def presets() -> dict[str, str]:
    return PRESETS


@pytest.fixture
def client(desktop: Desktop) -> Iterator[Client]:
    with closing(Client(desktop.server.port)) as client:
        yield client


class Player:
    """The keys of the mixer, and everything that has to take its turn meanwhile."""

    def __init__(self, desktop: Desktop, client: Client) -> None:
        self.desktop, self.client = desktop, client
        self.mixer = InstanceMixer(client)
        self.keys = InstanceKeys(self.mixer)

    def turn(self) -> None:
        self.client.poll()
        self.mixer.follow()

    def until(self, done: Callable[[], object]) -> None:
        def is_done() -> bool:
            self.turn()
            return bool(done())

        self.desktop.until(is_done)

    def press(self, text: str) -> str:
        """Press keys; the message of the last."""
        return [self.keys.press(key) for key in split_keys(text)[0]][-1]

    def told(self, leaf: str) -> object:
        """What the engine itself says of the instance that is shown."""
        address = f"{self.mixer.root}/{leaf}"
        (answer,) = self.desktop.ask(address)
        return answer[1]


@pytest.fixture
def player(desktop: Desktop, client: Client, plugin: FakePlugin) -> Player:
    """One that knows the instance and the presets."""
    player = Player(desktop, client)
    player.until(lambda: player.mixer.preset == "zy" and client.presets)
    return player


def test_strips_are_shown_as_they_are(player: Player) -> None:
    lines = draw(view(player.keys))
    assert all(len(text.rstrip()) <= 80 for text in lines)
    assert len(lines) <= 24
    assert "PLAYS" in lines[0]
    assert " zy " in lines[0]
    assert "instance 1, 1 of 1" in lines[0]
    assert "8000 Hz, latency 192 samples = 24.0 ms" in lines[1]
    assert row_of(lines, " b ").split() == ["2", "b", "b", "-6.0", "R5"]
    assert row_of(lines, "remainder").split() == ["r", "remainder", "+0.0"]


@pytest.mark.parametrize(
    ("keys", "leaf", "expected"),
    [
        ("2\x1b[A\x1b[A\x1b[A", "stem/b/gain", -3.0),
        ("1m", "stem/a/mute", 1),
        ("1s", "stem/a/solo", 1),
        ("1s2su", "stem/b/solo", 0),
        ("2<", "stem/b/pan", pytest.approx(0.4)),
        ("rm", "remainder/mute", 1),
        ("0-", "master/gain", -1.0),
        ("0m", "master/mute", 1),
        ("b", "bypass", 1),
    ],
)
def test_a_key_changes_what_is_played(
    player: Player, keys: str, leaf: str, expected: object
) -> None:
    player.press(keys)
    player.until(lambda: player.told(leaf) == expected)
    player.until(lambda: player.mixer.value(leaf, None) == expected)


def test_what_others_change_is_shown(player: Player, desktop: Desktop) -> None:
    desktop.ask("/rtmss/instance/1/stem/a/gain", -9.0)
    player.until(lambda: "-9.0" in row_of(draw(view(player.keys)), " a "))


def test_presets_take_turns_and_the_daw_gets_everything_back(
    player: Player, plugin: FakePlugin, noise: Noise
) -> None:
    player.press("1m")
    player.press("p")
    player.desktop.play(plugin, noise(HOP))
    player.until(lambda: player.mixer.preset == "zz")
    assert [row.name for row in player.mixer.rows] == ["a", "remainder", "master"]
    player.press("d")
    player.desktop.play(plugin, noise(HOP))
    player.until(lambda: player.mixer.preset == "zy")
    assert not player.mixer.value("stem/a/mute", 1)


def test_instances_are_shown_in_turn(player: Player, fake: Fake, noise: Noise) -> None:
    assert player.press("\t") == "there is no other instance"
    player.desktop.begin(fake(("zz",), "1-other"), noise(HOP))
    player.until(lambda: player.client.numbers == [1, 2])
    assert player.press("\t") == ""
    player.until(lambda: player.mixer.preset == "zz")
    assert "instance 2, 2 of 2" in draw(view(player.keys))[0]
    player.press("\t")
    assert player.mixer.number == 1


def test_the_mixer_goes_on_with_the_others_when_an_instance_leaves(
    player: Player, plugin: FakePlugin, fake: Fake, noise: Noise
) -> None:
    player.desktop.begin(fake(("zz",), "1-other"), noise(HOP))
    player.until(lambda: player.client.numbers == [1, 2])
    plugin.die()
    player.until(lambda: player.mixer.number == 2)
    assert not [address for address in player.client.values if "/instance/1" in address]


def test_what_is_refused_is_said(player: Player) -> None:
    player.mixer.play("nonesuch")
    player.until(lambda: player.client.refusal)
    assert "nonesuch" in player.client.refusal


def test_all_presets_are_known_however_many_packets_they_fill(
    desktop: Desktop, client: Client, tmp_path: Path
) -> None:
    names = [f"a-preset-with-quite-a-long-name-{number:03}" for number in range(200)]
    for name in names:
        (tmp_path / f"library/{name}.yaml").write_text(PRESETS["zz"], encoding="utf-8")
    player = Player(desktop, client)
    known = desktop.book.library.presets()
    player.until(lambda: len(client.presets) == len(known))
    client._subscribed = float("-inf")
    player.turn()
    for _ in range(20):
        desktop.turn()
        player.turn()
    assert set(client.presets) == set(known)


def test_without_an_engine_it_is_said_and_waited_for(
    desktop: Desktop, plugin: FakePlugin, client: Client
) -> None:
    port = desktop.server.port
    player = Player(desktop, client)
    player.until(lambda: player.mixer.number)
    desktop.server.close()
    end = time.monotonic() + 10
    while client.is_answered and time.monotonic() < end:
        client.send("/rtmss/ping")
        time.sleep(0.01)
        player.turn()
    lines = draw(view(player.keys))
    assert f"no engine answers at port {port}" in lines[0]
    assert lines[-1] == "q quit"


def test_keys_typed_at_a_terminal_change_the_mix_and_q_ends(
    desktop: Desktop, plugin: FakePlugin, client: Client
) -> None:
    typing, reading = pytest.importorskip("pty").openpty()
    file = io.StringIO()
    console = Console(
        width=80, height=24, file=file, force_terminal=True, _environ={"TERM": "xterm"}
    )
    with Screen(console, reading) as screen:
        terminal = InstanceTerminal(client, screen)

        def is_shown() -> bool:
            assert terminal.poll()
            return "instance 1, 1 of 1" in file.getvalue()

        desktop.until(is_shown)
        os.write(typing, b"1m")
        desktop.until(
            lambda: terminal.poll() and desktop.ask("/rtmss/instance/1/stem/a/mute")[0][1] == 1
        )
        os.write(typing, b"q")
        terminal.run()
    os.close(typing)
    os.close(reading)
    assert file.getvalue().count("\x1b[?1049l") == 1, "the screen is given back"


def test_a_keyboard_that_goes_away_ends_it(client: Client) -> None:
    typing, reading = pytest.importorskip("pty").openpty()
    console = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})
    with Screen(console, reading) as screen:
        os.close(typing)
        InstanceTerminal(client, screen).run()
    os.close(reading)


def test_without_a_terminal_the_command_says_what_to_do(rtmss: Rtmss) -> None:
    result = rtmss("plugin mixer")
    assert result.status == 1
    assert "rtmss plugin instances" in result.err
