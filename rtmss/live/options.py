"""What the processes are started with, and the one way in which it is handed to them: as text.

Imports no torch, which takes seconds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field

from rtmss.config import Config, UserError

EXIT_REFUSED = 2
"""Exit status of an engine or a control side that cannot start as it was asked to."""
EXIT_LOST = 3
"""Exit status of an engine whose device has stopped calling."""
SILENT_SECONDS = 1.0
"""Without a block for so long, the device is taken to be lost."""


class ProcessOptions(Config):
    """What every process is started with: where the shared memory is."""

    n_condition: int
    """Numbers of a condition vector."""
    shared: Path | None = None
    """The shared state; the supervisor fills it in."""
    ring: Path | None = None
    """The recorder ring, if there is a recorder; the supervisor fills it in."""
    capture: Path | None = None
    """The capture ring, if clips can be captured; the supervisor fills it in."""
    jobs: Path | None = None
    """What is asked of the condition builder, if there is one; the supervisor fills it in."""

    supervisor: int = 0
    """Its process number; it fills it in."""

    def in_memory(self, shared: Path, **others: Path | None) -> Self:
        """The same options, from the supervisor, with the memory that it has made."""
        update = {"shared": shared, "supervisor": os.getpid(), **others}
        return self.model_copy(update=update)

    @property
    def memory(self) -> Path:
        """The shared state.

        Raises:
            ValueError: there is none yet.
        """
        if self.shared is None:
            raise ValueError("the supervisor has not said where the shared state is")
        return self.shared

    def to_text(self) -> str:
        """For the command line of a process, or its first argument."""
        return self.model_dump_json()

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The same options again."""
        return cls.model_validate_json(text)


class EngineOptions(ProcessOptions):
    """What an engine is started with."""

    weights: Path | None = None
    """None for those that come with rtmss."""
    model_id: str | None = None
    """That of the weights when the host started; None takes any."""
    device: str | None = None
    """By name; None for the default."""
    source: str | None = None
    """The input's device by name where it is another than the output's."""
    sink: str | None = None
    """The output's device by name."""
    block: int | None = None
    """Samples per block; None for what the device brings at once."""
    n_outputs: int = 2
    """Output channels to open, as far as the device has them."""
    sample_rate: int | None = None
    """Hz; None for the device's own."""
    n_queued: int | None = None
    """Blocks that a step may take; None gives it the time of one hop."""
    graph: Path | None = None
    """The network for ONNX Runtime; None for eager torch."""
    latency_profile: str | None = None
    """None for that of the weights."""


def refuse_other_weights(weights: Path | None, model_id: str, expected: str | None) -> None:
    """See that the weights' file holds what it held when the host began.

    Raises:
        UserError: it does not.
    """
    if expected not in {None, model_id}:
        raise UserError(
            f"{weights or 'the weights that come with rtmss'}: are {model_id} "
            f"now, and were {expected} at the start; put those back, or start again"
        )


class ControlOptions(ProcessOptions):
    """What the control side is started with."""

    model_id: str
    largest_norm: (
        Annotated[
            float,
            Field(
                gt=0,
                allow_inf_nan=False,
            ),
        ]
        | None
    ) = None
    """No condition may be longer; None where that is not known."""
    library: Path
    """The user's folder of presets."""
    drafts: Path | None = None
    """The folder of conditions in the making; None where nothing can be captured."""
    osc_bind: str
    osc_port: int
    osc_token: bool = False
    """Whether OSC peers of other machines have to show the pairing token."""
    web_port: int | None = None
    """Of the page and OSCQuery; None for neither."""
    web_bind: str = "127.0.0.1"
    set_list: Path | None = None
    """Whose cues are played."""
    midi: tuple[str, ...] = ()
    """Ports of controllers."""
    midi_map: Path | None = None
    """What their controls do; None for the map that comes with rtmss."""
    output: str = "view"
    """`view` for the terminal, `json` for a line per second, or `none`."""


class RecorderOptions(ProcessOptions):
    """What a recorder is started with."""

    folder: Path
    """Takes go into it."""
    hop_length: int
    """Of the model."""
    n_outputs: int
    model_id: str
    weights: str
    """Where the model came from, for the log."""


class BuilderOptions(ProcessOptions):
    """What a condition builder is started with."""

    weights: Path | None = None
    """None for those that come with rtmss."""
    model_id: str | None = None
    """Of the weights at the start; None for whatever they are."""
    drafts: Path
    """The folder of conditions in the making."""
    library: Path
    """The user's folder of conditions."""

    @property
    def memories(self) -> tuple[Path, Path]:
        """The capture ring and the jobs.

        Raises:
            ValueError: there are none yet.
        """
        if self.capture is None or self.jobs is None:
            raise ValueError("a builder needs a ring to take clips from, and jobs")
        return self.capture, self.jobs
