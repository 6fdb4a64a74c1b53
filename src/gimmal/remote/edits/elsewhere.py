"""Giving the other side an open file under another name than its own, because its own is taken."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gimmal.base.errors import GimmalError
from gimmal.protocol.limits import EDIT_DATA_MAX, EDIT_RANGES_MAX
from gimmal.protocol.messages import Attributes, Kind, Replace, Version
from gimmal.remote.edits.common import PIECE_MIN, Common
from gimmal.remote.edits.edited_file import EditedFile
from gimmal.remote.files import version_of
from gimmal.remote.patching import Patch, open_patch, save_ranges

Range = tuple[int, bytes]


async def send_elsewhere(
    common: Common, edited: EditedFile, at: str, theirs: Attributes | None, replaces: Version | None
) -> tuple[Attributes, bool]:
    """Place what is here under another name; the caller holds the file's lock.

    Args:
        common: shared by all open files.
        edited: the file.
        at: the name.
        theirs: what stands in place of the version that was written over; None for nothing.
        replaces: the version at ``at`` that is replaced; None where nothing may stand there.

    Returns:
        attributes of the file, and whether all bytes are those that were seen here: where the version that was
        written over is gone and was not held, those of ``theirs`` are taken.

    Raises:
        RemoteError: ``exists`` or ``changed`` where something else stands there; what the other side says.
        UnreachableError: it cannot be asked.
    """
    if edited.sending.has_patch and replaces is None:
        return await edited.sending.commit_as(at), True
    if edited.sending.has_patch:
        edited.sending.give_up()
        edited.check()
    ranges, missing = edited.known_bytes()
    over = missing and theirs is not None and theirs.kind is Kind.FILE and replaces is None
    async with common.view.changing(at, same=replaces is not None) as change:
        if over and theirs is not None:
            attributes = await _by_patch(common, edited, at, edited.path, theirs, ranges)
        elif sum(len(content) for _offset, content in ranges) > EDIT_DATA_MAX or len(ranges) > EDIT_RANGES_MAX:
            attributes = await _by_patch(common, edited, at, at, None, ranges, replaces)
        else:
            attributes = await _at_once(common, edited, at, replaces, ranges)
        change.done(attributes)
    return attributes, not missing


async def _at_once(
    common: Common, edited: EditedFile, at: str, replaces: Version | None, ranges: list[Range]
) -> Attributes:
    saving = save_ranges(
        await common.files(),
        at,
        base=replaces,
        kept=0,
        size=edited.content.size,
        replace=Replace.NEVER if replaces is None else Replace.EXPECTED,
        ranges=ranges,
        mtime_ns=edited.mtime_ns,
        mode=_mode(edited),
        durable=True,
    )
    return await common.call(saving)


async def _by_patch(
    common: Common,
    edited: EditedFile,
    at: str,
    path: str,
    over: Attributes | None,
    ranges: list[Range],
    replaces: Version | None = None,
) -> Attributes:
    """Piece by piece, over a version that stands at ``path``, or over nothing."""
    size = edited.content.size
    base = version_of(over) if over is not None else replaces
    opening = open_patch(
        await common.files(),
        path,
        base=base,
        kept=min(over.size, size) if over is not None else 0,
        size=size,
        replace=Replace.NEVER if base is None else Replace.EXPECTED,
    )
    patch = await common.step(opening)
    try:
        for batch in _batches(ranges):
            await common.call(patch.write_many(batch))
        other = at if path != at else ""
        committing = patch.commit(mtime_ns=edited.mtime_ns, mode=_mode(edited), durable=True, path=other)
        return await common.call(committing)
    finally:
        common.start(_discard(patch), "give up a patch")


def _mode(edited: EditedFile) -> int:
    return edited.mode if edited.mode is not None else edited.base.mode & 0o777


def _batches(ranges: list[Range]) -> Iterator[list[Range]]:
    """In portions that even a slow line carries within a call."""
    batch: list[Range] = []
    length = 0
    for offset, content in ranges:
        for at in range(0, len(content), PIECE_MIN):
            piece = content[at : at + PIECE_MIN]
            if batch and (length + len(piece) > PIECE_MIN or len(batch) >= EDIT_RANGES_MAX):
                yield batch
                batch, length = [], 0
            batch.append((offset + at, piece))
            length += len(piece)
    if batch:
        yield batch


async def _discard(patch: Patch) -> None:
    with contextlib.suppress(GimmalError):
        await patch.discard()
