"""What routers of this network tell everybody: that they began anew, or have another address."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from gimmal.base.tasks import Tasks
from gimmal.transport.port_mapping import nat_pmp, pcp
from gimmal.transport.port_mapping.failures import NoMapping

ANNOUNCEMENT_PORT = 5350
"""RFC 6886, section 3.2.1; RFC 6887, section 14.1.3."""

_ALL_HOSTS = "224.0.0.1"
_PAUSE_SECONDS = 5.0
"""A router tells everything up to ten times, and another computer may forge it: more often nothing follows from it."""


class Announcements:
    """Listens until ``close``; where it cannot, nothing is heard, and mappings are looked after by the clock alone.

    Args:
        on_news: called with the sender's address, which nothing proves.
        pause: seconds in which nothing follows after that.
        group: address to listen at.
        port: to listen at.
    """

    def __init__(
        self,
        on_news: Callable[[str], None],
        pause: float = _PAUSE_SECONDS,
        group: str = _ALL_HOSTS,
        port: int = ANNOUNCEMENT_PORT,
    ) -> None:
        self._on_news = on_news
        self._pause = pause
        self._tasks = Tasks()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            # Other programs of this computer listen there too.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(AttributeError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._socket.bind((group, port))
        except OSError:
            return
        self._tasks.start(self._listen(), "announcements of routers")

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data, sender = await loop.sock_recvfrom(self._socket, pcp.PACKET_MAX + 1)
            if is_announcement(data):
                self._on_news(sender[0])
                await asyncio.sleep(self._pause)
                self._drop_waiting()
            else:
                await asyncio.sleep(0)

    def _drop_waiting(self) -> None:
        with contextlib.suppress(OSError):
            for _ in range(1024):
                self._socket.recv(1)

    async def close(self) -> None:
        """Hear nothing more."""
        await self._tasks.close(1.0)
        self._socket.close()


def is_announcement(data: bytes) -> bool:
    """Whether bytes are what a router sends unasked, by NAT-PMP or PCP."""
    for read in (nat_pmp.read_address_reply, pcp.read_announce_reply):
        with contextlib.suppress(NoMapping):
            read(data)
            return True
    return False
