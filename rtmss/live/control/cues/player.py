"""Plays a set list: cues by time at their hop, and others when they are asked for.

Where a song jumps, the cue that has come last by the new place is heard, with all that leads to it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.live.control.cues.clock import Anchor, Pass, SongPlace, hops_of
from rtmss.live.control.cues.firing import Firing
from rtmss.live.control.cues.sheet import Sheet
from rtmss.live.shared.cue_state import CueState
from rtmss.live.shared.song_state import other_song, play, seek

if TYPE_CHECKING:
    from rtmss.live.control.controller import MixerController

HORIZON = 48
"""Hops that cues by time are sent ahead of their hop at most."""
NEAR_SECONDS = 0.005
"""So little before a cue is at it: OSC has short numbers."""
MAX_ASKED = 64
"""Cues that wait for the time tag of their bundle."""
RESTART_HOPS = 1000
"""By more hops, the counts of two engines differ; one that has lost blocks is no other."""
FADE_SLACK = 2
"""Hops after a fade before the one of before holds again."""
PASS_HOPS = 16
"""So many hops after a loop has gone back the engine has said so."""


class Planned(NamedTuple):
    """A cue on its way to the engine."""

    hop: int
    cue: int
    """Its place in the list."""
    is_pass: bool = False
    """Whether the loop goes back there."""
    is_asked: bool = False
    """Whether it was asked for, and did not come by itself."""
    firing: Firing | None = None
    """None where nothing changes."""


class CuePlayer:
    """The cues of a set list at a controller; call `follow` before each flush."""

    def __init__(self, sheet: Sheet, controller: MixerController) -> None:
        """Go on where the control side before stopped, if there was one."""
        self.sheet = sheet
        self._controller = controller
        self._state = self._saved = controller.shared.cues.read()
        if self._state.current >= len(sheet.cues):  # the list has become shorter
            self._state = CueState()
        self._planned: list[Planned] = []
        self._fade: Firing | None = None
        """Whose fade is under way."""
        self._fade_begins = self._fade_ends = 0
        """Its first hop, and the one after it."""
        self._morphed = 0
        """The hop for which stems have been morphed."""
        self._base: Scene | None = None
        """What played when a song without a preset began."""
        self._hop = self._pass_hop = 0
        self._place = 0
        """Sample of the song at which it was seen last."""
        self._news: list[str] = []
        self._take_up()

    def _take_up(self) -> None:
        """Go on where the control side before stopped; the fade of its last cue is over."""
        state, controller = self._state, self._controller
        if state.settled_ms >= 0:
            moved = replace(self.sheet.cues[state.current].change, scene=None, preset="")
            controller.change(lambda scene: replace(moved(scene), fade_ms=state.settled_ms))
            self._state = state._replace(settled_ms=-1.0)
        if state.current < 0 or self.sheet.files:
            return
        hop = controller.hop_at(state.began_seconds)
        is_far = abs(hop - state.began_hop) > RESTART_HOPS
        if is_far or controller.status.hop < state.began_hop:
            self._begin(hop)  # the engine has begun again, too

    @property
    def name(self) -> str:
        """Of the cue that came last; empty before the first."""
        return self.sheet.cues[self._state.current].name if self._state.current >= 0 else ""

    @property
    def upcoming(self) -> str:
        """Of the cue that comes next in the list; empty after the last."""
        following = self._state.current + 1
        return self.sheet.cues[following].name if following < len(self.sheet.cues) else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Of all cues, in order."""
        return tuple(cue.name for cue in self.sheet.cues)

    @property
    def upcoming_seconds(self) -> float | None:
        """Where the next cue comes; None if it has to be asked for."""
        following = self._state.current + 1
        is_there = following < len(self.sheet.cues) and not self.sheet.cues[following].is_start
        return self.sheet.cues[following].seconds if is_there else None

    @property
    def position_seconds(self) -> float:
        """Where the song of a file is; 0 over the input."""
        return self._controller.shared.transport.position_seconds if self.sheet.files else 0.0

    def take_news(self) -> list[str]:
        """What a user should know since the last call."""
        news, self._news = self._news, []
        return news

    # Asked for.

    def index(self, name: str) -> int:
        """The place of a cue by name; those of the song that plays go first.

        Raises:
            ConfigError: there is none.
        """
        return self.sheet.index(name, self._song)

    def neighbour(self, step: int) -> int:
        """The place of the next cue (1) or the one before (-1).

        Raises:
            UserError: there is none.
        """
        index = self._state.current + step
        if index < 0:
            raise UserError("there is no cue before this one")
        if index >= len(self.sheet.cues):
            raise UserError("that was the last cue")
        return index

    def can_wait(self, index: int) -> bool:
        """Whether a cue can be put off to a time: not if a song has to go elsewhere for it."""
        cue = self.sheet.cues[index]
        moves = cue.seconds is not None or cue.song != self._song
        return not (self.sheet.files and moves)

    def fire(self, index: int, hop: int = 0) -> None:
        """Let a cue come: at the next flush, or from a hop to come on.

        Args:
            index: its place.
            hop: only for one that can wait.

        Raises:
            UserError: the song cannot go to its place, or too many wait; nothing is changed.
        """
        if hop > self._controller.status.hop:
            self._put_off(index, hop)
        elif self.can_wait(index):
            self._withdraw()
            self._come(self._asked(index, self._controller.status.hop), at_once=True)
        else:
            self._move(index)
        self._save()

    def preview(self, index: int, scene: Scene) -> Scene:
        """A scene as the cue would leave it."""
        return self._firing(index)(scene)

    def _put_off(self, index: int, hop: int) -> None:
        if sum(row.is_asked for row in self._planned) >= MAX_ASKED:
            raise UserError(f"{MAX_ASKED} cues are waiting already")
        row = self._asked(index, hop)
        assert row.firing is not None
        self._controller.change(row.firing, hop)
        self._planned.append(row)

    def _asked(self, index: int, hop: int) -> Planned:
        return Planned(hop, index, is_asked=True, firing=self._firing(index))

    def _firing(self, index: int) -> Firing:
        """What asking for a cue does: the next one by itself, any other with all that leads to
        it.
        """
        cue = self.sheet.cues[index]
        is_next = index == self._state.current + 1 and not cue.is_start
        if is_next:
            return Firing([cue.change], cue.fade_ms, before=self._fade)
        return Firing(self.sheet.until(index), cue.fade_ms, self._base_of(index), self._fade)

    def _base_of(self, index: int) -> Scene | None:
        """What a song without a preset begins from; None for what plays."""
        current = self._state.current
        is_on = current >= 0 and self.sheet.cues[current].song == self.sheet.cues[index].song
        return self._base if is_on else None

    def _move(self, index: int) -> None:
        """Let the song go to the place of a cue.

        Raises:
            UserError: it cannot.
        """
        cue, transport = self.sheet.cues[index], self._controller.shared.transport
        command = transport.command.read()
        if cue.song != command.song:
            transport.command.write(other_song(cue.song, cue.seconds or 0.0)(command))
        elif cue.is_start:
            transport.change(seek(0.0), play(True))
        elif cue.seconds is not None:
            transport.change(seek(cue.seconds))
        self._chase(index)

    # What comes by itself.

    @property
    def _song(self) -> int:
        """Which song is on."""
        if self.sheet.files:
            return self._controller.shared.transport.command.read().song
        return self.sheet.cues[max(self._state.current, 0)].song

    def follow(self) -> None:
        """Take note of what has come, and send what comes soon."""
        if self._controller.status.hop < self._hop:
            self._count_again()
        self._hop = self._controller.catch_up()
        self._take_note(self._hop)
        self._go_on_fading()
        if self.sheet.files:
            self._follow_song()
        elif self._state.current >= 0:
            status, state = self._controller.status, self._state
            began = state.began_hop, state.began_sample
            self._plan(Anchor(*began, status.sample_rate, status.hop_length), None)
        self._save()

    def _go_on_fading(self) -> None:
        """Morph what the fade under way morphs, and let the fade of before hold after it."""
        fade, begins, ends = self._fade, self._fade_begins, self._fade_ends
        if fade is None:
            return
        if self._hop < ends:
            n_hops = max(1, ends - FADE_SLACK - begins)
            share = min((self._hop - begins) / n_hops, 1.0)
            if fade.glide and fade.fade_ms is not None and self._hop > self._morphed:
                left_ms = fade.fade_ms * max(1 - share, 1 / n_hops)
                step = fade.go_on(share, left_ms, self._controller.scene)
                self._controller.change(lambda _: step)
                self._morphed = self._hop
            return
        self._controller.change(fade.settle)
        self._fade = None
        self._state = self._state._replace(settled_ms=-1.0)

    def _count_again(self) -> None:
        """Another engine counts from 0. What was asked for comes now."""
        self._withdraw()
        self._planned = [row._replace(hop=0) for row in self._planned]
        self._fade_ends = 0
        if not self.sheet.files:
            self._begin(self._controller.hop_at(self._state.began_seconds))

    def _follow_song(self) -> None:
        controller = self._controller
        place = SongPlace.read(controller.shared.transport, controller.status.hop_length)
        if place.command.n_seeks != self._state.n_seeks or self._state.timed < 0:
            self._jump(place.command.song, place.command.seek_seconds)
        if not place.is_there:
            return
        if place.is_held:
            self._withdraw()
            return
        anchor = place.anchor
        if anchor is None or abs(anchor.hop - self._hop) > HORIZON:
            return  # silent, or a new engine has said where it is, and not yet when
        self._follow_passes(place, anchor)
        if anchor.sample < self._place:  # the engine began it again after its end
            self._jump(place.command.song, anchor.seconds)
        self._place = anchor.sample
        self._plan(anchor, place.next_pass(anchor))

    def _jump(self, song: int, seconds: float) -> None:
        """The song goes elsewhere."""
        index = self.sheet.at(song, seconds + NEAR_SECONDS)
        n_seeks = self._controller.shared.transport.command.read().n_seeks
        if index == self._state.timed:
            self._withdraw()
            self._state = self._state._replace(n_seeks=n_seeks)
        else:
            self._chase(index)
        self._place = 0

    def _chase(self, index: int) -> None:
        """Let the cue be heard that the song's new place asks for, with all that leads to it."""
        self._withdraw()
        base = self._base_of(index)
        firing = Firing(self.sheet.until(index), base=base, before=self._fade)
        n_seeks = self._controller.shared.transport.command.read().n_seeks
        self._come(Planned(self._hop, index, firing=firing), at_once=True)
        self._state = self._state._replace(n_seeks=n_seeks)

    def _follow_passes(self, place: SongPlace, anchor: Anchor) -> None:
        """See whether the loop went back when nobody expected it."""
        n_passes = place.playback.n_passes
        if n_passes > self._state.n_passes:
            self._state = self._state._replace(n_passes=n_passes)
            index = self.sheet.at(place.command.song, anchor.seconds + NEAR_SECONDS)
            if index != self._state.timed:
                self._chase(index)
        elif n_passes < self._state.n_passes and self._hop > self._pass_hop + PASS_HOPS:
            self._state = self._state._replace(n_passes=n_passes)

    def _plan(self, anchor: Anchor, passing: Pass | None) -> None:
        """Send cues by time ahead, each to its hop."""
        if not anchor.hop_length:
            return
        wanted = self._expected(anchor, passing)
        planned = [row for row in self._planned if not row.is_asked]
        if [row[:3] for row in planned] == [row[:3] for row in wanted]:
            return
        self._withdraw()
        fade, at = self._fade, self._state.timed
        for row in wanted:
            firing = None
            if not row.is_pass:
                cue = self.sheet.cues[row.cue]
                firing = Firing([cue.change], cue.fade_ms, before=fade)
            elif row.cue != at:
                firing = Firing(self.sheet.until(row.cue), base=self._base, before=fade)
            if firing is not None:
                fade = firing if firing.fade_ms is not None else None
                try:
                    self._controller.change(firing, row.hop)
                except UserError:  # others have taken all places: it comes when it is due
                    break
            self._planned.append(row._replace(firing=firing))
            at = row.cue
        self._take_note(self._hop)

    def _expected(self, anchor: Anchor, passing: Pass | None) -> list[Planned]:
        """What comes within the horizon."""
        horizon, at = self._hop + HORIZON, self._state.timed
        ends = horizon if passing is None else min(horizon, passing.hop - 1)
        rows = self._rows(anchor, at, ends)
        if passing is not None and passing.hop <= horizon:
            at = self.sheet.at(self._song, passing.a_seconds + NEAR_SECONDS)
            rows.append(Planned(passing.hop, at, is_pass=True))
            rows += self._rows(passing.after, at, horizon)
        return rows

    def _rows(self, anchor: Anchor, at: int, ends: int) -> list[Planned]:
        rows = []
        for index in self.sheet.to_come(at):
            hop = anchor.hop_of(self.sheet.cues[index].seconds or 0.0)
            if hop > ends:
                break
            rows.append(Planned(hop, index))
        return rows

    def _withdraw(self) -> None:
        """Take back what would come by itself."""
        for row in self._planned:
            if row.firing is not None and not row.is_asked:
                self._controller.withdraw(row.firing)
        self._planned = [row for row in self._planned if row.is_asked]

    # What has come.

    def _take_note(self, hop: int) -> None:
        """Of all cues whose hop the engine has reached."""
        come = sorted((row for row in self._planned if row.hop <= hop), key=lambda row: row.hop)
        self._planned = [row for row in self._planned if row.hop > hop]
        for row in come:
            self._come(row)

    def _come(self, row: Planned, *, at_once: bool = False) -> None:
        """A cue has come, or comes at once."""
        cue, firing, state = self.sheet.cues[row.cue], row.firing, self._state
        if row.is_pass:
            self._pass_hop = row.hop
            self._state = state._replace(n_passes=state.n_passes + 1)
        if firing is None:
            return
        if state.current < 0 or self.sheet.cues[state.current].song != cue.song:
            self._base = self._controller.scene
        if at_once:
            self._controller.change(firing)
        self._news += [f"cue {cue.name}: no stem '{name}' plays" for name in firing.left_out]
        self._start_fade(firing, row.hop)
        is_other = state.timed < 0 or self.sheet.cues[state.timed].song != cue.song
        timed = row.cue
        if cue.seconds is None:
            timed = self.sheet.start(cue.song) if is_other else state.timed
        self._state = self._state._replace(current=row.cue, timed=timed)
        if row.is_asked and not self.sheet.files and (is_other or cue.seconds is not None):
            self._begin(row.hop, cue.seconds or 0.0)

    def _begin(self, hop: int, seconds: float | None = None) -> None:
        """A song over the input is at a place at that hop; None for the place that is known."""
        status = self._controller.status
        state = self._state
        if seconds is not None:
            began = time.perf_counter()
            sample = round(seconds * status.sample_rate)
            state = state._replace(began_seconds=began, began_sample=sample)
        self._state = state._replace(began_hop=hop)

    def _start_fade(self, firing: Firing, hop: int) -> None:
        """The fade of a cue begins, and that of the one before is over."""
        self._fade = None if firing.fade_ms is None else firing
        if firing.fade_ms is None:
            self._state = self._state._replace(settled_ms=-1.0)
            return
        status = self._controller.status
        n_hops = hops_of(firing.fade_ms, status.sample_rate, status.hop_length)
        self._fade_begins = self._morphed = max(hop, self._hop)
        self._fade_ends = self._fade_begins + n_hops + FADE_SLACK
        self._state = self._state._replace(settled_ms=firing.settled_ms)

    def _save(self) -> None:
        if self._state != self._saved:
            self._saved = self._state
            self._controller.shared.cues.write(self._state)
