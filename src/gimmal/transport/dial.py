"""Opening sessions and further links over whatever path answers first (design section 8).

All ways are tried side by side: the address named with ``--at``, or the local network, each relay, and each address
the other side left, sealed, with a relay. The first whose handshake is through carries the session; the others are
dropped before they cost the other side anything that lasts.
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
from gimmal.transport.path_policy import rank
from gimmal.transport.punching.asking import BusyError, Puncher, punching_seconds
from gimmal.transport.punching.beside import first_of
from gimmal.transport.punching.looking import looking_of
from gimmal.transport.punching.places import View
from gimmal.transport.relay_ways import LegWays
from gimmal.transport.relayed import prepare_relayed
from gimmal.transport.second_look import SecondLook
from gimmal.transport.session import Session, SessionLost
from gimmal.transport.tcp_connect import connect_tcp, reason_of

logger = logging.getLogger("gimmal.transport")

CONNECT_SECONDS = 5.0
"""For a TCP connection to one address."""

RELAY_SECONDS = 8.0
"""For a relay to give a link."""

DIRECT_HEAD_START = 0.5
"""Seconds that direct addresses are given before a further link is asked of a relay."""

PUNCH_AFTER_SECONDS = 0.25
"""Seconds that better paths are given before both sides punch."""

NEAR_HEAD_START = 0.025
"""Seconds that the local network is given to answer before a relay is asked for anything."""

NEAR_DIAL_SECONDS = 0.5
"""And to open a link, once it has answered."""

PATHS = frozenset(path for path in PathKind if path is not PathKind.LOCAL)
"""All that lead to the other side."""


class RelaySource(Protocol):
    """A relay that can be asked for links."""

    async def link(self, deadline: float) -> socket.socket:
        """A connected data leg; raises PeerAbsent or RelayError."""

    async def candidates(self) -> bytes:
        """The peer's sealed candidates, empty if none; raises RelayError."""

    def check(self) -> None:
        """See at once whether it still answers; what waits for one that does not is told so."""

    @property
    def leg_ways(self) -> LegWays | None:
        """The ways of its legs, once a link was given."""

    @property
    def view(self) -> View | None:
        """How it sees this side; None where it does not say, or was not connected yet."""

    @property
    def second(self) -> SecondLook:
        """How it sees this side by the other version of IP, where that was wanted."""


class LocalNetwork(Protocol):
    """The networks this computer is in."""

    asks: bool
    """Whether anything may be asked there."""

    async def is_near(self, host: str) -> bool:
        """Whether an address is that of another computer in one of them."""

    async def is_here(self, host: str) -> bool:
        """Whether it is that, or this computer's own."""

    async def search(self, found: Callable[[str, int], None]) -> None:
        """Tell addresses and ports of the other side that are found there, for as long as that takes."""


@dataclass(frozen=True)
class Ways:
    """All that may lead to the other side.

    Attributes:
        at: host and port to dial and nothing else, or None.
        relays: relays to ask.
        candidate_key: opens the peer's candidates.
        only: a path to insist on, or None.
        local: where to look near by, or None to look nowhere there.
    """

    at: tuple[str, int] | None
    relays: Sequence[RelaySource]
    candidate_key: bytes = field(repr=False)
    only: PathKind | None = None
    local: LocalNetwork | None = None

    @property
    def paths(self) -> frozenset[PathKind]:
        """Those that may be used; what is near is dialled directly too."""
        near = (PathKind.LAN,) if self.only is PathKind.DIRECT else ()
        return PATHS if self.only is None else frozenset((self.only, *near))


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
        self._puncher = Puncher(identity, pool, looking_of(ways.relays, ways.local))
        self.failures: dict[PathKind, str] = {}
        """Of each path that was tried last in vain, why."""

    @property
    def dialable(self) -> frozenset[PathKind]:
        """The paths that are dialled, where they lead anywhere."""
        if self._ways.at is not None:
            return frozenset((PathKind.DIRECT,))
        near = (PathKind.LAN,) if self._ways.local is not None and self._ways.local.asks else ()
        far = (PathKind.DIRECT, PathKind.PUNCHED, PathKind.RELAYED) if self._ways.relays else ()
        return frozenset((*near, *far)) & self._ways.paths

    async def open_session(
        self, handler: Handler | None, deadline: float, wanted: Callable[[], bool] = lambda: True
    ) -> Session:
        """A new session over the first way that answers.

        Args:
            handler: answers the other side's requests in it.
            deadline: seconds for all ways.
            wanted: asked before the other side begins a session; if it is not, PeerAbsent is raised instead.

        Raises:
            VersionMismatch, PeerAbsent, RelayError, PeerError: the most telling failure of all ways.
        """
        keys = self._identity.keys()
        prepared = await self._race(keys, deadline, relay_wait=0.0, paths=PATHS)
        if not wanted():
            prepared.abandon()
            raise PeerAbsent("the other side was reached another way meanwhile", "try again")
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

    async def probe(self, session: Session, paths: frozenset[PathKind] | None) -> Link:
        """See path_keeper.PathDialler."""
        if paths is None:
            return await self._join(session, bulk=False, relay_wait=0.0, paths=PATHS)
        race = self._race(session.keys, RELAY_SECONDS, relay_wait=0.0, paths=paths - {PathKind.PUNCHED})
        if PathKind.PUNCHED in paths:
            prepared = await first_of(race, self._punch(session), PUNCH_AFTER_SECONDS, PreparedLink.abandon)
        else:
            prepared = await race
        return prepared.join(session.keys, session.next_link_number(), bulk=False)

    def check_relays(self) -> None:
        """See path_keeper.PathDialler."""
        for relay in self._ways.relays:
            relay.check()

    async def _dial_link(self, session: Session, bulk: bool) -> Link:
        paths = PATHS
        control = session.bulk.pick(bulk=False)
        if bulk and control is not None and not control.suspect and control.path is PathKind.PUNCHED:
            # Nothing better was found for the other links either.
            prepared = await self._punch(session)
            return prepared.join(session.keys, session.next_link_number(), bulk=True)
        if bulk and control is not None and not control.suspect and control.path is not PathKind.RELAYED:
            # A worse one would not be used: bulk takes the path of the rest.
            paths = frozenset(path for path in PATHS if rank(path) <= rank(control.path))
        return await self._join(session, bulk=bulk, relay_wait=DIRECT_HEAD_START, paths=paths)

    async def _join(self, session: Session, *, bulk: bool, relay_wait: float, paths: frozenset[PathKind]) -> Link:
        try:
            prepared = await self._race(session.keys, RELAY_SECONDS, relay_wait=relay_wait, paths=paths)
        except PeerSilent as exc:
            raise SessionLost("the other side was started anew", "run the command again") from exc
        return prepared.join(session.keys, session.next_link_number(), bulk=bulk)

    async def _punch(self, session: Session) -> PreparedLink:
        try:
            async with asyncio.timeout(punching_seconds(session)):
                prepared = await self._puncher.punch(session)
        except TimeoutError:
            raise DeadlinePassed("hole punching took too long", "the other paths are used") from None
        except PeerAbsent as exc:
            if not isinstance(exc, BusyError):
                self.failures[PathKind.PUNCHED] = exc.message
            raise
        self.failures.pop(PathKind.PUNCHED, None)
        return prepared

    # Racing ----------------------------------------------------------------------------------------------------------

    async def _race(
        self, keys: RootKeys, deadline: float, *, relay_wait: float, paths: frozenset[PathKind]
    ) -> PreparedLink:
        race = _Race(self._identity, self._ways, keys, self._pool, relay_wait, paths, self.failures)
        try:
            async with asyncio.timeout(deadline):
                prepared = await race.run()
            self.failures.pop(prepared.link.path, None)
            return prepared
        except TimeoutError:
            raise race.failure() or DeadlinePassed(
                f"the other side did not answer within {deadline:g} s", "see that gimmal runs there"
            ) from None
        finally:
            await race.close()


class _Race:
    """All attempts for one link, side by side."""

    def __init__(
        self,
        identity: Identity,
        ways: Ways,
        keys: RootKeys,
        pool: BufferPool,
        relay_wait: float,
        paths: frozenset[PathKind],
        failures: dict[PathKind, str],
    ) -> None:
        self._identity = identity
        self._ways = ways
        self._keys = keys
        self._pool = pool
        self._relay_wait = relay_wait
        self._paths = paths & ways.paths
        self._path_failures = failures
        self._tasks = Tasks()
        self._left = 0
        self._over = False
        self._looks = 0
        """Relays that have not said yet which addresses the other side left."""
        self._looked = False
        """One has."""
        self._near_found = asyncio.Event()
        self._near_over = asyncio.Event()
        self._failures: list[GimmalError] = []
        self._results: asyncio.Queue[PreparedLink | GimmalError | None] = asyncio.Queue()

    async def run(self) -> PreparedLink:
        """The first attempt that comes through; raises the most telling failure where none does."""
        ways = self._ways
        if ways.at is not None:
            self._begin(self._attempt(partial(self._connect, *ways.at), PathKind.DIRECT), "dial")
        elif not ways.relays and (ways.local is None or ways.only is PathKind.RELAYED):
            raise UsageError("this pair has no relay", "name the other side with --at HOST:PORT")
        else:
            if ways.local is not None and PathKind.LAN in self._paths:
                self._begin(self._search(ways.local), "look in the local network")
            for relay in ways.relays:
                if PathKind.RELAYED in self._paths:
                    self._begin(self._attempt_relayed(relay), "dial by relay")
                if self._paths & {PathKind.DIRECT, PathKind.LAN}:
                    self._looks += 1
                    self._begin(self._look(relay), "look for addresses")
        while self._left:
            result = await self._results.get()
            self._left -= 1
            if isinstance(result, PreparedLink):
                return result
            if result is not None:
                self._failures.append(result)
        raise self.failure() or _no_address()

    def failure(self) -> GimmalError | None:
        """The most telling of the failures so far."""
        strangers = [failure for failure in self._failures if isinstance(failure, _NotOurPeer)]
        if strangers and len(strangers) == len(self._failures):
            return strangers[0].told
        return min(self._failures, key=_tells, default=None)

    async def close(self) -> None:
        """End all other attempts."""
        self._over = True
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
            self._path_failures[path] = exc.message
            if path is PathKind.LAN:
                self._near_over.set()
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

        await self._let_near_go_first()
        await asyncio.sleep(self._relay_wait)
        try:
            prepared = await prepare_relayed(relay, RELAY_SECONDS, shake)
            if relay.leg_ways is not None:
                prepared.link.way = relay.leg_ways.current(asyncio.get_running_loop().time()).value
            self._results.put_nowait(prepared)
        except GimmalError as exc:
            logger.debug("relayed attempt failed: %s", exc)
            self._path_failures[PathKind.RELAYED] = exc.message
            self._results.put_nowait(exc)

    async def _search(self, local: LocalNetwork) -> None:
        found = 0

        def dial(host: str, port: int) -> None:
            nonlocal found
            found += 1
            self._dial(host, port, PathKind.LAN)
            self._near_found.set()

        await local.search(dial)
        if not found:
            if local.asks:
                self._path_failures[PathKind.LAN] = "the other side does not answer in this network"
            self._near_over.set()
            self._near_found.set()
        alone = not self._ways.relays or self._ways.only is PathKind.LAN
        # With relays it is they who say where the other side may be.
        self._results.put_nowait(_not_near() if alone and not found else None)

    async def _let_near_go_first(self) -> None:
        """Wait for moments before a relay is troubled: there, a connection given up half-way counts as an offence."""
        if self._ways.local is None or PathKind.LAN not in self._paths:
            return
        for event, seconds in ((self._near_found, NEAR_HEAD_START), (self._near_over, NEAR_DIAL_SECONDS)):
            try:
                async with asyncio.timeout(seconds):
                    await event.wait()
            except TimeoutError:
                return

    async def _path_to(self, host: str) -> PathKind:
        local = self._ways.local
        return PathKind.LAN if local is not None and await local.is_near(host) else PathKind.DIRECT

    def _dial(self, host: str, port: int, path: PathKind) -> None:
        if self._over:
            return  # found while the race was being closed
        self._begin(self._attempt(partial(self._connect, host, port), path, sure=False), "dial")

    async def _look(self, relay: RelaySource) -> None:
        result: GimmalError | None = None
        await self._let_near_go_first()
        try:
            sealed = await relay.candidates()
            addresses = self._open(sealed).addresses if sealed else []
            paths = [await self._path_to(host) for host, _port in addresses]
            if PathKind.DIRECT in self._paths and PathKind.DIRECT not in paths:
                self._path_failures[PathKind.DIRECT] = _no_address().message
            self._looked = True
            if self._ways.only is PathKind.DIRECT and not paths:
                result = _no_address()
            for (host, port), path in zip(addresses, paths, strict=True):
                if path in self._paths:
                    self._dial(host, port, path)
        except GimmalError as exc:
            logger.debug("no addresses: %s", exc)
            if PathKind.DIRECT in self._paths and self._looks == 1 and not self._looked:
                # Where any relay answers, the fault of another one is not why.
                self._path_failures[PathKind.DIRECT] = exc.message
            # What the relay says about itself is told by the relayed attempt; here only a mismatch counts.
            insisted = self._ways.only is PathKind.DIRECT
            result = exc if isinstance(exc, VersionMismatch) or insisted else None
        self._looks -= 1
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


def _no_address() -> PeerAbsent:
    return PeerAbsent("the other side left no address to dial", "see that gimmal runs there, or leave out --path")


def _not_near() -> PeerAbsent:
    return PeerAbsent("the other side was not found in this network", "plug it in here, or name it with --at HOST:PORT")


_TELLING = (VersionMismatch, PeerSilent, PeerError, PeerAbsent, RelayError)


def _tells(failure: GimmalError) -> int:
    """How little a failure tells: 0 is the one to show."""
    return next((index for index, kind in enumerate(_TELLING) if isinstance(failure, kind)), len(_TELLING))
