"""Threads take turns, and none waits for one whose disk lets it wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gimmal.share import turns
from gimmal.share.turns import Turns
from tests.patience import PATIENCE


def test_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60.0)
    these, inside, most = Turns(), 0, 0
    begin = threading.Barrier(4)

    def work() -> None:
        nonlocal inside, most
        begin.wait(PATIENCE)
        for _ in range(200):
            with these.taken() as given:
                assert given
                inside += 1
                most = max(most, inside)
                inside -= 1

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work) for _ in range(4)]:
            done.result(PATIENCE)
    assert most == 1


def test_nobody_waits_long_for_a_turn_that_lasts() -> None:
    these = Turns()
    held, go_on = threading.Event(), threading.Event()

    def slow() -> bool:
        with these.taken() as given:
            held.set()
            return given and go_on.wait(PATIENCE)

    def quick() -> bool:
        with these.taken() as given:
            return given

    with ThreadPoolExecutor(4) as pool:
        lasting = pool.submit(slow)
        assert held.wait(PATIENCE)
        try:
            assert [pool.submit(quick).result(PATIENCE) for _ in range(3)] == [False] * 3
        finally:
            go_on.set()
        assert lasting.result(PATIENCE)
    assert quick()


def test_a_failure_ends_the_turn() -> None:
    these = Turns()
    with pytest.raises(ValueError, match="inside"), these.taken():
        raise ValueError("inside")
    with these.taken() as given:
        assert given
