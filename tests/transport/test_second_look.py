"""A second look at a relay with addresses of both versions of IP: when it is had, and what it leaves alone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gimmal.base.primitives import random_bytes
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport import second_look
from gimmal.transport.asking_relay import AskingRelay
from gimmal.transport.relay_keeper import RelayKeeper
from gimmal.transport.second_look import AGAIN_SECONDS, SecondLook
from tests.patience import PATIENCE
from tests.relay.halves import DEADLINE, LinkQueue, PairOfHalves, RunningRelay, asking, new_pair, running_relay
from tests.transport.blocking import connect_proxy
from tests.transport.helpers import run, until

BOTH = "both.test"
"""A name with addresses of both versions, IPv6 first, as most computers order them."""


@pytest.fixture(autouse=True)
def both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, *more: object, **named: object) -> list[object]:
        if host != BOTH:
            return list(real(host, *more, **named))  # type: ignore[arg-type]
        return [entry for one in ("::1", "127.0.0.1") for entry in real(one, *more, **named)]  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def look_of(url: RelayUrl, pair: PairOfHalves) -> SecondLook:
    return SecondLook(url, pair.a, random_bytes(16), "test")


async def looked(second: SecondLook, version: int) -> bool:
    """Whether there was a look to wait for."""
    look = second.begin(version)
    if look is not None:
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([look])
    return look is not None


@contextlib.asynccontextmanager
async def kept(relay: RunningRelay, pair: PairOfHalves) -> AsyncIterator[RelayKeeper]:
    keeper = RelayKeeper(relay.url, pair.a, random_bytes(16), "test", b"", LinkQueue())
    keeper.start()
    try:
        await keeper.wait_connected(DEADLINE)
        yield keeper
    finally:
        await keeper.close()


def test_an_agent_is_seen_by_both_versions_and_stays_who_answers(tmp_path: Path) -> None:
    async def main() -> None:
        pair = new_pair()
        async with running_relay(tmp_path, host=BOTH) as relay, kept(relay, pair) as keeper:
            assert keeper.view is not None and str(keeper.view.own.address) == "::1"
            assert keeper.second.view is None, "nobody wanted it yet"
            assert await looked(keeper.second, 4)
            view = keeper.second.view
            assert view is not None and view.own == view.seen and str(view.own.address) == "127.0.0.1"
            assert keeper.status.connected
            board = relay.server._reception.board
            await until(lambda: not board.askers(pair.pair_id, pair.a.side))
            assert board.answerer(pair.pair_id, pair.a.side) is not None

    run(main())


def test_a_connection_that_outlives_a_change_of_the_network_shows_what_it_did(tmp_path: Path) -> None:
    async def main() -> None:
        pair = new_pair()
        async with running_relay(tmp_path) as relay, kept(relay, pair) as keeper:
            seen = keeper.view
            assert seen is not None
            keeper.changed()
            assert keeper.status.connected and keeper.view == seen
            # It is lost after all: what was seen before the change says nothing.
            next(iter(relay.server._reception.seated)).goodbye("stopping", "")
            await until(lambda: not keeper.status.connected)
            assert keeper.view is None

    run(main())


def test_a_command_is_seen_by_both_versions(tmp_path: Path) -> None:
    async def main() -> None:
        pair = new_pair()
        async with running_relay(tmp_path, host=BOTH) as relay:
            asker = AskingRelay(lambda: asking(relay, pair.a), look_of(relay.url, pair))
            await asker.candidates()
            assert asker.view is not None and str(asker.view.own.address) == "::1"
            assert await looked(asker.second, 4)
            assert asker.second.view is not None and str(asker.second.view.seen.address) == "127.0.0.1"
            # What comes in the place of a connection that was lost is mostly in another network.
            assert asker._client is not None
            await asker._client.close()
            await asker.candidates()
            assert asker.second.view is None
            assert await looked(asker.second, 4)
            await asker.close()

    run(main())


def test_a_look_is_not_had_again_until_time_has_passed_or_the_network_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        pair = new_pair()
        async with running_relay(tmp_path, host=BOTH) as relay, kept(relay, pair) as keeper:
            assert await looked(keeper.second, 4)
            seen = keeper.second.view
            assert not await looked(keeper.second, 4)
            assert keeper.second.view is seen, "what was seen holds meanwhile"
            keeper.changed()
            assert keeper.second.view is None
            assert await looked(keeper.second, 4)
            keeper.second._not_before -= AGAIN_SECONDS
            again = keeper.second.view
            assert await looked(keeper.second, 4)
            assert keeper.second.view is not None and keeper.second.view != again
        assert keeper.second.begin(4) is None, "it is closed"
        keeper.second.forget()
        assert keeper.second.begin(4) is None

    run(main())


def test_all_who_want_it_wait_for_the_same_look_and_none_ends_it(tmp_path: Path) -> None:
    async def main() -> None:
        pair = new_pair()
        async with running_relay(tmp_path, host=BOTH) as relay:
            second = look_of(relay.url, pair)
            look = second.begin(4)
            assert look is not None and second.begin(4) is look
            waiting = asyncio.ensure_future(asyncio.wait([look]))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting, look])
            assert waiting.cancelled() and second.view is not None
            await second.close()

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_relay_of_one_version_is_not_even_connected_to(tmp_path: Path, host: str) -> None:
    async def main() -> None:
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
            listener.setblocking(False)
            second = look_of(RelayUrl(host, listener.getsockname()[1], random_bytes(32)), new_pair())
            assert await looked(second, 4 if ":" in host else 6)
            assert second.view is None
            with pytest.raises(BlockingIOError):
                listener.accept()
            await second.close()

    run(main())


def test_a_relay_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_look, "LOOK_SECONDS", 0.05)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            second = look_of(RelayUrl(BOTH, silent.getsockname()[1], random_bytes(32)), new_pair())
            assert await looked(second, 4)
            assert second.view is None and not second._tasks
            await second.close()

    run(main())


def test_a_look_of_the_network_before_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            second = look_of(RelayUrl(BOTH, silent.getsockname()[1], random_bytes(32)), new_pair())
            before = second.begin(4)
            assert before is not None
            await asyncio.sleep(0)
            second.forget()
            after = second.begin(4)
            assert after is not None and after is not before
            await until(before.done)
            assert second._looking is after, "the end of the one before is none of its business"
            await second.close()
            assert after.done()

    run(main())


def test_no_proxy_takes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a relay sees through one says nothing of the router."""

    async def main() -> None:
        pair = new_pair()
        async with running_relay(tmp_path, host=BOTH) as relay, connect_proxy() as proxy:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.delenv("no_proxy", raising=False)
            second = look_of(relay.url, pair)
            assert await looked(second, 4)
            assert second.view is not None and proxy.asked == []
            unreachable = look_of(RelayUrl("127.0.0.1", relay.url.port, relay.url.pin), pair)
            assert await looked(unreachable, 6)
            assert unreachable.view is None and proxy.asked == []
            await second.close()
            await unreachable.close()

    run(main())
