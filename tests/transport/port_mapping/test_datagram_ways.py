"""PCP and NAT-PMP towards a router of the tests' own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gimmal.transport.port_mapping.failures import NoAnswer, NoMapping
from gimmal.transport.port_mapping.nat_pmp_way import NatPmpWay
from gimmal.transport.port_mapping.pcp_way import PcpWay
from gimmal.transport.port_mapping.ways import LIFETIME, By, Mapping
from tests.patience import PATIENCE
from tests.transport.port_mapping.router import HERE, HERE_BY_IPV6, OUTSIDE, ROUTER, ROUTER_OF_IPV6, stand_in

NONCE = bytes(range(12))
PORT = 4100
AnyWay = PcpWay | NatPmpWay
Make = Callable[[int], AnyWay]


def pcp(server_port: int) -> PcpWay:
    return PcpWay(ROUTER, HERE, PORT, NONCE, server_port)


def nat_pmp(server_port: int) -> NatPmpWay:
    return NatPmpWay(ROUTER, HERE, PORT, server_port)


BOTH = pytest.mark.parametrize("make", [pcp, nat_pmp])


def scenario(test: Callable[[Any, AnyWay], Any], make: Make, **settings: object) -> None:
    async def run() -> None:
        async with stand_in(**settings) as router:
            way = make(router.port)
            await test(router, way)
            await way.close(PATIENCE)

    asyncio.run(run())


@BOTH
def test_a_port_is_found_mapped_and_ended(make: Make) -> None:
    async def test(router: Any, way: AnyWay) -> None:
        await way.find(PATIENCE)
        assert not router.table
        mapping = await way.map(PATIENCE)
        assert mapping == Mapping(OUTSIDE, PORT + 7, LIFETIME, way.by)
        assert router.table.keys() == {PORT}
        assert await way.stands(PATIENCE)
        assert await way.map(PATIENCE) == mapping
        await way.close(PATIENCE)
        assert not router.table

    scenario(test, make, offset=7)


@BOTH
def test_lost_packets_are_sent_again(make: Make) -> None:
    async def test(router: Any, way: AnyWay) -> None:
        router.losses = 1
        await way.find(PATIENCE)
        await way.map(PATIENCE)
        assert router.table

    scenario(test, make)


@BOTH
def test_the_lifetime_is_the_one_the_router_gives(make: Make) -> None:
    async def test(router: Any, way: AnyWay) -> None:
        await way.find(PATIENCE)
        assert (await way.map(PATIENCE)).lifetime == 600
        router.lifetime = 0
        with pytest.raises(NoMapping, match="at once"):
            await way.map(PATIENCE)

    scenario(test, make, lifetime=600)


@BOTH
@pytest.mark.parametrize("outside", ["192.168.5.1", "100.64.1.2"])
def test_a_router_behind_another_gives_nothing_to_offer_and_keeps_nothing(make: Make, outside: str) -> None:
    async def test(router: Any, way: AnyWay) -> None:
        with pytest.raises(NoMapping, match=f"{outside} cannot be reached"):
            await way.find(PATIENCE)
            await way.map(PATIENCE)
        await way.close(PATIENCE)
        assert not router.table

    scenario(test, make, outside=outside)


@BOTH
def test_a_refusal_is_told(make: Make) -> None:
    async def test(_router: Any, way: AnyWay) -> None:
        await way.find(PATIENCE)
        with pytest.raises(NoMapping, match="does not allow"):
            await way.map(PATIENCE)

    scenario(test, make, refuses=2)


@BOTH
def test_a_router_that_began_anew_or_is_gone_has_no_mapping(make: Make) -> None:
    async def test(router: Any, way: AnyWay) -> None:
        await way.find(PATIENCE)
        await way.map(PATIENCE)
        router.epoch = 3
        assert not await way.stands(PATIENCE)
        assert await way.stands(PATIENCE)
        router.speaks = set()
        assert not await way.stands(0.05)
        router.speaks = {"pcp", "nat-pmp"}

    scenario(test, make)


def test_nat_pmp_notices_another_address_outside() -> None:
    async def test(router: Any, way: AnyWay) -> None:
        await way.find(PATIENCE)
        await way.map(PATIENCE)
        router.outside = "11.22.33.55"
        assert not await way.stands(PATIENCE)
        assert (await way.map(PATIENCE)).address == "11.22.33.55"

    scenario(test, nat_pmp)


def test_an_answer_to_another_nonce_is_none() -> None:
    async def test(_router: Any, way: AnyWay) -> None:
        await way.find(PATIENCE)
        with pytest.raises(NoAnswer):
            await way.map(0.2)

    scenario(test, pcp, echo_nonce=False)


def test_a_mapping_that_was_left_behind_is_taken_over_with_the_same_nonce_only() -> None:
    async def run() -> None:
        async with stand_in() as router:
            killed = pcp(router.port)
            await killed.find(PATIENCE)
            await killed.map(PATIENCE)
            again = pcp(router.port)
            await again.find(PATIENCE)
            assert (await again.map(PATIENCE)).port == PORT
            other = PcpWay(ROUTER, HERE, PORT, bytes(12), router.port)
            await other.find(PATIENCE)
            with pytest.raises(NoMapping, match="does not allow"):
                await other.map(PATIENCE)
            await other.close(PATIENCE)

    asyncio.run(run())


def test_a_router_of_nat_pmp_alone_tells_whoever_asks_by_pcp() -> None:
    async def test(_router: Any, way: AnyWay) -> None:
        with pytest.raises(NoMapping, match="NAT-PMP only"):
            await way.find(PATIENCE)

    scenario(test, pcp, speaks={"nat-pmp"})


@BOTH
def test_a_way_that_found_nothing_is_closed_without_a_word(make: Make) -> None:
    async def test(router: Any, way: AnyWay) -> None:
        with pytest.raises(NoAnswer):
            await way.find(0.05)
        asked = list(router.asked)
        await way.close(PATIENCE)
        await way.close(PATIENCE)
        assert router.asked == asked

    scenario(test, make, speaks=set())


def test_a_firewall_of_ipv6_is_opened_by_pcp() -> None:
    async def run() -> None:
        async with stand_in(HERE_BY_IPV6, outside="2a00::5") as router:
            way = PcpWay(ROUTER_OF_IPV6, HERE_BY_IPV6, PORT, NONCE, router.port)
            await way.find(PATIENCE)
            assert (await way.map(PATIENCE)).shown == f"[2a00::5]:{PORT}"
            await way.close(PATIENCE)
            assert not router.table

    asyncio.run(run())


def test_protocols_are_named_as_people_know_them() -> None:
    assert [by.value for by in By] == ["pcp", "nat-pmp", "upnp"]


def test_addresses_are_shown_with_their_port() -> None:
    assert Mapping("11.22.33.44", 5, 1, By.PCP).shown == "11.22.33.44:5"
    assert Mapping("2a00::1", 5, 1, By.PCP).shown == "[2a00::1]:5"
