"""Keeping a mapping alive: which way maps, renewal, loss, the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from gimmal.transport.port_mapping.failures import NoAnswer, NoMapping
from gimmal.transport.port_mapping.keeper import ASKING, NO_ROUTER_ANSWERS, MappingKeeper, Timings
from gimmal.transport.port_mapping.nat_pmp_way import NatPmpWay
from gimmal.transport.port_mapping.pcp_way import PcpWay
from gimmal.transport.port_mapping.ways import By, Mapping, Way
from tests.patience import PATIENCE
from tests.transport.port_mapping.router import HERE, OUTSIDE, ROUTER, StandIn, stand_in

LASTING = Timings(find=PATIENCE, map=PATIENCE, look=PATIENCE, again_first=PATIENCE, release=PATIENCE)
PORT = 4100


class Kept:
    """A keeper, and a way to wait for what it says."""

    def __init__(self, ways: Callable[[], Sequence[Way]], timings: Timings = LASTING) -> None:
        self._news = asyncio.Event()
        self.heard: list[str] = []
        self.keeper = MappingKeeper(ways, self._on_change, timings)
        self.keeper.start()

    def _on_change(self) -> None:
        mapping = self.keeper.mapping
        self.heard.append(f"{mapping.shown} {mapping.by}" if mapping else self.keeper.reason)
        self._news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()


def both(router: StandIn) -> Callable[[], Sequence[Way]]:
    return lambda: [
        NatPmpWay(ROUTER, HERE, PORT, router.port),
        PcpWay(ROUTER, HERE, PORT, bytes(12), router.port),
    ]


class Scripted:
    """A way whose answers the test decides."""

    def __init__(self, by: By, *, found: asyncio.Event | None = None, failure: NoMapping | None = None) -> None:
        self.by = by
        self.found = found
        self.failure = failure
        self.mapped = 0
        self.closed = 0

    async def find(self, _deadline: float) -> None:
        if self.found is not None:
            await self.found.wait()

    async def map(self, _deadline: float) -> Mapping:
        self.mapped += 1
        if self.failure is not None:
            raise self.failure
        return Mapping(OUTSIDE, PORT, 3600, self.by)

    async def stands(self, _deadline: float) -> bool:
        return True

    async def close(self, _deadline: float) -> None:
        self.closed += 1


def test_only_one_way_maps_and_the_end_leaves_nothing() -> None:
    async def run() -> None:
        async with stand_in() as router:
            kept = Kept(both(router))
            assert kept.keeper.reason == ASKING
            await kept.until(lambda: kept.keeper.mapping)
            assert len({protocol for protocol, _opcode, lifetime in router.asked if lifetime}) == 1
            assert router.table.keys() == {PORT}
            await kept.keeper.close(PATIENCE)
            assert not router.table

    asyncio.run(run())


def test_of_ways_that_answer_at_once_the_better_maps_and_the_others_are_closed() -> None:
    async def run() -> None:
        ways = [Scripted(By.UPNP), Scripted(By.NAT_PMP), Scripted(By.PCP)]
        kept = Kept(lambda: ways)
        await kept.until(lambda: kept.keeper.mapping)
        assert kept.heard == [f"{OUTSIDE}:{PORT} pcp"]
        assert [way.mapped for way in ways] == [0, 0, 1]
        await kept.keeper.close(PATIENCE)
        assert all(way.closed for way in ways)

    asyncio.run(run())


def test_a_slow_way_holds_up_no_quick_one() -> None:
    async def run() -> None:
        never = asyncio.Event()
        ways = [Scripted(By.PCP, found=never), Scripted(By.UPNP)]
        kept = Kept(lambda: ways)
        await kept.until(lambda: kept.keeper.mapping)
        assert kept.heard == [f"{OUTSIDE}:{PORT} upnp"]
        await kept.keeper.close(PATIENCE)
        assert [way.mapped for way in ways] == [0, 1]

    asyncio.run(run())


def test_where_one_way_gives_nothing_the_next_maps() -> None:
    async def run() -> None:
        ways = [Scripted(By.PCP, failure=NoMapping("it does not want to")), Scripted(By.NAT_PMP)]
        kept = Kept(lambda: ways)
        await kept.until(lambda: kept.keeper.mapping)
        assert kept.heard == [f"{OUTSIDE}:{PORT} nat-pmp"]
        await kept.keeper.close(PATIENCE)

    asyncio.run(run())


def test_a_no_is_told_rather_than_silence() -> None:
    async def run() -> None:
        ways = [
            Scripted(By.PCP, failure=NoAnswer("nothing")),
            Scripted(By.NAT_PMP, failure=NoMapping("it does not want to")),
            Scripted(By.UPNP, failure=NoAnswer("nothing")),
        ]
        kept = Kept(lambda: ways)
        await kept.until(lambda: kept.heard)
        assert kept.heard == ["it does not want to"]
        await kept.keeper.close(PATIENCE)
        silent = Kept(lambda: ways[:1])
        await silent.until(lambda: silent.heard)
        assert silent.heard == [NO_ROUTER_ANSWERS]
        await silent.keeper.close(PATIENCE)

    asyncio.run(run())


def test_it_is_renewed_before_half_its_life_is_much_over() -> None:
    async def run() -> None:
        async with stand_in(speaks={"nat-pmp"}, lifetime=1) as router:
            kept = Kept(both(router))
            renewals = lambda: sum(1 for _protocol, _opcode, lifetime in router.asked if lifetime)  # noqa: E731
            await router.until(lambda: renewals() >= 3)
            assert kept.heard == [f"{OUTSIDE}:{PORT} nat-pmp"]
            await kept.keeper.close(PATIENCE)

    asyncio.run(run())


def test_a_router_that_began_anew_is_asked_anew() -> None:
    async def run() -> None:
        async with stand_in() as router:
            kept = Kept(both(router), replace(LASTING, look=0.02))
            await kept.until(lambda: kept.keeper.mapping)
            router.table.clear()
            router.epoch = 1
            await router.until(lambda: router.table)
            await kept.keeper.close(PATIENCE)

    asyncio.run(run())


def test_another_address_outside_is_told() -> None:
    async def run() -> None:
        async with stand_in(speaks={"nat-pmp"}) as router:
            kept = Kept(both(router), replace(LASTING, look=0.02))
            await kept.until(lambda: kept.keeper.mapping)
            router.outside = "11.22.33.55"
            await kept.until(lambda: len(kept.heard) == 2)
            assert kept.heard == [f"{OUTSIDE}:{PORT} nat-pmp", f"11.22.33.55:{PORT} nat-pmp"]
            await kept.keeper.close(PATIENCE)

    asyncio.run(run())


def test_a_nudge_asks_at_once() -> None:
    async def run() -> None:
        async with stand_in() as router:
            kept = Kept(both(router))
            await kept.until(lambda: kept.keeper.mapping)
            router.table.clear()
            kept.keeper.nudge()
            await router.until(lambda: router.table)
            await kept.keeper.close(PATIENCE)

    asyncio.run(run())


def test_a_mapping_that_is_lost_is_told_and_asked_for_again_and_again() -> None:
    async def run() -> None:
        async with stand_in(speaks={"nat-pmp"}) as router:
            timings = Timings(find=0.05, map=0.05, look=0.02, again_first=0.02, again_most=0.05, release=0.05)
            kept = Kept(both(router), timings)
            await kept.until(lambda: kept.keeper.mapping)
            router.speaks = set()
            await kept.until(lambda: kept.keeper.mapping is None)
            router.table.clear()
            router.speaks = {"pcp"}
            await kept.until(lambda: kept.keeper.mapping)
            assert kept.heard[-1] == f"{OUTSIDE}:{PORT} pcp"
            await kept.keeper.close(PATIENCE)

    asyncio.run(run())


def test_an_end_while_it_asks_leaves_nothing_open() -> None:
    async def run() -> None:
        never = asyncio.Event()
        ways = [Scripted(By.PCP, found=never), Scripted(By.UPNP, found=never)]
        kept = Kept(lambda: ways)
        await asyncio.sleep(0)
        await kept.keeper.close(PATIENCE)
        assert [way.closed for way in ways] == [1, 1]
        assert not kept.heard

    asyncio.run(run())
