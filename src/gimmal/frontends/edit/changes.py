"""Which parts of a document changed since it was last sent, without a second copy of it in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gimmal.base.primitives import blake3_digest

PIECE = 4096
"""Bytes that are compared as one: digesting a document of 100 MiB so takes 0.1 s."""

_DIGEST = 16
_READ = 1 << 20


@dataclass(frozen=True)
class Content:
    """What is remembered of a version.

    Attributes:
        size: bytes.
        digests: of each piece in order, in a row.
    """

    size: int
    digests: bytes

    def spans(self, old: Content) -> list[tuple[int, int]]:
        """Begin and end of what is not the same in an older version, whole pieces, in order."""
        spans: list[tuple[int, int]] = []
        if self == old:
            return spans
        for number in range(0, len(self.digests), _DIGEST):
            if self.digests[number : number + _DIGEST] == old.digests[number : number + _DIGEST]:
                continue
            start = number // _DIGEST * PIECE
            end = min(start + PIECE, self.size)
            if spans and spans[-1][1] == start:
                spans[-1] = spans[-1][0], end
            else:
                spans.append((start, end))
        return spans


EMPTY = Content(0, b"")


def content_of(path: Path) -> Content:
    """Read a document; may block.

    Raises:
        OSError: it cannot be read.
    """
    digests = bytearray()
    size = 0
    with path.open("rb", buffering=0) as file:
        for block in _blocks(file.fileno()):
            size += len(block)
            for at in range(0, len(block), PIECE):
                digests += blake3_digest(block[at : at + PIECE])[:_DIGEST]
    return Content(size, bytes(digests))


def read_spans(path: Path, spans: list[tuple[int, int]], content: Content) -> list[tuple[int, bytes]]:
    """Place and bytes of some spans of a version; may block.

    Raises:
        ValueError: the document is another one by now.
        OSError: it cannot be read.
    """
    found = []
    with path.open("rb", buffering=0) as file:
        for start, end in spans:
            data = os.pread(file.fileno(), end - start, start)
            if _digests(data) != content.digests[start // PIECE * _DIGEST : -(-end // PIECE) * _DIGEST]:
                raise ValueError("the document changed meanwhile")
            found.append((start, data))
    return found


def read_pieces(path: Path, spans: list[tuple[int, int]], content: Content) -> Iterator[tuple[int, bytes]]:
    """The same piece by piece, in little memory; raises as `read_spans`."""
    for start, end in spans:
        for at in range(start, end, _READ):
            yield from read_spans(path, [(at, min(end, at + _READ))], content)


def same_spans(spans: list[tuple[int, int]], end: int, most: int) -> list[tuple[int, int]]:
    """What lies between some spans, up to ``end`` and ``most`` bytes in all."""
    between: list[tuple[int, int]] = []
    at = 0
    for start, stop in [*spans, (end, end)]:
        start = min(start, end)
        if at < start and most > 0:
            until = min(start, at + most // PIECE * PIECE)
            if until > at:
                between.append((at, until))
                most -= until - at
        at = max(at, stop)
    return between


def _digests(data: bytes) -> bytes:
    view = memoryview(data)
    return b"".join(blake3_digest(view[at : at + PIECE])[:_DIGEST] for at in range(0, len(data), PIECE))


def _blocks(descriptor: int) -> Iterator[memoryview]:
    """A file in blocks of whole pieces, but for the last; each is good until the next."""
    buffer = memoryview(bytearray(_READ))
    at = 0
    while True:
        got = 0
        while got < _READ and (more := os.preadv(descriptor, [buffer[got:]], at + got)):
            got += more
        if got:
            yield buffer[:got]
        if got < _READ:
            return
        at += got
