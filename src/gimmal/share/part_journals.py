"""What is remembered of a part file, so that an upload goes on where it stopped.

The journal holds the digests of blocks that were verified; it is sealed and its name is keyed, so that without
the half it tells nothing. It is a hint only: a block counts when the part file's bytes have its digest today. So a
block is noted before its last bytes are written: a killed process leaves no whole block without a note. Neither is
synced; what a power cut takes of a block or of its note is sent again.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

from gimmal.base.primitives import blake3_digest, hmac_sha256
from gimmal.base.sealed_journal import SealedJournal
from gimmal.protocol.digest import block_count, block_length
from gimmal.protocol.limits import BLOCK_SIZE, DIGEST_SIZE
from gimmal.share.places import PART_PREFIX, Place
from gimmal.share.stale_parts import STALE_SECONDS

_HEAD = b"part v1"
_INDEX_SIZE = 8
_NAME = re.compile("[0-9a-f]{32}")


class PartJournals:
    """The journals of one side.

    Args:
        directory: where they lie; made with mode 0700 when first needed.
        key: 32 bytes from the half; all that is here is noise without it.
    """

    def __init__(self, directory: Path, key: bytes) -> None:
        self._directory = directory
        self._seal_key = hmac_sha256(key, b"gimmal part journal v1 seal")
        self._name_key = hmac_sha256(key, b"gimmal part journal v1 name")

    def part_name(self, final: bytes) -> bytes:
        """Name of the part file of a final name, in the same folder."""
        return PART_PREFIX + hmac_sha256(self._name_key, b"part|", final)[:12].hex().encode()

    def begin(self, place: Place, size: int, source: bytes) -> SealedJournal:
        """An empty journal for a new part file, in place of any that was there."""
        journal = self._open(place)
        journal.remove()
        journal = self._open(place)
        journal.append(_head(size, source))
        return journal

    def resume(self, place: Place, size: int, source: bytes) -> tuple[SealedJournal, dict[int, bytes]] | None:
        """The journal of a part file of this source and the digests noted in it; None where it is of another."""
        journal = self._open(place)
        records = journal.records()
        if next(records, b"") != _head(size, source):
            journal.close()
            return None
        blocks = block_count(size)
        digests = {}
        for record in records:
            index = int.from_bytes(record[:_INDEX_SIZE], "big")
            if len(record) == _INDEX_SIZE + DIGEST_SIZE and index < blocks:
                digests[index] = record[_INDEX_SIZE:]
        return journal, digests

    def sweep(self) -> None:
        """Remove journals that nobody wrote to for as long as a part file is kept."""
        with contextlib.suppress(OSError):
            for path in self._directory.iterdir():
                if _NAME.fullmatch(path.name) and time.time() - path.lstat().st_mtime > STALE_SECONDS:
                    path.unlink()

    def _open(self, place: Place) -> SealedJournal:
        identity = os.fsencode(place.share.share.path) + b"\0" + b"/".join(place.names)
        name = hmac_sha256(self._name_key, b"journal|", identity)[:16].hex()
        return SealedJournal.open(self._directory / name, self._seal_key, identity)


def block_record(index: int, digest: bytes) -> bytes:
    """The journal's record of one verified block."""
    return index.to_bytes(_INDEX_SIZE, "big") + digest


def verified_blocks(descriptor: int, size: int, digests: dict[int, bytes]) -> dict[int, bytes]:
    """Those of ``digests`` that the file's bytes have today."""
    buffer = memoryview(bytearray(BLOCK_SIZE)) if digests else memoryview(b"")
    true = {}
    for index, digest in sorted(digests.items()):
        view = buffer[: block_length(size, index)]
        if _fill(descriptor, view, index * BLOCK_SIZE) and blake3_digest(view) == digest:
            true[index] = digest
    return true


def _fill(descriptor: int, view: memoryview, place: int) -> bool:
    while view:
        count = os.preadv(descriptor, [view], place)
        if not count:
            return False
        view = view[count:]
        place += count
    return True


def _head(size: int, source: bytes) -> bytes:
    return _HEAD + size.to_bytes(8, "big") + source
