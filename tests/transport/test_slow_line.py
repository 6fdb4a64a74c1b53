"""When a line counts as slow, by figures and on real connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

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


def move(ends: tuple[socket.socket, socket.socket], count: int, between: int, step: threading.Event) -> None:
    """Send bytes that the other end takes in pieces with pauses."""
    left = count

    def take() -> None:
        nonlocal left
        while left > 0:
            left -= len(ends[1].recv(between))
            step.wait(0.002)

    taking = threading.Thread(target=take)
    taking.start()
    ends[0].sendall(bytes(count))
    taking.join(60)
    assert left == 0


def test_this_computer_is_no_slow_line(ends: tuple[socket.socket, socket.socket]) -> None:
    watch = LineWatch(ends[0], relayed=False)
    assert not watch.is_slow(None)
    go = threading.Event()
    go.set()
    for _ in range(4):
        move(ends, 8 << 20, 1 << 20, go)
        assert not watch.is_slow(None)
    assert watch._rate is not None
    # A round trip that somebody else measured says nothing once the rate is known.
    assert not watch.is_slow(1.0)


def test_who_reads_slowly_is_no_slow_line_but_a_relay_that_does_is(ends: tuple[socket.socket, socket.socket]) -> None:
    """A disk at the other end holds its reader up; a relay reads as fast as the line behind it."""
    direct, relayed = LineWatch(ends[0], relayed=False), LineWatch(ends[0], relayed=True)
    move(ends, 12 << 20, 32_768, threading.Event())
    assert relayed.is_slow(None)
    assert not direct.is_slow(None)


def test_nothing_is_measured_on_few_bytes(ends: tuple[socket.socket, socket.socket]) -> None:
    watch = LineWatch(ends[0], relayed=False)
    go = threading.Event()
    go.set()
    move(ends, slow_line.WINDOW_BYTES_MIN // 2, 1 << 20, go)
    assert not watch.is_slow(None)
    assert watch._rate is None
    assert watch.is_slow(0.05)


def test_without_the_system_s_word_a_measured_round_trip_decides() -> None:
    one, other = socket.socketpair()
    with one, other:
        watch = LineWatch(one, relayed=False)
        assert not watch.is_slow(None)
        assert not watch.is_slow(0.001)
        assert watch.is_slow(0.05)
