"""Messages of a control connection (docs/spec/relay.md, section 3).

Each is a msgpack array: tag, then the fields in order. New fields only at the end with a default.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from gimmal.base.side import Side
from gimmal.protocol.places import PLACE_SIZE

RELAY_VERSION = 1
FRAME_MAX = 16_384
"""Bytes a message may have."""
CANDIDATES_MAX = 4_096
"""Bytes of sealed candidates a half may leave."""
TICKET_SIZE = 32
NONCE_SIZE = 32
DATA_LEG = 0x67
"""First byte of a data leg."""
TLS_HANDSHAKE = 0x16
"""First byte of TLS: a handshake record."""
HTTP_GET = 0x47
"""First byte of a request for a WebSocket."""
HTTP_PROTOCOL = "http/1.1"
"""ALPN of TLS in which the half speaks first."""
CONTROL_PATH = "/gimmal/1/control"
LEG_PATH = "/gimmal/1/leg"
"""What a WebSocket is asked for."""

Number = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
Seconds = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes64 = Annotated[bytes, Meta(min_length=64, max_length=64)]
Sealed = Annotated[bytes, Meta(max_length=CANDIDATES_MAX)]
Seen = Annotated[bytes, Meta(max_length=PLACE_SIZE)]
CodeText = Annotated[str, Meta(max_length=32, pattern="^[a-z_]*$")]
Sentence = Annotated[str, Meta(max_length=200)]
Program = Annotated[str, Meta(max_length=64)]


class Role(StrEnum):
    """What a control connection is for."""

    ANSWERS = "answers"
    """The agent: takes links. One a side."""
    ASKS = "asks"
    """A command: wants links."""


class Code(StrEnum):
    """Why something was refused or ended (section 10)."""

    VERSION = "version"
    PROOF = "proof"
    DISABLED = "disabled"
    NOT_ADMITTED = "not_admitted"
    ANSWERER_PRESENT = "answerer_present"
    TOO_MANY_ASKERS = "too_many_askers"
    TOO_MANY_CONTROLS = "too_many_controls"
    TOO_MANY_LINKS = "too_many_links"
    FULL = "full"
    REPLACED = "replaced"
    STOPPING = "stopping"
    TOO_FAST = "too_fast"
    VIOLATION = "violation"
    SILENT = "silent"


class Challenge(Struct, array_like=True, frozen=True, tag=1):
    """The relay's first message."""

    version: Annotated[int, Meta(ge=0, le=255)]
    nonce: Bytes32


class Welcome(Struct, array_like=True, frozen=True, tag=2):
    """The proof was good; what the relay knows of the peer."""

    present: bool
    last_seen: Seconds
    candidates: Sealed
    seen: Seen = b""
    """Address and port that this connection comes from, as the relay sees it; empty where it does not say."""


class Refused(Struct, array_like=True, frozen=True, tag=3):
    """The control connection is not granted; the relay closes."""

    code: CodeText
    sentence: Sentence


class Ticket(Struct, array_like=True, frozen=True, tag=4):
    """The asker's ticket for the link it asked for."""

    number: Number
    ticket: Bytes32

    def __repr__(self) -> str:
        return f"Ticket(number={self.number})"


class Offer(Struct, array_like=True, frozen=True, tag=5):
    """The answerer's ticket for a link that the peer's program `instance` asked for."""

    ticket: Bytes32
    instance: Bytes16

    def __repr__(self) -> str:
        return "Offer()"


class NoAnswerer(Struct, array_like=True, frozen=True, tag=6):
    """Nobody answers for the peer; ``last_seen`` is in seconds since 1970, 0 if unknown."""

    number: Number
    last_seen: Seconds


class LinkRefused(Struct, array_like=True, frozen=True, tag=7):
    """A limit stands against this link."""

    number: Number
    code: CodeText
    sentence: Sentence


class PeerChanged(Struct, array_like=True, frozen=True, tag=8):
    """The peer's answerer came, went, or has other candidates."""

    present: bool
    last_seen: Seconds
    candidates: Sealed


class Prove(Struct, array_like=True, frozen=True, tag=32):
    """The half's proof that it is one side of a pair."""

    version: Annotated[int, Meta(ge=0, le=255)]
    pair_id: Bytes16
    side: Side
    role: Role
    instance: Bytes16
    lock: Bytes32
    sign_a: Bytes32
    sign_b: Bytes32
    signature: Bytes64
    program: Program
    candidates: Sealed

    def __repr__(self) -> str:
        return f"Prove(side={self.side}, role={self.role})"


class RequestLink(Struct, array_like=True, frozen=True, tag=33):
    """A link to the peer's answerer is wanted."""

    number: Number


class Candidates(Struct, array_like=True, frozen=True, tag=34):
    """New sealed candidates of this answerer."""

    candidates: Sealed


class Ping(Struct, array_like=True, frozen=True, tag=64):
    """Answer with Pong at once."""

    number: Number


class Pong(Struct, array_like=True, frozen=True, tag=65):
    """Answer to Ping."""

    number: Number


class Goodbye(Struct, array_like=True, frozen=True, tag=66):
    """The sender closes, and why."""

    code: CodeText
    sentence: Sentence


FromRelay = (
    Challenge | Welcome | Refused | Ticket | Offer | NoAnswerer | LinkRefused | PeerChanged | Ping | Pong | Goodbye
)
FromHalf = Prove | RequestLink | Candidates | Ping | Pong | Goodbye
