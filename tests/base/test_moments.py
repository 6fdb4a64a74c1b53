"""Moments in words."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator

import pytest

from gimmal.base.moments import clock_text


@pytest.fixture(autouse=True, params=["UTC", "Asia/Tokyo", "America/Lima"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(*moment: int) -> float:
    return datetime.datetime(*moment).timestamp()  # type: ignore[arg-type, misc]


def test_the_date_only_where_it_is_not_today() -> None:
    now = at(2026, 11, 26, 9, 30)
    assert clock_text(at(2026, 11, 26, 9, 12), now) == "09:12"
    assert clock_text(at(2026, 11, 26, 0, 0), now) == "00:00"
    assert clock_text(at(2026, 11, 25, 23, 59), now) == "2026-11-25 23:59"
    assert clock_text(at(2026, 11, 27, 0, 1), now) == "2026-11-27 00:01", "a clock that is wrong is shown as it is"


@pytest.mark.parametrize("wild", [1e18, -1e18, float("inf"), float("nan"), float((1 << 53) - 1)])
def test_a_moment_beyond_all_calendars_is_no_failure(wild: float) -> None:
    assert clock_text(wild, time.time()) == "?"
