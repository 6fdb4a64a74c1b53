"""Keeps a half connected to one relay for as long as the agent runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass

from gimmal.base.errors import GimmalError, RelayError
from gimmal.base.tasks import Tasks
from gimmal.protocol.relay.messages import Code, Role
from gimmal.protocol.relay.proof import RelayIdentity
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.frames import again
from gimmal.transport.punching.places import View
from gimmal.transport.relay_client import OfferTaken, RelayClient, RelayRefusedError
from gimmal.transport.relay_ways import LegWay, LegWays, RelayWays
from gimmal.transport.second_look import SecondLook

_log = logging.getLogger("gimmal.transport")

_CONNECT_SECONDS = 10.0
_FIRST_WAIT = 0.25
_LAST_WAIT = 30.0

_SOON_SECONDS, _SOON_WAIT = 300.0, 2.0
"""A relay that has been away for no longer is tried so often: as long as that, the other side keeps sessions for it."""

_HOPELESS_WAIT = 60.0
_LASTED_SECONDS = 10.0

_AWAY_SECONDS = 3.0
"""How long whoever asks waits for a relay that is away."""

_GONE_SECONDS = 5.0
"""A relay that has been away for longer is tried once; before that it may just be started anew."""

_TRIED_SECONDS = 1.0
"""How long that try stands for the next one, however often somebody asks."""


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How it stands with one relay.

    Args:
        url: of the relay.
        connected: proved and welcome.
        failure: why not, if not; None before the first try.
        peer_present: the peer's answerer is connected there.
        last_seen: second since 1970 of the peer's answerer; 0 if unknown.
        way: what links over it travel in; None where it is not connected, or none was there yet.
        by_web: the connection is a WebSocket.
        proxy: displayable address of the proxy that it goes through; empty without one.
    """

    url: RelayUrl
    connected: bool
    failure: GimmalError | None
    peer_present: bool
    last_seen: int
    way: LegWay | None = None
    by_web: bool = False
    proxy: str = ""


class RelayKeeper:
    """Connects, and connects again with jittered back-off (0.25 s to 2 s, after 5 minutes to 30 s), until ``close``.

    Args:
        url: of the relay.
        identity: this half.
        instance: 16 random bytes of this program run.
        program: version of this program.
        candidates: sealed, may be empty.
        on_link: takes the data legs that the peer asked for; see ``RelayClient``.
        on_status: told of every change.
    """

    def __init__(
        self,
        url: RelayUrl,
        identity: RelayIdentity,
        instance: bytes,
        program: str,
        candidates: bytes,
        on_link: OfferTaken,
        on_status: Callable[[RelayStatus], None] | None = None,
    ) -> None:
        self.url = url
        self._identity = identity
        self._instance = instance
        self._program = program
        self._candidates = candidates
        self._on_link = on_link
        self._on_status = on_status
        self._ways = RelayWays()
        self._tasks = Tasks()
        self._client: RelayClient | None = None
        self._failure: GimmalError | None = None
        self._connected = asyncio.Event()
        self._asked = asyncio.Event()
        """Somebody needs the relay now."""
        self._tried = asyncio.Event()
        """Set when a try has ended, well or not; cleared by whoever waits for the next."""
        self._view: View | None = None
        """As it was on the connection of last; a relay that restarts is no reason to forget it."""
        self.second = SecondLook(url, identity, instance, program)
        """See dial.RelaySource."""
        self._failed_at = self._away_since = 0.0
        self._afresh = False
        """The network changed: what was waited for so far says nothing any more."""

    def start(self) -> None:
        """Begin; returns at once."""
        self._tasks.start(self._keep(), f"relay {self.url.address}")

    @property
    def status(self) -> RelayStatus:
        """How it stands now."""
        client = self._client
        connected = self._connected.is_set()
        return RelayStatus(
            self.url,
            connected,
            None if connected else self._failure,
            client.peer_present if client else False,
            client.last_seen if client else 0,
            ways.known(asyncio.get_running_loop().time()) if connected and (ways := self.leg_ways) else None,
            connected and client is not None and client.by_web,
            client.proxy if connected and client is not None else "",
        )

    @property
    def peer_candidates(self) -> bytes:
        """What the peer's answerer left there, sealed; empty if none."""
        return self._client.peer_candidates if self._client else b""

    @property
    def answering(self) -> bool:
        """Whether a link that the peer asked for there is being taken."""
        return self._client is not None and self._client.answering

    @property
    def leg_ways(self) -> LegWays | None:
        """See dial.RelaySource."""
        return self._client.leg_ways if self._client else None

    @property
    def view(self) -> View | None:
        """See dial.RelaySource."""
        # A connection that outlives a change of the network shows what holds: its two ends are what they were.
        return self._client.view if self._client is not None and self._connected.is_set() else self._view

    def set_candidates(self, sealed: bytes) -> None:
        """Leave other sealed candidates, now and at each reconnection."""
        self._candidates = sealed
        if self._client is not None:
            self._client.set_candidates(sealed)

    def check(self) -> None:
        """See at once whether the relay still answers, where it was there so far."""
        if self._client is not None:
            self._client.check()

    def changed(self) -> None:
        """The network changed: see whether the relay still answers; try again at once where it was away."""
        self.check()
        self._afresh, self._view = True, None
        self.second.forget()
        self._asked.set()
        if self._client is not None:
            self._client.give_up()

    async def wait_connected(self, deadline: float) -> None:
        """Wait for the relay; one that was away is tried again at once, and no more than moments are left to it.

        Args:
            deadline: seconds from now.

        Raises:
            RelayError: it was not there in time; the last reason.
        """
        wanted = self._connected
        if not self._connected.is_set() and self._failure is not None:
            now = asyncio.get_running_loop().time()
            if self._is_hopeless():
                raise again(self._failure)
            deadline = min(deadline, _AWAY_SECONDS)
            if now - self._away_since > _GONE_SECONDS:
                if now - self._failed_at < _TRIED_SECONDS:
                    raise again(self._failure)
                self._tried.clear()
                wanted = self._tried
            self._asked.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                await wanted.wait()
        if not self._connected.is_set():
            raise (
                again(self._failure)
                if self._failure is not None
                else RelayError(f"the relay {self.url.address} did not answer in time", "check the network")
            )

    def _is_hopeless(self) -> bool:
        return isinstance(self._failure, RelayError) and self._failure.hopeless

    async def request_link(self, deadline: float) -> socket.socket:
        """As ``RelayClient.request_link``; waits for the relay within the same deadline.

        While the relay is connected to for the first time the request goes with that connection, directly behind the
        proof: it costs no round trip.
        """
        if self._client is not None and self._failure is None and not self._connected.is_set():
            return await self._client.request_link(deadline)
        until = asyncio.get_running_loop().time() + deadline
        await self.wait_connected(deadline)
        assert self._client is not None
        return await self._client.request_link(until - asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Say Goodbye and end."""
        await self.second.close()
        await self._tasks.close()
        if self._client is not None:
            await self._client.close()
        self._connected.clear()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        wait = _FIRST_WAIT
        self._away_since = loop.time()
        while True:
            client = RelayClient(
                self.url,
                self._identity,
                Role.ANSWERS,
                self._instance,
                self._program,
                self._candidates,
                self._on_link,
                self._report,
                self._ways,
            )
            self._client = client
            since = loop.time()
            try:
                await client.connect(_CONNECT_SECONDS)
                self._view = client.view
                self._connected.set()
                self._tried.set()
                self._report()
                self._failure = await asyncio.shield(client.closed)
                self._away_since = loop.time()
            except RelayError as exc:
                self._failure = exc
            finally:
                self._connected.clear()
            self._failed_at = loop.time()
            self._tried.set()
            await client.close()
            if not self._afresh:
                self._report()
            if loop.time() - since > _LASTED_SECONDS:
                wait = _FIRST_WAIT
            _log.debug("relay %s: %s", self.url.address, self._failure)
            # Half fixed, half drawn: after a relay's restart its halves come back spread out.
            pause = _HOPELESS_WAIT if self._is_hopeless() else wait
            if self._afresh:
                self._afresh, pause = False, min(pause, _FIRST_WAIT)
                wait = _FIRST_WAIT
            self._asked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause * (0.5 + random.random())):
                    await self._asked.wait()
            wait = min(self._longest_wait(loop.time()), wait * 2)

    def _longest_wait(self, now: float) -> float:
        said_no = isinstance(self._failure, RelayRefusedError) and self._failure.code != Code.STOPPING
        return _LAST_WAIT if said_no or now - self._away_since >= _SOON_SECONDS else _SOON_WAIT

    def _report(self) -> None:
        if self._on_status is not None:
            self._on_status(self.status)
