"""The relay's parts without a network: tickets, seats, penalties, limits."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.base.errors import UsageError
from gimmal.base.half_open import HalfOpen
from gimmal.base.side import Side
from gimmal.base.sources import source_of
from gimmal.protocol.relay.messages import Role
from gimmal.relay.limits import RelayLimits
from gimmal.relay.listening import listen, parse_listen, told_host
from gimmal.relay.meter import Meter
from gimmal.relay.penalties import Penalties
from gimmal.relay.switchboard import Switchboard
from gimmal.relay.tickets import TicketOffice

PAIR = b"p" * 16


@dataclass(frozen=True)
class Seat:
    side: Side
    role: Role
    name: str = ""
    pair_id: bytes = PAIR


def test_ticket_is_for_one_leg_once_and_for_ten_seconds() -> None:
    office: TicketOffice[str] = TicketOffice(2, 10.0)
    assert office.issue(PAIR, Side.A, b"1", b"2", 0.0)
    assert office.redeem(b"3", "x", 1.0) is None
    first = office.redeem(b"1", "asker", 1.0)
    assert first is not None and first.legs == ["asker"]
    assert office.redeem(b"1", "thief", 1.0) is None
    second = office.redeem(b"2", "answerer", 9.9)
    assert second is first and second.legs == ["asker", "answerer"]
    assert len(office) == 0 and office.links(PAIR) == 1
    office.release(PAIR)
    assert office.links(PAIR) == 0


def test_only_links_that_the_side_that_left_has_not_come_for_are_hopeless() -> None:
    office: TicketOffice[str] = TicketOffice(9, 10.0)
    offered, taken, other_way, stranger = b"offered", b"taken", b"other way", b"stranger"
    for name, pair_id, answers in (
        (offered, PAIR, Side.A),
        (taken, PAIR, Side.A),
        (other_way, PAIR, Side.B),
        (stranger, b"other pair", Side.A),
    ):
        assert office.issue(pair_id, answers, name + b" asker", name + b" answerer", 0.0)
    office.redeem(offered + b" asker", "waits", 1.0)
    office.redeem(taken + b" answerer", "came", 1.0)
    assert office.give_up(PAIR, Side.A) == ["waits"]
    late = office.redeem(offered + b" answerer", "late", 2.0)
    assert late is not None and late.hopeless and late.legs == []
    for name in (taken, other_way, stranger):
        link = office.redeem(name + b" asker", "asker", 2.0)
        assert link is not None and not link.hopeless and "asker" in link.legs
    assert office.give_up(PAIR, Side.A) == []
    office.expire(100.0)
    assert not office._by_ticket and office.links(PAIR) == 1


def test_void_tickets_give_back_the_waiting_leg_and_the_place() -> None:
    office: TicketOffice[str] = TicketOffice(2, 10.0)
    assert office.issue(PAIR, Side.A, b"1", b"2", 0.0) and office.issue(PAIR, Side.A, b"3", b"4", 5.0)
    assert not office.issue(PAIR, Side.A, b"5", b"6", 5.0)
    assert office.issue(b"other pair", Side.A, b"5", b"6", 5.0)
    office.redeem(b"1", "asker", 1.0)
    assert office.redeem(b"2", "late", 10.0) is None
    assert [link.legs for link in office.expire(10.0)] == [["asker"]]
    assert office.redeem(b"2", "later", 10.0) is None
    assert office.links(PAIR) == 1
    assert len(office.expire(100.0)) == 2
    assert not office._by_ticket and not office._links


def test_a_used_ticket_is_known_for_ten_seconds_and_an_invented_one_never() -> None:
    office: TicketOffice[str] = TicketOffice(9, 10.0)
    assert office.issue(PAIR, Side.A, b"1", b"2", 0.0)
    assert not office.was_used(b"1", 0.0)
    office.redeem(b"1", "asker", 4.0)
    assert office.was_used(b"1", 13.9) and not office.was_used(b"1", 14.0) and not office.was_used(b"3", 4.0)
    office.expire(13.9)
    assert office._used
    office.expire(14.0)
    assert not office._used


def test_switchboard_forgets_a_pair_with_its_last_control() -> None:
    board = Switchboard()
    agent, command = Seat(Side.A, Role.ANSWERS), Seat(Side.B, Role.ASKS)
    board.join(agent, b"sealed", {Side.B: 5}, 100)
    board.join(command, b"ignored", {}, 101)
    assert board.view(PAIR, Side.A).candidates == b"sealed" and board.view(PAIR, Side.A).present
    assert board.view(PAIR, Side.B) == type(board.view(PAIR, Side.B))(False, 5, b"")
    assert board.controls(PAIR, Side.B) == [command] and board.askers(PAIR, Side.B) == 1
    assert not board.set_candidates(command, b"x")
    assert board.leave(agent, 200)
    assert board.view(PAIR, Side.A).last_seen == 200 and board.view(PAIR, Side.A).candidates == b""
    assert not board.leave(command, 201)
    assert len(board) == 0 and not board.leave(command, 202)


def test_penalties_begin_after_the_free_offences_double_and_fade() -> None:
    penalties = Penalties(RelayLimits())
    for _ in range(4):
        penalties.offend("s", 5.0, 0.0)
    assert not penalties.is_blocked("s", 0.0)
    penalties.offend("s", 5.0, 0.0)
    assert penalties.is_blocked("s", 4.9) and not penalties.is_blocked("s", 5.1)
    penalties.offend("s", 5.0, 0.0)
    assert penalties.is_blocked("s", 9.9) and not penalties.is_blocked("s", 10.1)
    for _ in range(2000):
        penalties.offend("s", 10.0, 0.0)
    assert penalties.is_blocked("s", 599.0) and not penalties.is_blocked("s", 600.1)
    assert not penalties.is_blocked("t", 0.0)
    penalties.offend("u", 5.0, 0.0)
    penalties.offend("u", 5.0, 6000.0)
    assert penalties._records["u"].offences < 1.01
    penalties.forget(7000.0)
    assert len(penalties) == 0


def test_penalties_remember_a_bounded_number_of_sources() -> None:
    penalties = Penalties(RelayLimits(sources_remembered=100))
    for number in range(1000):
        penalties.offend(str(number), 1.0, float(number))
    assert len(penalties) == 100


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=60))
def test_half_open_never_exceeds_its_limits(steps: list[tuple[str, bool]]) -> None:
    waiting: HalfOpen[int] = HalfOpen(6, 3)
    alive: dict[int, str] = {}
    for number, (source, leaves) in enumerate(steps):
        if leaves and alive:
            gone = next(iter(alive))
            assert waiting.remove(gone)
            del alive[gone]
        held = sorted(alive.values())
        victim = waiting.add(number, source)
        if victim is not None:
            most = held.count(alive[victim])
            assert alive[victim] == source or most == max(map(held.count, held))
            del alive[victim]
        alive[number] = source
        assert list(waiting) == list(alive)
        assert len(alive) <= 6 and all(list(alive.values()).count(name) <= 3 for name in "abcdef")
    assert not waiting.remove(-1)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_source(address: str, source: str) -> None:
    assert source_of(address) == source


def test_meter_keeps_what_could_not_be_written() -> None:
    meter = Meter()
    meter.count(PAIR, 5, 86_399.0)
    meter.count(PAIR, 7, 86_400.0)
    meter.count(PAIR, 0, 200_000.0)
    amounts = meter.take()
    assert sorted(amounts.values()) == [5, 7] and meter.take() == {}
    meter.give_back(amounts)
    meter.count(PAIR, 1, 0.0)
    assert sorted(meter.take().values()) == [6, 7]


@pytest.mark.parametrize(
    ("text", "result"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:7117", ("::1", 7117)), ("localhost:65535", ("localhost", 65535))],
)
def test_listen_address(text: str, result: tuple[str, int]) -> None:
    assert parse_listen(text) == result


@pytest.mark.parametrize(
    "text", ["", "7117", ":7117", "host", "host:", "host:x", "host:65536", "::1:7117", "h:-1", "h:\u0667"]
)
def test_bad_listen_address(text: str) -> None:
    with pytest.raises(UsageError):
        parse_listen(text)


def test_told_host_is_dialable() -> None:
    assert told_host("192.0.2.9") == "192.0.2.9"
    assert told_host("0.0.0.0") not in {"0.0.0.0", "::", ""}


def test_listening_on_a_name_with_two_families_takes_one_port() -> None:
    sockets = listen("localhost", 0)
    assert len({sock.getsockname()[1] for sock in sockets}) == 1
    for sock in sockets:
        sock.close()
