"""Cutting a control connection's bytes into messages and back (docs/spec/relay.md, section 3)."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.relay.messages import FRAME_MAX, FromHalf, FromRelay

_encoder = msgspec.msgpack.Encoder()
_from_relay: msgspec.msgpack.Decoder[FromRelay] = msgspec.msgpack.Decoder(FromRelay)
_from_half: msgspec.msgpack.Decoder[FromHalf] = msgspec.msgpack.Decoder(FromHalf)

LENGTH_SIZE = 2

MessageT = TypeVar("MessageT")


def encode_frame(message: FromRelay | FromHalf) -> bytes:
    """The bytes of one message with its length before it."""
    body = _encoder.encode(message)
    assert 0 < len(body) <= FRAME_MAX
    return len(body).to_bytes(LENGTH_SIZE, "big") + body


class FrameBuffer(Generic[MessageT]):
    """Bytes received and not yet understood: at most one message more than was fed in one piece.

    Args:
        decoder: reads the messages of one direction.
    """

    __slots__ = ("_buffer", "_decoder")

    def __init__(self, decoder: msgspec.msgpack.Decoder[MessageT]) -> None:
        self._decoder = decoder
        self._buffer = bytearray()

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._buffer += data

    def next_message(self) -> MessageT | None:
        """The next whole message, or None until more bytes come.

        Raises:
            ProtocolViolation: a length or a message that the specification forbids.
        """
        buffer = self._buffer
        if len(buffer) < LENGTH_SIZE:
            return None
        length = int.from_bytes(buffer[:LENGTH_SIZE], "big")
        if not 0 < length <= FRAME_MAX:
            raise ProtocolViolation(f"a relay message of {length} bytes was announced")
        end = LENGTH_SIZE + length
        if len(buffer) < end:
            return None
        body = bytes(buffer[LENGTH_SIZE:end])
        del buffer[:end]
        if not buffer:
            # A grown bytearray keeps its room: an idle control should hold nothing.
            self._buffer = bytearray()
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise ProtocolViolation("a relay message cannot be read") from exc


def frames_from_relay() -> FrameBuffer[FromRelay]:
    """The half's reading end."""
    return FrameBuffer(_from_relay)


def frames_from_half() -> FrameBuffer[FromHalf]:
    """The relay's reading end."""
    return FrameBuffer(_from_half)
