from __future__ import annotations

from pathlib import Path

import pytest

from helpers.makers import MakeCondition
from rtmss.conditions.condition import ConditionError, save_condition
from rtmss.conditions.library import Library
from rtmss.conditions.preset import MAX_STEMS, Preset
from rtmss.config import ConfigError, read_yaml
from rtmss.engine.control import Scene
from rtmss.lookup import find


def read(tmp_path: Path, text: str) -> Preset:
    path = tmp_path / "scene.yaml"
    path.write_text(text)
    return read_yaml(path, Preset)


def test_a_preset_keeps_the_order_of_its_stems(tmp_path: Path) -> None:
    preset = read(
        tmp_path, "stems: {zither: {condition: a}, bass: {condition: b}, alto: {condition: c}}\n"
    )
    assert list(preset.stems) == ["zither", "bass", "alto"]


def test_a_misspelt_key_of_a_stem_is_named_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown key 'stems\.vocals\.gain'; known here: gain_db, mute, solo, ch"
    ):
        read(tmp_path, "stems: {vocals: {condition: a, gain: 3}}\n")


def test_a_misspelt_key_of_an_effect_is_named_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown key 'master\.effects\.0\.kind'; known here: type, path, param"
    ):
        read(
            tmp_path, "stems: {a: {condition: b}}\nmaster: {effects: [{type: Reverb, kind: big}]}\n"
        )


def test_two_stems_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 3: key 'vocals' stands twice"):
        read(tmp_path, "stems:\n  vocals: {condition: a}\n  vocals: {condition: b}\n")


@pytest.mark.parametrize(
    "name",
    ["remainder", "master", "mix", "input", "a/b", "''", "a b"],
)
def test_a_name_that_means_something_else_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot name a stem: .* and not input, master, mix"):
        read(tmp_path, f"stems: {{{name}: {{condition: a}}}}\n")


@pytest.mark.parametrize("entry", ["effects: [{}]", "channels: [{}]"])
def test_more_entries_than_anybody_means_are_refused(tmp_path: Path, entry: str) -> None:
    """A small file is not to ask for thousands of reverbs."""
    one = "{type: Reverb}" if "effects" in entry else "1"
    text = "stems: {{a: {{condition: b, {}}}}}"
    read(tmp_path, text.format(entry.format(", ".join([one] * 32))))
    with pytest.raises(ConfigError, match="at most"):
        read(tmp_path, text.format(entry.format(", ".join([one] * 65))))


@pytest.mark.parametrize(
    ("n_stems", "is_fine"),
    [(MAX_STEMS, True), (MAX_STEMS + 1, False)],
)
def test_eight_stems_are_the_most(tmp_path: Path, n_stems: int, is_fine: bool) -> None:
    text = "stems:\n" + "".join(f"  s{i}: {{condition: a}}\n" for i in range(n_stems))
    if is_fine:
        assert len(read(tmp_path, text).stems) == n_stems
    else:
        with pytest.raises(ConfigError, match=r"'stems': .* at most 8"):
            read(tmp_path, text)


@pytest.mark.parametrize(
    "strip",
    [
        "gain_db: 13",
        "gain_db: .nan",
        "gain_db: yes",
        "channels: [0]",
        "channels: [yes]",
        "mute: maybe",
        "pan: 1.1",
        "pan: yes",
    ],
)
def test_a_value_out_of_range_is_refused(tmp_path: Path, strip: str) -> None:
    with pytest.raises(ConfigError, match=r"'remainder\."):
        read(tmp_path, f"stems: {{a: {{condition: b}}}}\nremainder: {{{strip}}}\n")


def test_a_stem_without_condition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'stems\.vocals\.condition' is missing"):
        read(tmp_path, "stems: {vocals: {mute: true}}\n")


def test_an_unknown_name_gets_its_near_misses() -> None:
    with pytest.raises(
        ConfigError, match="no preset 'karaoka'; did you mean 'karaoke'\\? known: drums, karaoke"
    ):
        find("karaoka", {"karaoke": 1, "drums": 2}, "preset")


def test_a_very_long_name_is_cut_in_the_answer() -> None:
    with pytest.raises(ConfigError, match="no preset 'xxx") as caught:
        find("x" * 100_000, {"karaoke": 1}, "preset")
    assert len(str(caught.value)) < 400


def test_a_name_like_no_other_gets_the_list_only() -> None:
    with pytest.raises(ConfigError, match="no preset 'xyz'; known: drums, karaoke"):
        find("xyz", {"karaoke": 1, "drums": 2}, "preset")


@pytest.fixture
def library(tmp_path: Path, make_condition: MakeCondition) -> Library:
    (tmp_path / "duo.yaml").write_text(
        "fade_ms: 50\n"
        "master: {gain_db: -2, mute: true}\n"
        "remainder: {mute: true}\n"
        "stems:\n"
        "  lead: {condition: singer, gain_db: -6, pan: 0.5, solo: true, channels: [3, 4]}\n"
        "  bass: {condition: bassist}\n"
    )
    for seed, name in enumerate(["singer", "bassist"]):
        save_condition(tmp_path / "conditions" / f"{name}.safetensors", make_condition(name, seed))
    return Library([tmp_path])


def test_presets_and_conditions_are_found_by_name(library: Library) -> None:
    assert "duo" in library.presets()
    assert {"singer", "bassist"} <= set(library.conditions())


def test_the_first_folder_goes_before_the_others(tmp_path: Path, library: Library) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "duo.yaml").write_text("stems: {solo: {condition: singer}}\n")
    assert Library([other, *library.folders]).load_preset("duo").stems.keys() == {"solo"}
    assert len(Library([*library.folders, other]).load_preset("duo").stems) == 2


def test_a_preset_is_read_by_file(tmp_path: Path, library: Library) -> None:
    assert library.load_preset(str(tmp_path / "duo.yaml")) == library.load_preset("duo")


def test_a_scene_takes_everything_from_its_preset(library: Library) -> None:
    scene = Scene.from_preset(library.load_preset("duo"), library, "0123456789ab")
    assert [(stem.name, stem.condition.name) for stem in scene.stems] == [
        ("lead", "singer"),
        ("bass", "bassist"),
    ]
    lead = scene.stems[0].strip
    assert (
        lead.gain_db,
        lead.pan,
        lead.solo,
        lead.channels,
    ) == (-6, 0.5, True, (3, 4))
    assert scene.remainder.mute
    assert (
        scene.master_db,
        scene.master_mute,
        scene.fade_ms,
    ) == (-2, True, 50)


def test_a_scene_of_an_unknown_condition_is_refused(tmp_path: Path, library: Library) -> None:
    preset = read(tmp_path, "stems: {x: {condition: singr}}\n")
    with pytest.raises(ConfigError, match="no condition 'singr'; did you mean 'singer'"):
        Scene.from_preset(preset, library, "0123456789ab")


def test_a_scene_of_conditions_for_other_weights_is_refused(library: Library) -> None:
    with pytest.raises(ConditionError, match="rebuild it: rtmss condition create"):
        Scene.from_preset(library.load_preset("duo"), library, "ffffffffffff")


def test_a_preset_without_stems_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'stems': .* at least 1"):
        read(tmp_path, "stems: {}\n")


def test_a_condition_read_twice_is_one_object(
    tmp_path: Path, make_condition: MakeCondition
) -> None:
    """The session knows by identity that a stem goes on."""
    save_condition(tmp_path / "conditions" / "mine.safetensors", make_condition("mine"))
    library = Library([tmp_path])
    first = library.load_condition("mine", "0123456789ab")
    assert library.load_condition("mine", "0123456789ab") is first
    with pytest.raises(ConditionError, match="was made for weights 0123456789ab"):
        library.load_condition("mine", "ba9876543210")
