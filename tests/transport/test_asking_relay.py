"""A relay as a command uses it, where the first try comes to nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gimmal.base.errors import RelayError
from gimmal.base.primitives import random_bytes
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.asking_relay import AskingRelay
from gimmal.transport.relay_client import RelayClient
from gimmal.transport.second_look import SecondLook
from tests.relay.halves import DEADLINE, LinkQueue, answering, asking, new_pair, running_relay


async def by_link(relay: AskingRelay) -> object:
    return await relay.link(DEADLINE)


async def by_candidates(relay: AskingRelay) -> object:
    return await relay.candidates()


@pytest.mark.parametrize("ask", [by_link, by_candidates])
def test_a_try_that_was_given_up_does_not_stand_in_the_way_of_the_next(
    tmp_path: Path, ask: Callable[[AskingRelay], Awaitable[object]]
) -> None:
    """A race that another path wins, or whose deadline passes, gives up its tries at any point."""

    async def scenario() -> None:
        pair = new_pair()
        links = LinkQueue()
        async with running_relay(tmp_path) as running:
            agent = answering(running, pair.a, links)
            await agent.connect(DEADLINE)
            with socket.create_server(("127.0.0.1", 0)) as silent:
                urls = [RelayUrl("127.0.0.1", silent.getsockname()[1], running.url.pin), running.url]

                def make() -> RelayClient:
                    return asking(urls.pop(0), pair.b)

                relay = AskingRelay(make, SecondLook(running.url, pair.b, random_bytes(16), "test"))
                given_up = asyncio.ensure_future(ask(relay))
                await asyncio.sleep(0.2)
                given_up.cancel()
                with contextlib.suppress(asyncio.CancelledError, RelayError):
                    await given_up
                near = await relay.link(DEADLINE)
                far = await links.next()
                near.close()
                far.close()
            await relay.close()
            await agent.close()

    asyncio.run(scenario())


def test_a_try_whose_welcome_has_come_is_used_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        pair = new_pair()
        links = LinkQueue()
        made = 0
        async with running_relay(tmp_path) as running:
            agent = answering(running, pair.a, links)
            await agent.connect(DEADLINE)

            def make() -> RelayClient:
                nonlocal made
                made += 1
                return asking(running, pair.b)

            relay = AskingRelay(make, SecondLook(running.url, pair.b, random_bytes(16), "test"))
            for _ in range(3):
                near = await relay.link(DEADLINE)
                (await links.next()).close()
                near.close()
            assert made == 1
            await relay.close()
            await agent.close()

    asyncio.run(scenario())
