"""Questions about what the disk of one side holds (docs/spec/protocol.md, section 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.limits import DIGEST_FILES_MAX, DIGEST_SIZE
from gimmal.protocol.messages import BlockDigests, DigestBlocks, DigestFiles, FileDigest, FileDigests, Version
from gimmal.remote.files import Files

OneT = TypeVar("OneT")
OtherT = TypeVar("OtherT")

_NAMES_BYTES = 768 * 1024
"""Bytes of the names in one request."""


async def block_digests(files: Files, path: str, first: int, count: int, version: Version | None) -> BlockDigests:
    """Digests of so many blocks of a file, read again from its disk; none behind its end.

    Raises:
        RemoteError: the side that holds the file says no.
        UnreachableError: it cannot be asked.
    """
    found = files.expect(await files.ask(DigestBlocks(path, first, count, version), None), BlockDigests, path)
    if len(found.digests) > count:
        raise ProtocolViolation("the other side answered for more blocks than asked")
    return found


async def digest_files(files: Files, paths: Sequence[str]) -> list[FileDigest]:
    """For each file of at most one block its digest, read again from its disk, or a code.

    Raises:
        RemoteError, UnreachableError: as `block_digests`.
    """
    digests: list[FileDigest] = []
    for share, names in _in_requests(paths):
        answer = files.expect(await files.ask(DigestFiles(share, names), None), FileDigests, share)
        if len(answer.files) != len(names):
            raise ProtocolViolation("the other side answered for another number of files than asked")
        for file in answer.files:
            whole = len(file.digest) == DIGEST_SIZE and file.attributes is not None
            empty = not file.digest and file.attributes is None
            if not (empty if file.code else whole):
                raise ProtocolViolation("the other side answered with a file that is neither there nor missing")
        digests += answer.files
    return digests


async def both(one: Coroutine[Any, Any, OneT], other: Coroutine[Any, Any, OtherT]) -> tuple[OneT, OtherT]:
    """The results of two questions that are asked side by side; where one fails the other is given up."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = group.create_task(one), group.create_task(other)
    except BaseExceptionGroup as exc:
        raise exc.exceptions[0] from None
    return tasks[0].result(), tasks[1].result()


def _in_requests(paths: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Shares and names below them, in portions that one request may hold."""
    names: list[str] = []
    share, room = "", _NAMES_BYTES
    for path in paths:
        of, _slash, name = path.partition("/")
        size = len(name.encode()) + 8
        if names and (of != share or len(names) >= DIGEST_FILES_MAX or size > room):
            yield share, names
            names, room = [], _NAMES_BYTES
        share = of
        names.append(name)
        room -= size
    if names:
        yield share, names
