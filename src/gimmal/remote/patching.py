"""Changing parts of a file of the other side without sending the rest (docs/spec/protocol.md, section 12).

Two ways in: `save_ranges` for what is known at once, one round trip where it is small; `open_patch` for what is
written little by little. Where the other side does not know edits, the whole file is sent by a part, and callers need
not care.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from gimmal.base.errors import GimmalError
from gimmal.base.primitives import blake3_digest
from gimmal.base.tasks import Tasks
from gimmal.protocol.features import EDIT
from gimmal.protocol.limits import EDIT_DATA_MAX, EDIT_RANGES_MAX
from gimmal.protocol.messages import (
    Answer,
    Attributes,
    DiscardEdit,
    EditOpened,
    Found,
    OpenEdit,
    QuickEdit,
    Replace,
    Version,
)
from gimmal.remote.edit_patch import EditPatch
from gimmal.remote.files import Files
from gimmal.remote.patch import Data, Patch
from gimmal.remote.whole_patch import WholePatch

_openings = Tasks()
"""Edits that are being opened, and given up where nobody waited; each ends with its session at the latest."""


async def open_patch(
    files: Files, path: str, *, base: Version | None, size: int, replace: Replace, kept: int | None = None
) -> Patch:
    """Begin to change a file, or to make one.

    Args:
        files: the side on which it lies.
        path: wire path.
        base: the version that stands there and of which the first bytes stay; None where none are.
        size: bytes the patch then has; what is not kept is zeros.
        replace: what the commit may replace: with EXPECTED only ``base``, with NEVER, which has no base, nothing.
        kept: how many bytes of the base stay; as many as ``size`` allows unless told otherwise. With 0 nothing is
            copied, and the base is only what is expected.

    Raises:
        RemoteError: ``changed`` where another version stands there; what the other side says.
        UnreachableError: it cannot be asked.
    """
    if kept is None:
        kept = min(base.size, size) if base is not None else 0
    if not files.offers(EDIT):
        return WholePatch(files, path, base=base, kept=kept, size=size, replace=replace)
    opening = _openings.start(_open(files, OpenEdit(path, base, kept, size, replace)), "open edit")
    try:
        opened = await asyncio.shield(opening)
    except asyncio.CancelledError:
        # It is opened all the same, maybe after copying much: nobody would ever give it up before the session ends.
        opening.add_done_callback(lambda _opening: _discard(files, opening))
        raise
    if isinstance(opened, GimmalError):
        raise opened
    return EditPatch(files, path, files.expect(opened, EditOpened, path).edit)


async def _open(files: Files, request: OpenEdit) -> Answer | GimmalError:
    """Maybe nobody is left to hear of a failure, so it is returned."""
    try:
        return await files.ask(request, None)
    except GimmalError as exc:
        return exc


def _discard(files: Files, opening: asyncio.Task[Answer | GimmalError]) -> None:
    if not opening.cancelled() and isinstance(opened := opening.result(), EditOpened):
        _openings.start(_open_no_more(files, opened.edit), "discard edit")


async def _open_no_more(files: Files, edit: int) -> None:
    with contextlib.suppress(GimmalError):
        await files.ask(DiscardEdit(edit))


async def save_ranges(
    files: Files,
    path: str,
    *,
    base: Version | None,
    kept: int,
    size: int,
    replace: Replace,
    ranges: Sequence[tuple[int, Data]],
    mtime_ns: int | None,
    mode: int | None,
    durable: bool,
) -> Attributes:
    """Write over stretches of a file and place the result in one step; one round trip up to 960 KiB in 1,024 ranges.

    Args:
        files, path, base, kept, size, replace: as for `open_patch`; ``size`` is that of the new file.
        ranges: place and bytes of each, none of which overlap or end behind ``size``.
        mtime_ns, mode, durable: as for `Patch.commit`.

    Returns:
        the attributes of the new file.

    Raises:
        RemoteError: ``changed`` where another version stands there; what the other side says.
        UnreachableError: it cannot be asked; whether it was done is then not known.
    """
    ranges = [(offset, data) for offset, data in ranges if len(data)]
    length = sum(len(data) for _offset, data in ranges)
    if length <= EDIT_DATA_MAX and len(ranges) <= EDIT_RANGES_MAX and files.offers(EDIT):
        data = b"".join(data for _offset, data in ranges)
        stretches = tuple((offset, len(data)) for offset, data in ranges)
        digest = blake3_digest(data)
        request = QuickEdit(path, base, kept, size, replace, stretches, data, digest, mtime_ns, mode, durable)
        return files.expect(await files.send(request, length), Found, path).attributes
    patch = await open_patch(files, path, base=base, size=size, replace=replace, kept=kept)
    try:
        await patch.write_many(ranges)
        return await patch.commit(mtime_ns=mtime_ns, mode=mode, durable=durable)
    finally:
        await patch.discard()


__all__ = ["Data", "Patch", "open_patch", "save_ranges"]
