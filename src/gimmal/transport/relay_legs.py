"""Data legs to a relay: raw, inside TLS, or inside WebSocket (docs/spec/relay.md, sections 7 and 12.3)."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from enum import Enum, auto

from gimmal.base.carrier import Carrier, socket_pair
from gimmal.base.errors import RelayError
from gimmal.protocol.relay.messages import DATA_LEG, LEG_PATH
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.proxy import Proxy
from gimmal.transport.relay_streams import Dialled, dial_tls, dial_web
from gimmal.transport.relay_ways import LegWay, LegWays
from gimmal.transport.tcp_connect import connect_tcp

FIRST_BYTE_SECONDS = 2.0
"""What an answerer waits for the asker's first byte before it doubts the way."""

_WHOLE_DEADLINE = 3600.0
"""Longer than any caller has patience."""


@dataclass(frozen=True, slots=True)
class LegDialler:
    """Opens legs of one control connection.

    Attributes:
        url: of the relay.
        address: that the control is connected to: behind one name there may be several relays.
        proxy: that the control goes through, or None.
        ways: to take, and told how they fare.
    """

    url: RelayUrl
    address: tuple[str, int]
    proxy: Proxy | None
    ways: LegWays

    async def open(self, ticket: bytes) -> socket.socket:
        """A leg by the current way, or by the next one that can be connected; the caller holds the deadline.

        Args:
            ticket: of the leg.

        Returns:
            A connected, non-blocking socket behind its ticket.

        Raises:
            OSError: the relay takes no connection.
            RelayError: it takes none of this kind.
        """
        wanted = self.ways.current(_now())
        leg, way = await self._first_open(ticket, wanted)
        # Where none can be connected the relay has gone, which says nothing of the ways.
        while way is not wanted and self.ways.current(_now()) is not way:
            self.ways.failed(self.ways.current(_now()), _now())
        return leg

    async def answer(self, ticket: bytes) -> socket.socket | None:
        """A leg for a link that was offered, once the asker's first byte is there; the caller holds the deadline.

        Only where the way is doubtful is the first byte waited for.

        Returns:
            As ``open``; None where the asker has gone.

        Raises:
            OSError, RelayError: as ``open``.
        """
        leg = await self.open(ticket)
        way = self.ways.current(_now())
        if not self.ways.is_doubtful(way):
            if way is not LegWay.RAW:
                self.ways.worked(way, _now())  # the relay itself has answered in it
            return leg
        try:
            sign = await first_sign(leg, FIRST_BYTE_SECONDS)
            if sign is Sign.BYTES:
                self.ways.worked(way, _now())
                return leg
            return await self._doubt(ticket, leg, sign)
        except BaseException:
            leg.close()
            raise

    async def _doubt(self, ticket: bytes, leg: socket.socket, sign: Sign) -> socket.socket | None:
        """Find out by a second leg with the same ticket whether the relay has the first, raw one."""
        if sign is Sign.RESET:
            self.ways.failed(LegWay.RAW, _now())
        try:
            other, way = await self._first_open(ticket, LegWay.TLS)
        except (OSError, RelayError):
            return await self._patient(leg, LegWay.RAW)
        try:
            told = await first_sign(other, FIRST_BYTE_SECONDS)
            if told in (Sign.ENDED, Sign.RESET):
                # The ticket was used: the relay has the first leg, and the asker is late or gone.
                other.close()
                return await self._patient(leg, LegWay.RAW)
            leg.close()
            self.ways.failed(LegWay.RAW, _now())
            return await self._patient(other, way)
        except BaseException:
            other.close()
            raise

    async def _first_open(self, ticket: bytes, begin: LegWay) -> tuple[socket.socket, LegWay]:
        """A leg by a way, or by the next one that can be connected; raises the first failure."""
        way: LegWay | None = begin
        told: OSError | RelayError | None = None
        while way is not None:
            try:
                return await self._open(ticket, way), way
            except (OSError, RelayError) as exc:
                told = told or exc
                no_other = isinstance(exc, RelayError) and exc.hopeless
                way = None if no_other else self.ways.next_after(way)
        assert told is not None
        raise told

    async def _patient(self, leg: socket.socket, way: LegWay) -> socket.socket | None:
        """The leg once its first byte is there; None where it ends before."""
        if await first_sign(leg, _WHOLE_DEADLINE) is Sign.BYTES:
            self.ways.worked(way, _now())
            return leg
        leg.close()
        return None

    async def _open(self, ticket: bytes, way: LegWay) -> socket.socket:
        hello = bytes((DATA_LEG,)) + ticket
        if way is LegWay.RAW:
            sock = await connect_tcp(*self.address)
            try:
                await asyncio.get_running_loop().sock_sendall(sock, hello)
            except BaseException:
                sock.close()
                raise
            return sock
        if way is LegWay.TLS:
            dialled = await dial_tls(self.url, self.address, speaks_first=True)
        else:
            dialled = await dial_web(self.url, LEG_PATH, self.proxy, self.address)
        return await _carried(dialled, hello)


class Sign(Enum):
    """What a socket shows first."""

    BYTES = auto()
    ENDED = auto()
    RESET = auto()
    NOTHING = auto()
    """No sign in time."""


async def first_sign(sock: socket.socket, seconds: float) -> Sign:
    """Wait for the first byte of a socket, which stays unread."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _settle, readable)
    try:
        async with asyncio.timeout(seconds):
            await readable
    except TimeoutError:
        return Sign.NOTHING
    finally:
        loop.remove_reader(sock)
    try:
        return Sign.BYTES if sock.recv(1, socket.MSG_PEEK) else Sign.ENDED
    except (BlockingIOError, InterruptedError):
        return Sign.NOTHING
    except OSError:
        return Sign.RESET


async def _carried(dialled: Dialled, hello: bytes) -> socket.socket:
    stream = dialled.stream
    assert stream is not None
    try:
        await dialled.ready
        near, far = socket_pair()
    except BaseException:
        dialled.abort()
        raise
    stream.write(hello)
    Carrier(stream, near).start(dialled.received)
    return far


def _settle(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
