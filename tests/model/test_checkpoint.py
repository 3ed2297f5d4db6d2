from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from rtmss.model.checkpoint import CheckpointError, load_model, save_model
from rtmss.model.separator import SeparatorModel


def rewrite(path: Path, **changes: str) -> None:
    """Change entries of the header and nothing else."""
    with safe_open(path, framework="pt") as file:
        header = dict(file.metadata())
    save_file(load_file(path), path, metadata=header | changes)


@pytest.fixture
def saved(tmp_path: Path, tiny: SeparatorModel) -> Path:
    path = tmp_path / "weights" / "w.safetensors"
    save_model(path, tiny)
    return path


def test_loading_gives_back_what_was_saved(tiny: SeparatorModel, saved: Path) -> None:
    model, _ = load_model(saved)
    assert model.config == tiny.config
    for name, value in tiny.state_dict().items():
        assert torch.allclose(
            model.state_dict()[name].float(), value.float(), rtol=1e-3, atol=1e-4
        ), name


def test_saving_what_was_loaded_gives_the_same_id(tmp_path: Path, saved: Path) -> None:
    model, model_id = load_model(saved)
    assert save_model(tmp_path / "again.safetensors", model) == model_id


def test_other_weights_have_another_id(tmp_path: Path, saved: Path) -> None:
    model, model_id = load_model(saved)
    model.unet.film.bias[0] += 0.5
    assert save_model(tmp_path / "other.safetensors", model) != model_id


def test_a_loaded_model_is_ready_to_infer(saved: Path) -> None:
    model, _ = load_model(saved)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_notes_are_kept_in_the_header(tmp_path: Path, tiny: SeparatorModel) -> None:
    save_model(tmp_path / "w.safetensors", tiny, {"steps": "7"})
    with safe_open(tmp_path / "w.safetensors", framework="pt") as file:
        assert file.metadata()["steps"] == "7"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors: no such weights file"):
        load_model(tmp_path / "none.safetensors")


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"RIFF" * 100)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_model(path)


def test_a_file_of_another_kind_says_what_it_is(saved: Path) -> None:
    rewrite(saved, kind="rtmss-condition")
    with pytest.raises(
        CheckpointError, match="holds 'rtmss-condition', expected 'rtmss-separator'"
    ):
        load_model(saved)


def test_safetensors_from_elsewhere_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="holds 'unknown'"):
        load_model(tmp_path / "a.safetensors")


def test_a_file_of_another_version_says_which(saved: Path) -> None:
    rewrite(saved, version="99")
    with pytest.raises(CheckpointError, match="weights of version 99, this rtmss reads 2"):
        load_model(saved)


def test_changed_weights_are_noticed(saved: Path) -> None:
    with safe_open(saved, framework="pt") as file:
        header = file.metadata()
    tensors = load_file(saved)
    tensors["unet.film.bias"][3] += 1e-3
    save_file(tensors, saved, metadata=header)
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(saved)


def test_a_cut_off_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_model(saved)


def test_weights_of_another_network_are_refused(
    tmp_path: Path, tiny: SeparatorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = {
        name: t for name, t in tiny.state_dict().items() if name != "unet.squeeze_norm.weight"
    }
    monkeypatch.setattr(SeparatorModel, "state_dict", lambda _: tensors)
    save_model(tmp_path / "w.safetensors", tiny)
    with pytest.raises(CheckpointError, match="weights of another network"):
        load_model(tmp_path / "w.safetensors")
