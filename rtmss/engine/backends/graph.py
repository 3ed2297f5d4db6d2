"""One hop of the separator as an ONNX graph: its input and its state in, targets and the next state
out.

The Fourier transforms are two matrix products each (Cooley and Tukey's split of n_fft into two
factors): for one frame that costs what a call of an FFT costs. Two kinds of graph: one that stands
alone, from samples and conditions on, for other programs; and one for rtmss itself, which leaves
two things outside: what changes only with the conditions, and the analysis, for the compression
lifts even the rounding errors of silent bins, and those of another Fourier transform would be
others.

Axes: B batch (always 1), N targets, C channels, S samples, F bins above DC.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import logging
import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from rtmss import config
from rtmss.config import StftConfig, UserError
from rtmss.engine.backends import tree
from rtmss.engine.backends.tree import like_tree, named_leaves
from rtmss.model import dual_path, gru, layers, scan, separator, unet
from rtmss.model.separator import (
    N_CHANNELS,
    POWER_FLOOR,
    SeparatorModel,
    SeparatorState,
    TargetState,
    apply_masks,
)
from rtmss.model.unet import bound_masks
from rtmss.ownership import whole_file

NEXT = "next."
"""Begins the name of an output that is to be the input of that name at the next hop."""
MASKS = "targets.masks"
"""The one part of the state that a hop gives but does not read."""


class GraphError(UserError):
    """A network that cannot be made for ONNX Runtime, or cannot be used."""


class HopGraph(nn.Module):
    """`SeparatorModel.forward` for one hop, on a flat list of states."""

    def __init__(self, model: SeparatorModel, *, standalone: bool) -> None:
        super().__init__()
        self.model, self.standalone = model, standalone
        self.analyze = Analysis(model.config.stft, model.analysis)
        self.synthesize = Synthesis(model.config.stft, model.synthesis)
        self.example = named_leaves(model.init_state(1, 2))

    @property
    def inputs(self) -> dict[str, Tensor]:
        """An example of each input, in the order that `forward` takes them."""
        config, unet = self.model.config, self.model.unet
        conditions = torch.rand(1, 2, config.unet.n_condition)
        state = {name: leaf for name, leaf in self.example.items() if name not in self._outside}
        if self.standalone:
            return {
                "audio": torch.zeros(1, N_CHANNELS, config.stft.hop_length),
                "conditions": conditions,
                **state,
            }
        planes = torch.zeros(
            1,
            2,
            N_CHANNELS,
            1,
            config.stft.n_bins - 1,
        )
        return {"planes": planes, "modulation": unet.modulate(conditions), **state}

    @property
    def outputs(self) -> list[str]:
        """Their names, in the order that `forward` gives them."""
        return ["targets", *(NEXT + name for name in self.example if name in (*self.inputs, MASKS))]

    @property
    def _outside(self) -> tuple[str, ...]:
        return (MASKS,) if self.standalone else (MASKS, "past")

    def forward(
        self,
        heard: Tensor,
        control: Tensor,
        *leaves: Tensor,
    ) -> tuple[Tensor, ...]:
        """(B, C, hop_length) samples or (B, 2, C, 1, F) planes -> (B, N, C, hop_length), then the
        next state.
        """
        names = [name for name in self.example if name not in self._outside]
        state = like_tree(
            self.model.init_state(1, 2),
            (
                self.example
                | dict(
                    zip(
                        names,
                        leaves,
                        strict=True,
                    )
                )
            ).values(),
        )
        net, hop = self.model.unet, self.model.config.stft.hop_length
        past, planes, modulation = state.past, heard, control
        if self.standalone:
            samples = torch.cat([past, heard], dim=-1)
            past, planes, modulation = (
                samples[..., hop:],
                self.analyze(samples)[..., None, :],
                net.modulate(control),
            )
        features, encoder = net.encode(
            _compress(planes, net.config.compression),
            state.encoder,
        )
        masks, decoder = net.decode_modulated(features, modulation, state.targets.decoder)
        masks = bound_masks(masks)
        block = self.synthesize(apply_masks(masks, planes)[..., 0, :].transpose(2, 3))
        total = block + nn.functional.pad(
            state.targets.overlap,
            (0, hop),
        )
        then = SeparatorState(
            past,
            encoder,
            TargetState(
                decoder,
                total[..., hop:],
                masks[..., 0, :],
            ),
        )
        kept = [leaf for name, leaf in named_leaves(then).items() if name in (*names, MASKS)]
        return total[..., :hop], *kept


def _compress(planes: Tensor, exponent: float) -> Tensor:
    """`compress`, with the floor scaled up to 1: the exporter's optimizer takes a summand of 1e-12
    for none.
    """
    power = planes.square().sum(1, keepdim=True) / POWER_FLOOR + 1
    scale: float = POWER_FLOOR ** ((exponent - 1) / 2)
    return (planes * power.pow((exponent - 1) / 2) * scale).flatten(1, 2)


class Analysis(nn.Module):
    """A window and a real Fourier transform."""

    window: Tensor
    first: Tensor
    twiddle: Tensor
    second: Tensor

    def __init__(self, config: StftConfig, window: Tensor) -> None:
        super().__init__()
        self.sizes = rows, columns = factors(config.n_fft)
        self.register_buffer("window", window.clone())
        self.register_buffer("first", _parts(_waves(rows, rows, rows), 0))
        self.register_buffer("twiddle", _parts(_waves(rows, columns, config.n_fft)))
        wave = _waves(columns, columns // 2 + 1, columns)
        self.register_buffer(
            "second",
            torch.cat(
                [_parts(wave, 1), _parts(1j * wave, 1)],
                dim=0,
            ),
        )

    def forward(self, samples: Tensor) -> Tensor:
        """(B, C, n_fft) -> (B, 2, C, F) real and imaginary parts."""
        rows, columns = self.sizes
        re, im = (
            self.first
            @ torch.unflatten(
                samples * self.window,
                -1,
                self.sizes,
            )
        ).chunk(2, dim=-2)
        turn_re, turn_im = self.twiddle
        turned = torch.cat(
            [re * turn_re - im * turn_im, re * turn_im + im * turn_re],
            dim=-1,
        )
        spectrum = torch.unflatten(
            turned @ self.second, -1, (2, columns // 2 + 1)
        )  # (B, C, rows, 2, columns / 2 + 1)
        return torch.flatten(
            spectrum.permute(0, 3, 1, 4, 2),
            -2,
        )[..., 1 : rows * columns // 2 + 1]


class Synthesis(nn.Module):
    """An inverse real Fourier transform, of which only the end is wanted, and a window."""

    window: Tensor
    first: Tensor
    twiddle: Tensor
    second: Tensor

    def __init__(self, config: StftConfig, window: Tensor) -> None:
        super().__init__()
        rows, columns = self.sizes = factors(config.n_fft)
        self.register_buffer("window", window.clone())
        wave = _waves(columns // 2 + 1, columns, columns).conj()
        weight = torch.full((columns // 2 + 1, 1), 2.0)
        # Nyquist is its own mirror image. It is alone in the last line: bins above it are not
        # there.
        weight[-1] = 1.0
        wave = wave * weight / config.n_fft
        self.register_buffer(
            "first",
            torch.cat(
                [_parts(wave, 1), _parts(1j * wave, 1)],
                dim=0,
            ),
        )
        self.register_buffer(
            "twiddle",
            _parts(_waves(rows, columns, config.n_fft).conj()),
        )
        wave = _waves(rows, rows, rows).conj()[(config.n_fft - config.n_synthesis) // columns :]
        self.register_buffer(
            "second",
            torch.cat(
                [wave.real, -wave.imag],
                dim=1,
            ).float(),
        )

    def forward(self, planes: Tensor) -> Tensor:
        """(..., 2, F) -> (..., n_synthesis)."""
        rows, columns = self.sizes
        padded = torch.unflatten(
            nn.functional.pad(
                planes,
                (1, rows - 1),
            ),
            -1,
            (columns // 2 + 1, rows),
        )
        re, im = (padded.movedim(-1, -3).flatten(-2) @ self.first).chunk(
            2, dim=-1
        )  # (..., rows, columns)
        turn_re, turn_im = self.twiddle
        turned = torch.cat(
            [re * turn_re - im * turn_im, re * turn_im + im * turn_re],
            dim=-2,
        )
        return (self.second @ turned).flatten(-2)[..., -len(self.window) :] * self.window


def factors(n: int) -> tuple[int, int]:
    """The split of an even n into two factors, the second even, that makes the least work."""
    rows = max(
        r
        for r in range(
            1,
            math.isqrt(n) + 1,
        )
        if n % (2 * r) == 0
    )
    return rows, n // rows


def _waves(n: int, m: int, period: int) -> Tensor:
    """(n, m) complex: exp(-2 pi i * row * column / period)."""
    turns = (
        torch.outer(
            torch.arange(n),
            torch.arange(m),
        )
        % period
    )
    return torch.exp(-2j * math.pi / period * turns.double())


def _parts(wave: Tensor, dim: int | None = None) -> Tensor:
    """Real and imaginary parts, stacked, or joined along `dim`."""
    parts = [wave.real.float(), wave.imag.float()]
    return torch.stack(parts) if dim is None else torch.cat(parts, dim)


def metadata(model: SeparatorModel, model_id: str) -> dict[str, str]:
    """What a file of the graph says of itself."""
    config, stft = model.config, model.config.stft
    numbers = {
        "sample_rate": config.sample_rate,
        "n_channels": N_CHANNELS,
        "hop_length": stft.hop_length,
        "n_fft": stft.n_fft,
        "n_synthesis": stft.n_synthesis,
        "delay": config.delay,
        "n_condition": config.unet.n_condition,
    }
    return {
        "producer": f"rtmss {importlib.metadata.version('rtmss')}",
        "model_id": model_id,
        **{k: str(v) for k, v in numbers.items()},
    }


def code_id() -> str:
    """Of the code that a graph is made from: another one makes another graph."""
    modules = (config, tree, dual_path, gru, layers, scan, separator, unet)
    files = [Path(__file__), *(Path(str(module.__file__)) for module in modules)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


def check_exportable(model: SeparatorModel) -> None:
    """Raise GraphError for a network that looks ahead: a hop would be masked that is not the one
    that is heard.
    """
    if model.config.unet.n_ahead:
        raise GraphError("a network that looks ahead plays in torch only")


def export_graph(
    path: Path, model: SeparatorModel, model_id: str, *, standalone: bool = False
) -> None:
    """Write the graph to a file, which appears when it is whole.

    Args:
        path: the file.
        model: the weights.
        model_id: their id.
        standalone: from samples and conditions on, for other programs.

    Raises:
        GraphError: the exporter is not installed or does not succeed, the file cannot be written,
            or the network looks ahead.
    """
    check_exportable(model)
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise GraphError(
            f"to export the network, torch needs more: pip install {' '.join(missing)}"
        )
    graph = HopGraph(model, standalone=standalone).eval()
    inputs, n_targets = (
        graph.inputs,
        torch.export.Dim(
            "n_targets",
            min=1,
            max=64,
        ),
    )
    per_target = {
        "conditions",
        "modulation",
        *(name for name in inputs if name.startswith("targets.")),
    }
    heard, control, *state = [{1: n_targets} if name in per_target else None for name in inputs]
    if path.is_dir():
        raise GraphError(f"{path}: is a folder; name a file in it")
    try:
        with _quietly():
            program = torch.onnx.export(
                graph,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=graph.outputs,
                dynamic_shapes=(heard, control, tuple(state)),
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            program.model.metadata_props.update(metadata(model, model_id))
            path.parent.mkdir(parents=True, exist_ok=True)
        with _quietly(), whole_file(path) as partial:
            program.save(partial, external_data=False)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise GraphError(f"{path}: the network could not be exported ({reason})") from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The exporter warns of its own inner workings, and of packages that have nothing to do with
    this.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
