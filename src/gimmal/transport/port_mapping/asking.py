"""Questions to a router in single packets: sent again as the protocol says, answered by that router or by nobody."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from typing import TypeVar

from gimmal.transport.port_mapping.external import Address
from gimmal.transport.port_mapping.failures import MalformedReply, NoAnswer
from gimmal.transport.port_mapping.pcp import PACKET_MAX
from gimmal.transport.port_mapping.retries import Retries, RetryRule
from gimmal.transport.port_mapping.routers import Router

SERVER_PORT = 5351
"""Of NAT-PMP and PCP alike (RFC 6887, section 19.1)."""

AnswerT = TypeVar("AnswerT")


class RouterSocket:
    """A socket that hears one router and nobody else.

    Args:
        router: to ask.
        own: this computer's address, from which mappings are asked for.
        port: that the router answers at.

    Raises:
        NoAnswer: no packet can be sent to it.
    """

    def __init__(self, router: Router, own: Address, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET if own.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            if own.version == 4:
                self._socket.bind((str(own), 0))
                self._socket.connect((str(router.address), port))
            else:
                scope = socket.if_nametoindex(router.interface) if router.address.is_link_local else 0
                self._socket.bind((str(own), 0))
                self._socket.connect((str(router.address), port, 0, scope))
        except OSError as exc:
            self._socket.close()
            raise NoAnswer("the router cannot be asked") from exc

    async def ask(self, request: bytes, read: Callable[[bytes], AnswerT], rule: RetryRule, deadline: float) -> AnswerT:
        """The answer to ``request``.

        Args:
            request: one packet.
            read: an answer from its bytes; one that raises ``MalformedReply`` is not to this question.
            rule: when to ask again.
            deadline: seconds.

        Raises:
            NoAnswer: none came.
            NoMapping: what ``read`` raises: the router says no.
        """
        loop = asyncio.get_running_loop()
        retries = Retries(rule, loop.time() + deadline, random.random)
        try:
            while not retries.is_over(now := loop.time()):
                if retries.is_due(now):
                    await loop.sock_sendall(self._socket, request)
                    retries.put(now)
                try:
                    async with asyncio.timeout(retries.rest(now)):
                        return await self._answer(read)
                except TimeoutError:
                    continue
        except OSError as exc:
            # It says at once that nothing listens there.
            raise NoAnswer("the router does not answer") from exc
        raise NoAnswer("the router does not answer")

    async def _answer(self, read: Callable[[bytes], AnswerT]) -> AnswerT:
        while True:
            data = await asyncio.get_running_loop().sock_recv(self._socket, PACKET_MAX + 1)
            try:
                return read(data)
            except MalformedReply:
                # Where packets keep coming, the loop gets its turn all the same.
                await asyncio.sleep(0)

    def close(self) -> None:
        """Hear nothing more."""
        self._socket.close()
