"""What routers tell everybody, heard on an address of loopback."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing

import pytest

from gimmal.transport.port_mapping.announcements import Announcements, is_announcement
from tests.patience import PATIENCE
from tests.transport.port_mapping.test_nat_pmp import ADDRESS, MAPPED
from tests.transport.port_mapping.test_pcp import ANNOUNCED


@pytest.mark.parametrize("data", [ADDRESS, ANNOUNCED])
def test_both_protocols_announce(data: bytes) -> None:
    assert is_announcement(data)


@pytest.mark.parametrize("data", [b"", MAPPED, ADDRESS[:-1], bytes(24), b"x" * 1000])
def test_nothing_else_does(data: bytes) -> None:
    assert not is_announcement(data)


def free_port() -> int:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def test_the_sender_is_told_and_repetitions_are_dropped() -> None:
    async def run() -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        port = free_port()
        listening = Announcements(heard.put_nowait, pause=0.2, group="127.0.0.1", port=port)
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as router:
            router.sendto(b"what?", ("127.0.0.1", port))
            for _ in range(10):
                router.sendto(ADDRESS, ("127.0.0.1", port))
            async with asyncio.timeout(PATIENCE):
                assert await heard.get() == "127.0.0.1"
                # After the pause the next is heard, and none of the nine.
                while heard.empty():
                    router.sendto(ANNOUNCED, ("127.0.0.1", port))
                    await asyncio.sleep(0.01)
            assert heard.qsize() == 1
        await listening.close()

    asyncio.run(run())


def test_two_programs_may_listen() -> None:
    async def run() -> None:
        port = free_port()
        both = [Announcements(lambda _sender: None, group="127.0.0.1", port=port) for _ in range(2)]
        for listening in both:
            await listening.close()

    asyncio.run(run())


def test_where_it_cannot_listen_it_does_without() -> None:
    async def run() -> None:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
            taken.bind(("127.0.0.1", 0))
            listening = Announcements(lambda _sender: None, group="127.0.0.1", port=taken.getsockname()[1])
            await listening.close()

    asyncio.run(run())
