"""Limits of what edits bring, too long for a vector file: as much as allowed, and one more."""

from __future__ import annotations

import msgspec
import pytest

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.codec import decode_answer, decode_request
from gimmal.protocol.limits import EDIT_DATA_MAX
from gimmal.protocol.messages import EditRead, QuickEdit, Replace, WriteEdit


def pack(fields: list[object]) -> bytes:
    return msgspec.msgpack.encode(fields)


def test_as_many_bytes_as_allowed_are_read() -> None:
    data = bytes(EDIT_DATA_MAX)
    stretch = (0, EDIT_DATA_MAX)
    assert decode_request(pack([57, 1, [stretch], data, bytes(32)])) == WriteEdit(1, (stretch,), data, bytes(32))
    assert decode_request(pack([62, "a", None, 0, 1, 0, [stretch], data, bytes(32)])) == QuickEdit(
        "a", None, 0, 1, Replace.NEVER, (stretch,), data, bytes(32)
    )
    assert decode_answer(pack([105, data, bytes(32)])) == EditRead(data, bytes(32))


def test_one_more_is_refused() -> None:
    data = bytes(EDIT_DATA_MAX + 1)
    assert decode_request(pack([57, 1, [[0, 1]], data, bytes(32)])) is None
    assert decode_request(pack([62, "a", None, 0, 1, 0, [[0, 1]], data, bytes(32)])) is None
    with pytest.raises(ProtocolViolation):
        decode_answer(pack([105, data, bytes(32)]))
