"""Being found in a local network: an agent answers who knows its name of the day (docs/spec/paths.md, section 3)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

from gimmal.base.workers import Workers
from gimmal.protocol.lan_names import day_of, days_to_answer, label, proof
from gimmal.protocol.lan_packets import (
    PACKET_MAX,
    Name,
    Place,
    Question,
    encode_answer,
    host_name,
    read_question,
    service_name,
)
from gimmal.transport.lan.networks import Interface, answering_address, mapped_bytes, parse_address
from gimmal.transport.lan.sockets import VERSIONS, group_address, listening_socket, open_where_possible

logger = logging.getLogger("gimmal.transport")

REFRESH_SECONDS = 10.0
"""How soon an interface that came is noticed."""

PACKETS_A_SECOND = 200
ANSWERS_A_SECOND = 20
BATCH = 32
"""Packets taken before other callbacks get their turn."""


class LanAnswerer:
    """Answers for one half while ``run`` runs; nothing is said before the first question.

    Args:
        key: from ``lan_names.lan_key``.
        side: of this half.
        listens: what its listener is bound to; empty for all addresses.
        port: of the listener.
        interfaces: gives this computer's interfaces.
        workers: for opening sockets: the system may be busy with its interfaces.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        key: bytes,
        side: str,
        listens: str,
        port: int,
        interfaces: Callable[[], Awaitable[tuple[Interface, ...]]],
        workers: Workers,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._side = side
        self._listens = listens
        self._port = port
        self._interfaces = interfaces
        self._workers = workers
        self._clock = clock
        self._stations: dict[tuple[Interface, int], _Station] = {}
        self._names: dict[Name, int] = {}
        self._day = -1
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """The network changed: look at the interfaces now."""
        self._changed.set()

    async def run(self) -> None:
        """Answer until cancelled; interfaces that come and go are followed."""
        try:
            while True:
                await self._follow(await self._interfaces())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(REFRESH_SECONDS):
                        await self._changed.wait()
                self._changed.clear()
        finally:
            for station in self._stations.values():
                station.close()
            self._stations.clear()

    async def _follow(self, interfaces: tuple[Interface, ...]) -> None:
        wanted = [(interface, version) for interface in interfaces for version in VERSIONS]
        for gone in [key for key, station in self._stations.items() if key not in wanted or station.broken]:
            self._stations.pop(gone).close()
        for interface, version in wanted:
            if (interface, version) in self._stations:
                continue
            sock = await self._workers.call(open_where_possible, listening_socket, interface, version)
            if sock is not None:
                self._stations[interface, version] = _Station(sock, interface, version, self._answer)

    def _answer(self, question: Question, interface: Interface, source: str) -> bytes | None:
        """The answer to a question from ``source`` on an interface, None where it is not for us."""
        day = next((found for name in question.names if (found := self._day_of(name)) is not None), None)
        asker = parse_address(source)
        if day is None or asker is None:
            return None
        address = answering_address(interface, asker, self._listens)
        if address is None:
            return None
        packed = mapped_bytes(address)
        host = host_name(proof(self._key, self._side, day, packed, self._port))
        name = service_name(label(self._key, self._side, day))
        return encode_answer(question.id, name, Place(host, packed, self._port))

    def _day_of(self, name: Name) -> int | None:
        today = day_of(self._clock())
        if today != self._day:
            self._day = today
            self._names = {service_name(label(self._key, self._side, day)): day for day in days_to_answer(today)}
        return self._names.get(name)


class _Station:
    """One interface and IP version that is listened on, within limits."""

    def __init__(
        self,
        sock: socket.socket,
        interface: Interface,
        version: int,
        answer: Callable[[Question, Interface, str], bytes | None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._interface = interface
        self._group = group_address(interface, version)
        self._answer = answer
        self._packets = _Second(PACKETS_A_SECOND)
        self._answers = _Second(ANSWERS_A_SECOND)
        self._to_group = _Second(1)
        self._rest: asyncio.TimerHandle | None = None
        self.broken = False
        """Whether its interface is gone; to be closed."""
        self._loop.add_reader(sock.fileno(), self._on_readable)

    def close(self) -> None:
        """Answer nothing more."""
        if self._rest is not None:
            self._rest.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _on_readable(self) -> None:
        for _ in range(BATCH):
            if not self._packets.take(self._loop.time()):
                # What a flood sends meanwhile stays with the system, which drops it.
                self._loop.remove_reader(self._socket.fileno())
                self._rest = self._loop.call_later(1.0, self._listen_again)
                return
            try:
                packet, source = self._socket.recvfrom(PACKET_MAX + 1)
            except BlockingIOError:
                return
            except OSError as exc:
                logger.debug("nothing more is heard on %s: %s", self._interface.name, exc)
                self._loop.remove_reader(self._socket.fileno())
                self.broken = True
                return
            self._on_packet(packet, source)

    def _listen_again(self) -> None:
        self._rest = None
        self._loop.add_reader(self._socket.fileno(), self._on_readable)

    def _on_packet(self, packet: bytes, source: tuple[Any, ...]) -> None:
        question = read_question(packet)
        if question is None:
            return
        answer = self._answer(question, self._interface, source[0])
        now = self._loop.time()
        if answer is None or not self._answers.take(now):
            return
        with contextlib.suppress(OSError):
            self._socket.sendto(answer, source)
        if not question.unicast and self._to_group.take(now):
            # For an asker whose firewall lets only the group's packets in.
            with contextlib.suppress(OSError):
                self._socket.sendto(answer, self._group)


class _Second:
    """How often something may still be done in this second."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._since = float("-inf")
        self._count = 0

    def take(self, now: float) -> bool:
        """Whether it may be done once more."""
        if now - self._since >= 1.0:
            self._since, self._count = now, 0
        self._count += 1
        return self._count <= self._most
