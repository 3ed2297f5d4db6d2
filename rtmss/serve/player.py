"""One instance of the plug-in and its session: a hop in, a hop out.

Axes: O output channels, S samples.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from rtmss.audio import Audio
from rtmss.config import SeparatorConfig, UserError
from rtmss.engine.control import Scene
from rtmss.engine.frames import StreamFrames
from rtmss.engine.session import Output, Session
from rtmss.serve.layout import N_OUTPUTS, N_STEM_BUSES, RING, Control, EngineState
from rtmss.serve.mapped import Controls, MappedInstance, StreamHead
from rtmss.serve.moves import Held, Moves, moved
from rtmss.serve.scenes import SceneBook, fallback_of, mixed, sane

CATCH_UP = 16
"""Hops from which an engine that comes late finds its way: they fill its memory of the latest
sound.
"""
SPARE_HOPS = 2
"""Hops of a ring that a plug-in may be writing to."""
NOTHING = Scene()
"""What plays where no preset does: the input."""


class InstancePlayer:
    """Steps the hops that an instance has laid, one for each call."""

    def __init__(self, instance: MappedInstance, book: SceneBook, config: SeparatorConfig) -> None:
        """Play for an instance once there is a session.

        Args:
            instance: its memory.
            book: presets by name.
            config: of the weights that play.
        """
        self.instance = instance
        self._book, self._config = book, config
        self._session: Session | None = None
        self._stream: StreamHead | None = None
        """The one that plays."""
        self._hop = 0
        """The next to be stepped."""
        self._preset, self._name = NOTHING, ""
        self._set: tuple[bytes, str, bool] | None = None
        """What the session's scene was made of: controls, the host's preset, whether OSC rests."""
        self.number = 0
        """By which OSC knows it; 0 for none."""
        self.asked: deque[tuple[int, Moves]] = deque()
        """Numbers of messages, and what they move; their presets have been read."""
        self.held = Held()
        self.applied = 0
        """The latest of the messages that is heard."""
        self._stem_gain = 1.0
        """Of the stems' buses, which bypass closes."""
        self._refused_rates: set[int] = set()
        self.n_steps = 0
        self.wanted_name: str | None = None
        """A preset that is to be read by who may wait."""
        instance.tell(EngineState.PREPARING)

    def wanted_rate(self) -> int | None:
        """Hz, of a session that is missing; None if there is one, or nothing is to be played."""
        try:
            stream = self.instance.stream()
        except UserError:
            return None
        has_one = self._session is not None
        if stream is None or (has_one and self._session_rate() == stream.sample_rate):
            return None
        is_refused = stream.sample_rate in self._refused_rates
        return None if is_refused or not self._fits(stream) else stream.sample_rate

    def refuse(self, rate: int) -> None:
        """Want no session at a rate: none can be made."""
        self._refused_rates.add(rate)
        self.instance.tell(EngineState.REFUSED)

    def give(self, session: Session) -> None:
        """Play with this session from now on, which nobody else has."""
        self._stream = None
        self._session = session

    def take_back(self) -> None:
        """Play no longer: the session is broken, and another is wanted."""
        self._session = self._stream = None
        self.instance.tell(EngineState.PREPARING)

    def work(self) -> bool:
        """Step the next hop that has come in; False if none has."""
        session = self._session
        try:
            stream = self.instance.stream()
        except UserError:
            self.instance.tell(EngineState.REFUSED)
            return False
        if session is None or stream is None or self.instance.n_in < stream.hop_length:
            return False
        if stream != self._stream and not self._begin(session, stream):
            return False
        if not self._has_input(stream):
            return False
        audio = self.instance.read(self._hop, stream.hop_length)
        self._take_up(session, self._hop)
        output = session.step(audio)
        self.instance.write(stream, self._hop, self._buses(output))
        self._hop += 1
        self.n_steps += 1
        return True

    def _session_rate(self) -> int:
        return 0 if self._session is None else self._session.sample_rate

    def _fits(self, stream: StreamHead) -> bool:
        """Whether the plug-in's frames are those of the weights; says so if not."""
        expected = StreamFrames.at(stream.sample_rate, self._config)
        if expected == (stream.hop_length, stream.delay):
            return True
        self.instance.tell(EngineState.REFUSED)
        return False

    def _begin(self, session: Session, stream: StreamHead) -> bool:
        """Start a stream from its beginning, or from what is left of it; False if it cannot be."""
        if not self._fits(stream) or session.sample_rate != stream.sample_rate:
            return False
        self._stream = stream
        self._set, self._name = None, ""
        self._hop = self._first_hop(stream)
        self._take_up(session, self._hop)
        if not self._set:  # its preset is being read
            self._stream = None
            return False
        self._stem_gain = 0.0 if session.scene.bypass else 1.0
        session.reset()
        return True

    def _first_hop(self, stream: StreamHead) -> int:
        """The hop that is heard next, less those from which the engine finds its way."""
        hop, n_in = stream.hop_length, self.instance.n_in
        heard = (n_in - stream.lag) // hop - CATCH_UP
        kept = -(-(n_in - RING) // hop) + SPARE_HOPS
        return max(0, heard, kept if n_in > RING - SPARE_HOPS * hop else 0)

    def _has_input(self, stream: StreamHead) -> bool:
        """Whether the next hop is whole; gives up hops that the ring no longer holds."""
        hop, n_in = stream.hop_length, self.instance.n_in
        most = min(RING - SPARE_HOPS * hop, stream.lag + CATCH_UP * hop)
        if n_in - self._hop * hop > most:
            self._hop = self._first_hop(stream)
        return n_in >= (self._hop + 1) * hop

    def _take_up(self, session: Session, hop: int) -> None:
        """Let the session have the scene that counts for a hop. While a host renders offline, OSC
        rests: what is rendered is what the host's project says.
        """
        row = self.instance.controls(hop)
        controls, rests = sane(row), self.instance.is_offline
        chosen = self.instance.preset_name(int(controls[Control.PRESET]))
        if chosen is None:
            return
        wanted = row.tobytes(), chosen, rests
        if wanted == self._set and (rests or not self.asked):
            return
        self.held.give_back(controls, chosen)
        if not rests:
            self._take_up_moves(controls, chosen)
        name = chosen if rests else self.held.preset or chosen
        if name != self._name and not self._turn_to(name):
            return
        self._set = wanted
        scene = mixed(self._preset, controls)
        session.scene = scene if rests else moved(scene, self.held.moves)

    def _take_up_moves(self, controls: Controls, chosen: str) -> None:
        """Take up what OSC has asked for."""
        while self.asked:
            number, news = self.asked.popleft()
            preset = self._book.scene(self.held.preset or chosen)
            self.held.take_up(news, controls, preset or NOTHING)
            self.applied = number  # only now: who sees it looks for the moves

    def _turn_to(self, name: str) -> bool:
        """Play another preset; False while it has to be read, and the one before plays on."""
        if not self._book.has(name):
            if not self.instance.is_offline:
                self.wanted_name = name
                return False
            self._book.read([name])
        scene = self._book.scene(name)
        self._preset, self._name = NOTHING if scene is None else scene, name
        state = EngineState.NO_PRESET if scene is None else EngineState.PLAYING
        assert self._stream is not None
        self.instance.playing = name
        self.instance.tell(state, self._stream.epoch, fallback_of(self._preset))
        return True

    def _buses(self, output: Output) -> Audio:
        """(N_OUTPUTS, S): main, stems, remainder; stems before their strips, as they are rendered.

        In bypass only main sounds.
        """
        n = output.mix.shape[1]
        audio: Audio = np.zeros((N_OUTPUTS, n), np.float32)
        audio[:2] = output.mix[:2]
        stems = output.stems[:N_STEM_BUSES].reshape(-1, n)
        audio[2 : 2 + len(stems)] = stems
        audio[-2:] = output.remainder
        self._close_in_bypass(audio[2:])
        return audio

    def _close_in_bypass(self, stems: Audio) -> None:
        assert self._session is not None
        wanted = 0.0 if self._session.scene.bypass else 1.0
        if wanted == self._stem_gain == 1.0:
            return
        stems *= np.linspace(self._stem_gain, wanted, stems.shape[1], dtype=np.float32)
        self._stem_gain = wanted

    def describe(self) -> str:
        """For the log: who it is, and how it does."""
        stream = self._stream
        rate = "waits" if stream is None else f"{stream.sample_rate} Hz, preset '{self._name}'"
        late = self.instance.n_late
        return f"host {self.instance.pid}: {rate}, {self.n_steps} hops, {late} late"
