"""Whether a file of the other side holds what was written here: by that a commit is known whose answer was lost."""

from __future__ import annotations

from collections.abc import Iterable

from gimmal.base.errors import RemoteError
from gimmal.protocol.messages import Version
from gimmal.remote.edits.common import Common
from gimmal.remote.files import Files

READ_MAX = 1 << 20
"""Bytes that are read back at a time."""

_OTHER_VERSION = ("changed", "not_found")


async def holds(
    common: Common, files: Files, path: str, version: Version, written: Iterable[tuple[int, bytes]]
) -> bool:
    """Compare a version of a file with what was written.

    Args:
        common: shared by all open files.
        files: the other side.
        path: wire path.
        version: that is compared.
        written: places and bytes, which lie in the file.

    Raises:
        GimmalError: it cannot be read.
    """
    for start, content in written:
        for at in range(0, len(content), READ_MAX):
            wanted = content[at : at + READ_MAX]
            try:
                block = await common.step(files.read_block(path, start + at, len(wanted), version), len(wanted))
            except RemoteError as error:
                if error.code in _OTHER_VERSION:
                    return False
                raise
            try:
                if b"".join(piece.body for piece in block.pieces) != wanted:
                    return False
            finally:
                files.release(block)
    return True
