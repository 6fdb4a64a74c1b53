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
from gimmal.agent.awake.stay_awake import AwakeStatus
from gimmal.agent.control import ControlServer, Question, socket_path
from gimmal.agent.edits_home import EditsHome
from gimmal.agent.last_seen import LastSeen
from gimmal.agent.live_settings import LiveSettings
from gimmal.agent.local_commands import LocalCommands
from gimmal.agent.mapped_port import MappedPort, MappingStatus, why_none
from gimmal.agent.other_agent import OPEN_SECONDS, Diallers, OtherAgent, OtherAgentHost
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
from gimmal.agent.seen_peer import SeenPeer
from gimmal.agent.sessions import Sessions, SessionsHost
from gimmal.agent.telling import UseNews, WayNews
from gimmal.agent.use_log.use_log import UseLog
from gimmal.base.primitives import random_bytes
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.half.opened import OpenedHalf
from gimmal.protocol.candidates import candidate_key
from gimmal.protocol.lan_names import lan_key
from gimmal.protocol.messages import CloseReason, Hello
from gimmal.share.service import ShareService
from gimmal.share.shares import ShareTable
from gimmal.transport.budgets import Budgets
from gimmal.transport.buffers import BufferPool
from gimmal.transport.dial import Dialler, Ways
from gimmal.transport.lan.answering import LanAnswerer
from gimmal.transport.link import PathKind
from gimmal.transport.listener import Listener, bind
from gimmal.transport.punching.looking import looking_of
from gimmal.transport.punching.places import View
from gimmal.transport.relay_keeper import RelayKeeper, RelayStatus
from gimmal.transport.relay_ways import LegWays
from gimmal.transport.second_look import SecondLook
from gimmal.transport.session import Session

logger = logging.getLogger("gimmal.agent")

SWEEP_SECONDS = 24 * 3600.0
SWEEP_PAUSE_SECONDS = 0.1
"""Between two portions of what is removed from the trash."""

STOP_SECONDS = 0.4
"""For the last words to the other side and to the relays; with the look that finds the half gone it stays below 1 s."""

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
        kept_shares: those are the ones that this computer keeps, so that a change of these holds while it serves.
        stay_awake: sleep is held off while the other side is connected, whatever is kept.
    """

    shares: ShareTable
    listen: tuple[str, int] | None = ("", 0)
    relays: bool = True
    at: tuple[str, int] | None = None
    mapping: bool = True
    lan: bool = False
    kept_shares: bool = False
    stay_awake: bool = False


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

    @property
    def view(self) -> View | None:
        return self.keeper.view

    @property
    def second(self) -> SecondLook:
        return self.keeper.second


@dataclass
class AgentStatus:
    """What ``status`` shows of a running agent."""

    sessions: int
    connected: bool
    paths: PathStatus
    peer_program: str
    port_mapping: MappingStatus
    shares: ShareTable
    sleep: AwakeStatus
    last_seen: int
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
        self._pool = BufferPool()
        self._budgets = Budgets()
        self._workers = Workers()
        self._local = local_network_of(half, self._workers, asks=options.lan and options.at is None)
        self._paths = PathCare(self._workers, self._ways.on_moved, self._on_network)
        self._tasks = Tasks()
        self._stopping = False
        self._listener: Listener | None = None
        self._keepers: list[RelayKeeper] = []
        self._published = PublishedAddresses(half, [])
        self._mapped_port = MappedPort(half, self._workers, self._on_mapped, on_event)
        self._control: ControlServer | None = None
        self._commands = LocalCommands(self)
        self.on_unplug: Callable[[], None] = lambda: None
        """Called where a command says that this half is to be pulled out."""
        self._near_answerer: LanAnswerer | None = None
        self.journal_key = journal_key_of(half)
        self.journal_directory: Path = state_directory(half.lineage_id)
        self.use_log = UseLog(self.journal_directory, self.journal_key, self._workers, on_event)
        looking = looking_of(self._keepers, self._local)
        self.own_log = UseLog(self.journal_directory, self.journal_key, self._workers, on_event, own=True)
        self.seen = SeenPeer(LastSeen(half), self._workers, lambda: self._sessions)
        self.settings = LiveSettings(
            half,
            self._workers,
            options.shares,
            from_kept=options.kept_shares,
            stay_awake=options.stay_awake,
            connected=lambda: self.seen.connected,
            say=on_event,
        )
        answering = SessionsHost(
            self._identity, self._pool, self._budgets, self._workers, self._local, self.use_log, looking, self.seen
        )
        self._sessions = Sessions(answering, self._on_command, self._on_agent, lambda: self.other_agent.session)
        keeping = OtherAgentHost(
            side=half.side.value,
            address_given=options.at is not None,
            local=self._local,
            paths=self._paths,
            ways=self._ways,
            say=on_event,
            on_replaced=lambda: self._commands.close(CloseReason.DUPLICATE),
        )
        self.other_agent: OtherAgent = OtherAgent(keeping, self._sessions)
        queueing = Host(
            side=half.side.value,
            directory=self.journal_directory,
            key=self.journal_key,
            pool=self._pool,
            workers=self._workers,
            peer=self.other_agent.when_there,
            own_log=self.own_log,
        )
        self.queue = TransferQueue(queueing, on_event)
        self._edits = EditsHome(queueing, half.location, on_event)

    # Start and stop --------------------------------------------------------------------------------------------------

    async def start(self) -> str:
        """Begin to answer; returns the address to dial, ``-`` where there is none.

        Raises:
            LocalError: port taken, share not readable, no place for the control socket.
        """
        service = await self._workers.call(
            ShareService, self.options.shares, self.journal_directory / "shares", self.journal_key
        )
        self._sessions.start(service)
        await self.settings.start(service)
        self.seen.start()
        address = "-"
        if self.options.listen is not None:
            host, port = self.options.listen
            self._listener = Listener(bind(host, port), self._sessions.greet_direct)
            candidates = await self._workers.call(own_addresses, host, self._listener.port)
            self._published = PublishedAddresses(self.half, candidates)
            shown = candidates[0][0] if candidates else host or "127.0.0.1"
            address = f"[{shown}]:{self._listener.port}" if ":" in shown else f"{shown}:{self._listener.port}"
        self._tasks.start(self._sweep_trash(service), "sweep the trash")
        await self.queue.start()
        self.use_log.start()
        self.own_log.start()
        self._control = ControlServer(socket_path(self.half.pair_id, self.half.side), self._answer_command)
        self._tasks.start(self._trim(), "trim buffers")
        if self.options.relays:
            self._start_relays()
        self._start_mapping()
        sources = [_KeptRelay(keeper) for keeper in self._keepers]
        key = candidate_key(self.half.discovery_secret)
        ways = Ways(self.options.at, sources, key, local=self._local)
        near = Ways(None, [], key, PathKind.LAN, self._local)
        diallers = Diallers(self._dialler(ways), self._dialler(near))
        self._paths.start(diallers.every_way)
        if self._listener is not None:
            self._tasks.start(self._answer_near(self._listener.port), "answer in the local network")
        self.other_agent.start(diallers, self._keepers)
        self._edits.start()
        return address

    def _dialler(self, ways: Ways) -> Dialler:
        return Dialler(self._identity, ways, self._pool, self._budgets)

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
        for session in self._sessions:
            session.doubt()
        self._paths.changed()
        self._mapped_port.network_changed()
        self.other_agent.look_again()
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
                self._sessions.take_relayed,
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
        self._edits.close()
        self.other_agent.close()
        sessions = self._sessions.close(reason)
        self._commands.close(reason)
        self._paths.close()
        self._tasks.cancel()
        closing = [session.finished() for session in sessions] + [keeper.close() for keeper in self._keepers]
        closing += [self.queue.close(), self.use_log.close(reason), self._mapped_port.close()]
        closing += [self.own_log.close(reason), self.settings.close(), self.seen.close()]
        if self._listener is not None:
            closing.append(self._listener.close())
        if self._control is not None:
            closing.append(self._control.close())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(*closing, return_exceptions=True)
        # The shares' folders are left to the end of the process: a thread that the disk holds up may still use them,
        # and a descriptor closed under it could by then be another file.
        self._workers.close()

    async def _sweep_trash(self, service: ShareService) -> None:
        """Remove, now and once a day, what has been in the trash of a share for too long."""
        while True:
            more = await self._workers.long(service.sweep_trash)
            await asyncio.sleep(SWEEP_PAUSE_SECONDS if more else SWEEP_SECONDS)

    # What comes ------------------------------------------------------------------------------------------------------

    def _on_command(self, greeting: Hello, path: PathKind) -> None:
        self._uses.on_command(greeting.program, greeting.name, path.value)

    def _on_agent(self, session: Session) -> None:
        self.other_agent.take(session)

    def _on_relay(self, status: RelayStatus) -> None:
        if not self._stopping:
            self._ways.on_relay(status)
        self._paths.heard([keeper.peer_candidates for keeper in self._keepers])
        if status.peer_present:
            self.other_agent.look_again()
            for session in self._sessions:
                session.hurry()

    # Commands on this computer ---------------------------------------------------------------------------------------

    async def _answer_command(self, connection: socket.socket, question: Question) -> None:
        await self._commands.answer(connection, question)

    def status(self) -> AgentStatus:
        """What ``status`` shows."""
        peer = self.other_agent.session
        return AgentStatus(
            sessions=len(self._sessions),
            connected=peer is not None and bool(peer.links),
            paths=self.other_agent.path_status(),
            peer_program=peer.peer.program if peer is not None else "",
            port_mapping=self._mapped_port.status,
            shares=self.settings.shares,
            sleep=self.settings.awake,
            last_seen=self.seen.at,
            relays=[keeper.status for keeper in self._keepers],
        )
