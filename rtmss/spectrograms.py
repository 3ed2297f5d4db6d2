"""Spectrograms as a picture.

Axes: C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from rtmss.audio import Audio

N_FFT, HOP = 4096, 1024


def draw_spectrograms(
    path: Path,
    panels: Mapping[str, Audio],
    sample_rate: int,
) -> None:
    """Write one PNG with a spectrogram per (C, S) panel, all on one scale."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(12, 3 * len(panels)),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        len(panels),
        1,
        sharex=True,
        squeeze=False,
    )[:, 0]
    window = torch.hann_window(N_FFT)
    spectra = {}
    for name, audio in panels.items():
        mono = torch.from_numpy(np.ascontiguousarray(audio.mean(0)))
        spectrum = torch.stft(
            mono,
            N_FFT,
            HOP,
            window=window,
            return_complex=True,
        ).abs()
        spectra[name] = 20 * np.log10(spectrum.numpy() + 1e-5)
    top = max(float(levels.max()) for levels in spectra.values())
    frequency = np.linspace(0, sample_rate / 2, N_FFT // 2 + 1)
    for axis, (name, levels) in zip(
        axes,
        spectra.items(),
        strict=True,
    ):
        seconds = np.arange(levels.shape[1]) * HOP / sample_rate
        picture = axis.pcolormesh(
            seconds, frequency[2:], levels[2:], vmin=top - 80, vmax=top, cmap="magma"
        )
        axis.set(
            yscale="log",
            ylim=(40, 16000),
            ylabel="Hz",
            title=name,
        )
    axes[-1].set_xlabel("seconds")
    figure.colorbar(picture, ax=axes, label="dB")
    figure.savefig(path, dpi=100)
