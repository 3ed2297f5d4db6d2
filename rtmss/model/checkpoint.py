"""Weights on disk: safetensors with the configuration and a model id in the header. Nothing is ever
unpickled.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from rtmss.bounded import UnreadableError, check_size, is_there, open_regular, parse_json
from rtmss.config import ConfigError, SeparatorConfig, StftConfig, UserError, validate
from rtmss.model.separator import SeparatorModel
from rtmss.tensor_files import read_notes

KIND = "rtmss-separator"
VERSION = 2
MAX_BYTES = 1 << 30
"""Of a weights file: those that come with rtmss have a sixtieth of it."""


class CheckpointError(UserError):
    """A weights file that cannot be used; the message says what it is and what was expected."""


def save_model(
    path: Path,
    model: SeparatorModel,
    notes: dict[str, str] | None = None,
) -> str:
    """Write the weights of `model`, in half precision where nothing is lost to the ear, and return
    their model id.

    Args:
        path: the file to write.
        model: its weights and configuration.
        notes: further header entries, such as where the weights came from.
    """
    tensors = {
        name: tensor.detach().to("cpu", torch.float32).contiguous()
        for name, tensor in model.state_dict().items()
    }
    tensors = {name: t.half() if t.numel() > 4096 else t for name, t in tensors.items()}
    config = model.config.model_dump_json()
    model_id = _model_id(tensors, config)
    header = {
        "kind": KIND,
        "version": str(VERSION),
        "config": config,
        "model_id": model_id,
        **(notes or {}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=header)
    return model_id


def load_model(
    path: Path,
    stft: StftConfig | None = None,
) -> tuple[SeparatorModel, str]:
    """Read weights written by `save_model`: the model, ready to infer, and its id.

    Args:
        path: the file.
        stft: other frames than those that the weights were trained on, see
            `SeparatorConfig.retimed`.

    Raises:
        CheckpointError: the file is missing, of another kind or version, or damaged.
        ConfigError: the weights cannot play such frames.
    """
    if not is_there(path):
        raise CheckpointError(f"{path}: no such weights file")
    header, tensors = _read(path)
    if header.get("kind") != KIND:
        raise CheckpointError(f"{path}: holds '{header.get('kind', 'unknown')}', expected '{KIND}'")
    if header.get("version") != str(VERSION):
        raise CheckpointError(
            f"{path}: weights of version {header.get('version')}, this rtmss reads {VERSION}"
        )
    config = _config(path, header.get("config", ""))
    if _model_id(tensors, header["config"]) != header.get("model_id"):
        raise CheckpointError(
            f"{path}: damaged: the weights do not match their model id {header.get('model_id')}"
        )
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise CheckpointError(f"{path}: holds NaN or infinite weights; train or get new ones")
    model = SeparatorModel(config if stft is None else config.retimed(stft))
    try:
        model.load_state_dict(
            {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
        )
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: weights of another network than this rtmss builds; train or get new ones"
        ) from error
    return model.eval().requires_grad_(False), header["model_id"]


def _read(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Header and tensors of a file.

    Raises:
        CheckpointError: it is no safetensors file, or too large.
    """
    try:
        with open_regular(path) as raw:
            check_size(raw, MAX_BYTES)
            notes = read_notes(raw)
        with safe_open(path, framework="pt") as file:
            return notes, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except UnreadableError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error})") from error


def _config(path: Path, text: str) -> SeparatorConfig:
    """The configuration in a header.

    Raises:
        CheckpointError: it cannot be understood.
    """
    try:
        return validate(parse_json(text), SeparatorConfig, f"{path} (header)")
    except (UnreadableError, ConfigError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from error


GROWN = ("unet.paths.", "unet.target_paths.", "unet.path_film.")
"""Beginnings of the names of weights that a larger network may have beside those of a smaller
one.
"""


def grow_model(path: Path, config: SeparatorConfig) -> SeparatorModel:
    """Put the weights of a network into one with further dual-path blocks, which change nothing
    until they are trained.

    Args:
        path: weights written by `save_model`.
        config: of the larger network.

    Raises:
        CheckpointError: as `load_model`, or the networks differ in more than such blocks.
    """
    small, _ = load_model(path)
    model = SeparatorModel(config)
    weights = small.state_dict()
    own = model.state_dict()
    strange = [name for name in own if name not in weights and not name.startswith(GROWN)]
    strange += [
        name for name in weights if name not in own or weights[name].shape != own[name].shape
    ]
    if strange:
        raise CheckpointError(
            f"{path}: only dual-path blocks can be added to these weights; '{strange[0]}' differs"
        )
    model.load_state_dict(weights, strict=False)
    return model


def _model_id(
    tensors: dict[str, torch.Tensor],
    config: str,
) -> str:
    digest = hashlib.sha256(config.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()[:12]
