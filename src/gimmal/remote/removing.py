"""Removing files and whole folders, many to a request."""

from __future__ import annotations

from gimmal.base.display import displayable
from gimmal.base.errors import RemoteError
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import REMOVE_MANY_MAX
from gimmal.protocol.messages import Kind
from gimmal.remote.files import ENTRIES_MAX, Files, too_many_entries


async def remove(
    files: Files, paths: list[str], *, recursive: bool, missing_ok: bool
) -> tuple[int, list[tuple[str, str]]]:
    """Remove each path.

    Args:
        files: the tree.
        paths: wire paths.
        recursive: remove folders with all they hold; without it a folder is refused.
        missing_ok: what is not there is no failure.

    Returns:
        how many entries were removed, and displayable name and reason of each that was not.
    """
    removed = 0
    failures: list[tuple[str, str]] = []
    for path in paths:
        try:
            doomed, unread = await _doomed(files, path, recursive=recursive)
        except RemoteError as exc:
            if not (missing_ok and exc.code == "not_found"):
                failures.append((displayable(":" + path), exc.message.partition(": ")[2] or exc.message))
            continue
        failures += [(displayable(":" + folder), error_of_code(code, "").message) for folder, code in unread]
        for gone, code in await _removed(files, doomed):
            if code and not (missing_ok and code == Code.NOT_FOUND):
                failures.append((displayable(":" + gone), error_of_code(code, "").message))
            elif not code:
                removed += 1
    return removed, failures


async def remove_one(files: Files, path: str, *, recursive: bool) -> None:
    """Remove one path: all of it that can be.

    Raises:
        RemoteError: of the first entry that could not be; ``is_a_directory`` for a folder without ``recursive``.
    """
    doomed, failed = await _doomed(files, path, recursive=recursive)
    failed += [(gone, code) for gone, code in await _removed(files, doomed) if code]
    if failed:
        first, code = failed[0]
        raise files.error(code, first)


async def _doomed(files: Files, path: str, *, recursive: bool) -> tuple[list[str], list[tuple[str, int]]]:
    """What is to be removed, in this order; and the folders that could not be read, with the code."""
    attributes = await files.stat(path)
    doomed = [path]
    unread: list[tuple[str, int]] = []
    if attributes.kind is Kind.DIRECTORY:
        if not recursive:
            raise error_of_code(Code.IS_A_DIRECTORY, "")
        if "/" not in path:
            # No share grants it; found out last, it would have cost all that the share holds.
            raise RemoteError("not_granted", "a share itself cannot be removed, only what is in it")
        async for page in files.tree(path):
            doomed += [f"{path}/{entry.name}" for entry in page.entries]
            if len(doomed) > ENTRIES_MAX:
                raise too_many_entries(displayable(":" + path))
            unread += [(f"{path}/{name}", code) for name, code in page.failures]
    # The tree names folders before what they hold; the other way round each is empty when its turn comes.
    doomed.reverse()
    return doomed, unread


async def _removed(files: Files, doomed: list[str]) -> list[tuple[str, int]]:
    removed: list[tuple[str, int]] = []
    for start in range(0, len(doomed), REMOVE_MANY_MAX):
        some = doomed[start : start + REMOVE_MANY_MAX]
        removed += zip(some, await files.remove_many(some), strict=True)
    return removed
