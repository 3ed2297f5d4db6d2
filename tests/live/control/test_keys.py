"""What keys do to the mixer."""

from pathlib import Path

import pytest

from helpers.terminal import STATUS, draw, press, row_of
from rtmss.config import UserError
from rtmss.engine.control import Scene, Strip
from rtmss.live.control.controller import MixerController
from rtmss.live.control.keys import Keys
from rtmss.live.control.mixer_keys import split_keys
from rtmss.live.control.terminal import view


@pytest.fixture
def played(controller: MixerController, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Presets that the controller was asked to load, of three there are."""
    asked: list[str] = []
    monkeypatch.setattr(controller, "start_loading", asked.append)
    monkeypatch.setattr(
        controller.library, "presets", lambda: {name: Path(name) for name in ("c", "a", "b")}
    )
    controller.preset = "a"
    return asked


@pytest.mark.parametrize("key", "12345678r")
def test_a_key_selects_the_strip_that_it_stands_beside(
    controller: MixerController, key: str
) -> None:
    press(controller, key + "m")
    strips = {
        str(i): stem.strip
        for i, stem in enumerate(
            controller.scene.stems,
            1,
        )
    } | {"r": controller.scene.remainder}
    assert [name for name, strip in strips.items() if strip.mute] == [key]


def test_zero_selects_the_master(controller: MixerController) -> None:
    press(controller, "0+")
    assert controller.scene.master_db == 1


@pytest.mark.parametrize("key", ["m", "s"])
def test_a_second_press_takes_the_first_back(controller: MixerController, key: str) -> None:
    before = controller.scene
    press(controller, key)
    assert controller.scene.stems[0].strip == Strip(
        mute=key == "m",
        solo=key == "s",
    )
    press(controller, key)
    assert controller.scene == before


@pytest.mark.parametrize(
    ("keys", "gain_db"),
    [
        ("++-", 1),
        ("\x1b[A", 1),
        ("\x1bOA=", 2),
        ("\x1b[B_", -2),
    ],
)
def test_the_gain_goes_in_steps_of_1_db(
    controller: MixerController, keys: str, gain_db: float
) -> None:
    press(controller, keys)
    assert controller.scene.stems[0].strip.gain_db == gain_db


@pytest.mark.parametrize(
    ("keys", "gain_db"),
    [("+" * 30, 12), ("-" * 150, -120)],
)
@pytest.mark.parametrize("strip", "10")
def test_the_gain_stops_at_its_ends(
    controller: MixerController, strip: str, keys: str, gain_db: float
) -> None:
    press(controller, strip + keys)
    assert gain_db == (
        controller.scene.master_db if strip == "0" else controller.scene.stems[0].strip.gain_db
    )


@pytest.mark.parametrize(
    ("keys", "pan"),
    [
        ("<", -0.1),
        (">>>", 0.3),
        ("<>", 0.0),
        ("<" * 15, -1.0),
        (">" * 15, 1.0),
    ],
)
def test_a_strip_is_panned_in_tenths_up_to_its_sides(
    controller: MixerController, keys: str, pan: float
) -> None:
    press(controller, keys)
    assert controller.scene.stems[0].strip.pan == pan


def test_the_master_has_no_pan(controller: MixerController) -> None:
    assert "no pan" in press(controller, "0<")[1]


def test_u_takes_every_solo_back_and_leaves_mutes(controller: MixerController) -> None:
    press(controller, "1ms3srsu")
    strips = [*(stem.strip for stem in controller.scene.stems), controller.scene.remainder]
    assert not any(strip.solo for strip in strips)
    assert strips[0].mute


def test_b_bypasses_until_it_is_pressed_again(controller: MixerController) -> None:
    press(controller, "b")
    assert controller.scene.bypass
    press(controller, "b")
    assert not controller.scene.bypass


def test_space_is_a_panic_until_it_is_pressed_again(controller: MixerController) -> None:
    press(controller, " ")
    assert controller.shared.panic
    press(controller, " ")
    assert not controller.shared.panic


def test_presets_follow_each_other_in_a_circle(
    controller: MixerController, played: list[str]
) -> None:
    press(controller, "pppPPP")
    assert played == ["b", "c", "a", "c", "b", "a"]


def test_a_preset_that_another_hand_chose_is_counted_from(
    controller: MixerController, played: list[str]
) -> None:
    keys = Keys(controller)
    keys.press("p")
    controller.preset = "c"
    keys.press("P")
    assert played == ["b", "b"]


def test_the_neighbours_of_a_deleted_preset_are_where_it_was(
    controller: MixerController, played: list[str]
) -> None:
    controller.preset = "bb"
    press(controller, "p")
    press(controller, "P")
    assert played == ["c", "b"]


def test_a_number_without_a_stem_is_refused_and_the_selection_stays(
    controller: MixerController,
) -> None:
    controller.scene = Scene(controller.scene.stems[:3])
    assert press(controller, "27m")[1] == "no strip '7'; known: 0, 1, 2, 3, r"
    assert controller.scene.stems[1].strip.mute


def test_the_master_is_muted_like_any_strip_and_shows_it(controller: MixerController) -> None:
    assert press(controller, "0m") == ["", ""]
    assert controller.scene.master_mute
    assert (
        row_of(
            draw(view(controller, {}, STATUS)),
            "master",
        ).split()[-1]
        == "M"
    )
    press(controller, "0m")
    assert not controller.scene.master_mute


def test_the_master_cannot_be_soloed(controller: MixerController) -> None:
    before = controller.scene
    assert "no solo" in press(controller, "0s")[1]
    assert controller.scene == before


def test_what_the_controller_refuses_becomes_the_message(
    controller: MixerController, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(change: object) -> None:
        raise UserError("not now")

    monkeypatch.setattr(controller, "change", refuse)
    assert press(controller, "m") == ["not now"]


def test_the_selection_follows_the_name_into_another_scene(controller: MixerController) -> None:
    keys = Keys(controller)
    keys.press("3")
    stems = controller.scene.stems
    controller.scene = Scene((stems[5], stems[2]))
    keys.press("m")
    assert [stem.strip.mute for stem in controller.scene.stems] == [False, True]


def test_the_first_strip_is_selected_where_the_old_one_is_gone(controller: MixerController) -> None:
    keys = Keys(controller)
    keys.press("3")
    controller.scene = Scene(controller.scene.stems[:2])
    keys.press("m")
    assert [stem.strip.mute for stem in controller.scene.stems] == [True, False]


@pytest.mark.parametrize(
    ("typed", "keys", "pending"),
    [
        ("a\x1b[Ab", ["a", "up", "b"], ""),
        ("a\x1b", ["a"], "\x1b"),
        ("\x1b[1;", [], "\x1b[1;"),
        ("\x1b[3~m", ["\x1b[3~", "m"], ""),
        ("\x1bOP", ["\x1bOP"], ""),
        ("\x1bm", ["\x1b", "m"], ""),
    ],
    ids=["arrow", "half", "most", "delete", "f1", "escape"],
)
def test_escape_sequences_are_one_key_and_wait_for_their_end(
    typed: str, keys: list[str], pending: str
) -> None:
    assert split_keys(typed) == (keys, pending)
