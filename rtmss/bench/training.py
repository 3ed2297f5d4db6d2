"""What a training step costs on this machine, part by part, and how near that is to what it could
multiply.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

import rtmss.model.gru  # noqa: F401 (registers the operators that are counted below)
from rtmss.datasets.track import Track
from rtmss.model.clip_encoder import ClipEncoder
from rtmss.training.classify import embed_bank
from rtmss.training.loop import Trainer, start_model
from rtmss.training.mixtures.bank import Bank, load_banks
from rtmss.training.mixtures.draw import Episode, Episodes
from rtmss.training.mixtures.mixdown import Mixdown
from rtmss.training.recipe import Recipe
from rtmss.training.windows import Crop, Memory, Passes, half_precision, window_loss

NOISE_SECONDS = 6.0
NOISE_LABELS = ("vocals", "drums", "bass", "guitar", "piano", "strings", "winds")
N_PEAK = 2048
"""Rows and columns of the matrices whose product is the measure."""
PARTS = ("plan", "mix", "analyse", "forward", "backward", "update")


@dataclass(frozen=True)
class PartRow:
    """One part of a step."""

    part: str
    p50_ms: float
    least_ms: float


@dataclass(frozen=True)
class TrainingStep:
    """A step, whole."""

    rows: tuple[PartRow, ...]
    p50_ms: float
    least_ms: float
    audio_seconds: float
    """Mixture audio in a step."""
    macs: int
    """Multiply-adds of products and convolutions, forward and backward."""
    peak_macs_per_second: float
    """Of a product of two matrices, in the precision that training has here."""
    precision: str
    n_threads: int

    @property
    def audio_seconds_per_second(self) -> float:
        """Speed by the median step."""
        return 1000 * self.audio_seconds / self.p50_ms

    @property
    def share_of_peak(self) -> float:
        """How much of the machine's products the median step uses."""
        return self.macs / (self.p50_ms / 1000) / self.peak_macs_per_second


def measure_training(
    recipe: Recipe, folder: Path, data: Sequence[Path], n_steps: int
) -> TrainingStep:
    """Time steps of a recipe, drawing included, as the training loop takes them.

    Args:
        recipe: the run.
        folder: that its `start_from` is relative to.
        data: folders of stems; without any, noise is mixed.
        n_steps: timed ones, after three that are not.

    Raises:
        ConfigError: the data cannot be used.
    """
    torch.set_num_threads(recipe.n_threads)
    model, _ = start_model(recipe, folder)
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch)
        rate = recipe.model.sample_rate
        bank = load_banks(data, "train", cache, rate) if data else noise_bank(rate)
        bench = _Bench(
            recipe,
            model.clip_encoder.eval(),
            Trainer(model, recipe, cache),
            bank,
        )
        for number in range(3):
            bench.step(number)
        seconds = np.array([bench.step(number) for number in range(3, 3 + n_steps)])
        macs = bench.count_macs()
    rows = tuple(
        PartRow(
            part,
            1000 * float(np.median(column)),
            1000 * float(column.min()),
        )
        for part, column in zip(PARTS, seconds.T, strict=True)
    )
    whole = seconds.sum(1)
    peak, precision = _peak()
    return TrainingStep(
        rows=rows,
        p50_ms=1000 * float(np.median(whole)),
        least_ms=1000 * float(whole.min()),
        audio_seconds=recipe.loop.batch * recipe.episodes.seconds / recipe.loop.windows,
        macs=macs,
        peak_macs_per_second=peak,
        precision=precision,
        n_threads=recipe.n_threads,
    )


def noise_bank(sample_rate: int) -> Bank:
    """Solo tracks of noise, one of each of some families: speed is the same whatever is mixed."""
    rng = np.random.default_rng(0)
    n = round(NOISE_SECONDS * sample_rate)
    tracks = [
        Track(
            label,
            label,
            label,
            "",
            n_samples=n,
        )
        for label in NOISE_LABELS
    ]
    audio = [
        rng.integers(
            -8000,
            8000,
            (n, 1),
            np.int16,
        )
        for _ in tracks
    ]
    n_blocks = n // (sample_rate // 2)
    levels = [np.full(n_blocks, 0.14, np.float32) for _ in tracks]
    return Bank(tracks, audio, levels, sample_rate)


class _Bench:
    """Steps of a trainer, part by part."""

    def __init__(
        self,
        recipe: Recipe,
        encoder: ClipEncoder,
        trainer: Trainer,
        bank: Bank,
    ) -> None:
        self.recipe = recipe
        self.trainer = trainer
        self.model = trainer.model
        self.passes = Passes.of(self.model, compiled=recipe.compile)
        self.plain = Passes.of(self.model, compiled=False)
        self.episodes = Episodes(bank, embed_bank(encoder, bank, 4), recipe)
        self.mixdown = Mixdown(bank, self.episodes.n_samples, trainer.device)
        n_all = self.episodes.n_samples // recipe.model.stft.hop_length
        self.window = range(n_all // recipe.loop.windows)
        self.model.train()
        self.model.clip_encoder.eval()

    def step(self, number: int) -> list[float]:
        """Seconds of each of `PARTS`."""
        marks = [time.perf_counter()]

        def mark() -> None:
            marks.append(time.perf_counter())

        plan = self.episodes[number]
        mark()
        episode = self.mixdown(plan)
        mark()
        self._gradients(episode, self.passes, mark)
        self.trainer.update()
        mark()
        return np.diff(marks).tolist()

    def count_macs(self) -> int:
        """Multiply-adds of one step; the transforms' are not counted."""
        episode = self.mixdown(self.episodes[0])
        with FlopCounterMode(display=False) as counter:
            self._gradients(episode, self.plain, lambda: None)
        return int(counter.get_total_flops()) // 2

    def _gradients(
        self,
        episode: Episode,
        passes: Passes,
        mark: Callable[[], None],
    ) -> None:
        self.trainer.optimiser.zero_grad()
        crop = Crop.of(episode, self.model)
        memory = Memory.empty(
            self.model,
            *episode.targets.shape[:2],
        )
        mark()
        loss, *_ = window_loss(
            self.model, crop, memory, self.window, False, self.recipe.loop, passes
        )
        mark()
        torch.autograd.backward(loss)
        mark()


def _peak(n_trials: int = 10) -> tuple[float, str]:
    """Multiply-adds a second of the best of some products, and in which precision they were."""
    is_half = half_precision(torch.device("cpu"))._enabled
    dtype = torch.bfloat16 if is_half else torch.float32
    a, b = (torch.randn(N_PEAK, N_PEAK).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(n_trials):
        started = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - started)
    return N_PEAK**3 / min(seconds), str(dtype).removeprefix("torch.")


@register_flop_formula(torch.ops.rtmss.gru)
def _gru_flops(
    given: list[int], _hidden: list[int], weight: list[int], *_: object, **__: object
) -> int:
    n_frames, batch, _width = given
    return 2 * n_frames * batch * weight[0] * weight[1]


@register_flop_formula(torch.ops.rtmss.gru_backward)
def _gru_backward_flops(
    gradient: list[int],
    *_: object,
    **__: object,
) -> int:
    n_frames, batch, n_hidden = gradient
    return 2 * n_frames * batch * 3 * n_hidden * n_hidden
