"""When sleep is held off, and what is said where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gimmal.agent.awake.holding import Hold
from gimmal.agent.awake.stay_awake import GRACE_SECONDS, LOOK_SECONDS, RETRY_SECONDS, AwakeStatus, StayAwake
from gimmal.base.errors import LocalError
from gimmal.base.workers import Workers


class Lock:
    """A hold that remembers."""

    def __init__(self) -> None:
        self.lost = False
        self.released = 0

    def release(self) -> None:
        self.released += 1


class Computer:
    """An agent's side of it, on a loop whose clock the test moves."""

    def __init__(self) -> None:
        self.workers = Workers()
        self.connected = False
        self.refuses = ""
        self.locks: list[Lock] = []
        self.said: list[str] = []
        self.now = 1000.0
        loop = asyncio.get_running_loop()
        loop.time = lambda: self.now  # type: ignore[method-assign]
        self.awake = StayAwake(self.workers, lambda: self.connected, self.said.append, self._make)

    def _make(self) -> Hold:
        if self.refuses:
            raise LocalError(self.refuses, "do that")
        self.locks.append(Lock())
        return self.locks[-1]

    async def look(self, later: float = 0.0) -> AwakeStatus:
        self.now += later
        await self.awake._look()
        return self.awake.status

    @property
    def held(self) -> int:
        return sum(1 for lock in self.locks if not lock.released)


def scene(play: Callable[[Computer], Awaitable[None]]) -> None:
    async def run() -> None:
        computer = Computer()
        try:
            await play(computer)
        finally:
            await computer.awake.close()
            computer.workers.close()
        assert computer.held == 0

    asyncio.run(run())


def test_only_where_it_is_wanted_and_the_other_side_is_there() -> None:
    async def play(computer: Computer) -> None:
        computer.connected = True
        assert await computer.look() == AwakeStatus(False, False, "it was not asked for")
        computer.connected = False
        computer.now += GRACE_SECONDS
        computer.awake.want(True)
        assert await computer.look() == AwakeStatus(True, False, "the other side is not connected")
        computer.connected = True
        assert await computer.look() == AwakeStatus(True, True, "")
        assert await computer.look(LOOK_SECONDS) == AwakeStatus(True, True, "")
        assert len(computer.locks) == 1
        computer.awake.want(False)
        assert not (await computer.look()).held
        assert computer.held == 0

    scene(play)


def test_some_minutes_beyond_and_not_longer() -> None:
    async def play(computer: Computer) -> None:
        computer.awake.want(True)
        computer.connected = True
        await computer.look()
        computer.connected = False
        assert (await computer.look(GRACE_SECONDS - 1)).held
        assert await computer.look(1) == AwakeStatus(True, False, "the other side is not connected")
        computer.connected = True
        assert (await computer.look()).held
        assert len(computer.locks) == 2

    scene(play)


def test_a_system_that_refuses_is_asked_seldom_and_told_of_once() -> None:
    async def play(computer: Computer) -> None:
        computer.awake.want(True)
        computer.connected, computer.refuses = True, "logind refuses: no"
        for _ in range(3):
            assert await computer.look() == AwakeStatus(True, False, "logind refuses: no")
        await computer.look(RETRY_SECONDS)
        assert computer.said == ["sleep: cannot be held off: logind refuses: no; do that"]
        computer.refuses = ""
        assert not (await computer.look(RETRY_SECONDS - 1)).held
        assert (await computer.look(1)).held

    scene(play)


def test_a_hold_that_the_system_ended_is_taken_again() -> None:
    async def play(computer: Computer) -> None:
        computer.awake.want(True)
        computer.connected = True
        await computer.look()
        computer.locks[0].lost = True
        assert (await computer.look()).held
        assert len(computer.locks) == 2
        assert computer.locks[0].released == 1

    scene(play)


def test_it_runs_by_itself_and_lets_go_at_the_end() -> None:
    async def run() -> None:
        workers = Workers()
        held = asyncio.Event()
        loop = asyncio.get_running_loop()
        lock = Lock()

        def make() -> Hold:
            loop.call_soon_threadsafe(held.set)
            return lock

        awake = StayAwake(workers, lambda: True, lambda _line: None, make)
        awake.start()
        awake.want(True)
        async with asyncio.timeout(30):
            await held.wait()
        await awake.close()
        workers.close()
        assert lock.released == 1

    asyncio.run(run())
