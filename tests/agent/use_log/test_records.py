"""Records of the log of use come back as they were, and nothing else is taken for one."""

from __future__ import annotations

from typing import get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gimmal.agent.use_log.records import Did, Ended, Record, Served, decode_record, encode_record
from gimmal.share.using import Act
from tests.protocol.strategies import of

RECORDS = st.one_of(*(of(kind) for kind in get_args(Record)))
SESSION = bytes(8)


@given(RECORDS)
def test_every_record_comes_back(record: Record) -> None:
    assert decode_record(encode_record(record)) == record


@given(st.binary(max_size=300))
def test_any_bytes_are_a_record_or_nothing(data: bytes) -> None:
    found = decode_record(data)
    assert found is None or isinstance(found, get_args(Record))


@given(RECORDS, st.data())
def test_a_cut_record_is_nothing(record: Record, data: st.DataObject) -> None:
    encoded = encode_record(record)
    assert decode_record(encoded[: data.draw(st.integers(0, len(encoded) - 1))]) is None


def test_fields_of_a_later_version_are_ignored_and_its_kinds_left_out() -> None:
    value = msgspec.msgpack.decode(encode_record(Served(5)))
    assert decode_record(msgspec.msgpack.encode(value | {"more": [1, 2]})) == Served(5)
    assert decode_record(msgspec.msgpack.encode(value | {"type": "streamed"})) is None
    did = msgspec.msgpack.decode(encode_record(Did(SESSION, Act.READ, 1, 2, "", [], [], 1, 2, "b", "pc")))
    assert decode_record(msgspec.msgpack.encode(did | {"act": "streamed"})) is None


def test_fields_that_an_earlier_version_did_not_write_have_defaults() -> None:
    value = msgspec.msgpack.decode(encode_record(Served(5, "unplugged")))
    del value["reason"]
    assert decode_record(msgspec.msgpack.encode(value)) == Served(5)


def test_what_is_out_of_bounds_is_no_record() -> None:
    for wrong in (
        Served(-1),
        Ended(bytes(7), 0, "", "a", ""),
        Ended(SESSION, 0, "", "a", "n" * 65),
        Did(SESSION, Act.READ, 0, 0, "f" * 4097, [], [], 0, 0, "b", ""),
    ):
        assert decode_record(encode_record(wrong)) is None
