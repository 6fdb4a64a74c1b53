"""One open part file: an upload on its way, invisible until it is whole."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from gimmal.base.sealed_journal import SealedJournal
from gimmal.protocol.codes import Code
from gimmal.protocol.data_blocks import DataBlocks, hole_digest
from gimmal.protocol.digest import block_count, block_length
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import OpenPart
from gimmal.share.part_journals import block_record
from gimmal.share.places import Place
from gimmal.share.refused import RefusedError


class Part:
    """Safe for several threads. The descriptor is closed when the last use of it has ended.

    Args:
        place: the final place.
        name: the part file's own name in the same folder.
        descriptor: the part file, locked; closed by `close`.
        request: what it was opened for.
        journal: where verified blocks are noted, None where there is no room for notes.
        digests: blocks verified already.
    """

    def __init__(
        self,
        place: Place,
        name: bytes,
        descriptor: int,
        request: OpenPart,
        journal: SealedJournal | None,
        digests: dict[int, bytes],
    ) -> None:
        self.place = place
        self.name = name
        self.request = request
        self.size = request.size
        self.blocks = DataBlocks(request.size, request.data)
        self._descriptor = descriptor
        self._journal = journal
        self._digests = digests
        self._writing: set[int] = set()
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False
        self._when_closed: Callable[[], None] | None = None

    @contextlib.contextmanager
    def using(self) -> Iterator[int]:
        """The part file's descriptor, good until the block ends.

        Raises:
            RefusedError: UNKNOWN_PART, it was given up.
        """
        with self._lock:
            if self._closed:
                raise RefusedError(Code.UNKNOWN_PART)
            self._users += 1
        try:
            yield self._descriptor
        finally:
            with self._lock:
                self._users -= 1
                when_closed = self._close_if_unused()
            if when_closed is not None:
                when_closed()

    @contextlib.contextmanager
    def finishing(self) -> Iterator[int]:
        """As `using`, while no block is being written.

        Raises:
            RefusedError: INVALID while one is.
        """
        with self.using() as descriptor:
            with self._lock:
                if self._writing:
                    raise RefusedError(Code.INVALID)
            yield descriptor

    def begin_block(self, index: int) -> None:
        """A block is about to be written; until it is whole again it does not count as verified.

        Raises:
            RefusedError: LIMIT while another writes it, UNKNOWN_PART.
        """
        with self._lock:
            if self._closed:
                raise RefusedError(Code.UNKNOWN_PART)
            if index in self._writing:
                raise RefusedError(Code.LIMIT)
            self._writing.add(index)
            self._digests.pop(index, None)

    def note_block(self, index: int, digest: bytes) -> None:
        """A block being written was verified, and is about to be whole: note it for another time."""
        with self._lock:
            if self._closed or self._journal is None:
                return
            try:
                self._journal.append(block_record(index, digest))
            except OSError:
                # No room for notes: the upload goes on, an interruption sends more again.
                self._journal.close()
                self._journal = None

    def end_block(self, index: int, digest: bytes | None) -> None:
        """A block was written and has this digest, or None where it was not."""
        with self._lock:
            self._writing.discard(index)
            if digest is not None and not self._closed:
                self._digests[index] = digest

    def blocks_from(self, first: int, count: int) -> list[bytes]:
        """Digests of at most ``count`` blocks that hold data from the ``first`` such on.

        Empty where missing, none after the last verified.
        """
        with self._lock:
            after = self.blocks.number_of(max(self._digests, default=-1) + 1)
            numbers = range(first, min(first + count, after))
            return [self._digests.get(self.blocks.index_at(number), b"") for number in numbers]

    def all_digests(self) -> list[bytes]:
        """Digests of all blocks in order.

        Raises:
            RefusedError: INVALID where blocks are missing.
        """
        with self._lock:
            if len(self._digests) != self.blocks.count:
                raise RefusedError(Code.INVALID)
            digests = [hole_digest(BLOCK_SIZE)] * block_count(self.size)
            if digests:
                digests[-1] = hole_digest(block_length(self.size, len(digests) - 1))
            for index, digest in self._digests.items():
                digests[index] = digest
            return digests

    def index_of(self, offset: int, length: int) -> int:
        """Index of the block that lies at ``offset`` and has ``length`` bytes.

        Raises:
            RefusedError: INVALID, no block does, or it is a hole.
        """
        index, rest = divmod(offset, BLOCK_SIZE)
        if (
            rest
            or index >= block_count(self.size)
            or length != block_length(self.size, index)
            or not self.blocks.holds(index)
        ):
            raise RefusedError(Code.INVALID)
        return index

    def close(self, *, forget: bool, when_closed: Callable[[], None] | None = None) -> None:
        """Let go of the part file; the file itself stays.

        Args:
            forget: remove the journal, for the file is placed or removed.
            when_closed: called once the descriptor is closed: now, or by the last thread that still uses it.
        """
        with self._lock:
            if not self._closed:
                self._closed = True
                self._when_closed = when_closed
                if self._journal is not None:
                    if forget:
                        self._journal.remove()
                    else:
                        self._journal.close()
            closed = self._close_if_unused()
        if closed is not None:
            closed()

    def remove_file(self) -> None:
        """Remove the part file, if it is still this one that has its name."""
        with (
            contextlib.suppress(OSError, RefusedError),
            self.using() as descriptor,
            self.place.root.parent(self.place.names) as (folder, _),
        ):
            if is_same(descriptor, self.name, folder):
                os.unlink(self.name, dir_fd=folder)

    def _close_if_unused(self) -> Callable[[], None] | None:
        """Close the descriptor if it is due; returns what to call then, outside the lock."""
        if not self._closed or self._users or self._descriptor < 0:
            return None
        os.close(self._descriptor)
        self._descriptor = -1
        when_closed, self._when_closed = self._when_closed, None
        return when_closed


def is_same(descriptor: int, name: bytes, folder: int) -> bool:
    """Whether a name still means the file that is open."""
    try:
        named = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
