"""Messages of rtnetlink: real ones, cut ones, and any bytes."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from gimmal.transport.netlink import Change, changes


def message(kind: int, body: bytes) -> bytes:
    length = 16 + len(body)
    return struct.pack("=IHHII", length, kind, 0, 1, 0) + body + bytes(-length % 4)


ADDRESS = message(20, bytes((2, 24, 0x80, 0)) + struct.pack("=I", 3) + struct.pack("=HH4s", 8, 1, b"\x0a\x01\x00\x02"))
LINK = message(16, bytes(16) + bytes(40))
DEFAULT_ROUTE = message(25, bytes((2, 0, 0, 0, 254, 3, 0, 1)) + bytes(4))
NETWORK_ROUTE = message(24, bytes((2, 24, 0, 0, 254, 2, 253, 1)) + bytes(4))


def test_what_is_told() -> None:
    assert changes(ADDRESS) == {Change.ADDRESS}
    assert changes(LINK) == {Change.LINK}
    assert changes(DEFAULT_ROUTE) == {Change.DEFAULT_ROUTE}
    assert changes(NETWORK_ROUTE) == set()
    assert changes(message(3, b"")) == set()
    assert changes(NETWORK_ROUTE + ADDRESS + LINK) == {Change.ADDRESS, Change.LINK}


def test_an_odd_length_is_followed_at_the_next_multiple_of_four() -> None:
    assert changes(message(16, bytes(17)) + ADDRESS) == {Change.LINK, Change.ADDRESS}


@given(st.integers(0, len(ADDRESS) - 1))
def test_a_cut_message_tells_nothing(size: int) -> None:
    assert changes(LINK + ADDRESS[:size]) == {Change.LINK}


@given(st.integers(0, 15))
def test_a_length_that_goes_nowhere_ends_the_datagram(length: int) -> None:
    assert changes(struct.pack("=IHHII", length, 20, 0, 0, 0) * 4) == set()


@given(st.binary(max_size=400))
def test_any_bytes_are_read_to_an_end(datagram: bytes) -> None:
    assert changes(datagram) <= set(Change)
