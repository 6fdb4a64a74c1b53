"""Which routers are asked, and what becomes of their mappings when they change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from gimmal.base.workers import Workers
from gimmal.transport.port_mapping.keeper import Timings
from gimmal.transport.port_mapping.mapper import NO_ROUTER, OTHER_ADDRESS, PortMapper
from gimmal.transport.port_mapping.routers import Router
from gimmal.transport.port_mapping.ways import By
from tests.patience import PATIENCE
from tests.transport.port_mapping.router import OUTSIDE, ROUTER, StandIn, stand_in

PORT = 4100
KEY = bytes(32)
Routers = tuple[Router, ...] | None


class Rig:
    """A mapper whose routers the test names."""

    def __init__(self, router: StandIn, routers: Routers, host: str = "") -> None:
        self.routers = routers
        self.reads = 0
        self.workers = Workers()
        self._news = asyncio.Event()
        loop = asyncio.get_running_loop()

        def read() -> Routers:
            self.reads += 1
            loop.call_soon_threadsafe(self._news.set)
            return self.routers

        timings = Timings(find=PATIENCE, map=PATIENCE)
        self.mapper = PortMapper(PORT, host, KEY, self.workers, self._news.set, timings, read, router.port)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def rig(routers: Routers = (ROUTER,), host: str = "") -> AsyncIterator[tuple[StandIn, Rig]]:
    async with stand_in() as router:
        made = Rig(router, routers, host)
        made.mapper.start()
        try:
            yield router, made
        finally:
            await made.mapper.close(PATIENCE)
            made.workers.close()


def test_a_router_is_asked_and_left_as_it_was() -> None:
    async def run() -> None:
        async with rig() as (router, made):
            await made.until(lambda: made.mapper.mappings)
            (mapping,) = made.mapper.mappings
            assert (mapping.address, mapping.port) == (OUTSIDE, PORT)
            assert mapping.by in (By.PCP, By.NAT_PMP)
            assert made.mapper.reason == ""
            await made.mapper.close(PATIENCE)
            assert not router.table

    asyncio.run(run())


def test_without_a_router_nothing_is_sent() -> None:
    async def run() -> None:
        async with rig(()) as (router, made):
            await made.until(lambda: made.reads)
            made.mapper.network_changed()
            await made.until(lambda: made.reads > 1)
            assert made.mapper.reason == NO_ROUTER
            assert not router.asked

    asyncio.run(run())


def test_a_change_of_routers_is_followed() -> None:
    async def run() -> None:
        async with rig(()) as (router, made):
            await made.until(lambda: made.reads)
            made.routers = (ROUTER,)
            made.mapper.network_changed()
            await made.until(lambda: made.mapper.mappings)
            made.routers = ()
            made.mapper.network_changed()
            await made.until(lambda: not made.mapper.mappings)
            await router.until(lambda: not router.table)

    asyncio.run(run())


def test_a_port_of_another_address_is_not_mapped() -> None:
    async def run() -> None:
        async with rig(host="127.0.0.7") as (router, made):
            await made.until(lambda: made.reads)
            made.mapper.network_changed()
            await made.until(lambda: made.reads > 1)
            assert made.mapper.reason == OTHER_ADDRESS
            assert not router.asked

    asyncio.run(run())


def test_the_address_that_is_listened_on_may_be_the_one() -> None:
    async def run() -> None:
        async with rig(host="127.0.0.1") as (_router, made):
            await made.until(lambda: made.mapper.mappings)

    asyncio.run(run())


def test_a_router_that_cannot_be_reached_counts_for_none() -> None:
    async def run() -> None:
        # The broadcast address: no socket may be connected to it.
        async with rig((Router(ip_address("255.255.255.255"), "lo"),)) as (_router, made):
            await made.until(lambda: made.reads)
            made.mapper.network_changed()
            await made.until(lambda: made.reads > 1)
            assert made.mapper.reason == NO_ROUTER

    asyncio.run(run())


@pytest.mark.parametrize("known", [True, False])
def test_an_end_at_once_is_an_end(known: bool) -> None:
    async def run() -> None:
        async with rig((ROUTER,) if known else None) as (router, made):
            await made.mapper.close(PATIENCE)
            assert not router.table

    asyncio.run(run())
