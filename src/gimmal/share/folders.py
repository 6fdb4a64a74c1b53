"""Folders kept open while the files of one request follow one another."""

from __future__ import annotations

import os
from typing import Self

from gimmal.base.beneath import Root, open_folder

KEPT_MAX = 64
"""Folders of one request that are open at a time; a walk passes no more on its way down."""


class Folders:
    """For the length of one request only: a folder kept longer could be moved out of the share meanwhile.

    Args:
        root: the share's folder.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self._open: dict[tuple[bytes, ...], int] = {}

    def at(self, names: tuple[bytes, ...]) -> int:
        """Descriptor of a folder, good until the next call."""
        known = self._open.get(names)
        if known is not None:
            return known
        if names:
            descriptor = open_folder(names[-1], self.at(names[:-1]))
        else:
            descriptor = self._root.open_directory((), reading=False)
        while len(self._open) >= KEPT_MAX:
            oldest = next(iter(self._open))
            os.close(self._open.pop(oldest))
        self._open[names] = descriptor
        return descriptor

    def close(self) -> None:
        """Let go of them."""
        while self._open:
            os.close(self._open.popitem()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
