"""Sound devices by name; what the device itself does is tested with JACK."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rtmss import show
from rtmss.live.device import portaudio
from rtmss.live.device.duplex import choose_devices, common_rate
from rtmss.live.device.portaudio import Device, DeviceStream, PortAudioError, find_device

CABLE = Device("BlackHole 16ch", "Core Audio", 16, 16, 48000, 0)
INTERFACE = Device("Scarlett 2i2 USB", "Core Audio", 2, 2, 44100, 1)
ASIO = Device("Scarlett 2i2 USB", "ASIO", 2, 2, 44100, 2)
MICROPHONE = Device("Built-in Microphone", "Core Audio", 1, 0, 44100, 3)
SPEAKERS = Device("Built-in Output", "Core Audio", 0, 2, 44100, 4)
BUZZER = Device("Beep", "Core Audio", 0, 1, 44100, 5)
KNOWN = [CABLE, INTERFACE, ASIO, MICROPHONE, SPEAKERS, BUZZER]


@pytest.mark.parametrize("query", ["BlackHole 16ch", "blackhole", "16CH (core"])
def test_a_device_is_found_by_its_name_or_a_part_of_it(query: str) -> None:
    assert find_device(query, KNOWN) is CABLE


def test_a_host_api_tells_devices_of_one_name_apart() -> None:
    assert find_device("Scarlett 2i2 USB (ASIO)", KNOWN) is ASIO


def test_a_name_that_fits_several_devices_is_refused_with_their_names() -> None:
    with pytest.raises(
        PortAudioError,
        match=r"'scarlett' fits Scarlett 2i2 USB \(Core Audio\), Scarlett 2i2 USB \(ASIO\)",
    ):
        find_device("scarlett", KNOWN)


@pytest.mark.parametrize("query", ["Built-in Microphone", "nothing"])
def test_a_device_without_input_and_output_is_refused_with_those_there_are(query: str) -> None:
    with pytest.raises(PortAudioError, match="with input and stereo output; known: BlackHole 16ch"):
        find_device(query, KNOWN)


@pytest.mark.parametrize("rate", [4000, 768000])
def test_a_rate_that_no_device_should_have_is_refused_with_those_that_do(rate: int) -> None:
    with pytest.raises(PortAudioError, match=f"runs at {rate} Hz; set it to 8000 to 384000 Hz"):
        DeviceStream(INTERFACE, rate, 256, (2, 2), lambda _block, _out: None)


@pytest.fixture
def preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    """PortAudio prefers the microphone and the speakers."""
    library = SimpleNamespace(default=SimpleNamespace(device=(MICROPHONE.index, SPEAKERS.index)))
    monkeypatch.setattr(portaudio, "_sounddevice", lambda: library)


def test_input_and_output_may_be_two_devices() -> None:
    assert choose_devices(None, "microphone", "built-in output", KNOWN) == (MICROPHONE, SPEAKERS)
    assert choose_devices(None, "blackhole", "blackhole", KNOWN) == (CABLE, CABLE)


def test_one_name_is_one_device_for_both(preferred: None) -> None:
    assert choose_devices("blackhole", None, None, KNOWN) == (CABLE, CABLE)
    assert choose_devices(None, None, None, KNOWN) == (CABLE, CABLE)


def test_where_one_way_is_named_the_other_is_what_portaudio_prefers(preferred: None) -> None:
    assert choose_devices(None, "blackhole", None, KNOWN) == (CABLE, SPEAKERS)
    assert choose_devices(None, None, "blackhole", KNOWN) == (MICROPHONE, CABLE)


@pytest.mark.parametrize(
    ("source", "sink", "said"),
    [
        ("built-in output", "blackhole", "no device 'built-in output' with input; known"),
        ("blackhole", "microphone", "no device 'microphone' with stereo output; known"),
        ("blackhole", "beep", "no device 'beep' with stereo output; known"),
    ],
)
def test_a_device_that_lacks_its_way_is_refused(source: str, sink: str, said: str) -> None:
    with pytest.raises(PortAudioError, match=said):
        choose_devices(None, source, sink, KNOWN)


def test_devices_of_two_rates_are_refused_with_both() -> None:
    with pytest.raises(
        PortAudioError,
        match=r"16ch \(Core Audio\) runs at 48000 Hz and Built-in .* at 44100 Hz; set",
    ):
        common_rate(CABLE, SPEAKERS, None)
    assert common_rate(CABLE, SPEAKERS, 48000) == 48000
    assert common_rate(MICROPHONE, SPEAKERS, None) == 44100


def test_the_list_of_devices_says_what_each_is_good_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "devices", lambda: [CABLE, MICROPHONE, SPEAKERS, BUZZER])
    options = list(show.devices_table().columns[-1].cells)
    assert options == ["--device", "--input only", "--output only", "mono output"]
