"""A range of a file in memory, in buffers that records are sent from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gimmal.base.primitives import new_blake3
from gimmal.protocol.codes import Code
from gimmal.protocol.data_blocks import ZEROS
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import Failed, Read
from gimmal.share.reading import OpenRange
from gimmal.share.service import ShareSession
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import KEPT_MIN, Piece


@dataclass(slots=True)
class Loaded:
    """Bytes of a range, the zeros that a sparse one leaves out counted in ``length`` and ``digest``."""

    pieces: list[Piece] = field(default_factory=list)
    length: int = 0
    digest: bytes = b""

    def give_back(self, pool: BufferPool) -> None:
        """Return what buffers are left."""
        for piece in self.pieces:
            if piece.owner is not None:
                pool.give(piece.owner)
        self.pieces = []


def load_range(share: ShareSession, pool: BufferPool, request: Read) -> Loaded | Failed:
    """Read what a Read asks for, hashed while it passes; blocks."""
    opened = share.open_range(request)
    if isinstance(opened, Failed):
        return opened
    loaded = Loaded()
    hasher = new_blake3()
    failed: Code | None = None
    try:
        _load(opened, pool, loaded, hasher.update, sparse=request.sparse, small=request.length < KEPT_MIN)
        failed = opened.check()
    except OSError:
        failed = Code.INPUT_OUTPUT
    finally:
        opened.close()
    if failed is not None:
        loaded.give_back(pool)
        return Failed(failed)
    loaded.digest = hasher.digest()
    return loaded


def _load(
    opened: OpenRange,
    pool: BufferPool,
    loaded: Loaded,
    hash_bytes: Callable[[memoryview], object],
    *,
    sparse: bool,
    small: bool,
) -> None:
    zeros = memoryview(ZEROS)
    for start, end in opened.stretches() if sparse else ((0, opened.length),):
        hash_bytes(zeros[: start - loaded.length])
        loaded.length = start
        while loaded.length < end:
            piece, whole = _piece(
                opened, pool, loaded.length, min(BODY_MAX, end - loaded.length), small=sparse or small
            )
            if piece is None:
                return  # cut meanwhile
            hash_bytes(piece.body)
            loaded.pieces.append(piece)
            loaded.length += len(piece.body)
            if not whole:
                return
    if sparse:
        hash_bytes(zeros[: opened.length - loaded.length])
        loaded.length = opened.length


def _piece(opened: OpenRange, pool: BufferPool, at: int, want: int, *, small: bool) -> tuple[Piece | None, bool]:
    """Bytes of the range from ``at`` on, and whether there were as many as wanted.

    With ``small``, few of them take no buffer of a whole record.
    """
    buffer = pool.take() if want >= KEPT_MIN or not small else None
    body = buffer.body if buffer is not None else memoryview(bytearray(want))
    got = 0
    try:
        while got < want and (count := opened.read_into(body[got:want], at + got)):
            got += count
    except OSError:
        if buffer is not None:
            pool.give(buffer)
        raise
    if got:
        return Piece(body[:got], buffer, at), got == want
    if buffer is not None:
        pool.give(buffer)
    return None, False
