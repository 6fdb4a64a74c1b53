"""Questions to a router: losses, refusals, strangers, silence."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gimmal.transport.port_mapping.asking import RouterSocket
from gimmal.transport.port_mapping.failures import MalformedReply, NoAnswer, NoMapping
from gimmal.transport.port_mapping.retries import RetryRule
from tests.patience import PATIENCE
from tests.transport.port_mapping.router import HERE, ROUTER

QUICK = RetryRule(first=0.02, most=0.1, spread=0.0, tries=0)


def read(data: bytes) -> bytes:
    """Good bytes begin with ``yes``, a refusal with ``no``."""
    if data.startswith(b"no"):
        raise NoMapping("no")
    if not data.startswith(b"yes"):
        raise MalformedReply("what is that")
    return data


class Server:
    """A plain socket that the test reads and answers from."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((str(HERE), 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]

    async def next(self) -> tuple[bytes, tuple[str, int]]:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().sock_recvfrom(self.socket, 100)


async def asked(server: Server, deadline: float = PATIENCE) -> tuple[RouterSocket, asyncio.Task[bytes]]:
    router = RouterSocket(ROUTER, HERE, server.port)
    return router, asyncio.get_running_loop().create_task(router.ask(b"may I", read, QUICK, deadline))


def test_a_question_that_is_lost_is_put_again() -> None:
    async def scenario() -> None:
        server = Server()
        router, asking = await asked(server)
        for _ in range(3):
            data, sender = await server.next()
            assert data == b"may I"
        server.socket.sendto(b"yes", sender)
        assert await asking == b"yes"
        router.close()
        server.socket.close()

    asyncio.run(scenario())


def test_what_is_no_answer_and_what_strangers_send_is_passed_over() -> None:
    async def scenario() -> None:
        server, stranger = Server(), Server()
        router, asking = await asked(server)
        _data, sender = await server.next()
        stranger.socket.sendto(b"yes, says a stranger", sender)
        for _ in range(100):
            server.socket.sendto(b"what?", sender)
        server.socket.sendto(bytes(60_000), sender)
        server.socket.sendto(b"yes", sender)
        assert await asking == b"yes"
        router.close()
        server.socket.close()
        stranger.socket.close()

    asyncio.run(scenario())


def test_a_refusal_ends_it() -> None:
    async def scenario() -> None:
        server = Server()
        router, asking = await asked(server)
        _data, sender = await server.next()
        server.socket.sendto(b"no", sender)
        with pytest.raises(NoMapping) as caught:
            await asking
        assert not isinstance(caught.value, NoAnswer)
        router.close()
        server.socket.close()

    asyncio.run(scenario())


def test_silence_ends_at_the_deadline() -> None:
    async def scenario() -> None:
        server = Server()
        router, asking = await asked(server, deadline=0.1)
        with pytest.raises(NoAnswer):
            await asking
        router.close()
        server.socket.close()

    asyncio.run(scenario())


def test_a_router_where_nothing_listens_is_known_at_once() -> None:
    async def scenario() -> None:
        server = Server()
        server.socket.close()
        router, asking = await asked(server)
        with pytest.raises(NoAnswer):
            await asking
        router.close()

    asyncio.run(scenario())
