"""The control side's view of a running engine: what has been asked for, when it is to be heard, and
what plays.

One thread uses a controller. A change is a function from scene to scene: one that is due later is
applied to the scene of that moment.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from rtmss.conditions.condition import Condition, ConditionLimits
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.live.control.captures import Captured, Captures, with_conditions
from rtmss.live.shared.jobs import Answer
from rtmss.live.shared.state import Meter, SharedState, Status

if TYPE_CHECKING:
    from rtmss.live.control.cues.player import CuePlayer
    from rtmss.live.control.midi.controllers import MidiControllers

SceneChange = Callable[[Scene], Scene]
MAX_SCHEDULED = 512
AHEAD_HOPS = 32
"""Changes that are due later than this wait on the control side."""


class PresetLoaded(NamedTuple):
    """What a background load of a preset came to."""

    name: str
    scene: Scene | None
    """None where it failed."""
    error: UserError | None
    ends_panic: bool = False
    """Whether it was asked for in a panic."""


class MixerController:
    """Publishes scenes to the engine and reads back what it does.

    Nothing is sent before `flush`, so all changes made since the last one are heard at the same
    hop.
    """

    def __init__(
        self,
        shared: SharedState,
        library: Library,
        model_id: str,
        limits: ConditionLimits | None = None,
        captures: Captures | None = None,
    ) -> None:
        """Take up the latest scene that was sent.

        Args:
            shared: where the scenes go.
            library: presets and conditions come from it.
            model_id: of the engine's weights.
            limits: what the engine's model takes of a condition; None for all that fits.
            captures: clips and conditions by ear; None where nothing can be captured.
        """
        self.captures = captures
        self.shared = shared
        self.library = library
        self.model_id = model_id
        self.limits = limits or ConditionLimits(shared.n_condition)
        self.scene = Scene()
        """As it is once everything asked for at once is heard."""
        self.preset = ""
        self.cues: CuePlayer | None = None
        """What plays a set list, if there is one."""
        self.midi: MidiControllers | None = None
        """Controllers, if there are any."""
        self.number = 0
        """Of the latest scene sent; `status.applied` reaches it when that is audible."""
        self.number_now = 0
        """Of the latest scene sent to play at once; those sent for later have higher numbers."""
        self.scheduled: list[tuple[int, SceneChange]] = []
        """Changes that are due at a hop to come, earliest first."""
        self._is_dirty = False
        self._n_near = self._hop = 0
        self._loaded: SimpleQueue[PresetLoaded] = SimpleQueue()
        self._reader = ThreadPoolExecutor(1)  # one after the other, in the order of asking
        latest = shared.latest()
        if latest is not None:
            self.scene, self.preset, self.number = latest.scene, latest.preset, latest.number
            # What the controller before had sent for later is not known here, and is taken back.
            self._is_dirty = True
        self._sent = self.scene, self.preset
        """What was sent last, to play at once."""

    @property
    def status(self) -> Status:
        """What the engine last said of itself."""
        return self.shared.read()[0]

    def meters(self) -> dict[str, Meter]:
        """Levels by strip: every stem, `remainder`, and `master` for the mix."""
        meters = self.shared.read()[1]
        names = [*(stem.name for stem in self.scene.stems), "remainder"]
        return dict(
            zip(
                names,
                meters,
                strict=False,
            )
        ) | {"master": meters[-1]}

    def change(self, change: SceneChange, hop: int = 0) -> None:
        """Change the scene: at the next `flush`, or from a hop to come on.

        Raises:
            UserError: the change cannot be made of the present scene, or too many are waiting;
                nothing is changed.
        """
        if hop > self.status.hop:
            change(self.scene)
            if self.is_full:
                raise UserError(f"{MAX_SCHEDULED} changes are waiting already")
            bisect.insort(self.scheduled, (hop, change), key=lambda row: row[0])
        else:
            self._make(change)
        self._is_dirty = True

    @property
    def is_full(self) -> bool:
        """Whether no more changes can wait for their hop."""
        return len(self.scheduled) >= MAX_SCHEDULED

    def withdraw(self, change: SceneChange) -> None:
        """Forget a change that is due at a hop to come."""
        self.scheduled = [row for row in self.scheduled if row[1] is not change]
        self._is_dirty = True

    def flush(self) -> None:
        """Send what has changed. Changes for the next hops go along, made of the scene that will be
        there.

        Raises:
            UserError: a scene cannot be sent. What was sent before it stays.
        """
        hop = self.catch_up()
        near = [row for row in self.scheduled if row[0] <= hop + AHEAD_HOPS]
        if not self._is_dirty and len(near) == self._n_near:
            return
        scene, later = self.scene, []
        for due, changes in itertools.groupby(near, key=lambda row: row[0]):
            for _, change in changes:
                with contextlib.suppress(UserError):  # the stem may be gone by then
                    scene = change(scene)
            later.append((due, scene))
        try:
            self.number = self.shared.send(self.scene, self.preset, later)
        except Exception:
            self.scene, self.preset = self._sent
            self._is_dirty, self._n_near = False, len(near)
            raise
        self._sent = self.scene, self.preset
        self.number_now = self.number - len(later)
        self._is_dirty, self._n_near = False, len(near)

    def catch_up(self) -> int:
        """Let changes belong to the scene whose hop the engine has reached; that hop."""
        hop = self.status.hop
        if hop < self._hop:
            # Another engine counts from 0: what was due at the old one's hops is due now.
            self.scheduled = [(0, change) for _, change in self.scheduled]
        self._hop = hop
        while self.scheduled and self.scheduled[0][0] <= hop:
            self._apply(self.scheduled.pop(0)[1])
        return hop

    def _apply(self, change: SceneChange) -> None:
        """The engine has taken up a scheduled change; from now on it belongs to the scene."""
        self._is_dirty = True
        with contextlib.suppress(UserError):
            self._make(change)

    def _make(self, change: SceneChange) -> None:
        """Change the scene now. A change that brings a preset has its name."""
        self.scene = change(self.scene)
        self.preset = getattr(change, "preset", "") or self.preset

    def start_loading(self, name: str) -> None:
        """Read a preset in the background; `finish_loading` says when it is there. In a panic,
        playing it ends that.
        """
        ends_panic = self.shared.panic  # a panic that comes while the preset is being read goes on
        self._reader.submit(
            lambda: self._loaded.put(self._load(name)._replace(ends_panic=ends_panic))
        )

    def finish_loading(self) -> list[PresetLoaded]:
        """Presets that have been read since the last call; they play from the next `flush` on."""
        done = []
        while not self._loaded.empty():
            loaded = self._loaded.get()
            done.append(loaded)
            if loaded.scene is not None:
                self.play(loaded.name, loaded.scene)
                self.shared.panic = self.shared.panic and not loaded.ends_panic
        return done

    def finish_captures(self) -> list[Captured]:
        """What the builder has said since the last call; new conditions play from the next `flush`
        on.
        """
        answers = self.captures.poll() if self.captures else []
        return [self._take_up(answer) for answer in answers]

    def _take_up(self, answer: Answer) -> Captured:
        assert self.captures is not None
        stems = self.captures.stems_for(answer, self.scene)
        if not stems:
            return Captured(answer)
        try:
            condition = self.load_condition(answer.name)
            self.change(with_conditions(stems, condition))
        except UserError as error:
            return Captured(answer.model_copy(update={"is_done": False, "text": str(error)}))
        return Captured(answer, is_played=True)

    def play(self, preset: str, scene: Scene) -> None:
        """Let a preset's scene play at the next `flush`, bypass as it was."""
        self.preset = preset
        self.scene = replace(scene, bypass=self.scene.bypass)
        self._is_dirty = True

    def load_condition(self, name: str) -> Condition:
        """A condition by name.

        Raises:
            UserError: there is none, it was made for other weights, or the model does not take it.
        """
        condition = self.library.load_condition(name, self.model_id)
        self.limits.check(condition)
        return condition

    def hop_at(self, seconds: float) -> int:
        """The hop that is stepped at a moment of `time.perf_counter()`."""
        status = self.status
        if not status.sample_rate:
            return 0
        return status.hop + math.ceil(
            (seconds - status.hop_seconds) * status.sample_rate / status.hop_length
        )

    def _load(self, name: str) -> PresetLoaded:
        try:
            preset = self.library.preset_named(name)  # a message never opens a path
            scene = Scene.from_preset(preset, self.library, self.model_id)
            scene.check(self.limits)
            return PresetLoaded(name, scene, None)
        except UserError as error:
            return PresetLoaded(name, None, error)
        except Exception as error:  # whoever waits for it has to hear of it
            return PresetLoaded(
                name, None, UserError(f"preset '{name}': {type(error).__name__}: {error}")
            )
