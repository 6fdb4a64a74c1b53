"""The memory of recent hellos."""

from __future__ import annotations

from gimmal.noise.channel import RecentHellos, parse_hello
from tests.noise.pairs import parties


def test_a_repeat_is_dropped_and_the_memory_is_bounded() -> None:
    a, _ = parties()
    hellos = [parse_hello(a.dial().hello) for _ in range(6)]
    recent = RecentHellos(5)
    assert all(recent.admit(hello) for hello in hellos[:5])
    assert not any(recent.admit(hello) for hello in hellos[:5])
    assert recent.admit(hellos[5])
    assert recent.admit(hellos[0])
    assert not recent.admit(hellos[5])
    assert len(recent._seen) == 5


def test_the_ephemeral_alone_makes_the_repeat() -> None:
    a, _ = parties()
    hello = parse_hello(a.dial().hello)
    recent = RecentHellos(5)
    assert recent.admit(hello)
    again = parse_hello(bytes([2]) + hello.to_bytes()[1:73] + bytes(16))
    assert again.ephemeral == hello.ephemeral
    assert not recent.admit(again)
