"""A relay says where it sees a half come from, and where it cannot know that it says nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gimmal.transport.punching.places import View
from gimmal.transport.relay_client import RelayClient
from gimmal.transport.relay_ways import RelayWays
from tests.relay.halves import DEADLINE, answering, asking, new_pair, running_relay
from tests.transport.blocking import box, connect_proxy


@contextlib.asynccontextmanager
async def connected(client: RelayClient) -> AsyncIterator[RelayClient]:
    await client.connect(DEADLINE)
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_half_hears_its_own_address_and_port(tmp_path: Path, host: str) -> None:
    async def main() -> None:
        pair = new_pair()
        async with (
            running_relay(tmp_path, host=host) as relay,
            connected(answering(relay, pair.a)) as agent,
            connected(asking(relay, pair.a)) as command,
        ):
            views = agent.view, command.view
            assert all(view is not None and view.own == view.seen and view.keeps_port for view in views)
            assert len({view.own for view in views if view is not None}) == 2

    asyncio.run(main())


def test_a_router_that_changes_ports_is_seen(tmp_path: Path) -> None:
    async def main() -> None:
        pair = new_pair()
        async with running_relay(tmp_path) as relay, box(relay.url.host, relay.url.port) as router:
            url = relay.url.__class__(relay.url.host, router.own_port, relay.url.pin)
            async with connected(answering(url, pair.a)) as agent:
                assert isinstance(agent.view, View)
                assert not agent.view.keeps_port

    asyncio.run(main())


def test_what_comes_from_a_named_reverse_proxy_is_not_told(tmp_path: Path) -> None:
    async def main() -> None:
        pair = new_pair()
        behind = frozenset(("127.0.0.1",))
        async with running_relay(tmp_path, behind=behind) as relay, connected(answering(relay, pair.a)) as agent:
            assert agent.view is None

    asyncio.run(main())


def test_what_a_relay_sees_through_a_proxy_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        pair = new_pair()
        async with running_relay(tmp_path, host="127.0.0.2") as relay, connect_proxy() as proxy:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.delenv("no_proxy", raising=False)
            ways = RelayWays()
            ways.connected("127.0.0.1", True, asyncio.get_running_loop().time())
            async with connected(answering(relay, pair.a, ways=ways)) as agent:
                assert proxy.asked == [relay.url.address]
                assert agent.view is None

    asyncio.run(main())
