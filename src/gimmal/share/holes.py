"""Holes of files: where there are any, and how they are made."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from gimmal.base.system_calls import punch_hole
from gimmal.protocol.data_blocks import ZEROS
from gimmal.protocol.limits import HOLE_MIN

PAGE = 4096
"""Bytes that file systems keep or leave out at once."""

_PAGE_OF_ZEROS = bytes(PAGE)
_CHUNK = 1 << 20


def data_stretches(descriptor: int, start: int, end: int, least: int = HOLE_MIN) -> Iterator[tuple[int, int]]:
    """Stretches of a file that may hold data, as beginning and end; what lies between them is zeros.

    Holes smaller than ``least`` bytes are taken for data. A file system that knows no holes has one stretch.

    Args:
        descriptor: the file, opened for reading.
        start, end: the part of the file looked at; ``end`` at most its size.
    """
    begun: tuple[int, int] | None = None
    at = start
    while at < end:
        data = _seek(descriptor, at, os.SEEK_DATA)
        if data is None or data >= end:
            break
        data = max(data, at)
        hole = _seek(descriptor, data, os.SEEK_HOLE)
        until = end if hole is None else min(end, max(hole, data + 1))
        if data - (begun[1] if begun is not None else start) < least:
            begun = (begun[0] if begun is not None else start), until
        else:
            if begun is not None:
                yield begun
            begun = data, until
        at = until
    if begun is not None:
        yield begun


def make_hole(descriptor: int, offset: int, length: int) -> None:
    """Let a stretch of a file be zeros, without taking room where the disk allows; the size does not shrink."""
    size = os.fstat(descriptor).st_size
    end = min(offset + length, size)
    if end <= offset or is_hole(descriptor, offset, end):
        return
    if punch_hole(descriptor, offset, end - offset) and is_hole(descriptor, offset, end):
        return
    # Only where there is data: a disk that knows holes but punches none would be filled otherwise.
    view = memoryview(ZEROS)
    for start, until in list(data_stretches(descriptor, offset, end, least=1)):
        at = start
        while at < until:
            at += os.pwrite(descriptor, view[: min(len(view), until - at)], at)


def write_sparse(descriptor: int, view: memoryview, place: int) -> None:
    """Write bytes where nothing but a hole lies, leaving out whole pages of zeros."""
    at = 0
    while at < len(view):
        chunk = bytes(view[at : at + _CHUNK])
        for start, end in _written(chunk, -(place + at) % PAGE):
            _write_all(descriptor, memoryview(chunk)[start:end], place + at + start)
        at += len(chunk)


def _written(chunk: bytes, first_page: int) -> Iterator[tuple[int, int]]:
    """Stretches of a chunk that are more than pages of zeros; ``first_page`` is where its first page begins."""
    begun: int | None = 0 if first_page else None
    for page in range(first_page, len(chunk), PAGE):
        if chunk[page : page + PAGE] == _PAGE_OF_ZEROS[: len(chunk) - page]:
            if begun is not None:
                yield begun, page
                begun = None
        elif begun is None:
            begun = page
    if begun is not None:
        yield begun, len(chunk)


def _write_all(descriptor: int, view: memoryview, place: int) -> None:
    while view:
        count = os.pwrite(descriptor, view, place)
        place += count
        view = view[count:]


def has_hole(descriptor: int, size: int) -> bool:
    """Whether there is a hole in a file of ``size`` bytes, as far as its disk tells."""
    hole = _seek(descriptor, 0, os.SEEK_HOLE)
    return hole is not None and hole < size


def is_hole(descriptor: int, offset: int, end: int) -> bool:
    """Whether a stretch of a file, up to ``end``, is known to hold no data."""
    data = _seek(descriptor, offset, os.SEEK_DATA)
    return data is None or data >= end


def _seek(descriptor: int, at: int, what: int) -> int | None:
    """Where the next data or hole begins; None where there is no more."""
    try:
        return os.lseek(descriptor, at, what)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            return at if what == os.SEEK_DATA else None
        raise
