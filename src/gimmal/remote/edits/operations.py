"""What was done here while the other side could not be reached, as the journal holds it. No I/O.

Each operation has a number; a save is its head, its bytes, and its end: without the end it was never done. Where an
operation builds on another one of the journal, ``after`` names it: what that one makes at home is then its base.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from gimmal.base.errors import LocalError, ProtocolViolation
from gimmal.protocol.messages import Attributes, Mode, Nanoseconds, Path, Size, Version

DATA_BYTES = 60 * 1024
"""Bytes of a file in one record."""

REASON_CHARACTERS = 8192
"""Of why an operation was not done; it may name a path."""

Number = Annotated[int, Meta(ge=1, le=(1 << 53))]
After = Annotated[int, Meta(ge=0, le=(1 << 53))]


class Save(Struct, frozen=True, tag="save"):
    """A file got these bytes. Bytes and end follow.

    Attributes:
        base: the version at home that it changes; None for a new file, or with ``after``.
        kept: bytes of the base that still count where nothing is written.
        size: that it then has.
        mtime_ns: when it was written.
        mode: None for that of the base.
    """

    number: Number
    path: Path
    base: Version | None
    after: After
    kept: Size
    size: Size
    mtime_ns: Nanoseconds
    mode: Mode | None


class Data(Struct, frozen=True, tag="data"):
    """Bytes of the save that was begun last."""

    offset: Size
    content: Annotated[bytes, Meta(max_length=DATA_BYTES)]


class Old(Struct, frozen=True, tag="old"):
    """Bytes of the base of the save that was begun last: needed only where home has another version by then."""

    offset: Size
    content: Annotated[bytes, Meta(max_length=DATA_BYTES)]


class End(Struct, frozen=True, tag="end"):
    """The save that was begun last is whole."""

    number: Number


class Begun(Struct, frozen=True, tag="begun"):
    """The first record: on which computer what follows was done."""

    computer: Annotated[str, Meta(max_length=256)]


class MakeFolder(Struct, frozen=True, tag="folder"):
    """A folder was made."""

    number: Number
    path: Path
    mode: Mode | None


class Remove(Struct, frozen=True, tag="remove"):
    """A file, link or empty folder was removed. ``base``: the version that was; None with ``after``, or for another."""

    number: Number
    path: Path
    base: Version | None
    after: After


class Move(Struct, frozen=True, tag="move"):
    """A file got another name.

    Attributes:
        base: its version, by which it is known again; None with ``after``.
        replaces: whether something may stand under the new name.
        expected: the version that may; None, also with ``expected_after``, where nothing was known to stand there.
    """

    number: Number
    path: Path
    target: Path
    base: Version | None
    after: After
    replaces: bool
    expected: Version | None
    expected_after: After


class SetTimes(Struct, frozen=True, tag="times"):
    """An entry got another time or mode. ``base``: the version of a file that did; None with ``after``."""

    number: Number
    path: Path
    mtime_ns: Nanoseconds
    mode: Mode | None
    after: After
    base: Version | None = None


class Gone(Struct, frozen=True, tag="home"):
    """An operation was done at home, and this is what came of it.

    Attributes:
        path: where its file is now: another than it was to be, where it had to make way.
        attributes: of it; None where nothing is there any more.
        missed: another version stands there than the operation was done with, or none. Nothing was done, and the
            attributes are of the version that was meant: what builds on it finds that it is another one.
    """

    number: Number
    path: Path
    attributes: Attributes | None
    missed: bool = False


class NotDone(Struct, frozen=True, tag="not_done"):
    """The other side did not do an operation when it was asked last. ``reason``: what it said."""

    number: Number
    reason: Annotated[str, Meta(max_length=REASON_CHARACTERS)]


Operation: TypeAlias = Save | MakeFolder | Remove | Move | SetTimes
Record: TypeAlias = Begun | Operation | Data | Old | End | Gone | NotDone

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """Bytes of a record, fewer than a sealed journal takes.

    Raises:
        LocalError: it could not be read back, for instance because a path is too long.
    """
    data = _encoder.encode(record)
    try:
        _decoder.decode(data)  # one that cannot be read would make all that follows unreadable
    except (msgspec.DecodeError, ValueError, RecursionError) as exc:
        raise LocalError("this cannot be kept for later", "try again when the other side can be reached") from exc
    return data


def storable_time(nanoseconds: int) -> int:
    """The time nearest to one since 1970 that can be sent and kept."""
    return max(-(1 << 63), min(nanoseconds, (1 << 63) - 1))


def decode_record(data: bytes) -> Record:
    """The record.

    Raises:
        ProtocolViolation: it is none that this version knows.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as exc:
        raise ProtocolViolation("a journal of edits has a record of another kind", "update gimmal") from exc


def places(operation: Operation) -> tuple[str, ...]:
    """The paths that an operation concerns."""
    return (operation.path, operation.target) if isinstance(operation, Move) else (operation.path,)
