"""The file that something is made of, and the programs that make it."""

from __future__ import annotations

import os
import shutil
from functools import cache
from types import TracebackType
from typing import Self

from gimmal.base.beneath import open_regular
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Version
from gimmal.share.attributes import version_of
from gimmal.share.places import Access
from gimmal.share.previewing.kinds import HEAD_BYTES, kind_of
from gimmal.share.previewing.previews import Previews
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState

INPUT = ("-protocol_whitelist", "file")
"""What ffmpeg and ffprobe may use to read: nothing that leads to a network."""

FILE = "file:/dev/fd/0"
"""Their standard input, as a file in which they can go back and forth."""


class Source:
    """A file of a share, open while something is made of it; a context manager.

    Attributes:
        descriptor: the file.
        version: of it.
        key: names file and version among all of this computer.
        previews: makes and keeps things.

    Raises:
        RefusedError: it may not be read, is none, is of another version (also at the end); UNSUPPORTED where nothing is
            made on this computer.
        OSError: it cannot be opened.
    """

    def __init__(self, state: SessionState, path: str, version: Version | None) -> None:
        place = state.places.find(path, Access.LOOK)
        if not place.names:
            raise RefusedError(Code.IS_A_DIRECTORY)
        with place.parent() as (folder, name):
            self.descriptor, found = open_regular(name, folder)
        self.version = version_of(found)
        self.key = (found.st_dev, self.version)
        try:
            if version is not None and version != self.version:
                raise RefusedError(Code.CHANGED)
            if state.previews is None:
                raise RefusedError(Code.UNSUPPORTED)
        except RefusedError:
            os.close(self.descriptor)
            raise
        self.previews: Previews = state.previews

    @property
    def kind(self) -> str | None:
        """See kinds.kind_of."""
        return kind_of(os.pread(self.descriptor, HEAD_BYTES, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and version_of(os.fstat(self.descriptor)) != self.version:
                raise RefusedError(Code.CHANGED)
        finally:
            os.close(self.descriptor)


@cache
def program_called(name: str) -> str | None:
    """Where a program is on this computer."""
    return shutil.which(name)
