"""The builder's process, which has time: it may die and come back, and the sound knows nothing of
it.

Started by the supervisor as `python -m rtmss.live.capture.process OPTIONS`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

import torch

from rtmss.config import UserError
from rtmss.live.capture.builder import Builder
from rtmss.live.capture.drafts import Drafts
from rtmss.live.options import BuilderOptions, refuse_other_weights
from rtmss.live.shared.capture_ring import CaptureRing
from rtmss.live.shared.heartbeat import Supervision
from rtmss.live.shared.jobs import JobQueue
from rtmss.live.shared.parent import ignore_group_signals
from rtmss.live.shared.state import SharedState
from rtmss.separator import Separator

TICK_SECONDS = 0.02
NICENESS = 10
"""Everything else goes first."""


def run_builder(options: BuilderOptions) -> None:
    """Do jobs until the shared state says stop."""
    ignore_group_signals()
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
    torch.set_num_threads(1)
    shared = SharedState.attach(options.memory, options.n_condition)
    supervision = Supervision(shared, options.supervisor, signal.SIGTERM)
    separator = Separator.load(options.weights)
    refuse_other_weights(options.weights, separator.model_id, options.model_id)
    model = separator.model
    ring, jobs = options.memories
    drafts = Drafts(options.drafts, options.library, model, separator.model_id)
    builder = Builder(
        drafts,
        CaptureRing.attach(ring),
        JobQueue.attach(jobs),
        lambda: shared.transport.song,
        model.config.sample_rate,
    )
    while not shared.stop and not supervision.is_gone():
        shared.beat("builder")
        if not builder.work():
            builder.look_after()
            time.sleep(TICK_SECONDS)


if __name__ == "__main__":
    try:
        run_builder(BuilderOptions.of_text(sys.argv[1]))
    except UserError as error:
        print(f"rtmss: {error}", file=sys.stderr)
        sys.exit(1)
