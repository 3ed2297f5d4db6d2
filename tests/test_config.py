from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from rtmss.config import PROFILES, ConfigError, SeparatorConfig, StftConfig, UNetConfig, read_yaml


def read(tmp_path: Path, text: str) -> SeparatorConfig:
    path = tmp_path / "model.yaml"
    path.write_text(text)
    return read_yaml(path, SeparatorConfig)


def test_the_profiles_have_the_promised_latency() -> None:
    assert PROFILES["default"].latency == 1024
    assert PROFILES["tight"].latency == 512
    assert PROFILES["tighter"].latency == 256


@pytest.mark.parametrize(
    "stft",
    [
        *PROFILES.values(),
        StftConfig(
            n_fft=64,
            n_synthesis=32,
            hop_length=8,
        ),
    ],
)
def test_the_delay_is_the_latency_less_the_hop_being_filled(stft: StftConfig) -> None:
    assert stft.delay == stft.latency - stft.hop_length


def test_retimed_the_network_remembers_what_is_as_long_ago() -> None:
    config = SeparatorConfig(
        unet=UNetConfig(
            dilations=(1, 2, 3),
            look_ahead=5,
            recurrent_dilation=2,
        )
    )
    tight = config.retimed(PROFILES["tight"])
    assert tight.stft == PROFILES["tight"]
    assert tight.unet.dilations == (2, 4, 6)
    assert (tight.unet.look_ahead, tight.unet.recurrent_dilation) == (10, 4)
    assert (
        tight.unet.n_ahead * tight.stft.hop_length == config.unet.n_ahead * config.stft.hop_length
    )
    assert config.retimed(config.stft) == config


@pytest.mark.parametrize(
    "stft",
    [
        StftConfig(hop_length=256 + 128, n_synthesis=768),
        StftConfig(n_fft=4096),
        StftConfig(n_synthesis=2048, hop_length=1024),
    ],
)
def test_frames_that_the_weights_cannot_play_are_refused(stft: StftConfig) -> None:
    with pytest.raises(
        ConfigError, match=r"weights for frames of 2048 samples, 512 apart, cannot play frames of"
    ):
        SeparatorConfig().retimed(stft)


def test_the_bands_of_the_default_cover_every_bin_above_dc() -> None:
    config = SeparatorConfig()
    assert config.unet.n_bins == config.stft.n_bins - 1


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        StftConfig().n_fft = 3  # type: ignore[misc]


@pytest.mark.parametrize("n_synthesis", [96, 512])
def test_a_synthesis_length_that_cannot_overlap_is_refused(n_synthesis: int) -> None:
    with pytest.raises(ValidationError, match=f"n_synthesis {n_synthesis} must be a multiple"):
        StftConfig(n_fft=256, n_synthesis=n_synthesis, hop_length=64)


def test_one_dilation_per_level_is_asked_for() -> None:
    with pytest.raises(ValidationError, match="2 channels but 3 dilations"):
        UNetConfig(channels=(4, 4))


def test_bands_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValidationError, match="6 bands cannot be halved 2 times"):
        UNetConfig(bands=((6, 2),))


def test_bands_that_do_not_fit_the_stft_are_refused() -> None:
    with pytest.raises(
        ValidationError, match="the bands cover 1024 bins, the STFT has 256 above DC"
    ):
        SeparatorConfig(stft=StftConfig(n_fft=512, n_synthesis=128, hop_length=64))


def test_yaml_gives_the_configuration_it_describes(tmp_path: Path) -> None:
    assert read(tmp_path, "sample_rate: 48000\nunet: {n_hidden: 8}\n").unet.n_hidden == 8


def test_a_misspelt_key_is_named_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"model\.yaml: unknown key 'sample_rat'; known here: sample_rate, stft, unet",
    ):
        read(tmp_path, "sample_rat: 48000\n")


def test_the_choices_are_those_of_the_place_where_the_key_stands(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown key 'stft\.hop'; known here: n_fft, n_synthesis, hop_length$"
    ):
        read(tmp_path, "stft: {hop: 3}\n")


def test_a_duplicate_key_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 2: key 'sample_rate' stands twice"):
        read(tmp_path, "sample_rate: 44100\nsample_rate: 48000\n")


def test_a_list_as_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a key must be a plain word"):
        read(tmp_path, "? [a, b]\n: 1\n")


def test_a_wrong_value_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'sample_rate': .*greater than 0.*\(got -1\)"):
        read(tmp_path, "sample_rate: -1\n")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words"])
def test_yaml_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="expected 'key: value' lines"):
        read(tmp_path, text)


def test_yaml_that_makes_python_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid YAML"):
        read(tmp_path, "sample_rate: !!python/object/apply:os.getcwd []\n")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        read_yaml(tmp_path / "none.yaml", SeparatorConfig)


def test_importing_the_package_needs_neither_torch_nor_portaudio() -> None:
    code = "import rtmss, rtmss.config, sys; assert not {'torch', 'sounddevice'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
