"""A port mapped by NAT-PMP."""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import IPv4Address

from gimmal.transport.port_mapping import nat_pmp
from gimmal.transport.port_mapping.asking import SERVER_PORT, RouterSocket
from gimmal.transport.port_mapping.external import Address, require_of_the_internet
from gimmal.transport.port_mapping.failures import MalformedReply, NoMapping
from gimmal.transport.port_mapping.retries import NAT_PMP
from gimmal.transport.port_mapping.router_clock import RouterClock, lost_by_nat_pmp
from gimmal.transport.port_mapping.routers import Router
from gimmal.transport.port_mapping.ways import LIFETIME, By, Mapping, lifetime_of


class NatPmpWay:
    """See ``Way``.

    Args:
        router: to ask.
        own: this computer's address towards it.
        port: to be reached from outside.
        server_port: where the router answers.
    """

    by = By.NAT_PMP

    def __init__(self, router: Router, own: Address, port: int, server_port: int = SERVER_PORT) -> None:
        self._place = router, own, server_port
        self._port = port
        self._socket: RouterSocket | None = None
        self._clock = RouterClock(lost_by_nat_pmp)
        self._mapping: Mapping | None = None

    async def find(self, deadline: float) -> None:
        """See ``Way``."""
        self._socket = self._socket or RouterSocket(*self._place)
        await self._address(deadline)

    async def map(self, deadline: float) -> Mapping:
        """See ``Way``."""
        assert self._socket is not None
        address = await self._address(deadline)
        before = self._mapping
        request = nat_pmp.map_request(self._port, before.port if before else self._port, LIFETIME)
        reply = await self._socket.ask(request, self._read, NAT_PMP, deadline)
        self._hear(reply.epoch)
        if not reply.external:
            raise NoMapping("the router gave no port")
        self._mapping = Mapping(str(address), reply.external, lifetime_of(reply.lifetime), self.by)
        return self._mapping

    async def stands(self, deadline: float) -> bool:
        """See ``Way``."""
        assert self._socket is not None
        try:
            reply = await self._socket.ask(nat_pmp.address_request(), nat_pmp.read_address_reply, NAT_PMP, deadline)
        except NoMapping:
            return False
        lost = self._hear(reply.epoch)
        return not lost and self._mapping is not None and str(reply.address) == self._mapping.address

    async def close(self, deadline: float) -> None:
        """See ``Way``."""
        if self._socket is None:
            return
        if self._mapping is not None:
            self._mapping = None
            with contextlib.suppress(NoMapping):
                await self._socket.ask(nat_pmp.map_request(self._port, 0, 0), self._read, NAT_PMP, deadline)
        self._socket.close()
        self._socket = None

    async def _address(self, deadline: float) -> IPv4Address:
        assert self._socket is not None
        reply = await self._socket.ask(nat_pmp.address_request(), nat_pmp.read_address_reply, NAT_PMP, deadline)
        self._hear(reply.epoch)
        require_of_the_internet(reply.address)
        return reply.address

    def _read(self, data: bytes) -> nat_pmp.MapReply:
        reply = nat_pmp.read_map_reply(data)
        if reply.internal != self._port:
            raise MalformedReply("the router answered for another port")
        return reply

    def _hear(self, epoch: int) -> bool:
        return self._clock.hear(epoch, asyncio.get_running_loop().time())
