"""Times of the backends, cached beside the network, so that the next start need not measure again.

The cached result is valid for the same weights, graph file, library versions and CPU. If one of
them changed, or the cache file is damaged, the backends are timed again.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Annotated, Self

import torch
from pydantic import Field, ValidationError

from rtmss.bounded import UnreadableError, parse_json, read_text
from rtmss.config import Config
from rtmss.model.separator import SeparatorModel
from rtmss.ownership import whole_file

MAX_BYTES = 1 << 16
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Comparison(Config):
    """What is cached; times are of a hop, in milliseconds."""

    situation: dict[str, str]
    date: datetime.date
    difference: Number
    torch_ms: Number
    other_ms: Number

    @classmethod
    def find(
        cls,
        graph: Path,
        situation: dict[str, str],
    ) -> Self | None:
        """That of a network in this situation, or None."""
        try:
            text = read_text(_path(graph), MAX_BYTES)
            cached = cls.model_validate(parse_json(text))
        except (UnreadableError, ValidationError):
            return None
        return cached if cached.situation == situation else None

    def save(self, graph: Path) -> None:
        """Write it, whole or not at all; where nothing can be written the next start measures
        again.
        """
        content = self.model_dump_json(indent=1) + "\n"
        with contextlib.suppress(OSError), whole_file(_path(graph)) as partial:
            partial.write_text(content, encoding="utf-8")


def situation(
    model: SeparatorModel,
    model_id: str,
    graph: Path,
) -> dict[str, str]:
    """All that a comparison depends on.

    Raises:
        ImportError: there is no ONNX Runtime.
        OSError: there is no such network.
    """
    import onnxruntime

    file = graph.stat()
    return {
        "model_id": model_id,
        "hop_length": str(model.config.stft.hop_length),
        "network": f"{graph.name}, {file.st_size} bytes, {file.st_mtime_ns}",
        "rtmss": importlib.metadata.version("rtmss"),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
        "processor": f"{platform.system()} {platform.machine()}, {_processor()}, {os.cpu_count()} "
        "cores",
    }


def _path(graph: Path) -> Path:
    return graph.with_suffix(".json")


def _processor() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
