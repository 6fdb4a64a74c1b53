"""NAT-PMP on the wire, by the layouts of RFC 6886."""

from __future__ import annotations

import contextlib
import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gimmal.transport.port_mapping.failures import MalformedReply, NoMapping
from gimmal.transport.port_mapping.nat_pmp import (
    AddressReply,
    MapReply,
    address_request,
    map_request,
    read_address_reply,
    read_map_reply,
)

ADDRESS = bytes.fromhex("0080 0000 00000e10 cb007107")
MAPPED = bytes.fromhex("0082 0000 00000e10 1004 9c40 00001c20")

U16 = st.integers(0, 2**16 - 1)
U32 = st.integers(0, 2**32 - 1)


def test_requests_are_these_bytes() -> None:
    assert address_request() == bytes.fromhex("0000")
    assert map_request(4100, 40000, 3600) == bytes.fromhex("0002 0000 1004 9c40 00000e10")
    assert map_request(4100, 0, 0) == bytes.fromhex("0002 0000 1004 0000 00000000")


def test_answers_are_read() -> None:
    assert read_address_reply(ADDRESS) == AddressReply(3600, IPv4Address("203.0.113.7"))
    assert read_map_reply(MAPPED) == MapReply(3600, 4100, 40000, 7200)


@given(U32, U16, U16, U32)
def test_every_answer_comes_through(epoch: int, internal: int, external: int, lifetime: int) -> None:
    data = struct.pack(">BBHIHHI", 0, 130, 0, epoch, internal, external, lifetime)
    assert read_map_reply(data) == MapReply(epoch, internal, external, lifetime)


@pytest.mark.parametrize(("good", "read"), [(ADDRESS, read_address_reply), (MAPPED, read_map_reply)])
class TestBadAnswers:
    def test_cut_anywhere_or_longer_is_no_answer(self, good: bytes, read: object) -> None:
        assert callable(read)
        for size in range(len(good)):
            with pytest.raises(MalformedReply):
                read(good[:size])
        with pytest.raises(MalformedReply):
            read(good + b"\0")

    def test_of_another_question_is_no_answer(self, good: bytes, read: object) -> None:
        assert callable(read)
        for operation in {0, 1, 2, 128, 129, 130, 255} - {good[1]}:
            with pytest.raises(MalformedReply):
                read(bytes([0, operation]) + good[2:])
        with pytest.raises(MalformedReply):
            read(b"\x01" + good[1:])

    @pytest.mark.parametrize("whole", [True, False])
    @pytest.mark.parametrize(
        ("result", "said"),
        [(1, "another version"), (2, "does not allow"), (3, "no address"), (4, "no room"), (5, "TCP"), (77, "77")],
    )
    def test_a_refusal_says_why(self, good: bytes, read: object, result: int, said: str, whole: bool) -> None:
        assert callable(read)
        refused = good[:2] + result.to_bytes(2, "big") + good[4:]
        with pytest.raises(NoMapping, match=said) as caught:
            read(refused if whole else refused[:8])
        assert not isinstance(caught.value, MalformedReply)

    def test_a_router_of_pcp_alone_says_so(self, good: bytes, read: object) -> None:
        assert callable(read)
        with pytest.raises(NoMapping, match="PCP only"):
            read(bytes.fromhex("02 80 00 01 00000000 00000e10") + bytes(12))

    @given(data=st.data())
    def test_changed_bytes_are_read_or_refused(self, good: bytes, read: object, data: st.DataObject) -> None:
        assert callable(read)
        changed = bytearray(good)
        for _ in range(data.draw(st.integers(1, 4))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(NoMapping):
            read(bytes(changed[: data.draw(st.integers(0, len(changed)))]))


@given(st.binary(max_size=1200))
@example(b"")
@example(b"\x00")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (read_address_reply, read_map_reply):
        with contextlib.suppress(NoMapping):
            read(data)
