"""Two legs joined: every byte passes, and is counted."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gimmal.relay.ledger_sqlite import SqliteLedger
from gimmal.relay.limits import RelayLimits
from tests.relay.halves import (
    DEADLINE,
    LinkQueue,
    answering,
    asking,
    eventually,
    joined_link,
    new_pair,
    read_exactly,
    read_to_end,
    running_relay,
)


@pytest.mark.parametrize("splice", [True, False])
def test_bytes_pass_unchanged_both_ways_at_once(tmp_path: Path, splice: bool) -> None:
    async def scenario() -> None:
        pair = new_pair()
        up, down = os.urandom(5_000_000), os.urandom(3_000_000)
        async with running_relay(tmp_path, splice=splice) as relay:
            async with joined_link(relay, pair) as (near, far):
                loop = asyncio.get_running_loop()
                got_down, got_up, _, _ = await asyncio.gather(
                    read_exactly(near, len(down)),
                    read_exactly(far, len(up)),
                    loop.sock_sendall(near, up),
                    loop.sock_sendall(far, down),
                )
                assert got_down == down and got_up == up
                assert relay.server.links == 1
            await eventually(lambda: relay.server.links == 0)
        ledger = SqliteLedger(tmp_path / "ledger.sqlite", 10)
        assert [entry.bytes for entry in ledger.usage(pair.pair_id)] == [len(up) + len(down)]
        ledger.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("splice", [True, False])
def test_end_of_one_direction_is_passed_on_and_the_other_goes_on(tmp_path: Path, splice: bool) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path, splice=splice) as relay, joined_link(relay, new_pair()) as (near, far):
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(near, b"question")
            near.shutdown(socket.SHUT_WR)
            assert await read_to_end(far) == b"question"
            answer = os.urandom(700_000)
            sending = loop.create_task(loop.sock_sendall(far, answer))
            assert await read_exactly(near, len(answer)) == answer
            await sending
            far.shutdown(socket.SHUT_WR)
            assert await read_to_end(near) == b""
            await eventually(lambda: relay.server.links == 0)

    asyncio.run(scenario())


@pytest.mark.parametrize("splice", [True, False])
def test_reset_of_one_leg_ends_the_other(tmp_path: Path, splice: bool) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path, splice=splice) as relay, joined_link(relay, new_pair()) as (near, far):
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            near.close()
            assert await read_to_end(far) == b""
            await eventually(lambda: relay.server.links == 0)

    asyncio.run(scenario())


@pytest.mark.parametrize("splice", [True, False])
def test_slow_reader_gets_every_byte_and_holds_up_no_other_link(tmp_path: Path, splice: bool) -> None:
    limits = RelayLimits(chunk=256 * 1024, chunks_per_pair=1)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        pair, links = new_pair(), LinkQueue()
        async with running_relay(tmp_path, limits, splice=splice) as relay:
            agent, command = answering(relay, pair.a, links), asking(relay, pair.b)
            await agent.connect(DEADLINE)
            frozen = await command.dial_link(DEADLINE)
            frozen_end = await links.next()
            data = os.urandom(1 << 20) * 100
            sending = loop.create_task(loop.sock_sendall(frozen, data))
            await asyncio.sleep(0.3)
            assert not sending.done()
            # The frozen direction holds the pair's one chunk; another link of the pair still moves.
            lively = await command.request_link(DEADLINE)
            lively_end = await links.next()
            small = os.urandom(3_000_000)
            passing = loop.create_task(loop.sock_sendall(lively, small))
            assert await read_exactly(lively_end, len(small)) == small
            await passing
            assert not sending.done()
            got = await read_exactly(frozen_end, len(data))
            await sending
            assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
            for sock in (frozen, frozen_end, lively, lively_end):
                sock.close()
            await command.close()
            await agent.close()

    asyncio.run(scenario())


def test_receiver_that_takes_nothing_loses_its_link(tmp_path: Path) -> None:
    limits = RelayLimits(stalled_seconds=0.3)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with running_relay(tmp_path, limits) as relay, joined_link(relay, new_pair()) as (near, far):
            with pytest.raises(ConnectionError):
                async with asyncio.timeout(DEADLINE):
                    await loop.sock_sendall(near, bytes(64_000_000))
            assert relay.server.links == 0
            del far

    asyncio.run(scenario())


def test_link_at_rest_outlives_the_stall_limit(tmp_path: Path) -> None:
    limits = RelayLimits(stalled_seconds=0.1)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with running_relay(tmp_path, limits) as relay, joined_link(relay, new_pair()) as (near, far):
            await loop.sock_sendall(near, b"a")
            assert await read_exactly(far, 1) == b"a"
            await asyncio.sleep(0.8)
            await loop.sock_sendall(far, b"b")
            assert await read_exactly(near, 1) == b"b"

    asyncio.run(scenario())


def test_bytes_behind_the_ticket_wait_for_the_other_leg(tmp_path: Path) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        pair, links = new_pair(), LinkQueue()
        async with running_relay(tmp_path) as relay:
            agent, command = answering(relay, pair.a, links), asking(relay, pair.b)
            await agent.connect(DEADLINE)
            near = await command.dial_link(DEADLINE)
            await loop.sock_sendall(near, b"early")
            far = await links.next()
            assert await read_exactly(far, 5) == b"early"
            for sock in (near, far):
                sock.close()
            await command.close()
            await agent.close()

    asyncio.run(scenario())


def test_bytes_are_counted_under_the_day_they_pass(tmp_path: Path) -> None:
    now = [datetime(2026, 3, 1, 23, 59, 50, tzinfo=UTC).timestamp()]

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        pair = new_pair()
        ledger = SqliteLedger(tmp_path / "ledger.sqlite", 10)
        async with running_relay(tmp_path, RelayLimits(flush_seconds=0.6), clock=lambda: now[0]) as relay:
            async with joined_link(relay, pair) as (near, far):
                await loop.sock_sendall(near, bytes(1000))
                await read_exactly(far, 1000)
                # The relay looks at its clock when it collects the counts.
                await eventually(lambda: [entry.bytes for entry in ledger.usage(pair.pair_id)] == [1000])
                now[0] += timedelta(seconds=20).total_seconds()
                await loop.sock_sendall(far, bytes(300))
                await read_exactly(near, 300)
            await eventually(lambda: relay.server.links == 0)
        usage = ledger.usage(pair.pair_id)
        assert [(entry.day, entry.bytes) for entry in usage] == [(date(2026, 3, 1), 1000), (date(2026, 3, 2), 300)]
        ledger.close()

    asyncio.run(scenario())


def test_counted_bytes_reach_the_disk_while_the_link_lives(tmp_path: Path) -> None:
    limits = RelayLimits(flush_seconds=0.6)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        pair = new_pair()
        reader = SqliteLedger(tmp_path / "ledger.sqlite", 10)
        async with running_relay(tmp_path, limits) as relay, joined_link(relay, pair) as (near, far):
            await loop.sock_sendall(near, bytes(1000))
            await read_exactly(far, 1000)
            await eventually(lambda: [entry.bytes for entry in reader.usage(pair.pair_id)] == [1000])
        reader.close()

    asyncio.run(scenario())
