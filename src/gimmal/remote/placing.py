"""Where a copy or move goes, as coreutils place it."""

from __future__ import annotations

from gimmal.base.errors import RemoteError
from gimmal.protocol.messages import Attributes, Kind
from gimmal.remote.files import Files


async def stat_or_none(files: Files, path: str) -> Attributes | None:
    """Attributes of a path, None where nothing is there."""
    try:
        return await files.stat(path)
    except RemoteError as exc:
        if exc.code == "not_found":
            return None
        raise


async def is_folder(files: Files, path: str) -> bool:
    """Whether a folder is there; the empty path is the list of shares and counts as one."""
    if not path:
        return True
    there = await stat_or_none(files, path)
    return there is not None and there.kind is Kind.DIRECTORY
