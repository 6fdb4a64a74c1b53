"""A router of the tests' own on 127.0.0.1: PCP and NAT-PMP as the RFCs write them, without any code of gimmal."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from gimmal.transport.port_mapping.routers import Router
from tests.patience import PATIENCE

HERE, HERE_BY_IPV6 = IPv4Address("127.0.0.1"), IPv6Address("::1")
OUTSIDE = "11.22.33.44"


def _packed(text: str) -> bytes:
    """16 bytes of an address, as PCP writes it."""
    address = ip_address(text)
    return address.packed if isinstance(address, IPv6Address) else bytes(10) + b"\xff\xff" + address.packed


@dataclass
class StandIn(asyncio.DatagramProtocol):
    """What it does can be changed at any time.

    Attributes:
        speaks: protocols it answers to.
        outside: its address outside.
        offset: added to the port wished for.
        lifetime: that it grants at most.
        refuses: result with which it refuses to map.
        losses: packets that it does not see.
        epoch: seconds it claims to run.
        table: internal port to external port and nonce (empty by NAT-PMP).
        asked: every request seen, as (protocol, opcode, lifetime or 0).
    """

    speaks: set[str] = field(default_factory=lambda: {"pcp", "nat-pmp"})
    outside: str = OUTSIDE
    offset: int = 0
    lifetime: int = 7200
    refuses: int = 0
    losses: int = 0
    epoch: int = 1000
    echo_nonce: bool = True
    table: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._news = asyncio.Condition()
        self._transport: Any = None
        self._notifying: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, sender: tuple[Any, ...]) -> None:
        if self.losses:
            self.losses -= 1
            return
        answer = self._pcp(data, sender) if data[:1] == b"\x02" else self._nat_pmp(data)
        if answer and self._transport is not None:
            self._transport.sendto(answer, sender)
        task = asyncio.get_running_loop().create_task(self._notify())
        self._notifying.add(task)
        task.add_done_callback(self._notifying.discard)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until it holds, looked at after each packet."""
        async with self._news, asyncio.timeout(PATIENCE):
            await self._news.wait_for(condition)

    def _nat_pmp(self, data: bytes) -> bytes:
        if "nat-pmp" not in self.speaks:
            return b""
        operation = data[1]
        if operation == 0:
            self.asked.append(("nat-pmp", 0, 0))
            return struct.pack(">BBHI4s", 0, 128, 0, self.epoch, IPv4Address(self.outside).packed)
        _version, _operation, _reserved, internal, wished, lifetime = struct.unpack(">BBHHHI", data)
        self.asked.append(("nat-pmp", operation, lifetime))
        if self.refuses:
            return struct.pack(">BBHI", 0, 128 | operation, self.refuses, self.epoch)
        external = self._map(internal, wished, lifetime, b"")
        granted = min(lifetime, self.lifetime)
        return struct.pack(">BBHIHHI", 0, 128 | operation, 0, self.epoch, internal, external, granted)

    def _pcp(self, data: bytes, sender: tuple[Any, ...]) -> bytes:
        if "pcp" not in self.speaks:
            # A NAT-PMP router answers in its own version (RFC 6886, section 3.5).
            return struct.pack(">BBHI", 0, 128, 1, self.epoch) if "nat-pmp" in self.speaks else b""
        _version, opcode, _reserved, lifetime = struct.unpack_from(">BBHI", data)
        self.asked.append(("pcp", opcode, lifetime))
        assert data[8:24] == _packed(str(sender[0]))
        head = struct.Struct(">BBBBII12x")
        if opcode == 0:
            assert len(data) == 24
            return head.pack(2, 128, 0, 0, 0, self.epoch)
        assert len(data) == 60
        nonce, protocol, internal, wished, _address = struct.unpack_from(">12sB3xHH16s", data, 24)
        assert protocol == 6
        before = self.table.get(internal)
        result = self.refuses or (2 if before is not None and before[1] != nonce else 0)
        external = 0 if result else self._map(internal, wished, lifetime, nonce)
        body = struct.pack(
            ">12sB3xHH16s",
            nonce if self.echo_nonce else bytes(12),
            protocol,
            internal,
            external,
            _packed(self.outside),
        )
        return head.pack(2, 129, 0, result, min(lifetime, self.lifetime), self.epoch) + body

    def _map(self, internal: int, wished: int, lifetime: int, nonce: bytes) -> int:
        if not lifetime:
            self.table.pop(internal, None)
            return 0
        before = self.table.get(internal)
        external = before[0] if before else wished + self.offset
        self.table[internal] = external, nonce
        return external


@asynccontextmanager
async def stand_in(host: IPv4Address | IPv6Address = HERE, **settings: object) -> AsyncIterator[StandIn]:
    """One that listens."""
    loop = asyncio.get_running_loop()
    transport, router = await loop.create_datagram_endpoint(
        lambda: StandIn(**settings),  # type: ignore[arg-type]
        local_addr=(str(host), 0),
    )
    try:
        yield router
    finally:
        transport.close()


ROUTER, ROUTER_OF_IPV6 = Router(HERE, "lo"), Router(HERE_BY_IPV6, "lo")
