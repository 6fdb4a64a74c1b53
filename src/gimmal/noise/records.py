"""Sealing and opening of records: the hot path (docs/spec/channel.md, section 6).

On the wire a record is `length u32 | AES-256-GCM(kind u8, stream u32, offset u64, body) | tag 16`, all
integers big-endian; `length` counts all that follows it and is the associated data. Buffers belong to the
caller and are never copied here. A sealer or opener is not safe for use by two threads at once.
"""

from __future__ import annotations

import struct

from gimmal.base.errors import AuthenticationFailed, InternalError, ProtocolViolation
from gimmal.base.primitives import Aead, Buffer

LENGTH_SIZE = 4
HEADER_SIZE = 13
TAG_SIZE = 16
BODY_MAX = 1 << 20
RECORD_MIN = HEADER_SIZE + TAG_SIZE
"""Smallest value of the length field."""
RECORD_MAX = HEADER_SIZE + BODY_MAX + TAG_SIZE
"""Largest value of the length field."""
OVERHEAD = LENGTH_SIZE + HEADER_SIZE + TAG_SIZE
"""Bytes a record takes on the wire beyond its body."""
REKEY_EVERY = 65_536

_MAX_NONCE = 2**64 - 1
_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">BIQ")
_COUNTER = struct.Struct(">Q")
_COUNTER_AT = 4


class _Direction:
    """Key and counter of one direction; either both move on or the direction is dead."""

    __slots__ = ("_aead", "_counter", "_nonce")

    def __init__(self, key: bytes) -> None:
        self._aead: Aead | None = Aead(key)
        self._counter = 0
        self._nonce = bytearray(12)

    @property
    def counter(self) -> int:
        """Records sealed or opened so far under this key and those it was rekeyed from."""
        return self._counter

    @property
    def closed(self) -> bool:
        """Whether the key has been dropped."""
        return self._aead is None

    def close(self) -> None:
        """Drop the key; every later call raises."""
        self._aead = None

    def _advance(self, aead: Aead) -> None:
        self._counter = counter = self._counter + 1
        if counter % REKEY_EVERY == 0:
            nonce = bytes(_COUNTER_AT) + _COUNTER.pack(_MAX_NONCE)
            self._aead = Aead(aead.seal(nonce, bytes(32), b"")[:32])
        _COUNTER.pack_into(self._nonce, _COUNTER_AT, counter)


class RecordSealer(_Direction):
    """Seals the records of one direction in order.

    Args:
        key: sending key of a handshake, 32 bytes; the counter starts at 0.
    """

    __slots__ = ()

    def seal_into(
        self,
        kind: int,
        stream: int,
        offset: int,
        plaintext: bytearray | memoryview,
        body_length: int,
        out: memoryview,
    ) -> int:
        """Seal one record without copying its body.

        Args:
            kind: record type, 8 bits.
            stream: 32 bits; offset: 64 bits.
            plaintext: 13 bytes of room for the header, then the body in place; more may follow. The header
                is written here.
            body_length: bytes of body, at most 1 MiB.
            out: room for `body_length + 33` bytes or more, apart from `plaintext`.

        Returns:
            bytes of `out` to send. They must go out in the order of the calls, each exactly once.
        """
        aead = self._aead
        if aead is None:
            raise _dead()
        if not 0 <= body_length <= BODY_MAX:
            raise InternalError(f"a record cannot carry {body_length} bytes")
        length = body_length + RECORD_MIN
        _HEADER.pack_into(plaintext, 0, kind, stream, offset)
        prefix = _LENGTH.pack(length)
        out[:LENGTH_SIZE] = prefix
        whole = memoryview(plaintext)[: body_length + HEADER_SIZE]
        try:
            aead.seal_into(self._nonce, whole, prefix, out[LENGTH_SIZE : LENGTH_SIZE + length])
        except BaseException:
            # What was written may get out, and a second try would use the nonce again.
            self._aead = None
            raise
        self._advance(aead)
        return LENGTH_SIZE + length

    def seal(self, kind: int, stream: int, offset: int, body: Buffer) -> bytes:
        """Return the whole record of a small body."""
        aead = self._aead
        if aead is None:
            raise _dead()
        if len(body) > BODY_MAX:
            raise InternalError(f"a record cannot carry {len(body)} bytes")
        prefix = _LENGTH.pack(len(body) + RECORD_MIN)
        plaintext = _HEADER.pack(kind, stream, offset) + body
        try:
            ciphertext = aead.seal(self._nonce, plaintext, prefix)
        except BaseException:
            self._aead = None
            raise
        self._advance(aead)
        return prefix + ciphertext


class RecordOpener(_Direction):
    """Opens the records of one direction in order; its first failure is its last call but for errors.

    Args:
        key: receiving key of a handshake, 32 bytes; the counter starts at 0.
    """

    __slots__ = ()

    def check_length(self, prefix: Buffer) -> int:
        """Return how many bytes follow the 4-byte `prefix`.

        Raises ProtocolViolation outside 29 to 1,048,605, before anything has been allocated.
        """
        if self._aead is None:
            raise _dead()
        length: int = _LENGTH.unpack(prefix)[0]
        if not RECORD_MIN <= length <= RECORD_MAX:
            self._aead = None
            raise ProtocolViolation(
                f"a record announces {length} bytes",
                "the other side is broken, or someone tampers with the line",
            )
        return length

    def open_into(self, prefix: Buffer, ciphertext: memoryview, out: memoryview) -> tuple[int, int, int, int]:
        """Open one record without copying its body.

        Args:
            prefix: the 4 length bytes.
            ciphertext: exactly as many bytes as :meth:`check_length` said.
            out: room for `len(ciphertext) - 16` bytes or more, apart from `ciphertext`.

        Returns:
            kind, stream, offset and length n of the body, which lies in `out[13 : 13 + n]`.

        Raises:
            AuthenticationFailed: altered, repeated, missing or out of order; close the link.
        """
        aead = self._aead
        if aead is None:
            raise _dead()
        size = len(ciphertext) - TAG_SIZE
        if size < HEADER_SIZE:
            self._aead = None
            raise ProtocolViolation("a record is cut short", "the connection was lost or tampered with")
        try:
            aead.open_into(self._nonce, ciphertext, prefix, out[:size])
        except BaseException:
            self._aead = None
            raise
        self._advance(aead)
        kind, stream, offset = _HEADER.unpack_from(out)
        return kind, stream, offset, size - HEADER_SIZE


def _dead() -> AuthenticationFailed:
    return AuthenticationFailed("this link has failed earlier", "connect again")
