"""Records of the journal of edits: what is written is read back, and nothing else is taken for one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import LocalError, ProtocolViolation
from gimmal.base.sealed_journal import RECORD_BYTES_MAX
from gimmal.protocol.messages import Attributes, Kind, Version
from gimmal.remote.edits.operations import (
    DATA_BYTES,
    Begun,
    Data,
    End,
    Gone,
    MakeFolder,
    Move,
    Old,
    Record,
    Remove,
    Save,
    SetTimes,
    decode_record,
    encode_record,
    places,
    storable_time,
)

VERSION = Version(1, 2, 3)
RECORDS: list[Record] = [
    Begun("anna's laptop"),
    Save(1, "far/a", VERSION, 0, 5, 6, 7, 0o644),
    Save(2, "far/a", None, 1, 1 << 40, 6, -7, None),
    Data(0, b"x" * DATA_BYTES),
    Old(1 << 40, b""),
    End(2),
    MakeFolder(3, "far/b", None),
    Remove(4, "far/a", VERSION, 0),
    Move(5, "far/a", "far/b", VERSION, 0, True, VERSION, 0),
    SetTimes(6, "far/a", 9, 0o600, 5),
    Gone(6, "far/a (conflict)", Attributes(Kind.FILE, 1, 2, 3, 4)),
    Gone(4, "far/a", None),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_records_come_back(record: Record) -> None:
    data = encode_record(record)
    assert len(data) <= RECORD_BYTES_MAX
    assert decode_record(data) == record


def test_the_longest_paths_fit() -> None:
    path = "far/" + "ä" * 2040
    data = encode_record(Move(1, path, path, VERSION, 0, True, VERSION, 0))
    assert len(data) <= RECORD_BYTES_MAX


@pytest.mark.parametrize(
    "record",
    [
        SetTimes(6, "far/a", 1 << 63, None, 0),
        MakeFolder(3, "far/" + "x" * 5000, None),
        Save(1, "far/a", VERSION, 0, 5, 1 << 63, 7, 0o644),
        Remove(0, "far/a", VERSION, 0),
        Begun("x" * 300),
    ],
    ids=lambda record: type(record).__name__,
)
def test_what_could_not_be_read_back_is_not_written(record: Record) -> None:
    with pytest.raises(LocalError, match="kept"):
        encode_record(record)


def test_times_that_are_too_far_off_are_the_nearest_that_can_be() -> None:
    for time, kept in ((1 << 63, (1 << 63) - 1), (-(1 << 70), -(1 << 63)), (7, 7)):
        assert storable_time(time) == kept
        assert decode_record(encode_record(SetTimes(1, "far/a", kept, None, 0)))


def test_an_operation_concerns_its_paths() -> None:
    assert places(Remove(4, "far/a", None, 0)) == ("far/a",)
    assert places(Move(5, "far/a", "far/b", None, 1, False, None, 0)) == ("far/a", "far/b")


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    with contextlib.suppress(ProtocolViolation):
        decode_record(data)


@given(st.sampled_from(RECORDS), st.data())
def test_nor_do_damaged_records(record: Record, draw: st.DataObject) -> None:
    data = bytearray(encode_record(record))
    place = draw.draw(st.integers(0, len(data) - 1))
    data[place] ^= draw.draw(st.integers(1, 255))
    with contextlib.suppress(ProtocolViolation):
        decode_record(bytes(data))
