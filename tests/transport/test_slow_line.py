"""When a line counts as slow, by figures and on real connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from gimmal.base.tcp_info import TcpInfo
from gimmal.transport import slow_line
from gimmal.transport.slow_line import LOOKS, NARROW_RATE, SLOW_RATE, LineWatch, Pace, pace_of
from tests.patience import PATIENCE
from tests.transport.helpers import tcp_pair

UNDER, ENOUGH = SLOW_RATE - 1, SLOW_RATE
ALL_UNDER = [UNDER] * LOOKS


@pytest.mark.parametrize(
    ("round_trip", "rates", "slow"),
    [
        (None, [], False),
        (0.0002, [], False),
        (0.0029, [], False),
        (0.003, [], True),
        (0.1, [], True),
        (0.1, [UNDER], True),
        (0.1, [ENOUGH], False),
        (0.1, [UNDER, ENOUGH, UNDER], False),
        (0.0002, [UNDER], False),
        (0.0002, ALL_UNDER[1:], False),
        (0.0002, ALL_UNDER, True),
        (0.0002, [*ALL_UNDER[1:], ENOUGH], False),
        (None, ALL_UNDER, True),
        (None, [2e9], False),
    ],
)
def test_a_far_line_is_slow_until_it_shows_otherwise_and_a_near_one_the_reverse(
    round_trip: float | None, rates: list[float], slow: bool
) -> None:
    assert (pace_of(round_trip, rates) is not Pace.FAST) is slow


@pytest.mark.parametrize(
    ("round_trip", "rates", "pace"),
    [
        (0.1, [], Pace.SLOW),
        (0.1, [NARROW_RATE - 1], Pace.NARROW),
        (0.1, [NARROW_RATE], Pace.SLOW),
        (0.1, [1e5, NARROW_RATE, 1e5], Pace.SLOW),
        (0.0002, [NARROW_RATE - 1] * (LOOKS - 1), Pace.FAST),
        (0.0002, [NARROW_RATE - 1] * LOOKS, Pace.NARROW),
        (0.1, [NARROW_RATE - 1, SLOW_RATE], Pace.FAST),
    ],
)
def test_a_line_is_narrow_once_every_look_says_so(round_trip: float, rates: list[float], pace: Pace) -> None:
    assert pace_of(round_trip, rates) is pace


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    pair = tcp_pair()
    for end in pair:
        end.setblocking(True)
    yield pair
    for end in pair:
        end.close()


def move(ends: tuple[socket.socket, socket.socket], count: int) -> None:
    """Send bytes that the other end takes."""
    taking = threading.Thread(target=lambda: [ends[1].recv(size, socket.MSG_WAITALL) for size in [count]])
    taking.start()
    ends[0].sendall(bytes(count))
    taking.join(PATIENCE)
    assert not taking.is_alive()


def test_this_computer_is_no_slow_line_whatever_ping_says(ends: tuple[socket.socket, socket.socket]) -> None:
    watch = LineWatch(ends[0], relayed=False)
    assert watch.pace(1.0) is Pace.FAST
    for _ in range(20):
        move(ends, 1 << 20)
        assert watch.pace(1.0) is Pace.FAST


def watched(*told: TcpInfo) -> list[bool]:
    """What is said of a line of which the system tells this, one after the other."""
    left = list(told)
    with socket.socket() as connection:
        watch = LineWatch(connection, relayed=False, ask=lambda _connection: left.pop(0))
        return [watch.pace(None) is not Pace.FAST for _ in told]


MUCH, FAST, SLOW = slow_line.TOLD_BYTES, int(SLOW_RATE), int(SLOW_RATE) - 1


def test_a_rate_is_believed_once_enough_is_through() -> None:
    few = MUCH - 1
    assert watched(TcpInfo(0.05, few, FAST), TcpInfo(0.05, MUCH, FAST)) == [True, False]
    near = [TcpInfo(0.0001, few, SLOW)] * LOOKS + [TcpInfo(0.0001, MUCH, SLOW)] * LOOKS
    assert watched(*near) == [*[False] * (2 * LOOKS - 1), True]


def test_the_best_of_the_last_looks_counts() -> None:
    fast, slow = TcpInfo(0.05, MUCH, FAST), TcpInfo(0.05, MUCH, SLOW)
    said = watched(slow, fast, *[slow] * LOOKS, fast)
    assert said == [True, *[False] * LOOKS, True, False]


def test_behind_a_relay_only_a_short_way_is_not_slow(ends: tuple[socket.socket, socket.socket]) -> None:
    watch = LineWatch(ends[0], relayed=True)
    move(ends, 8 << 20)
    assert watch.pace(None) is Pace.SLOW
    assert watch.pace(0.05) is Pace.SLOW
    assert watch.pace(0.001) is Pace.FAST


def test_without_the_system_s_word_a_measured_round_trip_decides() -> None:
    one, other = socket.socketpair()
    with one, other:
        watch = LineWatch(one, relayed=False)
        assert watch.pace(None) is Pace.FAST
        assert watch.pace(0.001) is Pace.FAST
        assert watch.pace(0.05) is Pace.SLOW
