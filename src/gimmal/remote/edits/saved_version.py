"""What a journal knows of the version that a save made: its own bytes, and those of the saves that it builds on."""

from __future__ import annotations

from collections.abc import Iterator

from gimmal.remote.edits.journal import JournalFile
from gimmal.remote.edits.operations import Data, MakeFolder, Old, Save
from gimmal.remote.edits.spans import Spans


class SavedVersion:
    """One save of a journal, with those before it in its chain.

    Args:
        journal: has it complete, whether it is at home or not.
        save: its head.

    Attributes:
        kept: bytes from the beginning that are those of the version at home that the chain began with, where nothing
            was written over them.
    """

    def __init__(self, journal: JournalFile, save: Save) -> None:
        self._journal = journal
        chain = journal.chain(save.number) or [save]
        self._saves: list[tuple[int, int]] = []
        """Number of each save, and how many of the bytes that it had count: later ones may have cut them off."""
        limit = save.size
        for one in reversed(chain):
            if isinstance(one, Save):
                limit = min(limit, one.size)
                self._saves.insert(0, (one.number, limit))
                limit = min(limit, one.kept)
        root = chain[0]
        size = None if isinstance(root, MakeFolder) or root.base is None else root.base.size
        self.kept = limit if size is None else min(limit, size)

    def ranges(self) -> Iterator[tuple[int, bytes]]:
        """All bytes that are known, in the order in which they were written: the later ones count. For a worker."""
        for number, limit in self._saves:
            for kind in (Old, Data):
                for piece in self._journal.bytes_of(number):
                    if isinstance(piece, kind) and piece.offset < limit:
                        yield piece.offset, piece.content[: limit - piece.offset]

    def is_whole(self) -> bool:
        """Whether no byte is missing that the version at home had; for a worker thread."""
        missing = Spans()
        missing.add(0, self.kept)
        for offset, content in self.ranges():
            missing.remove(offset, offset + len(content))
        return not missing
