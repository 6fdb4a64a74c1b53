"""Records of the log of use, and their bytes: msgpack with the names of fields, so that versions read each other.

Times are milliseconds since 1970 UTC, of this computer's clock as it stood; records stay in the order of writing,
whatever the clock did.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gimmal.protocol.parts import Path
from gimmal.share.using import Act

Milliseconds = Annotated[int, Meta(ge=0, le=1 << 53)]
Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
SideName = Annotated[str, Meta(max_length=1)]
Name = Annotated[str, Meta(max_length=64)]
SessionId = Annotated[bytes, Meta(min_length=8, max_length=8)]

NAMES_MAX = 4096
"""Names in one record."""


class Who(Struct, frozen=True):
    """Whose session it is, as the other side says.

    Attributes:
        side: ``a`` or ``b``.
        computer: name of that computer; empty where it gave none.
        computer_id: the same for all sessions of that computer until its next boot.
        program: name and version.
        agent: a running agent, not one command.
    """

    side: SideName
    computer: Name
    computer_id: Annotated[bytes, Meta(max_length=16)]
    program: Annotated[str, Meta(max_length=256)]
    agent: bool


class Served(Struct, frozen=True, tag="served"):
    """This half began to be served here, or stopped for a reason."""

    at: Milliseconds
    reason: Annotated[str, Meta(max_length=32)] = ""
    """Empty at the beginning."""


class Began(Struct, frozen=True, tag="began"):
    """The other side opened a session, or it was opened with it."""

    session: SessionId
    at: Milliseconds
    who: Who
    path: Annotated[str, Meta(max_length=16)] = ""
    """How its first link travels."""


class Did(Struct, frozen=True, tag="did"):
    """One thing, done to entries of one folder by one session, once or often.

    Attributes:
        first, last: when the first and the last of it was done.
        names: of what was changed all, in one or more records; of what was only looked at the first few.
        targets: of MOVED and COPIED: paths, one for each name.
        count: how many times it was done, or how many entries were looked at; those of this record.
        size: bytes read or written.
        side, computer: as in Who: what began may have been dropped from the log by now.
    """

    session: SessionId
    act: Act
    first: Milliseconds
    last: Milliseconds
    folder: Path
    names: Annotated[list[Path], Meta(max_length=NAMES_MAX)]
    targets: Annotated[list[Path], Meta(max_length=NAMES_MAX)]
    count: Count
    size: Count
    side: SideName
    computer: Name


class Ended(Struct, frozen=True, tag="ended"):
    """A session is over."""

    session: SessionId
    at: Milliseconds
    reason: Annotated[str, Meta(max_length=32)]
    side: SideName
    computer: Name


class Uncounted(Struct, frozen=True):
    """What was done of one kind in one share, beyond what is told in detail."""

    act: Act
    share: Annotated[str, Meta(max_length=255)]
    count: Count
    size: Count


class Crowded(Struct, frozen=True, tag="crowded"):
    """More was done than a log should grow by: only counts are kept.

    Attributes:
        sessions: how many that began are not told of.
    """

    first: Milliseconds
    last: Milliseconds
    sessions: Count
    acts: Annotated[list[Uncounted], Meta(max_length=NAMES_MAX)]


Record = Served | Began | Did | Ended | Crowded

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """The bytes of a record."""
    return _encoder.encode(record)


def decode_record(data: bytes) -> Record | None:
    """The record of these bytes; None where a later version wrote it."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
