"""Opening sessions and further links over whatever path answers first (design section 8).

All ways are tried side by side: the address named with ``--at``, or each relay and each address the other side left,
sealed, with a relay. The first whose handshake is through carries the session; the others are dropped before they
cost the other side anything that lasts.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from gimmal.base.errors import (
    DeadlinePassed,
    GimmalError,
    PeerAbsent,
    PeerError,
    PeerSilent,
    RelayError,
    UsageError,
    VersionMismatch,
)
from gimmal.base.tasks import Tasks
from gimmal.noise.keys import RootKeys
from gimmal.protocol.candidates import Candidates, open_candidates
from gimmal.transport.answering import Handler
from gimmal.transport.budgets import Budgets
from gimmal.transport.buffers import BufferPool
from gimmal.transport.link import Link, PathKind
from gimmal.transport.opening import Identity, PreparedLink, prepare
from gimmal.transport.relay_ways import LegWays
from gimmal.transport.relayed import prepare_relayed
from gimmal.transport.session import Session, SessionLost
from gimmal.transport.tcp_connect import connect_tcp, reason_of

logger = logging.getLogger("gimmal.transport")

CONNECT_SECONDS = 5.0
"""For a TCP connection to one address."""

RELAY_SECONDS = 8.0
"""For a relay to give a link."""

DIRECT_HEAD_START = 0.5
"""Seconds that direct addresses are given before a further link is asked of a relay."""


class RelaySource(Protocol):
    """A relay that can be asked for links."""

    async def link(self, deadline: float) -> socket.socket:
        """A connected data leg; raises PeerAbsent or RelayError."""

    async def candidates(self) -> bytes:
        """The peer's sealed candidates, empty if none; raises RelayError."""

    @property
    def leg_ways(self) -> LegWays | None:
        """The ways of its legs, once a link was given."""


@dataclass(frozen=True)
class Ways:
    """All that may lead to the other side.

    Attributes:
        at: host and port to dial and nothing else, or None.
        relays: relays to ask.
        candidate_key: opens the peer's candidates.
        only: a path to insist on, or None.
    """

    at: tuple[str, int] | None
    relays: Sequence[RelaySource]
    candidate_key: bytes = field(repr=False)
    only: PathKind | None = None


class Dialler:
    """Opens sessions and links for one half.

    Args:
        identity: of this half and process.
        ways: where to look.
        pool: record buffers.
        budgets: see Session.
    """

    def __init__(self, identity: Identity, ways: Ways, pool: BufferPool, budgets: Budgets | None = None) -> None:
        self._budgets = budgets
        self._identity = identity
        self._ways = ways
        self._pool = pool

    async def open_session(self, handler: Handler | None, deadline: float) -> Session:
        """A new session over the first way that answers.

        Args:
            handler: answers the other side's requests in it.
            deadline: seconds for all ways.

        Raises:
            VersionMismatch, PeerAbsent, RelayError, PeerError: the most telling failure of all ways.
        """
        keys = self._identity.keys()
        prepared = await self._race(keys, deadline, relay_wait=0.0)
        session_keys = prepared.open_session()

        async def dial(bulk: bool) -> Link:
            return await self._dial_link(session, bulk)

        session = Session(
            session_keys,
            opener=True,
            peer=prepared.greeting,
            pool=self._pool,
            handler=handler,
            dial=dial,
            budgets=self._budgets,
        )
        session.attach(prepared.link)
        return session

    def let_dial(self, session: Session) -> None:
        """Let this side dial further links of a session that the other side opened."""

        async def dial(bulk: bool) -> Link:
            return await self._dial_link(session, bulk)

        session.dial = dial

    async def _dial_link(self, session: Session, bulk: bool) -> Link:
        try:
            prepared = await self._race(session.keys, RELAY_SECONDS, relay_wait=DIRECT_HEAD_START)
        except PeerSilent as exc:
            raise SessionLost("the other side was started anew", "run the command again") from exc
        return prepared.join(session.keys, session.next_link_number(), bulk=bulk)

    # Racing ----------------------------------------------------------------------------------------------------------

    async def _race(self, keys: RootKeys, deadline: float, relay_wait: float) -> PreparedLink:
        race = _Race(self._identity, self._ways, keys, self._pool, relay_wait)
        try:
            async with asyncio.timeout(deadline):
                return await race.run()
        except TimeoutError:
            raise race.failure() or DeadlinePassed(
                f"the other side did not answer within {deadline:g} s", "see that gimmal runs there"
            ) from None
        finally:
            await race.close()


class _Race:
    """All attempts for one link, side by side."""

    def __init__(self, identity: Identity, ways: Ways, keys: RootKeys, pool: BufferPool, relay_wait: float) -> None:
        self._identity = identity
        self._ways = ways
        self._keys = keys
        self._pool = pool
        self._relay_wait = relay_wait
        self._tasks = Tasks()
        self._left = 0
        self._failures: list[GimmalError] = []
        self._results: asyncio.Queue[PreparedLink | GimmalError | None] = asyncio.Queue()

    async def run(self) -> PreparedLink:
        """The first attempt that comes through; raises the most telling failure where none does."""
        ways = self._ways
        if ways.at is not None:
            self._begin(self._attempt(partial(self._connect, *ways.at), PathKind.DIRECT), "dial")
        elif not ways.relays:
            raise UsageError("this pair has no relay", "name the other side with --at HOST:PORT")
        else:
            for relay in ways.relays:
                if ways.only is not PathKind.DIRECT:
                    self._begin(self._attempt_relayed(relay), "dial by relay")
                if ways.only is not PathKind.RELAYED:
                    self._begin(self._look(relay), "look for addresses")
        while self._left:
            result = await self._results.get()
            self._left -= 1
            if isinstance(result, PreparedLink):
                return result
            if result is not None:
                self._failures.append(result)
        raise self.failure() or PeerAbsent(
            "the other side left no address to dial", "see that gimmal runs there, or leave out --path"
        )

    def failure(self) -> GimmalError | None:
        """The most telling of the failures so far."""
        strangers = [failure for failure in self._failures if isinstance(failure, _NotOurPeer)]
        if strangers and len(strangers) == len(self._failures):
            return strangers[0].told
        return min(self._failures, key=_tells, default=None)

    async def close(self) -> None:
        """End all other attempts."""
        await self._tasks.close(1.0)
        while not self._results.empty():
            late = self._results.get_nowait()
            if isinstance(late, PreparedLink):
                late.abandon()

    def _begin(self, attempt: Coroutine[None, None, None], name: str) -> None:
        self._left += 1
        self._tasks.start(attempt, name)

    async def _attempt(
        self, connect: Callable[[], Awaitable[socket.socket]], path: PathKind, *, sure: bool = True
    ) -> None:
        """One attempt; ``sure`` where it is the other side that answers, or nobody."""
        try:
            connection = await connect()
            prepared = await prepare(connection, self._identity, self._keys, path=path, pool=self._pool)
        except GimmalError as exc:
            logger.debug("%s attempt failed: %s", path.value, exc)
            if not sure and isinstance(exc, PeerSilent | PeerError) and not isinstance(exc, VersionMismatch):
                # Another computer may have that address by now, or in this network.
                exc = _NotOurPeer(exc)
            self._results.put_nowait(exc)
        else:
            self._results.put_nowait(prepared)

    async def _connect(self, host: str, port: int) -> socket.socket:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await connect_tcp(host, port)
        except TimeoutError:
            raise PeerAbsent(f"{host} port {port} does not answer", "see that gimmal runs there") from None
        except OSError as exc:
            reason = reason_of(exc)
            raise PeerAbsent(f"cannot connect to {host} port {port}: {reason}", "see that gimmal runs there") from exc

    async def _attempt_relayed(self, relay: RelaySource) -> None:
        async def shake(connection: socket.socket, deadline: float) -> PreparedLink:
            return await prepare(
                connection, self._identity, self._keys, path=PathKind.RELAYED, pool=self._pool, deadline=deadline
            )

        await asyncio.sleep(self._relay_wait)
        try:
            self._results.put_nowait(await prepare_relayed(relay, RELAY_SECONDS, shake))
        except GimmalError as exc:
            logger.debug("relayed attempt failed: %s", exc)
            self._results.put_nowait(exc)

    async def _look(self, relay: RelaySource) -> None:
        result: GimmalError | None = None
        try:
            sealed = await relay.candidates()
            if sealed:
                candidates = self._open(sealed)
                for host, port in candidates.addresses:
                    connect = partial(self._connect, host, port)
                    self._begin(self._attempt(connect, PathKind.DIRECT, sure=False), "dial")
        except GimmalError as exc:
            logger.debug("no addresses: %s", exc)
            # What the relay says about itself is told by the relayed attempt; here only a mismatch counts.
            result = exc if isinstance(exc, VersionMismatch) or self._ways.only is PathKind.DIRECT else None
        self._results.put_nowait(result)

    def _open(self, sealed: bytes) -> Candidates:
        peer_side = "b" if self._identity.side == "a" else "a"
        candidates = open_candidates(self._ways.candidate_key, self._identity.pair_id, peer_side, sealed)
        if candidates.version != self._identity.version:
            raise VersionMismatch(self._identity.version, candidates.version)
        return candidates


class _NotOurPeer(PeerAbsent):
    """What answered at an address the other side once left did not prove to be it."""

    def __init__(self, told: GimmalError) -> None:
        super().__init__("another computer answers at the other side's address", "see that gimmal runs there")
        self.told = told


_TELLING = (VersionMismatch, PeerSilent, PeerError, PeerAbsent, RelayError)


def _tells(failure: GimmalError) -> int:
    """How little a failure tells: 0 is the one to show."""
    return next((index for index, kind in enumerate(_TELLING) if isinstance(failure, kind)), len(_TELLING))
