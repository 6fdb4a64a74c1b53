"""How long a transfer waits for the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.base.errors import Interrupted
from gimmal.remote.files import Files
from gimmal.remote.progress import Progress
from gimmal.remote.transfer import Transfer, TransferSession, TransferWay, transfer_until_done
from gimmal.transport.buffers import BufferPool
from tests.remote.two_sides import Sides, TwoSides


class _Session(TransferSession):
    @property
    def path(self) -> str:
        return "direct"

    async def linked(self) -> bool:
        return True

    def leave(self) -> None:
        pass


class _Way(TransferWay):
    """One session for all tries; resting takes no time but on the loop's clock."""

    def __init__(self, both: Sides, state: Path) -> None:
        self._session = _Session(both.session, BufferPool(), both.workers)
        self._state = state
        loop = asyncio.get_running_loop()
        clock = loop.time
        self.rested = 0.0
        loop.time = lambda: clock() + self.rested  # type: ignore[method-assign]

    @property
    def side(self) -> str:
        return "a"

    async def open(self, deadline: float) -> TransferSession:
        return self._session

    def journals(self) -> tuple[Path, bytes]:
        return self._state, bytes(32)

    async def rest(self, seconds: float) -> None:
        self.rested += seconds


class _Watcher:
    def waiting(self, reason: str) -> None:
        pass

    def going(self) -> None:
        pass


def run(base: Path, tries: list[int]) -> tuple[Progress, float]:
    """A transfer that is cut after so many bytes of each try, and is through after the last; how long it rested."""
    progress = Progress()
    left: Iterator[int] = iter(tries)

    async def work(_local: Files, _other: Files, counted: Progress) -> None:
        count = next(left, None)
        if count is None:
            return
        if count:
            counted.did_bytes(count)
        raise Interrupted("cut")

    async def main(both: Sides) -> float:
        way = _Way(both, base / "state")
        await transfer_until_done(way, Transfer("copy", [], work, 10.0), progress, _Watcher())
        return way.rested

    return progress, TwoSides(base).run(main)


def test_a_line_that_is_cut_again_and_again_but_moves_something_is_not_given_up(tmp_path: Path) -> None:
    progress, rested = run(tmp_path, [1000, *[10] * 100])
    assert rested > 10
    assert progress.earlier_bytes == 2000


def test_one_that_moves_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="the copy was interrupted: cut"):
        run(tmp_path, [1000, *[0] * 100])
