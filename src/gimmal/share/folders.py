"""The folder used last, kept open while the files of one request follow one another."""

from __future__ import annotations

import os
from typing import Self

from gimmal.base.beneath import Root


class Folders:
    """For the length of one request only: a folder kept longer could be moved out of the share meanwhile.

    Args:
        root: the share's folder.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self._names: tuple[bytes, ...] | None = None
        self._descriptor = -1

    def at(self, names: tuple[bytes, ...]) -> int:
        """Descriptor of a folder, good until the next call."""
        if names != self._names:
            self.close()
            self._descriptor = self._root.open_directory(names, reading=False)
            self._names = names
        return self._descriptor

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._names = -1, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
