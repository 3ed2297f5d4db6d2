"""A condition builder in this process, with something to capture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtmss.audio import Audio
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene
from rtmss.engine.session import Output
from rtmss.live.capture.builder import Builder
from rtmss.live.capture.drafts import Drafts
from rtmss.live.shared.capture_ring import CaptureRing
from rtmss.live.shared.jobs import Answer, Job, JobQueue
from rtmss.model.separator import SeparatorModel

MODEL_ID = "0123456789ab"
RATE = 8000


def tone(hz: float, seconds: float, level: float = 0.3) -> Audio:
    """(2, S) a sound that is not another."""
    n_samples = round(seconds * RATE)
    rng = np.random.default_rng(round(hz))
    phase = 2 * np.pi * hz * np.arange(n_samples) / RATE
    sound = np.sin(phase) + 0.3 * rng.standard_normal(n_samples)
    return np.repeat((level * sound / np.abs(sound).max())[None], 2, axis=0).astype(np.float32)


class Stage:
    """A ring with sound in it, a queue, and a builder that works when it is told to."""

    def __init__(self, folder: Path, model: SeparatorModel) -> None:
        self.library = folder / "library"
        self.folder = self.library / "captured"
        self.model = model
        self.ring = CaptureRing.create()
        self.queue = JobQueue.create()
        self.song = ""
        self.n_read = 0
        self.builder = self.new_builder()

    def close(self) -> None:
        self.ring.close(unlink=True)
        self.queue.close(unlink=True)

    def new_builder(self) -> Builder:
        """As the supervisor starts one after another."""
        return Builder(self.drafts, self.ring, self.queue, lambda: self.song, RATE)

    @property
    def drafts(self) -> Drafts:
        return Drafts(self.folder, self.library, self.model, MODEL_ID)

    @property
    def known(self) -> Library:
        """As the control side sees it."""
        return Library([self.folder, self.library])

    def play(self, sound: Audio, scene: Scene | None = None) -> None:
        """The engine hears something; its stems play the same, softer and softer."""
        scene = scene or Scene()
        stems = [sound / (2 + row) for row in range(len(scene.stems))]
        output = Output(
            sound,
            np.stack(stems) if stems else np.zeros((0, *sound.shape), np.float32),
            sound,
            sound,
        )
        self.ring.put(sound, output, scene, RATE)

    def do(self, job: Job) -> list[Answer]:
        """Hand a job over and have it done."""
        self.queue.ask(job)
        assert self.builder.work()
        return self.answers()

    def answers(self) -> list[Answer]:
        """What was said since the last look."""
        self.n_read, found = self.queue.read_answers(self.n_read)
        return found

    def last(self, name: str, role: str = "positive", seconds: float = 2.0) -> list[Answer]:
        """Keep what was heard last."""
        stop = self.ring.written
        start = max(0, stop - round(seconds * RATE))
        words = {"task": "last", "name": name, "role": role, "start": start, "stop": stop}
        return self.do(Job.model_validate(words))
