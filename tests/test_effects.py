"""pedalboard effects: strict where pedalboard is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pedalboard
import pytest

from helpers.encoded import encode, music
from helpers.makers import Noise
from rtmss.conditions.preset import Effect
from rtmss.config import ConfigError
from rtmss.effects import EffectChain, build_effect


def test_an_unknown_effect_is_named_with_near_misses() -> None:
    with pytest.raises(ConfigError, match=r"vocals: no effect 'Reverbb'; did you mean Reverb\?"):
        build_effect(Effect(type="Reverbb"), "vocals")


def test_an_unknown_parameter_is_named_with_the_choices() -> None:
    with pytest.raises(
        ConfigError, match="Reverb has no parameter 'size'; known: room_size, damping"
    ):
        build_effect(Effect(type="Reverb", parameters={"size": 1.0}), "vocals")


def test_a_value_out_of_range_is_one_line() -> None:
    with pytest.raises(ConfigError, match="vocals: Reverb: ") as error:
        build_effect(Effect(type="Reverb", parameters={"room_size": 7.0}), "vocals")
    assert "\n" not in str(error.value)


def test_a_plugin_needs_a_path() -> None:
    with pytest.raises(ConfigError, match="a Plugin needs a 'path'"):
        build_effect(Effect(type="Plugin"), "mix")


def test_a_plugin_that_does_not_load_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mix: .*nothing\.vst3"):
        build_effect(Effect(type="Plugin", path=tmp_path / "nothing.vst3"), "mix")


def test_a_chain_gives_back_what_it_was_given(noise: Noise) -> None:
    audio, chain = noise(1000), EffectChain(2, 44100)
    chain.push(audio[:, :300])
    first = chain.take(200)
    chain.push(audio[:, 300:])
    assert chain.n_ready == 800
    assert np.array_equal(
        np.concatenate(
            [first, chain.take(800)],
            axis=-1,
        ),
        audio,
    )


def test_cutting_into_blocks_changes_no_effect(noise: Noise) -> None:
    audio, pieces = noise(44100), []
    effects = (
        Effect(
            type="Compressor",
            parameters={"threshold_db": -30.0},
        ),
        Effect(type="Reverb"),
    )
    for cuts in ([44100], [8192, 100, 44100 - 8292]):
        chain, start = EffectChain(2, 44100, effects, "a"), 0
        for n in cuts:
            chain.push(audio[:, start : start + n])
            start += n
        pieces.append(chain.take(44100))
    assert np.abs(pieces[0]).max() > 0.01
    assert np.allclose(pieces[0], pieces[1], atol=1e-5)


def test_a_flush_brings_what_an_effect_holds_back(noise: Noise) -> None:
    chain = EffectChain(
        2,
        44100,
        (Effect(type="PitchShift", parameters={"semitones": 0.0}),),
        "a",
    )
    chain.push(noise(44100))
    assert chain.n_ready < 44100
    chain.flush(44100)
    assert chain.n_ready >= 44100


def test_an_impulse_comes_in_as_any_file_does(tmp_path: Path, noise: Noise) -> None:
    """To the bit as pedalboard reads it, and from formats that pedalboard does not know."""
    path = encode(tmp_path / "hall.wav", music(44100, 2), 44100, "pcm_s16le")
    other = encode(tmp_path / "hall.wv", music(44100, 2), 44100, "wavpack")
    audio = noise(20000)
    expected = pedalboard.Convolution(str(path), 0.5)(audio, 48000)
    for file in (path, other):
        parameters: dict[str, float | bool | str] = {
            "impulse_response_filename": str(file),
            "mix": 0.5,
        }
        effect = build_effect(Effect(type="Convolution", parameters=parameters), "vocals")
        assert np.array_equal(effect(audio, 48000), expected)
    assert np.abs(expected - 0.5 * audio).max() > 0.01


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (os.mkfifo, "is a pipe or a device"),
        (Path.mkdir, "is a directory"),
        (Path.touch, "not a readable audio file"),
        (lambda _: None, "no such file"),
    ],
)
def test_an_impulse_that_is_no_audio_file_is_refused_in_one_line(
    tmp_path: Path, make: Callable[[Path], None], problem: str
) -> None:
    """pedalboard waits for a pipe without end, and takes a text for silence."""
    path = tmp_path / "hall.wav"
    make(path)
    effect = Effect(type="Convolution", parameters={"impulse_response_filename": str(path)})
    with pytest.raises(ConfigError, match=f"^vocals: .*{problem}") as caught:
        build_effect(effect, "vocals")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "effect",
    [
        Effect(type="IIRFilter"),
        Effect(type="Convolution"),
        Effect(type="Gain", parameters={"gain_db": "loud"}),
        Effect(type="Bitcrush", parameters={"bit_depth": -3}),
    ],
)
def test_what_pedalboard_does_not_take_is_one_line(effect: Effect) -> None:
    with pytest.raises(ConfigError, match=r"^vocals: ") as caught:
        build_effect(effect, "vocals")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
