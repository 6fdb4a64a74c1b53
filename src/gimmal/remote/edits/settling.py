"""Ending a conflict as a person decides: their version, ours, or both."""

from __future__ import annotations

from collections.abc import Awaitable

from gimmal.base.errors import RemoteError
from gimmal.base.workers import Workers
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Attributes, Kind, Replace
from gimmal.remote.edits.conflict_list import Conflict, ConflictList
from gimmal.remote.files import Files, shown, version_of


async def keep_mine(files: Files, conflicts: ConflictList, workers: Workers, conflict: Conflict) -> bool:
    """Ours takes the place; what stands there goes to the trash. Returns whether it did, or was just removed.

    Raises:
        RemoteError: ``not_found`` where ours is gone; ``changed`` where theirs is another version than the one that was
            noted, which nobody here has seen; what the other side says.
    """
    await _require(files, conflict.mine)
    theirs = await _standing(files.stat(conflict.path))
    trashed = True
    if theirs is not None:
        if version_of(theirs) != conflict.theirs:
            raise error_of_code(Code.CHANGED, shown(conflict.path))
        trashed = await _put_away(files, conflict.path)
    await files.rename(conflict.mine, conflict.path, Replace.NEVER)
    await workers.call(conflicts.settle, conflict.identifier)
    return trashed


async def keep_theirs(files: Files, conflicts: ConflictList, workers: Workers, conflict: Conflict) -> bool:
    """What stands in the place stays; ours goes to the trash. Returns whether it did, or was just removed.

    Raises:
        RemoteError: ``not_found`` where nothing stands there: ours is then the only one; what the other side says.
    """
    await _require(files, conflict.path)
    trashed = True
    if await _standing(files.stat(conflict.mine)) is not None:
        trashed = await _put_away(files, conflict.mine)
    await workers.call(conflicts.settle, conflict.identifier)
    return trashed


async def keep_both(conflicts: ConflictList, workers: Workers, conflict: Conflict) -> None:
    """Both stay as they are; the conflict is on the list no more."""
    await workers.call(conflicts.settle, conflict.identifier)


async def _put_away(files: Files, path: str) -> bool:
    """Into the trash where the share has one; else it is removed."""
    try:
        code = (await files.trash([path]))[0]
    except RemoteError as error:
        if error.code != "unsupported":
            raise
        code = int(Code.UNSUPPORTED)
    if not code:
        return True
    if code not in (Code.UNSUPPORTED, Code.NOT_STORED):
        raise files.error(code, path)
    code = (await files.remove_many([path]))[0]
    if code:
        raise files.error(code, path)
    return False


async def _require(files: Files, path: str) -> None:
    if (await files.stat(path)).kind is not Kind.FILE:
        raise error_of_code(Code.CHANGED, shown(path))


async def _standing(asking: Awaitable[Attributes]) -> Attributes | None:
    try:
        return await asking
    except RemoteError as error:
        if error.code != "not_found":
            raise
    return None
