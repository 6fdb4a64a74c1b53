"""A port mapped by PCP: through a router's NAT of IPv4, or its firewall for IPv6."""

from __future__ import annotations

import asyncio
import contextlib

from gimmal.transport.port_mapping import pcp
from gimmal.transport.port_mapping.asking import SERVER_PORT, RouterSocket
from gimmal.transport.port_mapping.external import Address, require_of_the_internet
from gimmal.transport.port_mapping.failures import MalformedReply, NoMapping
from gimmal.transport.port_mapping.retries import PCP
from gimmal.transport.port_mapping.router_clock import RouterClock, lost_by_pcp
from gimmal.transport.port_mapping.routers import Router
from gimmal.transport.port_mapping.ways import LIFETIME, By, Mapping, lifetime_of


class PcpWay:
    """See ``Way``.

    Args:
        router: to ask.
        own: this computer's address towards it.
        port: to be reached from outside.
        nonce: 12 bytes that nobody else knows, and that are the same whenever this program asks for this port here:
            a mapping that was left behind can then be taken over.
        server_port: where the router answers.
    """

    by = By.PCP

    def __init__(self, router: Router, own: Address, port: int, nonce: bytes, server_port: int = SERVER_PORT) -> None:
        self._place = router, own, server_port
        self._own = own
        self._port = port
        self._socket: RouterSocket | None = None
        self._nonce = nonce
        self._clock = RouterClock(lost_by_pcp)
        self._given: pcp.MapReply | None = None

    async def find(self, deadline: float) -> None:
        """See ``Way``."""
        self._socket = self._socket or RouterSocket(*self._place)
        await self._announce(deadline)

    async def map(self, deadline: float) -> Mapping:
        """See ``Way``."""
        assert self._socket is not None
        before = self._given
        external, address = (before.external, before.address) if before else (self._port, None)
        reply = await self._ask(LIFETIME, external, address, deadline)
        self._hear(reply.epoch)
        self._given = reply
        if not reply.external:
            raise NoMapping("the router gave no port")
        require_of_the_internet(reply.address)
        return Mapping(str(reply.address), reply.external, lifetime_of(reply.lifetime), self.by)

    async def stands(self, deadline: float) -> bool:
        """See ``Way``."""
        try:
            return not await self._announce(deadline)
        except NoMapping:
            return False

    async def close(self, deadline: float) -> None:
        """See ``Way``."""
        if self._socket is None:
            return
        if self._given is not None:
            self._given = None
            with contextlib.suppress(NoMapping):
                await self._ask(0, 0, None, deadline)
        self._socket.close()
        self._socket = None

    async def _announce(self, deadline: float) -> bool:
        """Whether the router has forgotten since it was last heard."""
        assert self._socket is not None
        epoch = await self._socket.ask(pcp.announce_request(self._own), pcp.read_announce_reply, PCP, deadline)
        return self._hear(epoch)

    async def _ask(self, lifetime: int, external: int, address: Address | None, deadline: float) -> pcp.MapReply:
        assert self._socket is not None
        request = pcp.map_request(self._own, self._nonce, self._port, lifetime, external, address)
        return await self._socket.ask(request, self._read, PCP, deadline)

    def _read(self, data: bytes) -> pcp.MapReply:
        reply = pcp.read_map_reply(data)
        if reply.nonce != self._nonce or reply.internal != self._port:
            raise MalformedReply("the router answered another question")
        return reply

    def _hear(self, epoch: int) -> bool:
        return self._clock.hear(epoch, asyncio.get_running_loop().time())
