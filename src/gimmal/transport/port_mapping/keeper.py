"""Keeps one mapping alive at one router: asks by all ways at once, renews, and asks anew where it was lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gimmal.base.tasks import Tasks
from gimmal.transport.port_mapping.failures import NoAnswer, NoMapping, NotInstalled
from gimmal.transport.port_mapping.ways import By, Mapping, Way

logger = logging.getLogger("gimmal.transport")

ASKING = "the router is being asked"
NO_ROUTER_ANSWERS = "the router does not answer to PCP, NAT-PMP or UPnP"


@dataclass(frozen=True, slots=True)
class Timings:
    """How long things may take, and when they are done again; seconds.

    Attributes:
        find: for a way to find its router.
        map: for a mapping to be given.
        look: between two looks whether a mapping still stands.
        again_first: after a try that gave no mapping; each wait is twice the one before.
        again_most: such a wait at most.
        release: for ending a mapping that is of no use.
    """

    find: float = 8.0
    map: float = 8.0
    look: float = 120.0
    again_first: float = 15.0
    again_most: float = 600.0
    release: float = 1.0


class MappingKeeper:
    """A mapping at one router, for as long as that router is the one.

    Args:
        ways: makes the ways to ask by, each time new.
        on_change: called when ``mapping`` or ``reason`` has changed.
        timings: how long and how often.
    """

    def __init__(self, ways: Callable[[], Sequence[Way]], on_change: Callable[[], None], timings: Timings) -> None:
        self._ways = ways
        self._on_change = on_change
        self._timings = timings
        self._tasks = Tasks()
        self._nudged = asyncio.Event()
        self._open: list[Way] = []
        """All that were begun and not closed."""
        self._granted = 0.0
        self.mapping: Mapping | None = None
        self.reason = ASKING

    def start(self) -> None:
        """Begin; returns at once."""
        self._tasks.start(self._keep(), "port mapping")

    def nudge(self) -> None:
        """Something changed at the router or in the network: ask again now."""
        self._nudged.set()

    async def close(self, deadline: float) -> None:
        """End the mapping; what takes longer than ``deadline`` seconds runs out by itself."""
        await self._tasks.close(deadline)
        await asyncio.gather(*(way.close(deadline) for way in self._open))

    async def _keep(self) -> None:
        timings = self._timings
        wait = timings.again_first
        while True:
            self._nudged.clear()
            way = await self._find_way()
            if way is not None:
                wait = timings.again_first
                await self._hold(way)
            else:
                await self._pause(wait)
                wait = min(2 * wait, timings.again_most)

    # Finding ---------------------------------------------------------------------------------------------------------

    async def _find_way(self) -> Way | None:
        """Ask by all ways side by side; the first that answers and gives a mapping stays.

        Only one maps at a time: at most routers all three lead to the same table, where one would end what another
        made.
        """
        self._open = list(self._ways())
        finding = {self._tasks.start(self._find(way), f"find a router by {way.by}"): way for way in self._open}
        reasons: list[NoMapping] = []
        chosen = await self._first_that_maps(finding, reasons)
        left = [task for task in finding if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        if chosen is None:
            self._set(None, _most_telling(reasons))
        await self._close([way for way in self._open if way is not chosen])
        return chosen

    async def _first_that_maps(
        self, finding: dict[asyncio.Task[NoMapping | None], Way], reasons: list[NoMapping]
    ) -> Way | None:
        pending = set(finding)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=lambda one: list(By).index(finding[one].by)):
                way = finding[task]
                failure = task.result() or await self._map(way)
                if failure is None:
                    return way
                logger.debug("no port mapping by %s: %s", way.by, failure)
                reasons.append(failure)
        return None

    async def _find(self, way: Way) -> NoMapping | None:
        try:
            await way.find(self._timings.find)
        except NoMapping as exc:
            return exc
        return None

    async def _map(self, way: Way) -> NoMapping | None:
        try:
            mapping = await way.map(self._timings.map)
        except NoMapping as exc:
            return exc
        self._granted = asyncio.get_running_loop().time()
        self._set(mapping, "")
        return None

    # Holding ---------------------------------------------------------------------------------------------------------

    async def _hold(self, way: Way) -> None:
        """Renew while the router does; returns when there is no mapping any more."""
        loop = asyncio.get_running_loop()
        while self.mapping is not None:
            # From half of its life on, drawn so that not all that a router gave is renewed in one moment.
            renewal = self._granted + self.mapping.lifetime * (0.5 + random.random() / 8)
            while not self._nudged.is_set() and (left := renewal - loop.time()) > 0:
                if not await self._pause(min(left, self._timings.look)) and not await way.stands(self._timings.map):
                    break
            self._nudged.clear()
            failure = await self._map(way)
            if failure is not None:
                self._set(None, failure.message)
        await self._close([way])

    async def _pause(self, seconds: float) -> bool:
        """Wait; True where something was heard of meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        return self._nudged.is_set()

    async def _close(self, ways: Sequence[Way]) -> None:
        await asyncio.gather(*(way.close(self._timings.release) for way in ways))
        self._open = [way for way in self._open if way not in ways]

    def _set(self, mapping: Mapping | None, reason: str) -> None:
        changed = (mapping, reason) != (self.mapping, self.reason)
        self.mapping, self.reason = mapping, reason
        if changed:
            self._on_change()


def _most_telling(reasons: Sequence[NoMapping]) -> str:
    """A router's own no says more than that nothing answered."""
    said = [reason for reason in reasons if not isinstance(reason, NoAnswer)]
    said += [reason for reason in reasons if isinstance(reason, NotInstalled)]
    return said[0].message if said else NO_ROUTER_ANSWERS
