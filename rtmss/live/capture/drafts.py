"""Conditions in the making, on disk: their clips, the condition as it was last built, and the ones
before it.

```text
captured/NAME/positive-001.flac      clips, in the order in which they came
captured/NAME/before.safetensors     a condition of this name from before, which the draft goes on
captured/NAME/versions/0001.safetensors
captured/conditions/NAME.safetensors what was built last; the folder is a library's
```

Everything appears whole or not at all, so that a killed process loses nothing that was here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.bounded import UnreadableError, check_size, open_regular
from rtmss.conditions.condition import (
    ClipRecord,
    Condition,
    ConditionError,
    ConditionHeader,
    describe_clip,
    load_condition,
    save_condition,
)
from rtmss.conditions.encode import (
    combine,
    embed_clips,
    left_over_db,
    similarity_to_clips,
)
from rtmss.conditions.library import Library
from rtmss.conditions.preset import check_name
from rtmss.config import UserError
from rtmss.files import read_audio, resample
from rtmss.live.capture.clips import write_clip
from rtmss.live.shared.jobs import ROLES, Role
from rtmss.model.separator import SeparatorModel

MAX_CLIPS = 32
"""Of one condition."""
MAX_VERSIONS = 100
MAX_CLIP_BYTES = 1 << 24
"""A minute of two channels at 48 kHz takes 11 MiB where nothing can be packed."""
_CLIP = re.compile(r"(positive|negative)-(\d{3,9})\.flac")
_VERSION = re.compile(r"\d{4,9}")


class DraftClip(NamedTuple):
    """One clip of a draft."""

    path: Path
    role: Role
    number: int


class Drafts:
    """All conditions in the making, in a folder."""

    def __init__(
        self,
        folder: Path,
        library: Path,
        model: SeparatorModel,
        model_id: str,
    ) -> None:
        """Go on with what is there.

        Args:
            folder: where drafts are kept.
            library: the user's own, where conditions are saved.
            model: the weights.
            model_id: theirs.
        """
        self.folder = folder
        self._own = library
        self._library = Library([library])
        self._model = model
        self._model_id = model_id
        self._embeddings: dict[Path, tuple[str, NDArray[np.float32]]] = {}
        """By clip: the hash of its bytes, and (1, E)."""

    # Clips.

    def clips(self, name: str) -> list[DraftClip]:
        """The clips of a draft, oldest first."""
        return [clip for clip in self._named(name) if clip.path.is_file()]

    def _named(self, name: str) -> list[DraftClip]:
        """Whatever is called like a clip of a draft, be it a file or not, oldest first."""
        found = []
        for path in self._home(name).glob("*.flac"):
            match = _CLIP.fullmatch(path.name)
            if match:
                role: Role = "positive" if match[1] == "positive" else "negative"
                found.append(DraftClip(path, role, int(match[2])))
        return sorted(found, key=lambda clip: clip.number)

    def clip(self, name: str, role: Role, number: int) -> DraftClip:
        """A clip by its number, be it there or not.

        Raises:
            UserError: the name cannot name a condition.
        """
        return DraftClip(self._home(name) / f"{role}-{number:03d}.flac", role, number)

    def next_clip(self, name: str, role: Role, n_open: int = 0) -> DraftClip:
        """A clip that is not there yet.

        Args:
            name: of the condition.
            role: of the clip.
            n_open: number of a clip of this name that goes on and may not be there yet; 0 if none.

        Raises:
            UserError: the name cannot name a condition, or there are too many clips.
        """
        clips = self._named(name)
        if len(clips) >= MAX_CLIPS:
            raise UserError(f"'{name}' has {MAX_CLIPS} clips already; clear some")
        number = max(n_open, *(clip.number for clip in clips), 0) + 1
        return self.clip(name, role, number)

    def keep(
        self,
        clip: DraftClip,
        audio: Audio,
        sample_rate: int,
    ) -> None:
        """Write a clip.

        Raises:
            ConditionError: it cannot be written.
        """
        write_clip(clip.path, audio, sample_rate)

    def clear(self, name: str) -> int:
        """Throw the clips of a draft away, and return how many there were. The condition stays."""
        clips = self.clips(name)
        for clip in clips:
            clip.path.unlink(missing_ok=True)
        return len(clips)

    # Conditions.

    def path(self, name: str) -> Path:
        """Where the condition of a draft is, once it has been built."""
        return self.folder / "conditions" / f"{name}.safetensors"

    def build(self, name: str) -> Condition:
        """Make a condition of the clips, and of what a condition of this name was made of before.

        Raises:
            UserError: there are no clips, or one cannot be used.
        """
        check_name(name, "condition")
        clips = self.clips(name)
        before = self._before(name)
        if not clips and before is None:
            raise ConditionError(f"'{name}' has no clips; capture some")
        embeddings = {role: [getattr(before, role)] if before else [] for role in ROLES}
        records: dict[str, list[ClipRecord]] = {
            role: list(getattr(before.header, role)) if before else [] for role in ROLES
        }
        for clip in clips:
            record, embedding = self._embedded(clip.path)
            records[clip.role].append(record)
            embeddings[clip.role].append(embedding)
        positive, negative = (self._stacked(embeddings[role]) for role in ROLES)
        header = ConditionHeader(
            name=name,
            model_id=self._model_id,
            positive=tuple(records["positive"]),
            negative=tuple(records["negative"]),
        )
        of_mixture = [record.is_of_mixture for record in records["positive"]]
        vector = combine(self._model, positive, negative, of_mixture)
        condition = Condition(header, vector, positive, negative)
        self._keep_version(name)
        save_condition(self.path(name), condition)
        return condition

    def measured(self, condition: Condition) -> Condition:
        """The same with what it leaves of each of its clips that is at hand; takes seconds.

        Raises:
            UserError: a clip cannot be read.
        """
        rate = self._model.config.sample_rate
        records = []
        for record in condition.header.positive:
            left = record.left_over_db
            if left is None and Path(record.file).is_file():
                audio, _ = read_audio(Path(record.file), rate)
                left = round(left_over_db(self._model, audio, condition.vector), 1)
            records.append(record.model_copy(update={"left_over_db": left}))
        header = condition.header.model_copy(update={"positive": tuple(records)})
        return Condition(header, condition.vector, condition.positive, condition.negative)

    def alike(self, condition: Condition, audio: Audio, sample_rate: int) -> float:
        """`similarity_to_clips` of (C, S) at a rate in Hz."""
        heard = resample(audio, sample_rate, self._model.config.sample_rate)
        return similarity_to_clips(self._model, condition, heard, "it")

    def load(self, name: str) -> Condition:
        """The condition of a draft.

        Raises:
            ConditionError: it has not been built.
        """
        if not self.path(name).is_file():
            raise ConditionError(f"'{name}' has not been built")
        return load_condition(self.path(name), self._model_id)

    def undo(self, name: str) -> int:
        """Take the version before, and put clips aside that came after it.

        Returns:
            How many clips were put aside.

        Raises:
            ConditionError: there is no version before.
        """
        version, condition = self._version_before(name)
        known = {record.file for record in (*condition.header.positive, *condition.header.negative)}
        aside = [clip for clip in self.clips(name) if str(clip.path) not in known]
        for clip in aside:
            clip.path.replace(clip.path.with_suffix(".undone"))
        version.replace(self.path(name))
        return len(aside)

    def _version_before(self, name: str) -> tuple[Path, Condition]:
        """The latest version that can be read."""
        problem = ConditionError(f"'{name}' has no version before this one")
        for version in reversed(self._versions(name)):
            try:
                return version, load_condition(version, self._model_id)
            except ConditionError as error:
                problem = error
        raise problem

    def save(self, name: str) -> Path:
        """Keep the condition in the user's library, where every command finds it.

        Raises:
            UserError: it has not been built, or cannot be written.
        """
        path = self._own / "conditions" / f"{name}.safetensors"
        save_condition(path, self.measured(self.load(name)))
        return path

    def delete(self, name: str) -> None:
        """Throw a draft away with all its clips. What was saved stays.

        Raises:
            ConditionError: there is none.
        """
        home = self._home(name)
        if not home.is_dir() and not self.path(name).is_file():
            raise ConditionError(f"nothing was captured for '{name}'")
        self.path(name).unlink(missing_ok=True)
        shutil.rmtree(home, ignore_errors=True)

    def others(self, name: str) -> list[Condition]:
        """Every other condition that was made for these weights, drafts among them."""
        library = Library([self.folder, self._own])
        found = []
        for other in sorted(library.conditions()):
            if other != name:
                try:
                    found.append(library.load_condition(other, self._model_id))
                except UserError:
                    continue  # the list of conditions says what is wrong with it
        return found

    def _home(self, name: str) -> Path:
        check_name(name, "condition")
        return self.folder / name

    def _before(self, name: str) -> Condition | None:
        """The condition that a draft goes on from: of the same name, in the library when the draft
        began.
        """
        path = self._home(name) / "before.safetensors"
        if (
            not path.is_file()
            and not self.path(name).is_file()
            and name in (self._library.conditions())
        ):
            save_condition(path, self._library.load_condition(name, self._model_id))
        return load_condition(path, self._model_id) if path.is_file() else None

    def _embedded(self, path: Path) -> tuple[ClipRecord, NDArray[np.float32]]:
        """A clip's record and its (1, E), which is kept while the file stays as it is.

        Raises:
            UserError: it cannot be read, or is larger than any clip.
        """
        try:
            with open_regular(path) as file:
                check_size(file, MAX_CLIP_BYTES)
        except UnreadableError as error:
            raise ConditionError(f"{path}: {error}") from error
        rate = self._model.config.sample_rate
        audio, _ = read_audio(path, rate)
        record = describe_clip(path, path, audio.shape[-1] / rate)
        place = {"start_seconds": 0.0, "stop_seconds": record.seconds}
        record = record.model_copy(update=place)  # it is a place in what was heard
        kept = self._embeddings.get(path)
        if kept is None or kept[0] != record.sha256:
            kept = record.sha256, embed_clips(self._model, [audio])
            self._embeddings[path] = kept
        return record, kept[1]

    def _stacked(self, sides: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        n_embedding = self._model.clip_encoder.config.n_embedding
        return np.concatenate([np.zeros((0, n_embedding), np.float32), *sides])

    def _versions(self, name: str) -> list[Path]:
        found = (self._home(name) / "versions").glob("*.safetensors")
        return sorted((path for path in found if _VERSION.fullmatch(path.stem)), key=_number)

    def _keep_version(self, name: str) -> None:
        """Keep what was built last, to be undone."""
        path = self.path(name)
        if not path.is_file():
            return
        versions = self._versions(name)
        number = _number(versions[-1]) + 1 if versions else 1
        folder = self._home(name) / "versions"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / f".{number:04d}.partial")
        (folder / f".{number:04d}.partial").replace(folder / f"{number:04d}.safetensors")
        for old in versions[: max(0, len(versions) + 1 - MAX_VERSIONS)]:
            old.unlink(missing_ok=True)


def _number(version: Path) -> int:
    return int(version.stem)
