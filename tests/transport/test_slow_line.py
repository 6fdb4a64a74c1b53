"""When a line counts as slow, by figures and on real connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from gimmal.base.tcp_info import TcpInfo
from gimmal.transport import slow_line
from gimmal.transport.slow_line import SLOW_RATE, LineWatch, is_slow
from tests.transport.helpers import tcp_pair


@pytest.mark.parametrize(
    ("round_trip", "rate", "slow"),
    [
        (None, None, False),
        (0.0002, None, False),
        (0.0029, None, False),
        (0.003, None, True),
        (0.1, None, True),
        (0.1, SLOW_RATE, False),
        (0.1, SLOW_RATE - 1, True),
        (0.0002, SLOW_RATE - 1, True),
        (None, 1e6, True),
        (None, 2e9, False),
    ],
)
def test_the_rate_decides_and_the_round_trip_until_it_is_known(
    round_trip: float | None, rate: float | None, slow: bool
) -> None:
    assert is_slow(round_trip, rate) is slow


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
    taking.join(60)
    assert not taking.is_alive()


def test_this_computer_is_no_slow_line_whatever_ping_says(ends: tuple[socket.socket, socket.socket]) -> None:
    watch = LineWatch(ends[0], relayed=False)
    assert not watch.is_slow(1.0)
    for _ in range(20):
        move(ends, 1 << 20)
        assert not watch.is_slow(1.0)


def watched(*told: TcpInfo) -> list[bool]:
    """What is said of a line of which the system tells this, one after the other."""
    left = list(told)
    with socket.socket() as connection:
        watch = LineWatch(connection, relayed=False, ask=lambda _connection: left.pop(0))
        return [watch.is_slow(None) for _ in told]


MUCH, FAST, SLOW = slow_line.TOLD_BYTES, int(SLOW_RATE), int(SLOW_RATE) - 1


def test_a_rate_is_believed_once_enough_is_through() -> None:
    few = MUCH - 1
    assert watched(TcpInfo(0.0001, few, SLOW), TcpInfo(0.0001, MUCH, SLOW)) == [False, True]
    assert watched(TcpInfo(0.05, few, FAST), TcpInfo(0.05, MUCH, FAST)) == [True, False]


def test_the_best_of_the_last_looks_counts() -> None:
    fast, slow = TcpInfo(0.05, MUCH, FAST), TcpInfo(0.05, MUCH, SLOW)
    said = watched(slow, fast, *[slow] * slow_line.LOOKS, fast)
    assert said == [True, *[False] * slow_line.LOOKS, True, False]


def test_behind_a_relay_only_a_short_way_is_not_slow(ends: tuple[socket.socket, socket.socket]) -> None:
    watch = LineWatch(ends[0], relayed=True)
    move(ends, 8 << 20)
    assert watch.is_slow(None)
    assert watch.is_slow(0.05)
    assert not watch.is_slow(0.001)


def test_without_the_system_s_word_a_measured_round_trip_decides() -> None:
    one, other = socket.socketpair()
    with one, other:
        watch = LineWatch(one, relayed=False)
        assert not watch.is_slow(None)
        assert not watch.is_slow(0.001)
        assert watch.is_slow(0.05)
