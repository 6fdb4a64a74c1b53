"""Keeps ports of this network's routers mapped to one port of this computer, whichever routers those are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address

from gimmal.base.primitives import sha256
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.transport.port_mapping.announcements import Announcements
from gimmal.transport.port_mapping.asking import SERVER_PORT
from gimmal.transport.port_mapping.external import Address, is_of_the_internet
from gimmal.transport.port_mapping.keeper import ASKING, MappingKeeper, Timings
from gimmal.transport.port_mapping.nat_pmp_way import NatPmpWay
from gimmal.transport.port_mapping.pcp import NONCE_SIZE
from gimmal.transport.port_mapping.pcp_way import PcpWay
from gimmal.transport.port_mapping.routers import Router, own_address_towards, read_routers
from gimmal.transport.port_mapping.upnp import UpnpWay
from gimmal.transport.port_mapping.ways import Mapping, Way

ROUTERS_SECONDS = 15.0
"""Between two looks at which routers this computer has."""

NO_ROUTER = "this computer has no router"
OWN_ADDRESS = "this computer has an address of the internet itself"
OTHER_ADDRESS = "the router leads to another address than the one that is listened on"


@dataclass(frozen=True, slots=True)
class Place:
    """One router, and this computer's address towards it; both None where the system does not tell."""

    router: Router | None
    own: Address | None


class PortMapper:
    """Asks the routers of IPv4 and IPv6, each by all ways it may know, from ``start`` to ``close``.

    Args:
        port: TCP port of this computer.
        host: the address that is listened on, empty for all.
        nonce_key: secret that the nonces of PCP are made of.
        workers: reads the system's tables.
        on_change: called when ``mappings`` or ``reason`` may have changed.
        timings: of each router.
        read: the routers there are; see ``read_routers``.
        server_port: where they answer to PCP and NAT-PMP.
    """

    def __init__(
        self,
        port: int,
        host: str,
        nonce_key: bytes,
        workers: Workers,
        on_change: Callable[[], None],
        timings: Timings | None = None,
        read: Callable[[], tuple[Router, ...] | None] = read_routers,
        server_port: int = SERVER_PORT,
    ) -> None:
        self._port = port
        self._host = host
        self._nonce_key = nonce_key
        self._workers = workers
        self._on_change = on_change
        self._timings = timings or Timings()
        self._read = read
        self._server_port = server_port
        self._tasks = Tasks()
        self._keepers: dict[Place, MappingKeeper] = {}
        self._announcements: Announcements | None = None
        self._changed = asyncio.Event()
        self._reason = ASKING

    def start(self) -> None:
        """Begin; returns at once."""
        self._announcements = Announcements(self._on_announcement)
        self._tasks.start(self._watch(), "routers")

    @property
    def mappings(self) -> list[Mapping]:
        """What is mapped now, at most one for IPv4 and one for IPv6."""
        return [keeper.mapping for keeper in self._keepers.values() if keeper.mapping is not None]

    @property
    def reason(self) -> str:
        """Why nothing is mapped; empty where something is."""
        if self.mappings:
            return ""
        return next((keeper.reason for keeper in self._keepers.values()), self._reason)

    def network_changed(self) -> None:
        """Look again at once, and ask each router anew whether its mapping stands: for whoever hears of a change."""
        self._changed.set()
        for keeper in self._keepers.values():
            keeper.nudge()

    async def close(self, deadline: float = 0.4) -> None:
        """End the mappings; what takes longer than ``deadline`` seconds runs out by itself."""
        await self._tasks.close(deadline)
        closing = [keeper.close(deadline) for keeper in self._keepers.values()]
        if self._announcements is not None:
            closing.append(self._announcements.close())
        await asyncio.gather(*closing)
        self._keepers.clear()

    async def _watch(self) -> None:
        while True:
            self._changed.clear()
            await self._arrange(await self._workers.call(self._read))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUTERS_SECONDS):
                    await self._changed.wait()

    async def _arrange(self, routers: tuple[Router, ...] | None) -> None:
        """Keep a mapping at each of these routers and at no other."""
        places = self._places(routers)
        gone = [keeper for place, keeper in self._keepers.items() if place not in places]
        self._keepers = {place: keeper for place, keeper in self._keepers.items() if place in places}
        for place in places:
            if place not in self._keepers:
                keeper = MappingKeeper(partial(self._ways, place), self._on_change, self._timings)
                self._keepers[place] = keeper
                keeper.start()
        if gone:
            self._on_change()
            await asyncio.gather(*(keeper.close(self._timings.release) for keeper in gone))

    def _places(self, routers: tuple[Router, ...] | None) -> list[Place]:
        if routers is None:
            return [Place(None, None)]
        self._reason = NO_ROUTER
        places = []
        for router in routers:
            own = own_address_towards(router)
            if own is None:
                continue
            if self._host and self._host != str(own):
                self._reason = OTHER_ADDRESS
            elif own.version == 4 and is_of_the_internet(own):
                self._reason = OWN_ADDRESS
            elif own.version == 4 or is_of_the_internet(own):
                places.append(Place(router, own))
        return places

    def _ways(self, place: Place) -> Sequence[Way]:
        router, own = place.router, place.own
        if router is None or own is None:
            return [UpnpWay(None, IPv4Address(self._host) if self._host else None, self._port)]
        nonce = sha256(self._nonce_key, str(own).encode(), self._port.to_bytes(2, "big"))[:NONCE_SIZE]
        found: list[Way] = [PcpWay(router, own, self._port, nonce, self._server_port)]
        if isinstance(own, IPv4Address) and isinstance(router.address, IPv4Address):
            found.append(NatPmpWay(router, own, self._port, self._server_port))
            found.append(UpnpWay(router.address, own, self._port))
        return found

    def _on_announcement(self, sender: str) -> None:
        for place, keeper in self._keepers.items():
            if place.router is not None and str(place.router.address) == sender:
                keeper.nudge()
