"""What is done on the other side as a whole, without its bytes coming here: copying and removing trees."""

from __future__ import annotations

import asyncio

from gimmal.base.errors import BadName, GimmalError, RemoteError
from gimmal.base.paths import parse_shared_path
from gimmal.base.tasks import Tasks
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Kind, Replace
from gimmal.remote.files import ENTRIES_MAX, Files, shown, too_many_entries
from gimmal.remote.removing import remove

COPIES_AT_ONCE = 8
"""Files that are copied over there at a time."""

_COPIED = (Kind.FILE, Kind.DIRECTORY)

LONG_SECONDS = 600.0
"""What copying or removing a tree may take: a client waits for it."""


async def remove_tree(files: Files, path: str) -> None:
    """Remove a file, or a folder with all it holds.

    Raises:
        RemoteError: the other side kept something of it.
        UnreachableError: it cannot be asked.
    """
    _removed, failures = await remove(files, [path], recursive=True, missing_ok=True)
    if failures:
        name, reason = failures[0]
        more = f" (and {len(failures) - 1:,} more)" if len(failures) > 1 else ""
        raise RemoteError("not_granted", f"{name}: {reason}{more}")


async def copy_tree(files: Files, source: str, target: str, *, below: bool, whole: bool = False) -> None:
    """Copy a file, or a folder with all it holds; nothing is at the target. Links and what is no file are left out.

    Args:
        files: the other side's.
        source, target: wire paths.
        below: of a folder also what it holds.
        whole: rather nothing than leaving something out.

    Raises:
        RemoteError: the other side says no; what was copied until then stays.
        UnreachableError: it cannot be asked.
    """
    attributes = await files.stat(source)
    if attributes.kind is Kind.FILE:
        await files.copy(source, target, Replace.ALWAYS, xattrs=True)
        return
    if attributes.kind is not Kind.DIRECTORY:
        raise error_of_code(Code.SPECIAL_FILE, shown(source))
    if whole:
        await _require_whole(files, source)
    await _make_folder(files, target)
    if not below:
        return
    count = 0
    async for page in files.tree(source):
        if page.failures:
            name, code = page.failures[0]
            raise error_of_code(code, shown(f"{source}/{name}"))
        count += len(page.entries)
        if count > ENTRIES_MAX:
            raise too_many_entries(shown(source))
        # Folders come before what they hold.
        for entry in page.entries:
            if entry.attributes.kind is Kind.DIRECTORY:
                await _make_folder(files, _below(target, entry.name))
        names = [entry.name for entry in page.entries if entry.attributes.kind is Kind.FILE]
        await _copy_files(files, [(f"{source}/{name}", _below(target, name)) for name in names])


async def _require_whole(files: Files, source: str) -> None:
    """Raise where a copy would leave something out."""
    async for page in files.tree(source):
        left_out = [(entry.name, Code.SPECIAL_FILE) for entry in page.entries if entry.attributes.kind not in _COPIED]
        for name, code in (*page.failures, *left_out):
            raise error_of_code(code, shown(f"{source}/{name}"))


async def _copy_files(files: Files, pairs: list[tuple[str, str]]) -> None:
    left = iter(pairs)
    tasks = Tasks()

    async def copy_some() -> GimmalError | None:
        for source, target in left:
            try:
                await files.copy(source, target, Replace.ALWAYS, xattrs=True)
            except GimmalError as exc:
                return exc
        return None

    try:
        copying = {tasks.start(copy_some(), "copy on the other side") for _ in range(min(COPIES_AT_ONCE, len(pairs)))}
        for failure in await asyncio.gather(*copying):
            if failure is not None:
                raise failure
    finally:
        await tasks.close()


async def _make_folder(files: Files, path: str) -> None:
    codes = await files.make_directories([path], exist_ok=True)
    if codes[0]:
        raise error_of_code(codes[0], shown(path))


def _below(folder: str, name: str) -> str:
    """The path of an entry that the other side names; a name that may not be leads nowhere."""
    path = f"{folder}/{name}"
    try:
        parse_shared_path(path)
    except BadName as exc:
        raise error_of_code(Code.BAD_NAME, shown(path)) from exc
    return path
