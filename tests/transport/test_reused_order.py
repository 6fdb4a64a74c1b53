"""The records of a Write with stretches of an old version: each gap in order and to its end."""

from __future__ import annotations

from typing import Any

import pytest

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import Write
from gimmal.transport.exchange import DATA_RECORD_MIN, Incoming

BLOCK = 4 << 20
OFFSET = 2 * BLOCK
REUSED = ((0, 7, 1000), (1500, 9, 100), (1600, 0, 50), (200_000, 1, BLOCK - 200_000))
GAPS = [(1000, 500), (1650, 198_350)]


def incoming(*, sparse: bool = False, reused: Any = REUSED) -> Incoming:
    return Incoming(2, Write(1, OFFSET, BLOCK, sparse, reused), None, lambda _buffer, _size: None)  # type: ignore[arg-type]


def feed(stream: Incoming, *records: tuple[int, int] | int) -> None:
    for record in records:
        if isinstance(record, int):
            stream.feed(RecordKind.END, record, memoryview(b"end"), None)
        else:
            stream.feed(RecordKind.DATA, OFFSET + record[0], memoryview(bytes(record[1])), None)


@pytest.mark.parametrize(
    "records",
    [
        [*GAPS, BLOCK],
        [GAPS[0], (1650, DATA_RECORD_MIN), (1650 + DATA_RECORD_MIN, 198_350 - DATA_RECORD_MIN), BLOCK],
    ],
    ids=["each gap in one record", "one gap in two"],
)
def test_gaps_are_filled(records: list[Any]) -> None:
    feed(incoming(), *records)


def test_nothing_but_an_old_version_takes_end_alone() -> None:
    feed(incoming(reused=((0, 5, BLOCK),)), BLOCK)


@pytest.mark.parametrize(
    "records",
    [
        [(0, 500)],
        [(999, 500)],
        [(1000, 501)],
        [(1000, 499)],
        [(1000, 0)],
        [(1650, 198_350)],
        [GAPS[0], GAPS[0]],
        [GAPS[0], (1650, DATA_RECORD_MIN), (1650, DATA_RECORD_MIN)],
        [BLOCK],
        [GAPS[0], BLOCK],
        [GAPS[0], (1650, DATA_RECORD_MIN), BLOCK],
        [*GAPS, (200_000, 1)],
        [*GAPS, BLOCK - 1],
        [*GAPS, BLOCK, BLOCK],
    ],
    ids=str,
)
def test_anything_else_is_a_violation(records: list[Any]) -> None:
    stream = incoming()
    with pytest.raises(ProtocolViolation):
        feed(stream, *records)


@pytest.mark.parametrize("reused", [((5, 0, BLOCK),), ((0, 0, 5), (4, 0, 5)), ((0, 0, 0),)], ids=str)
def test_stretches_that_are_none_are_a_violation(reused: Any) -> None:
    with pytest.raises(ProtocolViolation):
        incoming(reused=reused)


def test_no_write_is_sparse_and_put_together() -> None:
    with pytest.raises(ProtocolViolation):
        incoming(sparse=True)
