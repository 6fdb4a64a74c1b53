"""Answers the other side for one plugged half, and keeps a session with the other side's agent.

Links reach it through its listener and its relays; each opens a session or joins one. What a person should hear is
told to ``on_event`` as one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gimmal.agent.addresses import own_addresses
from gimmal.agent.control import ControlServer, Question, socket_path
from gimmal.agent.local_commands import LocalCommands
from gimmal.agent.mapped_port import MappedPort, MappingStatus, why_none
from gimmal.agent.path_care import PathCare, PathStatus
from gimmal.agent.plugged import (
    PROGRAM,
    identity_of,
    journal_key_of,
    local_network_of,
    relay_identity_of,
    relay_urls_of,
    state_directory,
)
from gimmal.agent.published import PublishedAddresses
from gimmal.agent.queue.queue import TransferQueue
from gimmal.agent.queue.way import Host
from gimmal.agent.telling import UseNews, WayNews
from gimmal.agent.use_log.use_log import UseLog
from gimmal.base.errors import GimmalError, Interrupted, PeerAbsent, ProtocolViolation, VersionMismatch
from gimmal.base.fair_budget import FairBudget
from gimmal.base.primitives import random_bytes
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.half.opened import OpenedHalf
from gimmal.noise.channel import RecentHellos
from gimmal.noise.keys import RootKeys
from gimmal.protocol.candidates import candidate_key
from gimmal.protocol.lan_names import lan_key
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import CloseReason
from gimmal.share.service import ShareService
from gimmal.share.serving import READ_BYTES_OF_ALL, Serving
from gimmal.share.shares import ShareTable
from gimmal.transport.budgets import Budgets
from gimmal.transport.buffers import BufferPool
from gimmal.transport.dial import Dialler, Ways
from gimmal.transport.frames import again
from gimmal.transport.lan.answering import LanAnswerer
from gimmal.transport.link import PathKind
from gimmal.transport.listener import Listener, bind
from gimmal.transport.opening import AcceptedLink, accept
from gimmal.transport.relay_keeper import RelayKeeper, RelayStatus
from gimmal.transport.relay_ways import LegWays
from gimmal.transport.session import Session

logger = logging.getLogger("gimmal.agent")

SESSIONS_MAX = 64
RECENT_HELLOS = 4096
RELAYED_WAITING_MAX = 256
"""Links offered by relays that may be in their opening at a time: a hostile relay can offer any number."""

SECOND_DIALLER_WAIT = 1.0
"""What side b leaves to side a before it dials the other agent itself."""

LINK_AGAIN_SECONDS = 3.0
"""How long a command waits for a link of a session that has lost all of its own; then it hears why there is none."""

SWEEP_SECONDS = 24 * 3600.0
SWEEP_PAUSE_SECONDS = 0.1
"""Between two portions of what is removed from the trash."""

REDIAL_FIRST, REDIAL_MOST = 0.5, 30.0
OPEN_SECONDS = 10.0

NEAR_SECONDS = 4.0
"""For a session in the local network where nothing says that the other side is there."""

TRIM_SECONDS = 5.0
"""After this time a record buffer that was not used goes back to the system."""


@dataclass(frozen=True)
class AgentOptions:
    """How to serve a half.

    Attributes:
        shares: what the other side may see.
        listen: host and port to listen on, an empty host for all addresses, None to listen nowhere.
        relays: whether to use the half's relays.
        at: where the other side's agent is dialled, or None.
        mapping: whether a router may be asked to let the other side in.
        lan: whether to answer and ask in the local network.
    """

    shares: ShareTable
    listen: tuple[str, int] | None = ("", 0)
    relays: bool = True
    at: tuple[str, int] | None = None
    mapping: bool = True
    lan: bool = False


@dataclass
class _KeptRelay:
    """A relay the agent stays connected to, as a way to the other side."""

    keeper: RelayKeeper

    async def link(self, deadline: float) -> socket.socket:
        return await self.keeper.request_link(deadline)

    async def candidates(self) -> bytes:
        await self.keeper.wait_connected(OPEN_SECONDS)
        return self.keeper.peer_candidates

    def check(self) -> None:
        self.keeper.check()

    @property
    def leg_ways(self) -> LegWays | None:
        return self.keeper.leg_ways


@dataclass
class AgentStatus:
    """What ``status`` shows of a running agent."""

    sessions: int
    connected: bool
    paths: PathStatus
    peer_program: str
    port_mapping: MappingStatus
    relays: list[RelayStatus] = field(default_factory=list)


class Agent:
    """Serves one half until ``stop``.

    Args:
        half: opened.
        options: how.
        on_event: told one line for the person at each change.
    """

    def __init__(self, half: OpenedHalf, options: AgentOptions, on_event: Callable[[str], None]) -> None:
        self.half = half
        self.options = options
        self._say = on_event
        self._ways = WayNews(on_event)
        self._loop = asyncio.get_running_loop()
        self._uses = UseNews(on_event, self._loop.time)
        self._identity = identity_of(half, agent=True)
        self._root_keys = self._identity.keys()
        self._pool = BufferPool()
        self._budgets = Budgets()
        self._reads = FairBudget(READ_BYTES_OF_ALL, BLOCK_SIZE)
        self._workers = Workers()
        self._local = local_network_of(half, self._workers, asks=options.lan and options.at is None)
        self._paths = PathCare(self._workers, self._ways.on_moved, self._on_network)
        self._tasks = Tasks()
        self._recent = RecentHellos(RECENT_HELLOS)
        self._sessions: dict[bytes, Session] = {}
        self._peer: Session | None = None
        """The session with the other side's agent."""
        self._opening: asyncio.Task[Session | GimmalError] | None = None
        self._looking: asyncio.Task[Session | GimmalError] | None = None
        """The same, in the local network alone."""
        self._adopted = asyncio.Event()
        """Set while there is a session with the other agent."""
        self._news = asyncio.Event()
        """Set when a relay says that the other side has come."""
        self._stopping = False
        self._greeting_relayed = 0
        self._service: ShareService | None = None
        self._listener: Listener | None = None
        self._keepers: list[RelayKeeper] = []
        self._published = PublishedAddresses(half, [])
        self._mapped_port = MappedPort(half, self._workers, self._on_mapped, on_event)
        self._control: ControlServer | None = None
        self._commands = LocalCommands(self)
        self.on_unplug: Callable[[], None] = lambda: None
        """Called where a command says that this half is to be pulled out."""
        self._dialler: Dialler | None = None
        self._near_answerer: LanAnswerer | None = None
        self._near_dialler: Dialler | None = None
        """Asks in the local network alone."""
        self.journal_key = journal_key_of(half)
        self.journal_directory: Path = state_directory(half.lineage_id)
        host = Host(
            side=half.side.value,
            directory=self.journal_directory,
            key=self.journal_key,
            pool=self._pool,
            workers=self._workers,
            peer=self._peer_when_there,
        )
        self.queue = TransferQueue(host, on_event)
        self.use_log = UseLog(self.journal_directory, self.journal_key, self._workers, on_event)

    # Start and stop --------------------------------------------------------------------------------------------------

    async def start(self) -> str:
        """Begin to answer; returns the address to dial, ``-`` where there is none.

        Raises:
            LocalError: port taken, share not readable, no place for the control socket.
        """
        self._service = await self._workers.call(
            ShareService, self.options.shares, self.journal_directory / "shares", self.journal_key
        )
        address = "-"
        if self.options.listen is not None:
            host, port = self.options.listen
            self._listener = Listener(bind(host, port), self._greet_direct)
            candidates = await self._workers.call(own_addresses, host, self._listener.port)
            self._published = PublishedAddresses(self.half, candidates)
            shown = candidates[0][0] if candidates else host or "127.0.0.1"
            address = f"[{shown}]:{self._listener.port}" if ":" in shown else f"{shown}:{self._listener.port}"
        self._tasks.start(self._sweep_trash(self._service), "sweep the trash")
        await self.queue.start()
        self.use_log.start()
        self._control = ControlServer(socket_path(self.half.pair_id, self.half.side), self._answer_command)
        self._tasks.start(self._trim(), "trim buffers")
        if self.options.relays:
            self._start_relays()
        self._start_mapping()
        sources = [_KeptRelay(keeper) for keeper in self._keepers]
        key = candidate_key(self.half.discovery_secret)
        ways = Ways(self.options.at, sources, key, local=self._local)
        self._dialler = Dialler(self._identity, ways, self._pool, self._budgets)
        self._paths.start(self._dialler)
        near = Ways(None, [], key, PathKind.LAN, self._local)
        self._near_dialler = Dialler(self._identity, near, self._pool, self._budgets)
        if self._listener is not None:
            self._tasks.start(self._answer_near(self._listener.port), "answer in the local network")
        if self._may_dial:
            self._tasks.start(self._keep_peer(), "keep the other side")
        return address

    @property
    def _may_dial(self) -> bool:
        """Whether this side knows where to look for the other one."""
        return self.options.at is not None or bool(self._keepers) or self._local.asks

    async def _answer_near(self, port: int) -> None:
        """Be found by the other side where it is in a network of this computer."""
        assert self.options.listen is not None
        key = lan_key(self.half.discovery_secret)
        host = self.options.listen[0]
        if self.options.lan:
            side, interfaces = self.half.side.value, self._local.interfaces
            self._near_answerer = LanAnswerer(key, side, host, port, interfaces, self._workers)
            await self._near_answerer.run()
        else:
            await self._local.interfaces()  # for naming the paths of those who dial us

    async def _trim(self) -> None:
        """What a large copy needed is not kept for days."""
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            self._pool.trim()

    def _on_network(self) -> None:
        """The network of this computer changed, or it woke: nothing that was known of any way need hold."""
        if self._stopping:
            return
        self._local.forget()
        if self._near_answerer is not None:
            self._near_answerer.changed()
        for keeper in self._keepers:
            keeper.changed()
        for session in list(self._sessions.values()):
            session.doubt()
        self._paths.changed()
        self._mapped_port.network_changed()
        self._news.set()
        if self._listener is not None and self._keepers:
            self._tasks.start(self._leave_addresses(self._listener.port), "leave addresses")

    async def _leave_addresses(self, port: int) -> None:
        assert self.options.listen is not None
        own = await self._workers.call(own_addresses, self.options.listen[0], port)
        self._published.set_own(own, self._keepers)

    def _start_relays(self) -> None:
        sealed = self._published.sealed()
        instance = random_bytes(16)
        for url in relay_urls_of(self.half):
            keeper = RelayKeeper(
                url,
                relay_identity_of(self.half),
                instance,
                PROGRAM,
                sealed,
                self._take_relayed,
                self._on_relay,
            )
            self._keepers.append(keeper)
            keeper.start()

    def _start_mapping(self) -> None:
        options = self.options
        why_not = why_none(options.mapping, options.listen, [keeper.url for keeper in self._keepers])
        port = self._listener.port if self._listener is not None else 0
        self._mapped_port.start(why_not, options.listen[0] if options.listen else "", port)

    def _on_mapped(self, addresses: list[tuple[str, int]]) -> None:
        if not self._stopping:
            self._published.set_mapped(addresses, self._keepers)

    async def stop(self, reason: CloseReason) -> None:
        """Close every session and link, leave the relays, remove the control socket; bounded."""
        self._stopping = True
        sessions = list(self._sessions.values())
        for session in sessions:
            session.close(reason)
        self._commands.close(reason)
        self._paths.close()
        self._tasks.cancel()
        closing = [session.finished() for session in sessions] + [keeper.close() for keeper in self._keepers]
        closing += [self.queue.close(), self.use_log.close(reason), self._mapped_port.close()]
        if self._listener is not None:
            closing.append(self._listener.close())
        if self._control is not None:
            closing.append(self._control.close())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.gather(*closing, return_exceptions=True)
        # The shares' folders are left to the end of the process: a thread that the disk holds up may still use them,
        # and a descriptor closed under it could by then be another file.
        self._workers.close()

    async def _sweep_trash(self, service: ShareService) -> None:
        """Remove, now and once a day, what has been in the trash of a share for too long."""
        while True:
            more = await self._workers.long(service.sweep_trash)
            await asyncio.sleep(SWEEP_PAUSE_SECONDS if more else SWEEP_SECONDS)

    # Links that come in ----------------------------------------------------------------------------------------------

    def keys_of(self, key_id: bytes) -> RootKeys | None:
        """See opening.Lookup."""
        if key_id == self._root_keys.key_id:
            return self._root_keys
        session = self._sessions.get(key_id)
        return session.keys if session is not None else None

    async def _greet_direct(self, connection: socket.socket) -> None:
        near = False
        with contextlib.suppress(OSError):  # it may be gone again
            near = self._local.seems_near(connection.getpeername()[0])
        await self._greet(connection, PathKind.LAN if near else PathKind.DIRECT)

    def _take_relayed(self, connection: socket.socket, _instance: bytes) -> None:
        if self._stopping or self._greeting_relayed >= RELAYED_WAITING_MAX:
            connection.close()
        else:
            self._greeting_relayed += 1
            self._tasks.start(self._greet_relayed(connection), "greeting by relay")

    async def _greet_relayed(self, connection: socket.socket) -> None:
        try:
            await self._greet(connection, PathKind.RELAYED)
        except GimmalError as exc:
            logger.debug("a relayed caller was turned away: %s", exc)
        finally:
            self._greeting_relayed -= 1

    async def _greet(self, connection: socket.socket, path: PathKind) -> None:
        accepted = await accept(connection, self._identity, self, self._recent, path=path, pool=self._pool)
        if accepted.session_keys is None:
            session = self._sessions.get(accepted.key_id)
            if session is None:
                accepted.link.fail(ProtocolViolation("the session has ended"))
                return
            try:
                session.attach(accepted.link)
            except ProtocolViolation as exc:
                accepted.link.fail(exc)
        else:
            self._begin_session(accepted, accepted.session_keys)

    def _begin_session(self, accepted: AcceptedLink, keys: RootKeys) -> None:
        session = Session(
            keys,
            opener=False,
            peer=accepted.greeting,
            pool=self._pool,
            handler=self._serving(),
            budgets=self._budgets,
        )
        try:
            session.attach(accepted.link)
        except GimmalError as exc:
            session.fail(exc)
            return
        if self._stopping:
            session.close(CloseReason.STOPPED)
        elif len(self._sessions) >= SESSIONS_MAX and not self._make_room():
            session.close(CloseReason.LIMIT)
        elif not accepted.greeting.agent:
            self._register(session)
            greeting = accepted.greeting
            self._uses.on_command(greeting.program, greeting.name, accepted.link.path.value)
        elif self._peer is not None and self._peer.opener and self.half.side == "a":
            session.close(CloseReason.DUPLICATE)
        else:
            self._register(session)
            if self._dialler is not None and self._may_dial:
                self._dialler.let_dial(session)
            self._adopt(session)

    def _make_room(self) -> bool:
        """Give up the session that has been without links for longest: most likely its command was killed."""
        away = [
            (since, index, session)
            for index, session in enumerate(self._sessions.values())
            if (since := session.without_links_since) is not None and session is not self._peer and not session.over
        ]
        if away:
            min(away)[2].fail(Interrupted("it gave way to another session"))
        return bool(away)

    def _serving(self) -> Serving:
        assert self._service is not None
        other = "b" if self.half.side == "a" else "a"
        use = self.use_log.session(other)
        share = self._service.open_session(f"side {other}", use)
        return Serving(share, self._pool, self._workers, self._reads, use.began)

    def _register(self, session: Session) -> None:
        key_id = session.keys.key_id
        self._sessions[key_id] = session
        if isinstance(session.handler, Serving):
            session.handler.watch(session)
        session.ended.add_done_callback(lambda _ended: self._sessions.pop(key_id, None))

    # The session with the other agent --------------------------------------------------------------------------------

    def _adopt(self, session: Session) -> None:
        """Make ``session`` the one with the other agent."""
        before = self._peer if self._peer is not None and not self._peer.over else None
        self._peer = session
        self._adopted.set()
        if before is not None:
            self._commands.close(CloseReason.DUPLICATE)
            before.close(CloseReason.DUPLICATE)
        else:
            path = session.links[0].path.value if session.links else "?"
            self._say(f"connected: the other side, {path}")
            self._ways.on_connected()
        self._paths.take(session)
        session.ended.add_done_callback(lambda _ended: self._on_peer_ended(session))

    def _on_peer_ended(self, session: Session) -> None:
        if self._peer is not session:
            return
        self._peer = None
        self._adopted.clear()
        if self._stopping:
            return
        if session.closed_for is CloseReason.UNPLUGGED:
            self._say("disconnected: the other half was unplugged")
        elif session.closed_for is not None:
            self._say("disconnected: the other side has stopped")
        else:
            self._say(f"disconnected: {session.why_over()}")

    async def peer_session(self, deadline: float) -> Session:
        """The session with the other side, opened if there is none.

        Args:
            deadline: seconds.

        Raises:
            UnreachableError, PeerError: why there is none.
        """
        peer = self._peer
        if peer is not None and not peer.over:
            if await peer.linked(min(deadline, LINK_AGAIN_SECONDS)):
                return peer
            if not peer.over:
                raise (
                    again(peer.redial_failure)
                    if peer.redial_failure is not None
                    else PeerAbsent(
                        "the connection to the other side is lost", "it is tried again: see that both are online"
                    )
                )
        if self._opening is None:
            self._opening = self._tasks.start(self._open_peer(deadline), "open a session")
        opened = await asyncio.shield(self._opening)
        if isinstance(opened, GimmalError):
            raise opened
        return opened

    async def _peer_when_there(self, deadline: float) -> Session:
        """The session with the other side as soon as there is one; dials nothing itself.

        Raises:
            PeerAbsent: none came in ``deadline`` seconds.
        """
        try:
            async with asyncio.timeout(deadline):
                while (peer := self._peer) is None or peer.over:
                    # One that is over is taken away in the next turn of the loop.
                    await (self._adopted.wait() if peer is None else asyncio.sleep(0))
        except TimeoutError:
            raise PeerAbsent("it is not there", "plug in the other half") from None
        return peer

    async def _open_peer(self, deadline: float) -> Session | GimmalError:
        """One opening for all who wait for it; nobody may be left to hear of a failure, so it is returned."""
        try:
            if self._dialler is None or not self._may_dial:
                raise PeerAbsent(
                    "the other side has not connected yet", "plug in the other half, or use --at HOST:PORT"
                )
            await self._leave_first_dial()
            return await self._open_with(self._dialler, deadline)
        except GimmalError as exc:
            return exc
        finally:
            self._opening = None

    async def _look_near(self) -> Session | GimmalError:
        """As ``_open_peer``, in the local network alone: relays that do not have the other side are left in peace."""
        assert self._near_dialler is not None
        assert self._dialler is not None
        try:
            session = await self._open_with(self._near_dialler, NEAR_SECONDS)
        except GimmalError as exc:
            return exc
        else:
            self._dialler.let_dial(session)
            return session
        finally:
            self._looking = None

    async def _open_with(self, dialler: Dialler, deadline: float) -> Session:
        """A session with the other agent, or the one that came another way meanwhile."""
        if (peer := self._living_peer()) is not None:
            return peer
        try:
            session = await dialler.open_session(self._serving(), deadline, wanted=lambda: self._living_peer() is None)
        except GimmalError:
            if (peer := self._living_peer()) is not None:
                return peer
            raise
        self._register(session)
        self._adopt(session)
        return session

    def _living_peer(self) -> Session | None:
        return self._peer if self._peer is not None and not self._peer.over else None

    async def _find_near(self) -> None:
        """Look for the other side in the local network until that is over, or a relay has news of it."""
        looking = self._opening or self._looking
        if looking is None:
            looking = self._looking = self._tasks.start(self._look_near(), "look in the local network")
        news = self._tasks.start(self._news.wait(), "news of the other side")
        await asyncio.wait([looking, news], return_when=asyncio.FIRST_COMPLETED)
        news.cancel()
        if looking.done() and isinstance(failure := looking.result(), GimmalError):
            raise failure

    async def _leave_first_dial(self) -> None:
        """Side b waits a moment for side a, which dials as soon as a relay tells it of us."""
        if self.half.side == "b" and any(keeper.status.peer_present for keeper in self._keepers):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SECOND_DIALLER_WAIT):
                    await self._adopted.wait()

    async def _keep_peer(self) -> None:
        """Keep a session with the other agent whenever it is there."""
        wait = REDIAL_FIRST
        told = False
        while True:
            if self._peer is not None and not self._peer.over:
                await asyncio.wait([self._peer.ended])
                wait = REDIAL_FIRST
            self._news.clear()
            there = any(keeper.status.peer_present for keeper in self._keepers)
            sure = self.options.at is not None or there
            if sure or self._local.asks:
                try:
                    await (self.peer_session(OPEN_SECONDS) if sure else self._find_near())
                    continue
                except VersionMismatch as exc:
                    if not told:
                        self._say(f"error: {exc.message}; {exc.hint}")
                    told = True
                except GimmalError as exc:
                    logger.debug("the other side cannot be reached: %s", exc)
                    if self.options.at is not None:
                        self._ways.on_dial(exc)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()
            wait = min(2 * wait, REDIAL_MOST)

    def _on_relay(self, status: RelayStatus) -> None:
        if not self._stopping:
            self._ways.on_relay(status)
        self._paths.heard([keeper.peer_candidates for keeper in self._keepers])
        if status.peer_present:
            self._news.set()
            for session in list(self._sessions.values()):
                session.hurry()

    # Commands on this computer ---------------------------------------------------------------------------------------

    async def _answer_command(self, connection: socket.socket, question: Question) -> None:
        await self._commands.answer(connection, question)

    def status(self) -> AgentStatus:
        """What ``status`` shows."""
        peer = self._peer if self._peer is not None and not self._peer.over else None
        return AgentStatus(
            sessions=len(self._sessions),
            connected=peer is not None and bool(peer.links),
            paths=self._paths.status(peer),
            peer_program=peer.peer.program if peer is not None else "",
            port_mapping=self._mapped_port.status,
            relays=[keeper.status for keeper in self._keepers],
        )
