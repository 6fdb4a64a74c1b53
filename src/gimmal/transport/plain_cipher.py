"""Records in clear, for links that never leave this computer: between a command and its agent.

Same layout as sealed records, with 16 zero bytes in place of the tag, so that ``Link`` needs no second way.
"""

from __future__ import annotations

import struct

from gimmal.base.errors import ProtocolViolation
from gimmal.noise.records import HEADER_SIZE, LENGTH_SIZE, RECORD_MAX, RECORD_MIN, TAG_SIZE

_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">BIQ")
_NO_TAG = bytes(TAG_SIZE)


class PlainCipher:
    """Frames records without sealing them."""

    def seal_into(
        self, kind: int, stream: int, offset: int, plaintext: memoryview, body_length: int, out: memoryview
    ) -> int:
        """As RecordSealer.seal_into, for ``plaintext`` that lies in ``out`` behind the length."""
        length = body_length + RECORD_MIN
        _LENGTH.pack_into(out, 0, length)
        _HEADER.pack_into(plaintext, 0, kind, stream, offset)
        end = LENGTH_SIZE + length
        out[end - TAG_SIZE : end] = _NO_TAG
        return end

    def seal(self, kind: int, stream: int, offset: int, body: bytes | memoryview) -> bytes:
        """As RecordSealer.seal."""
        return b"".join((_LENGTH.pack(len(body) + RECORD_MIN), _HEADER.pack(kind, stream, offset), body, _NO_TAG))

    def check_length(self, prefix: memoryview) -> int:
        """As RecordOpener.check_length."""
        length: int = _LENGTH.unpack(prefix)[0]
        if not RECORD_MIN <= length <= RECORD_MAX:
            raise ProtocolViolation("a program on this computer sent no record", "run the command again")
        return length

    def open_into(self, prefix: memoryview, ciphertext: memoryview, out: memoryview) -> tuple[int, int, int, int]:
        """As RecordOpener.open_into; the body stays where it is."""
        kind, stream, offset = _HEADER.unpack_from(ciphertext)
        return kind, stream, offset, len(ciphertext) - HEADER_SIZE - TAG_SIZE

    def close(self) -> None:
        """There are no keys to drop."""
