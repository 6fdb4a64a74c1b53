"""How long a transfer waits for the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.base.errors import Interrupted, PeerAbsent
from gimmal.remote.files import Files
from gimmal.remote.progress import Progress
from gimmal.remote.transfer import Transfer, TransferSession, TransferWay, transfer_until_done
from gimmal.transport.buffers import BufferPool
from tests.remote.two_sides import Sides, TwoSides


class _Session(TransferSession):
    @property
    def path(self) -> str:
        return "direct"

    leads_there = True

    async def linked(self) -> bool:
        return self.leads_there

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

    opening_takes, tries = 0.0, 0

    async def open(self, deadline: float) -> TransferSession:
        self.tries += 1
        if self.opening_takes:
            self.rested += self.opening_takes
            raise PeerAbsent("the other side did not answer", "")
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


def test_the_first_try_is_a_part_of_the_waiting(tmp_path: Path) -> None:
    async def main(both: Sides) -> tuple[int, float]:
        way = _Way(both, tmp_path / "state")
        way.opening_takes = 10.0
        with pytest.raises(PeerAbsent):
            await transfer_until_done(way, Transfer("copy", [], _nothing, 10.0), Progress(), _Watcher())
        return way.tries, way.rested

    tries, rested = TwoSides(tmp_path).run(main)
    assert tries == 1
    assert rested == 10.0


def test_a_session_that_leads_nowhere_for_as_long_is_not_begun_again(tmp_path: Path) -> None:
    """Its links are there; what is asked on them comes to nobody."""

    async def main(both: Sides) -> int:
        way = _Way(both, tmp_path / "state")
        way._session.leads_there = False

        async def work(_local: Files, other: Files, _counted: Progress) -> None:
            await both.session.ended
            await other.stat("")

        with pytest.raises(Interrupted, match="the copy was interrupted: the other side did not come back"):
            await transfer_until_done(way, Transfer("copy", [], work, 0.0), Progress(), _Watcher())
        return way.tries

    assert TwoSides(tmp_path).run(main) == 1


async def _nothing(_local: Files, _other: Files, _counted: Progress) -> None:
    pass
