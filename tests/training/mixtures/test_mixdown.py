"""What a plan sounds like, read from disk and from a bank on a device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.makers import Noise
from rtmss.config import SeparatorConfig
from rtmss.signal.dynamics import UNCOMPRESSED, UNMASTERED
from rtmss.training.mixtures.augment import DRY, FADE, PLAIN
from rtmss.training.mixtures.bank import Bank, Track
from rtmss.training.mixtures.device_bank import DeviceBank
from rtmss.training.mixtures.draw import Episodes
from rtmss.training.mixtures.mixdown import Mixdown
from rtmss.training.mixtures.plan import Level, Plan
from rtmss.training.recipe import EpisodeRecipe, LoopRecipe, Recipe

RATE = 8000
N = 8000
CPU = torch.device("cpu")


@pytest.fixture
def bank(noise: Noise) -> Bank:
    """A mono track and a stereo track, each three seconds of noise below 1.5 kHz, which any speed
    keeps.
    """
    tracks, audio = [], []
    for number, n_channels in enumerate((1, 2)):
        spectrum = np.fft.rfft(noise(3 * RATE, n_channels))
        spectrum[:, 3 * 1500 :] = 0
        smooth = np.fft.irfft(spectrum)
        audio.append(np.round(smooth.T * 20000 / np.abs(smooth).max()).astype(np.int16))
        tracks.append(
            Track(
                f"{number}.wav",
                "synth",
                f"player {number}",
                "",
                n_samples=3 * RATE,
                n_channels=n_channels,
            )
        )
    levels = [np.full(6, 0.1, np.float32)] * 2
    return Bank(tracks, audio, levels, RATE)


def plan(tracks: list[int], **changes: Tensor) -> Plan:
    """All parts in one mixture, as recorded; each is wanted by a target of its own."""
    n = len(tracks)
    nobody, silent = (
        torch.zeros(0, dtype=torch.long),
        torch.zeros(
            0,
            N,
            dtype=torch.float16,
        ),
    )
    whole = Plan(
        seed=torch.tensor(1),
        gain=torch.tensor([0.1]),
        master=torch.tensor([UNMASTERED]),
        voice_level=torch.zeros(1),
        positive=torch.zeros(1, n, 4),
        negative=torch.zeros(1, n, 4),
        wanted_by=torch.arange(n),
        wanted_parts=torch.arange(n),
        mixture_of=torch.zeros(n, dtype=torch.long),
        is_voice=torch.zeros(n, dtype=torch.bool),
        track=torch.tensor(tracks),
        start=torch.full((n,), 500),
        n_in=torch.full((n,), N + 2 * FADE),
        equaliser=torch.tensor([PLAIN] * n),
        room=torch.tensor([DRY] * n),
        formants=torch.ones(n),
        compressor=torch.tensor([UNCOMPRESSED] * n),
        drive=torch.zeros(n),
        sides=torch.tensor(
            [
                [
                    1.0,
                    0,
                    0,
                    1,
                ]
            ]
            * n
        ),
        sub_parts=nobody,
        subs=silent,
        noise_bass_parts=nobody,
        noise_basses=silent,
        level=torch.full((n,), int(Level.RECORDED)),
        part_gain=torch.ones(n),
    )
    return whole._replace(**changes)


def test_an_unchanged_part_is_its_track(bank: Bank) -> None:
    mixture, targets, _, _ = Mixdown(bank, N, CPU)(plan([0, 1]))
    for target, audio in zip(
        targets[0],
        bank.audio,
        strict=True,
    ):
        cut = torch.from_numpy(audio[500 + FADE : 500 + FADE + N].T / 32768).float().expand(2, -1)
        assert (target - 0.1 * cut).abs().max() < 1e-5
    assert (mixture - targets.sum(1)).abs().max() < 1e-6


def test_a_mixture_stays_below_full_scale(bank: Bank) -> None:
    mixture, targets, _, _ = Mixdown(bank, N, CPU)(
        plan(
            [0, 1],
            gain=torch.tensor([50.0]),
        )
    )
    assert float(mixture.abs().max()) == pytest.approx(0.99, abs=1e-3)
    assert (mixture - targets.sum(1)).abs().max() < 1e-5


def test_a_mastered_mixture_is_louder_at_the_same_peak_and_its_stems_still_add_up(
    bank: Bank,
) -> None:
    plain, _, _, _ = Mixdown(bank, N, CPU)(
        plan(
            [0, 1],
            gain=torch.tensor([50.0]),
        )
    )
    mixture, targets, _, _ = Mixdown(bank, N, CPU)(
        plan(
            [0, 1],
            gain=torch.tensor([50.0]),
            master=torch.tensor(
                [
                    (
                        4.0,
                        3.0,
                        0.01,
                        0.15,
                        8.0,
                        0.06,
                    )
                ]
            ),
        )
    )
    assert mixture.abs().max() <= 0.991
    assert mixture.square().mean() > 1.5 * plain.square().mean()
    assert (mixture - targets.sum(1)).abs().max() < 1e-5


def test_only_the_parts_that_are_compressed_change_and_keep_their_level(bank: Bank) -> None:
    compressor = torch.tensor(
        [
            (
                -6.0,
                6.0,
                0.001,
                0.05,
            ),
            UNCOMPRESSED,
        ]
    )
    _, plain, _, _ = Mixdown(bank, N, CPU)(plan([0, 1]))
    _, squeezed, _, _ = Mixdown(bank, N, CPU)(
        plan(
            [0, 1],
            compressor=compressor,
        )
    )
    assert torch.equal(plain[0, 1], squeezed[0, 1])
    assert (plain[0, 0] - squeezed[0, 0]).abs().max() > 0.05 * plain[0, 0].abs().max()
    assert float(squeezed[0, 0].std()) == pytest.approx(
        float(plain[0, 0].std()),
        rel=0.05,
    )


def test_only_the_parts_that_are_named_have_their_formants_moved(bank: Bank) -> None:
    plain, moved = (
        Mixdown(bank, N, CPU)(
            plan(
                [0, 1],
                formants=torch.tensor([1.0, ratio]),
            )
        ).targets[0]
        for ratio in (1.0, 1.2)
    )
    assert torch.equal(plain[0], moved[0])
    assert (plain[1] - moved[1]).abs().max() > 0.02 * plain[1].abs().max()


def test_levels_are_of_the_loudest_half_second_and_over_the_rest(bank: Bank) -> None:
    level = torch.tensor([Level.LOUDEST, Level.OVER_THE_REST])
    _, targets, _, _ = Mixdown(bank, N, CPU)(
        plan(
            [0, 1],
            level=level,
            part_gain=torch.tensor([0.5, 2.0]),
        )
    )
    blocks = (
        10
        * torch.unflatten(
            targets[0],
            -1,
            (2, -1),
        )
        .square()
        .mean((1, 3))
        .sqrt()
    )
    assert float(blocks[0].max()) == pytest.approx(0.5, rel=1e-3)
    rest = 10 * float(targets[0, 0].square().mean().sqrt())
    assert float(blocks[1].max()) == pytest.approx(
        2 * rest,
        rel=1e-3,
    )


@pytest.mark.parametrize(
    "n_in",
    [N + 2 * FADE, 10000, 14580],
)
@pytest.mark.parametrize("start", [500, -3000, 20000])
def test_a_device_bank_plays_what_is_read_from_disk(bank: Bank, n_in: int, start: int) -> None:
    wanted = plan(
        [0, 1, 0],
        n_in=torch.full((3,), n_in),
        start=torch.full((3,), start),
    )
    read, on_device = Mixdown(bank, N, CPU), Mixdown(bank, N, CPU)
    on_device.device_bank = DeviceBank(bank, CPU, compiled=False)
    ours, theirs = read(wanted).targets, on_device(wanted).targets
    assert ours.abs().max() > 1e-2
    assert (ours - theirs).square().mean() < 1e-4 * ours.square().mean()


def test_what_is_played_faster_does_not_fold(bank: Bank) -> None:
    high = np.round(10000 * np.sin(2 * np.pi * 3700 / RATE * np.arange(3 * RATE))).astype(np.int16)[
        :, None
    ]
    device_bank = DeviceBank(
        Bank(
            bank.tracks[:1],
            [high],
            bank.levels[:1],
            RATE,
        ),
        CPU,
        compiled=False,
    )
    wanted = plan(
        [0],
        n_in=torch.tensor([round(1.33 * (N + 2 * FADE))]),
    )
    played = device_bank.play(wanted, N + 2 * FADE)  # 4.9 kHz are above half of 8 kHz
    assert played.square().mean() < 0.1 * (high / 32768).astype(np.float32).var()


@pytest.mark.slow
def test_drawn_episodes_are_the_same_from_a_device_bank(
    band: Bank, tiny_config: SeparatorConfig
) -> None:
    recipe = Recipe(
        model=tiny_config, loop=LoopRecipe(batch=4), episodes=EpisodeRecipe(seconds=1.0)
    )
    plans = Episodes(
        band,
        [
            np.ones(
                (2, 16),
                np.float32,
            )
        ]
        * len(band.tracks),
        recipe,
    )
    read, on_device = (
        Mixdown(
            band,
            plans.n_samples,
            CPU,
        )
        for _ in range(2)
    )
    on_device.device_bank = DeviceBank(band, CPU, compiled=False)
    for number in range(3):
        ours, theirs = read(plans[number]), on_device(plans[number])
        # The tracks are white noise, of which an interpolation loses the highest octave's top.
        assert (ours.mixture - theirs.mixture).square().mean() < 0.1 * ours.mixture.square().mean()
        assert ours.targets.shape == theirs.targets.shape
        assert torch.equal(ours.positive, theirs.positive)


def test_all_voices_together_lie_at_their_level_over_all_the_rest(bank: Bank) -> None:
    sung = plan(
        [0, 1, 0, 1],
        start=torch.tensor([500, 900, 4000, 6000]),
        is_voice=torch.tensor([True, False, True, False]),
        voice_level=torch.tensor([0.5]),
        part_gain=torch.tensor([0.3, 1.0, 1.0, 0.5]),
    )
    _, targets, _, _ = Mixdown(bank, N, CPU)(sung)
    _, plain, _, _ = Mixdown(bank, N, CPU)(sung._replace(voice_level=torch.zeros(1)))
    voices, rest = (targets[0, [n, n + 2]].sum(0).square().mean().sqrt() for n in (0, 1))
    assert float(voices / rest) == pytest.approx(0.5, rel=1e-3)
    assert torch.equal(
        targets[0, [1, 3]],
        plain[0, [1, 3]],
    )
    ratios = [targets[0, n].std() / plain[0, n].std() for n in (0, 2)]
    assert float(ratios[0]) == pytest.approx(
        float(ratios[1]),
        rel=1e-4,
    )


def test_voices_that_are_silent_for_a_while_are_levelled_where_they_sound(bank: Bank) -> None:
    # The track ends in the middle of what is heard.
    sung = plan(
        [0, 1],
        start=torch.tensor([3 * RATE - FADE - RATE // 2, 500]),
        is_voice=torch.tensor([True, False]),
        voice_level=torch.tensor([0.5]),
    )
    _, targets, _, _ = Mixdown(bank, N, CPU)(sung)
    level = targets[0, 0, :, : N // 2].square().mean().sqrt() / targets[0, 1].square().mean().sqrt()
    assert float(level) == pytest.approx(0.5, rel=1e-2)


def test_voices_alone_keep_their_level(bank: Bank) -> None:
    sung = plan(
        [0, 1],
        is_voice=torch.ones(2, dtype=torch.bool),
        voice_level=torch.tensor([0.5]),
    )
    _, targets, _, _ = Mixdown(bank, N, CPU)(sung)
    _, plain, _, _ = Mixdown(bank, N, CPU)(plan([0, 1]))
    assert torch.equal(targets, plain)
