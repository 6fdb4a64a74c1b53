"""Which record may come when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.kinds import SKIPPABLE, RecordKind
from gimmal.protocol.link_order import LinkOrder, Phase

OPENING = (RecordKind.HELLO, RecordKind.JOIN)
ENDING = (RecordKind.LEAVE, RecordKind.CLOSE)
PUBLISHED = [
    "HELLO",
    "JOIN",
    "REQUEST",
    "ANSWER",
    "DATA",
    "END",
    "BUNDLE",
    "CANCEL",
    "CREDIT",
    "PING",
    "RENEW",
    "RENEW_ANSWER",
    "RENEW_DONE",
    "PONG",
    "LEAVE",
    "CLOSE",
]


def opened(*, from_dialler: bool) -> LinkOrder:
    order = LinkOrder(from_dialler=from_dialler)
    for kind in OPENING if from_dialler else OPENING[:1]:
        assert order.next(kind) is kind
    return order


def test_numbers_are_those_published() -> None:
    assert [(kind.name, kind.value) for kind in RecordKind] == [
        *((name, at) for at, name in enumerate(PUBLISHED, 1)),
        ("PACKED", 0x13),
        ("PACKED_BUNDLE", 0x14),
        ("NOTICES", 0x15),
        ("REPEAT", 0x81),
    ]
    assert SKIPPABLE == 0x80


@pytest.mark.parametrize("from_dialler", [True, False])
@pytest.mark.parametrize("kind", RecordKind)
def test_the_first_record_is_hello_or_close(kind: RecordKind, from_dialler: bool) -> None:
    order = LinkOrder(from_dialler=from_dialler)
    if kind in (RecordKind.HELLO, RecordKind.CLOSE):
        assert order.next(kind) is kind
    else:
        with pytest.raises(ProtocolViolation):
            order.next(kind)


@pytest.mark.parametrize("kind", RecordKind)
def test_the_dialler_s_second_record_is_join_or_close(kind: RecordKind) -> None:
    order = LinkOrder(from_dialler=True)
    order.next(RecordKind.HELLO)
    if kind in (RecordKind.JOIN, RecordKind.CLOSE):
        assert order.next(kind) is kind
    else:
        with pytest.raises(ProtocolViolation):
            order.next(kind)


@pytest.mark.parametrize("from_dialler", [True, False])
@pytest.mark.parametrize("kind", RecordKind)
def test_an_open_link_carries_all_but_hello_and_join(kind: RecordKind, from_dialler: bool) -> None:
    order = opened(from_dialler=from_dialler)
    if kind in OPENING:
        with pytest.raises(ProtocolViolation):
            order.next(kind)
    else:
        assert order.next(kind) is kind
        assert order.phase is (Phase.ENDED if kind in ENDING else Phase.OPEN)


@pytest.mark.parametrize("ending", ENDING)
def test_nothing_follows_the_end(ending: RecordKind) -> None:
    order = opened(from_dialler=True)
    order.next(ending)
    for kind in range(256):
        with pytest.raises(ProtocolViolation):
            order.next(kind)


def test_unknown_records_are_skipped_only_with_the_high_bit_and_on_an_open_link() -> None:
    for kind in {*range(0x100)} - {*RecordKind}:
        order = opened(from_dialler=False)
        if kind & SKIPPABLE:
            assert order.next(kind) is None
            assert order.phase is Phase.OPEN
        else:
            with pytest.raises(ProtocolViolation):
                order.next(kind)
        with pytest.raises(ProtocolViolation):
            LinkOrder(from_dialler=False).next(kind)


@given(st.booleans(), st.lists(st.integers(0, 255), max_size=20))
def test_any_order_of_records_is_taken_or_refused(from_dialler: bool, kinds: list[int]) -> None:
    order = LinkOrder(from_dialler=from_dialler)
    taken: list[RecordKind] = []
    for kind in kinds:
        try:
            known = order.next(kind)
        except ProtocolViolation:
            break
        if known is not None:
            taken.append(known)
    assert all(kind not in ENDING for kind in taken[:-1])
    assert taken.count(RecordKind.HELLO) <= 1
    assert taken.count(RecordKind.JOIN) <= int(from_dialler)


@pytest.mark.parametrize("from_dialler", [True, False])
@pytest.mark.parametrize("before", range(2))
def test_after_a_close_in_the_opening_nothing_comes(from_dialler: bool, before: int) -> None:
    for late in RecordKind:
        order = LinkOrder(from_dialler=from_dialler)
        for kind in OPENING[:before]:
            order.next(kind)
        order.next(RecordKind.CLOSE)
        assert order.phase is Phase.ENDED
        with pytest.raises(ProtocolViolation):
            order.next(late)
