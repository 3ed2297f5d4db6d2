"""Songs that kill their workers.

Ray gives a task whose worker died to another worker, without end. So tries are counted outside, by
a mark that a worker leaves before it begins and takes away afterwards: whoever finds two marks of
the same run gives the song up.
"""

from __future__ import annotations

import json

from rtmss.catalogue.songs import Song
from rtmss.catalogue.store import Store

MOST_TRIES = 2


class Attempts:
    """One try of a song; the mark is there while it lasts."""

    def __init__(self, store: Store, run: str, song: Song) -> None:
        self._store, self._run = store, run
        self._name = f"attempts/{song.key}.json"
        self.are_over = False
        """Whether the song has had its tries."""

    def __enter__(self) -> Attempts:
        text = self._store.read(self._name)
        mark = json.loads(text) if text else {}
        n_begun = mark.get("n_begun", 0) if mark.get("run") == self._run else 0
        self.are_over = n_begun >= MOST_TRIES
        if not self.are_over:
            mark = {"run": self._run, "n_begun": n_begun + 1}
            self._store.write(self._name, json.dumps(mark))
        return self

    def __exit__(self, *_: object) -> None:
        self._store.remove(self._name)
