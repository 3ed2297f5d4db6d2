"""Sound devices by name; what the device itself does is tested with JACK."""

from __future__ import annotations

import pytest

from rtmss.live.audio import Device, PortAudioError, Stream, find_device

CABLE = Device("BlackHole 16ch", "Core Audio", 16, 16, 48000, 0)
INTERFACE = Device("Scarlett 2i2 USB", "Core Audio", 2, 2, 44100, 1)
ASIO = Device("Scarlett 2i2 USB", "ASIO", 2, 2, 44100, 2)
MICROPHONE = Device("Built-in Microphone", "Core Audio", 1, 0, 44100, 3)
KNOWN = [CABLE, INTERFACE, ASIO, MICROPHONE]


@pytest.mark.parametrize("query", ["BlackHole 16ch", "blackhole", "16CH (core"])
def test_a_device_is_found_by_its_name_or_a_part_of_it(query: str) -> None:
    assert find_device(query, KNOWN) is CABLE


def test_a_host_api_tells_devices_of_one_name_apart() -> None:
    assert find_device("Scarlett 2i2 USB (ASIO)", KNOWN) is ASIO


def test_a_name_that_fits_several_devices_is_refused_with_their_names() -> None:
    with pytest.raises(
        PortAudioError, match=r"'scarlett' fits Scarlett 2i2 USB \(Core Audio\), Scarlett 2i2 USB \(ASIO\)"
    ):
        find_device("scarlett", KNOWN)


@pytest.mark.parametrize("query", ["Built-in Microphone", "nothing"])
def test_a_device_without_input_and_output_is_refused_with_those_there_are(query: str) -> None:
    with pytest.raises(PortAudioError, match="with input and output; known: BlackHole 16ch"):
        find_device(query, KNOWN)


def test_a_rate_that_would_need_resampling_is_refused_with_those_that_do() -> None:
    with pytest.raises(PortAudioError, match="runs at 96000 Hz; set it to 44100 or 48000 Hz"):
        Stream(INTERFACE, 96000, 256, 2, lambda _block, _out: None, lambda: None)
