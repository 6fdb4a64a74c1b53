"""Bodies of the records that begin and end links, sessions and streams (docs/spec/protocol.md, section 2.5)."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import COMPUTER_NAME_MAX
from gimmal.protocol.parts import Digest, Text


class Hello(Struct, array_like=True, frozen=True):
    """Body of the first record each way on every link."""

    version: Annotated[int, Meta(ge=1, le=255)]
    program: Text
    features: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
    random: Annotated[bytes, Meta(max_length=32)]
    """32 random bytes on the link that opens a session, none on later ones."""
    computer: Annotated[bytes, Meta(min_length=16, max_length=16)]
    """Computer id, random at each boot."""
    agent: bool
    """Sent by a running agent, not by one command."""
    name: Annotated[str, Meta(max_length=COMPUTER_NAME_MAX)] = ""
    """The computer's, for people."""


class Join(Struct, array_like=True, frozen=True):
    """Body of the dialler's second record: which link of the session this is."""

    number: Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
    bulk: bool


class Close(Struct, array_like=True, frozen=True):
    """Body of CLOSE."""

    reason: Annotated[int, Meta(ge=0, le=255)]


class CloseReason(IntEnum):
    """Why a session ended."""

    DONE = 0
    """Nothing more to do."""
    UNPLUGGED = 1
    """The half was pulled out."""
    STOPPED = 2
    """The program was told to stop."""
    DUPLICATE = 3
    """Two agents dialled each other; this session gives way to the other."""
    LIMIT = 4
    """Too many sessions or links."""
    VIOLATION = 5
    """A rule of the protocol was broken."""


class StreamEnd(Struct, array_like=True, frozen=True):
    """Body of END: the digest of the bytes of the stream, and the file's state after the last was read."""

    digest: Digest
