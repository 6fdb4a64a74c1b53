"""All sessions of one agent: links that come in open one or join one."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gimmal.agent.seen_peer import SeenPeer
from gimmal.agent.use_log.use_log import UseLog
from gimmal.base.errors import GimmalError, Interrupted, ProtocolViolation
from gimmal.base.fair_budget import FairBudget
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.noise.channel import RecentHellos
from gimmal.noise.keys import RootKeys
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import CloseReason, Hello
from gimmal.share.service import ShareService
from gimmal.share.serving import READ_BYTES_OF_ALL, Serving
from gimmal.transport.budgets import Budgets
from gimmal.transport.buffers import BufferPool
from gimmal.transport.lan.asking import LanSearch
from gimmal.transport.link import PathKind
from gimmal.transport.opening import AcceptedLink, Identity, accept
from gimmal.transport.punching.answering import PunchAnswerer
from gimmal.transport.punching.looking import Looking
from gimmal.transport.relay_ways import LegWay
from gimmal.transport.session import Session

logger = logging.getLogger("gimmal.agent")

SESSIONS_MAX = 64
RECENT_HELLOS = 4096
RELAYED_WAITING_MAX = 256
"""Links offered by relays that may be in their opening at a time: a hostile relay can offer any number."""


@dataclass(frozen=True)
class SessionsHost:
    """What the sessions of one agent share.

    Attributes:
        identity: who this side is.
        pool: record buffers.
        budgets: of all sessions together.
        workers: threads.
        local: what is known of the networks of this computer.
        use_log: told what the other side does.
        looking: where connections for hole punching may come from.
        seen: told of each session.
    """

    identity: Identity
    pool: BufferPool
    budgets: Budgets
    workers: Workers
    local: LanSearch
    use_log: UseLog
    looking: Looking
    seen: SeenPeer


class Sessions:
    """Answers for the shares of one half.

    Args:
        host: what they share.
        on_command: called with the greeting of each command of the other side that opened a session, and its path.
        on_agent: called with each session, not registered yet, that the other side's agent opened.
        kept: the session that is never given up for another.
    """

    def __init__(
        self,
        host: SessionsHost,
        on_command: Callable[[Hello, PathKind], None],
        on_agent: Callable[[Session], None],
        kept: Callable[[], Session | None],
    ) -> None:
        self._host = host
        self._root_keys = host.identity.keys()
        self._on_command = on_command
        self._on_agent = on_agent
        self._kept = kept
        self._reads = FairBudget(READ_BYTES_OF_ALL, BLOCK_SIZE)
        self._recent = RecentHellos(RECENT_HELLOS)
        self._tasks = Tasks()
        self._all: dict[bytes, Session] = {}
        self._punches = PunchAnswerer(host.looking, self._greet)
        self._greeting_relayed = 0
        self._stopping = False
        self._service: ShareService | None = None

    def start(self, service: ShareService) -> None:
        """Answer for the shares of ``service`` from now on; before, nothing may come in."""
        self._service = service

    def close(self, reason: CloseReason) -> list[Session]:
        """Close every session, and take no more; returns those that are ending."""
        self._stopping = True
        ending = list(self)
        for session in ending:
            session.close(reason)
        self._punches.close()
        self._tasks.cancel()
        return ending

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._all.values()))

    @property
    def greeting(self) -> bool:
        """Whether a link that came through a relay is being opened."""
        return self._greeting_relayed > 0

    def keys_of(self, key_id: bytes) -> RootKeys | None:
        """See opening.Lookup."""
        if key_id == self._root_keys.key_id:
            return self._root_keys
        session = self._all.get(key_id)
        return session.keys if session is not None else None

    # Links that come in ----------------------------------------------------------------------------------------------

    async def greet_direct(self, connection: socket.socket) -> None:
        """Take a connection that came to the listener; it is owned from now on.

        Raises:
            GimmalError: it was no link of this pair.
        """
        near = False
        with contextlib.suppress(OSError):  # it may be gone again
            near = self._host.local.seems_near(connection.getpeername()[0])
        await self._greet(connection, PathKind.LAN if near else PathKind.DIRECT)

    def take_relayed(self, connection: socket.socket, _instance: bytes, way: LegWay) -> None:
        """Take a connection that a relay offers; it is owned from now on. ``way`` is what it travels in there."""
        if self._stopping or self._greeting_relayed >= RELAYED_WAITING_MAX:
            connection.close()
        else:
            self._greeting_relayed += 1
            self._tasks.start(self._greet_relayed(connection, way), "greeting by relay")

    async def _greet_relayed(self, connection: socket.socket, way: LegWay) -> None:
        try:
            await self._greet(connection, PathKind.RELAYED, way.value)
        except GimmalError as exc:
            logger.debug("a relayed caller was turned away: %s", exc)
        finally:
            self._greeting_relayed -= 1

    async def _greet(self, connection: socket.socket, path: PathKind, way: str = "") -> None:
        host = self._host
        accepted = await accept(connection, host.identity, self, self._recent, path=path, pool=host.pool)
        accepted.link.way = way
        if accepted.session_keys is None:
            session = self._all.get(accepted.key_id)
            if session is None:
                accepted.link.fail(ProtocolViolation("the session has ended"))
                return
            try:
                session.attach(accepted.link)
            except ProtocolViolation as exc:
                accepted.link.fail(exc)
        else:
            self._begin(accepted, accepted.session_keys)

    def _begin(self, accepted: AcceptedLink, keys: RootKeys) -> None:
        greeting = accepted.greeting
        session = Session(
            keys,
            opener=False,
            peer=greeting,
            pool=self._host.pool,
            handler=self.serving(),
            budgets=self._host.budgets,
        )
        try:
            session.attach(accepted.link)
        except GimmalError as exc:
            session.fail(exc)
            return
        if self._stopping:
            session.close(CloseReason.STOPPED)
        elif len(self._all) >= SESSIONS_MAX and not self._make_room():
            session.close(CloseReason.LIMIT)
        elif greeting.agent:
            self._on_agent(session)
        else:
            self.register(session)
            self._on_command(greeting, accepted.link.path)

    def _make_room(self) -> bool:
        """Give up the session that has been without links for longest: most likely its command was killed."""
        kept = self._kept()
        away = [
            (since, index, session)
            for index, session in enumerate(self)
            if (since := session.without_links_since) is not None and session is not kept and not session.over
        ]
        if away:
            min(away)[2].fail(Interrupted("it gave way to another session"))
        return bool(away)

    # Sessions that this side opens, too ------------------------------------------------------------------------------

    def serving(self) -> Serving:
        """What answers the other side in a new session."""
        assert self._service is not None
        other = "b" if self._host.identity.side == "a" else "a"
        use = self._host.use_log.session(other)
        share = self._service.open_session(f"side {other}", use)
        return Serving(share, self._host.pool, self._host.workers, self._reads, use.began)

    def register(self, session: Session) -> None:
        """Let further links join a session until it ends."""
        key_id = session.keys.key_id
        self._all[key_id] = session
        self._host.seen.began(session)
        if isinstance(session.handler, Serving):
            session.handler.watch(session)
        self._punches.serve(session)
        session.ended.add_done_callback(lambda _ended: self._all.pop(key_id, None))
