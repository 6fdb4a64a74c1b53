"""How fast each part of a copy but the line is: disks, ciphers, the round trip."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.protocol.digest import block_count
from gimmal.protocol.limits import BLOCK_SIZE, DIGEST_BLOCKS_MAX
from gimmal.protocol.messages import Entry, Kind, Measure, Measured, Stat, Took
from gimmal.remote.digests import block_digests
from gimmal.remote.files import Files

CIPHER_BYTES = 64 << 20
DISK_BYTES = 256 << 20
ROUND_TRIPS = 5
FILE_LEAST = BLOCK_SIZE
"""A smaller file says little about how fast a disk is read."""

_LOOK = 0o444
"""Bits of a share's mode that say that it may be read."""


@dataclass(frozen=True)
class DiskSpeed:
    """Bytes a second of one disk, None where it was not measured; ``note`` says why, or of what."""

    read: float | None = None
    write: float | None = None
    note: str = ""


async def measure_cipher(files: Files) -> float | None:
    """Bytes a second that the computer with these files seals.

    Raises:
        RemoteError, UnreachableError: it cannot or will not be asked.
    """
    took = await _took(files, Measure(Measured.CIPHER, CIPHER_BYTES))
    return _rate(took.length, took.nanoseconds)


async def measure_disk(files: Files, path: str, length: int = DISK_BYTES) -> DiskSpeed:
    """How fast the disk is that a folder or file lies on; what may not be written is only read.

    Raises:
        RemoteError, UnreachableError: it cannot or will not be asked.
    """
    folder = path
    share, _slash, below = path.partition("/")
    if below and (await files.stat(path)).kind is Kind.FILE:
        folder = path.rpartition("/")[0]
    mode = (await files.stat(share)).mode & 0o777
    if mode & 0o222:
        took = await _took(files, Measure(Measured.DISK, length, folder))
        note = "" if mode & _LOOK else "nothing in a drop share can be read"
        return DiskSpeed(_rate(took.length, took.read_nanoseconds), _rate(took.length, took.nanoseconds), note)
    return await _read_only(files, path, length)


async def measure_round_trip(files: Files) -> float:
    """Seconds that a question without work takes, the quickest of some."""
    loop = asyncio.get_running_loop()
    quickest = float("inf")
    for _ in range(ROUND_TRIPS):
        began = loop.time()
        await files.ask(Stat(""))
        quickest = min(quickest, loop.time() - began)
    return quickest


async def some_share(files: Files) -> str:
    """The share whose disk is measured where none was named: one that may be written, else any; empty without any."""
    async for page in files.entries(""):
        return min(page, key=_suits).name if page else ""
    return ""


def _suits(share: Entry) -> tuple[bool, bool]:
    """How well a share suits, the least best: it may be written, it may be read."""
    return not share.attributes.mode & 0o222, not share.attributes.mode & _LOOK


async def _read_only(files: Files, path: str, length: int) -> DiskSpeed:
    """Read an existing file again, past all caches: its side says how long the disk took."""
    file, size = await _largest(files, path)
    if size < FILE_LEAST:
        return DiskSpeed(note="it may not be written, and holds no file of 4 MiB to read")
    nanoseconds = count = 0
    for first in range(0, block_count(min(size, length)), DIGEST_BLOCKS_MAX // 4):
        found = await block_digests(files, file, first, DIGEST_BLOCKS_MAX // 4, None)
        nanoseconds += found.nanoseconds
        count += min(len(found.digests) * BLOCK_SIZE, max(0, found.version.size - first * BLOCK_SIZE))
        if nanoseconds > 2e9:
            break
    return DiskSpeed(_rate(count, nanoseconds), None, "it may not be written")


async def _largest(files: Files, path: str) -> tuple[str, int]:
    """The largest file among the first of a folder, or the file itself."""
    if "/" in path:
        attributes = await files.stat(path)
        if attributes.kind is Kind.FILE:
            return path, attributes.size
    async for page in files.tree(path):
        found = max(
            (entry for entry in page.entries if entry.attributes.kind is Kind.FILE),
            key=lambda entry: entry.attributes.size,
            default=None,
        )
        return (f"{path}/{found.name}", found.attributes.size) if found is not None else ("", 0)
    return "", 0


async def _took(files: Files, request: Measure) -> Took:
    return files.expect(await files.ask(request, None), Took, request.path)


def _rate(count: int, nanoseconds: int) -> float | None:
    return count / (nanoseconds / 1e9) if count and nanoseconds else None


def why_not(error: GimmalError) -> str:
    """Why a part was not measured, in few words."""
    if isinstance(error, RemoteError) and error.code == "limit":
        return "it measures no more for now; try again later"
    return error.message
