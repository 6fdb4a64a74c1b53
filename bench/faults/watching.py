"""Watches a target for final names with anything but their whole content."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.faults.tree import PART_PREFIX, Tree, content_of

_PAUSE_SECONDS = 0.002


class Watcher:
    """Looks at every final name of a tree when it appears, again and again until it is left.

    Args:
        target: the copy; need not be there yet.
        source: what it is to become.

    Attributes:
        looked: contents that were compared.
        incomplete: what was not as in the source, one text for each.
    """

    def __init__(self, target: Path, source: Tree) -> None:
        self.looked = 0
        self.incomplete: list[str] = []
        self._target = target
        self._source = source
        self._known: set[tuple[str, int, int, int]] = set()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            self.look()

    def look(self) -> None:
        """Look at all of it once, and wait for the end of that."""
        with self._lock:
            waiting = [(str(self._target), self._target.name)]
            while waiting:
                folder, name = waiting.pop()
                with suppress(FileNotFoundError), os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith(PART_PREFIX):
                            continue
                        below = f"{name}/{entry.name}"
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append((entry.path, below))
                        elif entry.is_file(follow_symlinks=False):
                            self._compare(Path(entry.path), below)

    def _compare(self, path: Path, name: str) -> None:
        with suppress(FileNotFoundError):
            state = path.stat()
            key = (name, state.st_ino, state.st_size, state.st_mtime_ns)
            if key in self._known:
                return
            self._known.add(key)
            wanted = self._source.entries.get(name)
            self.looked += 1
            if wanted is None or wanted.kind != "file":
                self.incomplete.append(f"{name}: the source has no such file")
            elif state.st_size != wanted.size:
                self.incomplete.append(f"{name}: {state.st_size} bytes of {wanted.size}")
            elif content_of(path) != wanted.content:
                self.incomplete.append(f"{name}: not the bytes of the source")
