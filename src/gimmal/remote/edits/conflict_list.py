"""Which files were changed on both sides at once: noted where both can be found until a person has decided.

The list is sealed with the half's key and lies with the journals of edits, so that it is there on the next computer,
too. Several processes may note something at a time: each holds a lock while it writes. All of it may block on the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from gimmal.base.errors import LocalError
from gimmal.base.persistence import local_errors
from gimmal.base.primitives import hmac_sha256, random_bytes
from gimmal.base.sealed_journal import SealedJournal
from gimmal.protocol.messages import Path as WirePath
from gimmal.protocol.messages import Version

CONFLICTS_MAX = 10_000
"""Conflicts that are told; a list that is longer has older ones than these."""

Identifier = Annotated[str, Meta(min_length=16, max_length=16)]


class Conflict(Struct, frozen=True, tag="conflict"):
    """Both sides changed a file.

    Attributes:
        identifier: names it in commands.
        path: where the other side's version stands; nothing may stand there by now.
        mine: where the version of this side was put.
        computer: on which that was made.
        moment: when it was saved, seconds since 1970.
        theirs: the other side's version then.
        ours: that of the file at ``mine``.
        whole: False where bytes of the version that was edited could not be had any more: there the other side's
            stand in ``mine``.
    """

    identifier: Identifier
    path: WirePath
    mine: WirePath
    computer: Annotated[str, Meta(max_length=256)]
    moment: float
    theirs: Version
    ours: Version | None
    whole: bool


class Settled(Struct, frozen=True, tag="settled"):
    """A conflict is none any more."""

    identifier: Identifier


_Record: TypeAlias = Conflict | Settled

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[_Record] = msgspec.msgpack.Decoder(_Record)


def new_identifier() -> str:
    """One that no other conflict has."""
    return random_bytes(8).hex()


@dataclass(frozen=True)
class ConflictList:
    """The conflicts of one half.

    Attributes:
        places: folders in which it may lie, the one that is liked best first (see `journal.folders`).
        key: 32 bytes from the half.
    """

    places: tuple[Path, ...]
    key: bytes

    def __repr__(self) -> str:
        return "ConflictList()"

    def read(self) -> list[Conflict]:
        """Those that nobody has settled, oldest first.

        Raises:
            LocalError: the disk refuses.
        """
        found: dict[str, Conflict] = {}
        for place in self.places:
            path = self._path(place)
            with (
                local_errors("read the list of conflicts", path),
                contextlib.suppress(FileNotFoundError),
                SealedJournal.open_to_read(path, self._seal_key(), b"conflicts") as journal,
            ):
                _replay(journal, found)
        ordered = sorted(found.values(), key=lambda conflict: conflict.moment)
        return ordered[-CONFLICTS_MAX:]

    def note(self, conflict: Conflict) -> None:
        """Add one; durable on return.

        Raises:
            LocalError: no disk takes it.
        """
        failure: LocalError | None = None
        for place in self.places:
            try:
                with self._opened(place) as journal:
                    journal.append(_encoder.encode(conflict), durable=True)
                return
            except LocalError as error:
                failure = error
        if failure is not None:
            raise failure

    def settle(self, identifier: str) -> None:
        """Take one out, wherever it is noted.

        Raises:
            LocalError: the disk refuses.
        """
        for place in self.places:
            if not self._path(place).exists():
                continue
            with self._opened(place) as journal:
                found: dict[str, Conflict] = {}
                _replay(journal, found)
                if found.pop(identifier, None) is None:
                    continue
                journal.append(_encoder.encode(Settled(identifier)), durable=True)
                if not found:
                    journal.remove()

    @contextlib.contextmanager
    def _opened(self, place: Path) -> Iterator[SealedJournal]:
        path = self._path(place)
        with local_errors("write the list of conflicts", path):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            lock = os.open(path.with_suffix(".lock"), flags, 0o600)
            try:
                with contextlib.suppress(OSError):  # a disk without locks
                    fcntl.flock(lock, fcntl.LOCK_EX)
                with SealedJournal.open(path, self._seal_key(), b"conflicts") as journal:
                    yield journal
            finally:
                os.close(lock)

    def _path(self, place: Path) -> Path:
        return place / f"{hmac_sha256(self.key, b'gimmal conflicts v1 name')[:16].hex()}.list"

    def _seal_key(self) -> bytes:
        return hmac_sha256(self.key, b"gimmal conflicts v1 seal")


def _replay(journal: SealedJournal, found: dict[str, Conflict]) -> None:
    for data in journal.records():
        try:
            record = _decoder.decode(data)
        except (msgspec.DecodeError, ValueError, RecursionError):
            continue  # of a later version of gimmal
        if isinstance(record, Conflict):
            found[record.identifier] = record
        else:
            found.pop(record.identifier, None)
