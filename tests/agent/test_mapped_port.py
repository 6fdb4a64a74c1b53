"""Whether an agent asks for a port, and what it does with the address."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gimmal.agent.mapped_port import (
    CLOSED,
    LISTENS_HERE_ONLY,
    NO_RELAY,
    NOT_LISTENING,
    RELAYS_HERE,
    SWITCHED_OFF,
    MappedPort,
    why_none,
)
from gimmal.base.workers import Workers
from gimmal.half.opened import OpenedHalf
from gimmal.half.reading import open_half
from gimmal.protocol.relay.url import RelayUrl
from tests.endtoend.world import new_world

ALL = ("", 4100)
HERE = RelayUrl("127.0.0.1", 7117)
ELSEWHERE = RelayUrl("relay.example.org", 7117)


@pytest.mark.parametrize(
    ("mapping", "listen", "relays", "said"),
    [
        (False, ALL, [ELSEWHERE], SWITCHED_OFF),
        (True, None, [ELSEWHERE], NOT_LISTENING),
        (True, ("127.0.0.1", 4100), [ELSEWHERE], LISTENS_HERE_ONLY),
        (True, ("::1", 4100), [ELSEWHERE], LISTENS_HERE_ONLY),
        (True, ("localhost", 4100), [ELSEWHERE], LISTENS_HERE_ONLY),
        (True, ALL, [], NO_RELAY),
        (True, ALL, [HERE], RELAYS_HERE),
        (True, ALL, [HERE, ELSEWHERE], ""),
        (True, ("192.168.1.20", 4100), [ELSEWHERE], ""),
    ],
)
def test_a_router_is_asked_only_where_somebody_else_could_learn_of_it(
    mapping: bool, listen: tuple[str, int] | None, relays: list[RelayUrl], said: str
) -> None:
    assert why_none(mapping, listen, relays) == said


@pytest.fixture(scope="module")
def half() -> OpenedHalf:
    with new_world() as world:
        world.pair()
        return open_half(Path(world.b.half / "GIMMAL"), None)


def test_what_is_not_asked_says_why(half: OpenedHalf) -> None:
    async def run() -> None:
        workers = Workers()
        port = MappedPort(half, workers, lambda _addresses: None, lambda _line: None)
        assert (port.status.mappings, port.status.reason) == ((), CLOSED)
        port.start(NO_RELAY, "", 4100)
        port.network_changed()
        assert (port.status.mappings, port.status.reason) == ((), NO_RELAY)
        await port.close()
        workers.close()

    asyncio.run(run())
