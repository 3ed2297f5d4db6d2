"""PortAudio: the one door to sound cards. Nothing else needs it."""

from __future__ import annotations

from rtmss.config import UserError

INSTALL_HINT = "PortAudio is not installed; on Debian or Ubuntu: apt install libportaudio2"


class PortAudioError(UserError):
    """PortAudio is missing; the message says how to install it."""


def device_names() -> list[str]:
    """Every sound device with its host API, one line each.

    Raises:
        PortAudioError: PortAudio is not installed.
    """
    try:
        import sounddevice
    except OSError as error:
        raise PortAudioError(INSTALL_HINT) from error
    apis = [api["name"] for api in sounddevice.query_hostapis()]
    return [
        f"{device['name']} ({apis[device['hostapi']]}, {device['max_input_channels']} in, "
        f"{device['max_output_channels']} out, {device['default_samplerate']:.0f} Hz)"
        for device in sounddevice.query_devices()
    ]
