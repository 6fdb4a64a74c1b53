"""Reads the log of use back, while nobody or the agent writes it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gimmal.agent.use_log.records import Crowded, Did, Record, decode_record
from gimmal.agent.use_log.store import UseLogFiles
from gimmal.base.persistence import local_errors


@dataclass(frozen=True)
class Unreadable:
    """Something of the log cannot be read.

    Attributes:
        newer: records that a later version wrote, in one file.
        torn: the file ends in bytes that are no record: a crash cut it, or somebody altered it.
    """

    newer: int
    torn: bool


def read_use_log(directory: Path, key: bytes, *, written: bool, own: bool = False) -> Iterator[Record | Unreadable]:
    """All records in the order of writing, and after those of each file what of it cannot be read.

    Args:
        directory: where the sealed things of the lineage lie.
        key: 32 bytes from the half.
        written: an agent writes it just now, so that the newest file may end in a record that is not whole yet.
        own: what this side did over there, not what the other side did here.

    Raises:
        LocalError: the disk refuses.
    """
    files = UseLogFiles(directory, key, own=own)
    with local_errors("read the log of use in", files.folder):
        numbers = files.numbers()
    for number in numbers:
        with local_errors("read the log of use in", files.folder):
            yield from _of_file(files, number, may_grow=written and number == numbers[-1])


def read_both_logs(directory: Path, key: bytes, *, written: bool) -> Iterator[tuple[Record | Unreadable, bool]]:
    """What the other side did here, and (True) what this side did over there, side by side by their times.

    Each of the two stays in its order of writing, whatever the clock did.

    Args:
        directory, key, written: as in `read_use_log`.

    Raises:
        LocalError: the disk refuses.
    """
    here = _timed(read_use_log(directory, key, written=written), own=False)
    # Commands may write to it at any moment.
    there = _timed(read_use_log(directory, key, written=True, own=True), own=True)
    for _at, own, record in heapq.merge(here, there, key=lambda one: one[0]):
        yield record, own


def _timed(records: Iterator[Record | Unreadable], *, own: bool) -> Iterator[tuple[int, bool, Record | Unreadable]]:
    at = 0
    for record in records:
        if not isinstance(record, Unreadable):
            # A clock that was put back must not hold back what the other log has.
            at = max(at, record.last if isinstance(record, Did | Crowded) else record.at)
        yield at, own, record


def _of_file(files: UseLogFiles, number: int, *, may_grow: bool) -> Iterator[Record | Unreadable]:
    try:
        journal = files.open_to_read(number)
    except FileNotFoundError:
        return  # the oldest went meanwhile
    with journal:
        newer = 0
        for data in journal.records():
            record = decode_record(data)
            if record is None:
                newer += 1
            else:
                yield record
        torn = not may_grow and journal.torn()
        if newer or torn:
            yield Unreadable(newer, torn)
