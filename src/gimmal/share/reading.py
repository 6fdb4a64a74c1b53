"""Read: ranges of files."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gimmal.base.beneath import open_regular
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Failed, Read
from gimmal.share.attributes import version_of
from gimmal.share.holes import data_stretches
from gimmal.share.places import Access
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.state import SessionState


class OpenRange:
    """A range of an open file. For one thread at a time; close it when done.

    Args:
        descriptor: the file, opened for reading; closed by `close`.
        state: its state when it was opened.
        offset: first byte of the range in the file.
        length: most bytes of the range; fewer where the file ends.
    """

    __slots__ = ("_descriptor", "_offset", "length", "version")

    def __init__(self, descriptor: int, state: os.stat_result, offset: int, length: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self.length = max(0, min(length, state.st_size - offset))
        """Bytes of the range."""
        self.version = version_of(state)
        """The file's version when the range was opened."""

    def read_into(self, buffer: bytearray | memoryview, at: int) -> int:
        """Read bytes of the range into a buffer.

        Args:
            buffer: filled from its beginning, never beyond the range.
            at: place in the range, at most ``length``.

        Returns:
            How many bytes were read; 0 at the end of the range, or where the file was cut meanwhile.

        Raises:
            OSError: the disk failed; ``code_of_read_error`` gives its code.
        """
        with memoryview(buffer) as view:
            return os.preadv(self._descriptor, [view[: max(0, self.length - at)]], self._offset + at)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Stretches of the range that may hold data, as beginning and end in the range; the rest is zeros.

        Raises:
            OSError: the disk failed.
        """
        start = self._offset
        for data, hole in data_stretches(self._descriptor, start, start + self.length):
            yield data - start, hole - start

    def check(self) -> Code | None:
        """CHANGED where the file is another now than when the range was opened, None where it is the same."""
        try:
            state = os.fstat(self._descriptor)
        except OSError as error:
            return code_of(error)
        return None if version_of(state) == self.version else Code.CHANGED

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def code_of_read_error(error: OSError) -> Code:
    """The code for an OSError of ``OpenRange.read_into``."""
    return code_of(error)


def open_range(state: SessionState, request: Read) -> OpenRange | Failed:
    """The range a Read asks for, or why not."""
    try:
        place = state.places.find(request.path, Access.LOOK)
        if not place.names:
            return Failed(Code.IS_A_DIRECTORY)
        with place.parent() as (folder, name):
            descriptor, found = open_regular(name, folder)
    except RefusedError as refused:
        return Failed(refused.code)
    except OSError as error:
        return Failed(code_of(error))
    opened = OpenRange(descriptor, found, request.offset, request.length)
    if request.version is not None and opened.version != request.version:
        opened.close()
        return Failed(Code.CHANGED)
    return opened
