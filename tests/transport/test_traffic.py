"""Rates of a session."""

from __future__ import annotations

import pytest

from gimmal.transport.traffic import WINDOW_SECONDS, Traffic


def test_rates_are_those_of_the_last_seconds() -> None:
    traffic = Traffic()
    for tick in range(41):
        traffic.look(tick / 4, 1000 * tick, 0 if tick < 20 else 500 * (tick - 20))
    assert traffic.rates(10.0, 40_000, 10_000) == pytest.approx((4000, 2000))
    assert traffic.rates(10.0 + 2 * WINDOW_SECONDS, 40_000, 10_000) == (0, 0)


def test_nothing_is_known_at_first() -> None:
    assert Traffic().rates(5.0, 10, 10) == (0, 0)


def test_an_idle_session_moves_nothing() -> None:
    traffic = Traffic()
    for tick in range(10):
        traffic.look(5.0 * tick, 700, 800)
    assert traffic.rates(46.0, 700, 800) == (0, 0)
