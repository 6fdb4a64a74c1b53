"""Record types (docs/spec/protocol.md, section 2)."""

from __future__ import annotations

from enum import IntEnum


class RecordKind(IntEnum):
    """First byte of a record's plaintext. What ``stream``, ``offset`` and body mean depends on it."""

    HELLO = 0x01
    """First record each way on each link. Body: Hello."""
    JOIN = 0x02
    """Second record of the dialler. Body: Join."""
    REQUEST = 0x03
    """stream: request number; offset: settled mark; body: one request message."""
    ANSWER = 0x04
    """stream: request number answered; body: one answer message."""
    DATA = 0x05
    """stream: request number; offset: place of the body in the file or stream; body: bytes."""
    END = 0x06
    """stream: request number; offset: bytes of the stream in all; body: StreamEnd."""
    BUNDLE = 0x07
    """stream: request number; offset: bytes of header in front of the contents; body: header and contents."""
    CANCEL = 0x08
    """stream: request number whose answer is no longer wanted."""
    CREDIT = 0x09
    """stream: pushed stream; offset: bytes granted beyond those granted before."""
    PING = 0x0A
    """offset: any number, returned by PONG."""
    RENEW = 0x0B
    """Body: Noise message 1 of a renewal (docs/spec/channel.md)."""
    RENEW_ANSWER = 0x0C
    """Body: Noise message 2 of a renewal (docs/spec/channel.md)."""
    RENEW_DONE = 0x0D
    """Last record of its direction under the old key (docs/spec/channel.md)."""
    PONG = 0x0E
    """offset: the number of the PING."""
    LEAVE = 0x0F
    """Last record of its direction on this link; the session goes on."""
    CLOSE = 0x10
    """Last record of its direction; the session is over. Body: Close."""
    PACKED = 0x13
    """As DATA, with a body that stands for the bytes (protocol.packed); only where the request allows it."""
    PACKED_BUNDLE = 0x14
    """As BUNDLE, likewise."""
    NOTICES = 0x15
    """stream: pushed stream; offset: bytes of its bodies pushed before; body: Notices, or empty where it is over."""

    REPEAT = 0x81
    """stream: request number; offset: how often its REQUEST, which follows on the same link, was sent before."""


SKIPPABLE = 0x80
"""An unknown record type with this bit is skipped; without it the link fails."""
