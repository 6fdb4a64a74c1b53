"""Looking for the other side's agent in the networks of this computer (docs/spec/paths.md, section 3)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from functools import partial

from gimmal.base.primitives import equal
from gimmal.base.workers import Workers
from gimmal.protocol.lan_names import day_of, label, proof
from gimmal.protocol.lan_packets import (
    ADDRESSES_MAX,
    PACKET_MAX,
    Place,
    encode_question,
    host_name,
    read_answer,
    service_name,
)
from gimmal.transport.lan.interfaces import read_interfaces
from gimmal.transport.lan.networks import Interface, is_here, is_near, parse_address, unmapped
from gimmal.transport.lan.sockets import (
    VERSIONS,
    asking_socket,
    group_address,
    listening_socket,
    open_where_possible,
)

logger = logging.getLogger("gimmal.transport")

PAUSES = (0.2, 0.5, 0.8)
"""Seconds after each time of asking; with the last the search ends."""

REMEMBER_SECONDS = 60.0
"""How long an address that was found is tried again before anybody was asked."""

FRESH_SECONDS = 5.0
"""How long this computer's interfaces count as known."""

PACKETS_MAX = 512
"""Packets that one search looks at; what all of a network's computers say in that time is less."""

Found = Callable[[str, int], None]


class LanSearch:
    """What a process knows of the networks around it, and finds there.

    Args:
        key: from ``lan_names.lan_key``.
        side: of the half that is looked for.
        workers: for reading the interfaces.
        asks: whether anything may be said on the network.
        clock: seconds since 1970.
        read: this computer's interfaces; may block.
    """

    def __init__(
        self,
        key: bytes,
        side: str,
        workers: Workers,
        *,
        asks: bool,
        clock: Callable[[], float] = time.time,
        read: Callable[[], tuple[Interface, ...]] = read_interfaces,
    ) -> None:
        self._key = key
        self._side = side
        self._workers = workers
        self._clock = clock
        self._read = read
        self._interfaces: tuple[Interface, ...] = ()
        self._read_at: float | None = None
        self._found: dict[tuple[str, int], float] = {}
        self.asks = asks

    async def interfaces(self) -> tuple[Interface, ...]:
        """This computer's interfaces, as they were a few seconds ago at most."""
        now = asyncio.get_running_loop().time()
        if self._read_at is None or now - self._read_at > FRESH_SECONDS:
            self._interfaces = await self._workers.call(self._read)
            self._read_at = now
        return self._interfaces

    def forget(self) -> None:
        """The network changed: what was seen and found before says nothing any more."""
        self._read_at = None
        self._found.clear()

    async def is_near(self, host: str) -> bool:
        """Whether an address is that of another computer in one of this computer's networks."""
        address = parse_address(host)
        if address is None or address.is_loopback:
            return False
        return is_near(host, await self.interfaces())

    async def is_here(self, host: str) -> bool:
        """Whether an address is this computer's, or that of another one in one of its networks."""
        return is_here(host, await self.interfaces())

    def seems_near(self, host: str) -> bool:
        """The same by what is known already."""
        return is_near(host, self._interfaces)

    async def search(self, found: Found) -> None:
        """Ask for the other side; returns when the time for it is over, at once where nobody may be asked.

        Args:
            found: told each address and port that came with the pair's proof; link-local ones with their scope.
        """
        now = asyncio.get_running_loop().time()
        self._found = {place: at for place, at in self._found.items() if now - at < REMEMBER_SECONDS}
        remembered = list(self._found)
        for place in remembered:
            found(*place)
        if not self.asks:
            return
        search = _Search(self._key, self._side, day_of(self._clock()), partial(self._tell, found, remembered))
        try:
            interfaces = await self.interfaces()
            if not search.open(interfaces):
                logger.debug("no interface to ask for the other side on")
                return
            for number, pause in enumerate(PAUSES):
                if number == 1:
                    await search.listen(self._workers, interfaces)
                search.ask(unicast=number == 0)
                await asyncio.sleep(pause)
        finally:
            search.close()

    def _tell(self, found: Found, told: list[tuple[str, int]], place: tuple[str, int]) -> None:
        self._found[place] = asyncio.get_running_loop().time()
        if place not in told and len(told) < ADDRESSES_MAX:
            told.append(place)
            found(*place)


class _Search:
    """One question on all interfaces, and the answers to it."""

    def __init__(self, key: bytes, side: str, day: int, tell: Callable[[tuple[str, int]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._key = key
        self._side = side
        self._day = day
        self._tell = tell
        self._name = service_name(label(key, side, day))
        self._asking: list[tuple[socket.socket, Interface, int]] = []
        self._sockets: list[socket.socket] = []
        self._packets_left = PACKETS_MAX

    def open(self, interfaces: tuple[Interface, ...]) -> bool:
        """Open sockets where that is possible; False if it is nowhere."""
        for interface in interfaces:
            for version in VERSIONS:
                asking = open_where_possible(asking_socket, interface, version)
                if asking is None:
                    continue
                self._asking.append((asking, interface, version))
                self._listen(asking, interface)
        return bool(self._asking)

    async def listen(self, workers: Workers, interfaces: tuple[Interface, ...]) -> None:
        """Hear also what is answered to all: joining the group may take the system a while, and is seldom needed."""
        for interface in interfaces:
            for version in VERSIONS:
                listening = await workers.call(open_where_possible, listening_socket, interface, version)
                if listening is not None:
                    self._listen(listening, interface)

    def ask(self, *, unicast: bool) -> None:
        """Send the question; ``unicast`` while answers to all are not heard."""
        packet = encode_question(self._name, unicast=unicast)
        for sock, interface, version in self._asking:
            with contextlib.suppress(OSError):  # a network that went down meanwhile
                sock.sendto(packet, group_address(interface, version))

    def close(self) -> None:
        """Listen to nothing more."""
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()
        self._asking.clear()

    def _listen(self, sock: socket.socket, interface: Interface) -> None:
        self._sockets.append(sock)
        self._loop.add_reader(sock.fileno(), self._on_readable, sock, interface)

    def _on_readable(self, sock: socket.socket, interface: Interface) -> None:
        try:
            packet = sock.recv(PACKET_MAX + 1)
        except OSError:
            return
        self._packets_left -= 1
        if self._packets_left < 0:
            logger.debug("too much is said in this network: the search is given up")
            self.close()
            return
        for place in read_answer(packet, self._name):
            if self._is_proved(place):
                self._take(place, interface)

    def _is_proved(self, place: Place) -> bool:
        proved = host_name(proof(self._key, self._side, self._day, place.address, place.port))
        return len(place.host) == len(proved) and all(map(equal, place.host, proved))

    def _take(self, place: Place, interface: Interface) -> None:
        address = unmapped(place.address)
        if not place.port or address.is_unspecified or address.is_multicast:
            return
        scope = f"%{interface.index}" if address.version == 6 and address.is_link_local else ""
        self._tell((f"{address}{scope}", place.port))
