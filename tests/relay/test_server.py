"""Two real halves at a real relay: who is let in, told, refused and sent away."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gimmal.base.errors import PeerAbsent, RelayError
from gimmal.base.primitives import random_bytes
from gimmal.protocol.relay.messages import Code, Ticket
from gimmal.protocol.relay.server import Pace
from gimmal.relay.limits import RelayLimits
from gimmal.transport.relay_client import RelayRefusedError
from tests.patience import within
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

FREE = RelayLimits(free_offences=1_000_000)


def test_peer_absent_is_told_at_once_with_last_seen(tmp_path: Path) -> None:
    async def scenario() -> None:
        pair = new_pair()
        async with running_relay(tmp_path) as relay:
            command = asking(relay, pair.b)
            started = time.monotonic()
            with pytest.raises(PeerAbsent, match="never seen"):
                await command.dial_link(DEADLINE)
            assert within(time.monotonic() - started, 2)
            agent = answering(relay, pair.a, LinkQueue())
            await agent.connect(DEADLINE)
            await eventually(lambda: command.peer_present)
            await agent.close()
            await eventually(lambda: not command.peer_present)
            with pytest.raises(PeerAbsent, match=r"last seen (20..-..-.. )?[0-9][0-9]:[0-9][0-9]\)"):
                await command.request_link(DEADLINE)
            await command.close()
        # The word survives the relay.
        async with running_relay(tmp_path) as relay:
            command = asking(relay, pair.b)
            welcome = await command.connect(DEADLINE)
            assert abs(welcome.last_seen - time.time()) < 60
            await command.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("leg_first", [True, False])
def test_an_asker_does_not_wait_for_an_answerer_that_has_gone(tmp_path: Path, leg_first: bool) -> None:
    async def scenario() -> None:
        pair = new_pair()
        async with running_relay(tmp_path) as relay:
            # An answerer that hears of the link and never comes for it.
            agent = answering(relay, pair.a, None)
            await agent.connect(DEADLINE)
            command = asking(relay, pair.b)
            await command.connect(DEADLINE)
            if leg_first:
                leg = await command.request_link(DEADLINE)
                await eventually(lambda: bool(len(relay.server._office)))
                await agent.close()
            else:
                number, ticket = command._ask()
                await ticket
                await agent.close()
                await eventually(lambda: not command.peer_present)
                leg = await command._finish_link(number, ticket, DEADLINE)
            started = time.monotonic()
            with pytest.raises((EOFError, ConnectionError)):
                await read_exactly(leg, 1)
            assert within(time.monotonic() - started, 2)
            leg.close()
            # It has done nothing wrong: the relay still takes connections from its address.
            with pytest.raises(PeerAbsent, match="last seen"):
                await command.request_link(DEADLINE)
            other = asking(relay, pair.b)
            await other.connect(DEADLINE)
            await other.close()
            await command.close()

    asyncio.run(scenario())


def test_candidates_reach_the_peer_and_go_with_the_answerer(tmp_path: Path) -> None:
    async def scenario() -> None:
        pair = new_pair()
        async with running_relay(tmp_path) as relay:
            agent = answering(relay, pair.a, candidates=b"sealed one")
            await agent.connect(DEADLINE)
            command = asking(relay, pair.b, candidates=b"of an asker")
            welcome = await command.connect(DEADLINE)
            assert welcome.present and welcome.candidates == b"sealed one"
            assert agent.peer_candidates == b""
            agent.set_candidates(b"sealed two")
            await eventually(lambda: command.peer_candidates == b"sealed two")
            await agent.close()
            await eventually(lambda: command.peer_candidates == b"" and not command.peer_present)
            await command.close()

    asyncio.run(scenario())


def test_half_of_another_pair_or_with_a_foreign_key_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        pair, stranger = new_pair(), new_pair()
        posing = [
            replace(pair.a, sign_private=stranger.a.sign_private),
            replace(pair.a, sign_private=pair.b.sign_private),
            replace(stranger.a, pair_id=pair.pair_id),
            replace(pair.a, lock=stranger.a.lock),
        ]
        async with running_relay(tmp_path, FREE) as relay:
            for identity in posing:
                client = answering(relay, identity)
                with pytest.raises(RelayRefusedError) as caught:
                    await client.connect(DEADLINE)
                assert caught.value.code == Code.PROOF
            assert relay.ledger.usage() == []

    asyncio.run(scenario())


def test_second_answerer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    async def scenario() -> None:
        pair = new_pair()
        async with running_relay(tmp_path) as relay:
            first = answering(relay, pair.a)
            await first.connect(DEADLINE)
            second = answering(relay, pair.a)
            with pytest.raises(RelayRefusedError) as caught:
                await second.connect(DEADLINE)
            assert caught.value.code == Code.ANSWERER_PRESENT
            assert not first.closed.done()
            other_side = answering(relay, pair.b)
            await other_side.connect(DEADLINE)
            await other_side.close()
            await first.close()

    asyncio.run(scenario())


def test_silent_answerer_is_replaced_within_the_probe(tmp_path: Path) -> None:
    limits = RelayLimits(probe_seconds=0.2)

    async def scenario() -> None:
        pair = new_pair()
        async with running_relay(tmp_path, limits) as relay:
            first = answering(relay, pair.a)
            await first.connect(DEADLINE)
            # The first program hangs: it reads nothing any more.
            loop = asyncio.get_running_loop()
            sock = first._stream.sock
            loop.remove_reader(sock)
            second = answering(relay, pair.a)
            await second.connect(DEADLINE)
            loop.add_reader(sock, first._stream._readable)
            async with asyncio.timeout(DEADLINE):
                failure = await first.closed
            assert failure.code == Code.REPLACED
            assert not second.closed.done()
            await second.close()

    asyncio.run(scenario())


def test_same_program_back_after_a_cut_replaces_itself_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        pair, instance = new_pair(), random_bytes(16)
        async with running_relay(tmp_path) as relay:
            first = answering(relay, pair.a, instance=instance)
            await first.connect(DEADLINE)
            second = answering(relay, pair.a, instance=instance)
            await second.connect(DEADLINE)
            async with asyncio.timeout(DEADLINE):
                assert (await first.closed).code == Code.REPLACED
            command = asking(relay, pair.b)
            assert (await command.connect(DEADLINE)).present
            await command.close()
            await second.close()

    asyncio.run(scenario())


def test_askers_of_a_side_are_limited(tmp_path: Path) -> None:
    limits = RelayLimits(askers_per_side=3)

    async def scenario() -> None:
        pair = new_pair()
        async with running_relay(tmp_path, limits) as relay:
            clients = [asking(relay, pair.b) for _ in range(3)]
            for client in clients:
                await client.connect(DEADLINE)
            extra = asking(relay, pair.b)
            with pytest.raises(RelayRefusedError) as caught:
                await extra.connect(DEADLINE)
            assert caught.value.code == Code.TOO_MANY_ASKERS
            other = asking(relay, pair.a)
            await other.connect(DEADLINE)
            await clients.pop().close()

            async def again() -> bool:
                client = asking(relay, pair.b)
                clients.append(client)
                try:
                    await client.connect(DEADLINE)
                except RelayRefusedError:
                    return False
                return True

            async with asyncio.timeout(DEADLINE):
                while not await again():
                    await asyncio.sleep(0.01)
            for client in [*clients, other]:
                await client.close()

    asyncio.run(scenario())


def test_links_of_a_pair_are_limited_and_freed(tmp_path: Path) -> None:
    limits = RelayLimits(links_per_pair=2, ticket_seconds=0.4)

    async def scenario() -> None:
        pair = new_pair()
        async with running_relay(tmp_path, limits) as relay:
            # An answerer that takes no offer: the links stay half joined until the tickets are void.
            agent = answering(relay, pair.a)
            await agent.connect(DEADLINE)
            command = asking(relay, pair.b)
            await command.connect(DEADLINE)
            legs = [await command.request_link(DEADLINE) for _ in range(2)]
            with pytest.raises(RelayError, match="2 links"):
                await command.request_link(DEADLINE)
            assert [await read_to_end(leg) for leg in legs] == [b"", b""]
            legs.append(await command.request_link(DEADLINE))
            for leg in legs:
                leg.close()
            await command.close()
            await agent.close()

    asyncio.run(scenario())


def test_ticket_is_good_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with running_relay(tmp_path, FREE) as relay:
            seen: list[bytes] = []
            pair = new_pair()
            links = LinkQueue()
            agent, command = answering(relay, pair.a, links), asking(relay, pair.b)
            await agent.connect(DEADLINE)
            settle = command._settle_link

            def note(event: object) -> None:
                if isinstance(event, Ticket):
                    seen.append(event.ticket)
                settle(event)

            command._settle_link = note
            near = await command.dial_link(DEADLINE)
            far = await links.next()
            for _ in range(3):
                thief = socket.create_connection((relay.url.host, relay.url.port))
                thief.setblocking(False)
                await loop.sock_sendall(thief, b"g" + seen[0] + b"stolen")
                assert await read_to_end(thief) == b""
                thief.close()
            await loop.sock_sendall(near, b"still whole")
            assert await read_exactly(far, 11) == b"still whole"
            assert relay.server.links == 1
            for sock in (near, far):
                sock.close()
            await command.close()
            await agent.close()

    asyncio.run(scenario())


def test_half_that_talks_too_fast_is_sent_away(tmp_path: Path) -> None:
    limits = RelayLimits(pace=Pace(burst=20, per_second=1))

    async def scenario() -> None:
        async with running_relay(tmp_path, limits) as relay:
            client = asking(relay, new_pair().b)
            await client.connect(DEADLINE)
            for _ in range(40):
                client.set_candidates(b"x")
            async with asyncio.timeout(DEADLINE):
                assert (await client.closed).code == Code.TOO_FAST

    asyncio.run(scenario())


def test_disabled_pair_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        pair = new_pair()
        async with running_relay(tmp_path) as relay:
            relay.ledger._database.execute("INSERT INTO disabled VALUES (?, 'CODE', 1)", (pair.pair_id,))
            client = answering(relay, pair.a)
            with pytest.raises(RelayRefusedError) as caught:
                await client.connect(DEADLINE)
            assert caught.value.code == Code.DISABLED

    asyncio.run(scenario())


def test_full_ledger_refuses_a_new_pair_and_serves_the_old(tmp_path: Path) -> None:
    async def scenario() -> None:
        old = new_pair()
        async with running_relay(tmp_path, RelayLimits(pairs=1)) as relay:
            for identity in (old.a, old.b):
                client = answering(relay, identity)
                await client.connect(DEADLINE)
                await client.close()
            client = answering(relay, new_pair().a)
            with pytest.raises(RelayRefusedError) as caught:
                await client.connect(DEADLINE)
            assert caught.value.code == Code.NOT_ADMITTED

    asyncio.run(scenario())


def test_stop_says_goodbye_and_leaves_nothing_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        pair = new_pair()
        async with running_relay(tmp_path) as relay, joined_link(relay, pair) as (near, far):
            client = asking(relay, pair.b)
            await client.connect(DEADLINE)
            started = time.monotonic()
            await relay.server.stop()
            took = time.monotonic() - started
            async with asyncio.timeout(DEADLINE):
                assert (await client.closed).code == Code.STOPPING
            assert await read_to_end(near) == b"" and await read_to_end(far) == b""
            assert within(took, 2.5, "relay stop with a link open, seconds")
            assert relay.server.connections == 0

    asyncio.run(scenario())
