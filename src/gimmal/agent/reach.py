"""How a command reaches the other side: through the agent of its half where one runs here, else by itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from gimmal.agent.control import (
    CONTROL_VERSION,
    SOCKET_BUFFER,
    Question,
    Reply,
    receive_message,
    send_body,
    send_message,
    socket_path,
)
from gimmal.agent.last_seen import LastSeen, told_when
from gimmal.agent.local_commands import local_session
from gimmal.agent.plugged import (
    PROGRAM,
    identity_of,
    journal_key_of,
    local_network_of,
    relay_identity_of,
    relay_urls_of,
    state_directory,
)
from gimmal.agent.present import until_gone
from gimmal.agent.use_log.own_acts import OwnActs
from gimmal.agent.uses import NotedUse
from gimmal.base.errors import (
    DeadlinePassed,
    GimmalError,
    HalfGone,
    HalfMissing,
    Interrupted,
    LocalError,
    UnreachableError,
    UsageError,
)
from gimmal.base.primitives import random_bytes
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.half.opened import OpenedHalf
from gimmal.half.plugged import choose_half
from gimmal.half.presence_watch import watch_half
from gimmal.half.reading import HalfHeader, open_half, read_header
from gimmal.protocol.candidates import candidate_key
from gimmal.protocol.codec import decode_struct
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.protocol.messages import CloseReason
from gimmal.protocol.relay.messages import Role
from gimmal.remote.remote_files import RemoteFiles
from gimmal.transport.asking_relay import AskingRelay
from gimmal.transport.buffers import BufferPool
from gimmal.transport.dial import Dialler, Ways
from gimmal.transport.lan.asking import LanSearch
from gimmal.transport.link import PathKind
from gimmal.transport.liveness import SUSPECT_SECONDS
from gimmal.transport.network_watch import NetworkWatch
from gimmal.transport.path_keeper import PathKeeper
from gimmal.transport.path_policy import rank
from gimmal.transport.punching.asking import punching_seconds
from gimmal.transport.relay_client import RelayClient
from gimmal.transport.relay_ways import RelayWays
from gimmal.transport.second_look import SecondLook
from gimmal.transport.session import Session

ResultT = TypeVar("ResultT")

OPEN_SECONDS = 10.0

PROBE_SECONDS = 3.0
"""What a path that would be better has to answer, unless it is to be punched, where the person asks for it."""

NEAR_PROBE_SECONDS = 0.5
"""The same for the local network: who is in it answers within moments, and is asked twice in this time."""

NETWORK_AFTER_SECONDS = 1.0
"""From a session's beginning until a command watches the network."""

LOOK_SECONDS = 1.0
"""How often it is looked whether a way leads to the other side; the agent has as long to say so."""

SILENT_SECONDS = CALL_SECONDS - SUSPECT_SECONDS
"""Of a call's time, what is left when its silence has been noticed."""
WRITE_SECONDS, WRITE_GONE_SECONDS = 2.0, 0.3
"""What is left to the disk when a command ends, for what it keeps of itself; and where the half was pulled out."""

QUEUE_SECONDS = 0.05
"""How long to wait where very many commands come to the agent at once."""


@dataclass(frozen=True)
class ReachOptions:
    """Which half, and which way.

    Attributes:
        half: folder named by the person, or None for the one plugged in.
        at: host and port to dial and nothing else, or None.
        only: path to insist on, or None.
        lan: whether the other side may be looked for in the local network.
        password: asks for the half's password when it has one.
        command: what this process is called where somebody asks who uses the half; empty to say nothing.
    """

    half: Path | None
    at: tuple[str, int] | None = None
    only: PathKind | None = None
    lan: bool = False
    password: Callable[[], str] | None = field(default=None, repr=False)
    command: str = ""


@dataclass
class Reached:
    """A way to the other side, for one command."""

    session: Session
    files: RemoteFiles
    through_agent: bool
    path: str
    """How the first link travels."""
    way: str = ""
    """Where that is by a relay, what it travels in there."""


class Reach:
    """Opens sessions for one command, as often as it needs one.

    Args:
        options: which half, and which way.

    Use as an asynchronous context manager. Pulling the half out ends the session.
    """

    def __init__(self, options: ReachOptions) -> None:
        self.location = choose_half(options.half)
        self.header: HalfHeader = read_header(self.location)
        self.workers = Workers()
        self.pool = BufferPool()
        self._options = options
        self._presence = watch_half(self.location)
        self._tasks = Tasks()
        self._relays: list[AskingRelay] = []
        self._local: LanSearch | None = None
        self._dialler: Dialler | None = None
        self._keeper: PathKeeper | None = None
        self._network: NetworkWatch | None = None
        self._reached: Reached | None = None
        self._own: OwnActs | None = None
        self._seen: LastSeen | None = None
        self._was_seen = False
        """The other side was reached by this command itself."""
        self.last_seen = 0
        """Second since 1970 at which it was last reached from here, where it cannot be now; 0 if unknown."""
        self._half: OpenedHalf | None = None
        self._use: NotedUse | None = None
        self._gone = asyncio.Event()
        self._unplugged = False
        """A half was unplugged while the agent had the session: this one, where that agent runs no more."""
        self._opening: asyncio.Timeout | None = None
        self._one_at_a_time = asyncio.Lock()
        """Who wants a session while one is being opened gets that one."""
        self.journal_key = b""
        self.journal_directory = Path()
        self.relay_addresses: list[tuple[str, int]] = []
        """Of the relays that were asked, once a session was opened without the agent."""

    async def __aenter__(self) -> Self:
        self._tasks.start(self._watch(), "presence of the half")
        if self._options.command:
            about = self.header.pair_id, self.header.side, self._options.command
            self._use = await self.workers.call(NotedUse, *about)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._use is not None:
            self._use.close()
        await self.drop(CloseReason.DONE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_GONE_SECONDS if self._gone.is_set() else WRITE_SECONDS):
                await self._write_down()
        for relay in self._relays:
            await relay.close()
        if self._network is not None:
            self._network.close()
        self._tasks.cancel()
        self._presence.leave()
        self.workers.close()

    def abandon(self) -> None:
        """Let go of what is not the event loop's, where that is over and nothing can be awaited any more."""
        self._presence.leave()
        self.workers.close()

    async def open(self, deadline: float = OPEN_SECONDS, *, as_call: bool = False) -> Reached:
        """A session with the other side; the one at hand where it still lives.

        Args:
            deadline: seconds.
            as_call: the session fails once nothing that was asked in it was answered for 10 s because no way leads
                there; else the caller waits for the other side as long as it wants.

        Raises:
            HalfGone: the half was pulled out, now or earlier.
            GimmalError: why there is none.
        """
        async with self._one_at_a_time:
            if self._reached is not None and not self._reached.session.over:
                return self._reached
            if self._gone.is_set():
                raise _gone()
            self._reached = reached = await self.while_there(self._find(deadline))
            if as_call:
                self._tasks.start(self._end_when_silent(reached), "silence of the other side")
            return reached

    async def _write_down(self) -> None:
        """What is kept of this command on this computer, sealed."""
        if self._own is not None:
            await self._own.close()
        if self._seen is not None and self._was_seen:
            await self.workers.call(self._seen.note, int(time.time()))

    async def _find(self, deadline: float) -> Reached:
        try:
            return await self._find_way(deadline)
        except UnreachableError as exc:
            if self._seen is not None:
                self.last_seen = await self.workers.call(self._seen.read)
            told = told_when(exc, self.last_seen)
            if told is exc:
                raise
            raise told from exc

    async def _find_way(self, deadline: float) -> Reached:
        try:
            found = await self._through_agent(deadline)
        except UnreachableError:
            # That of an agent that is just ending; the other side's half would be told of by a refusal.
            if self._unplugged and not socket_path(self.header.pair_id, self.header.side).exists():
                raise _unplugged() from None
            raise
        if found is None and self._unplugged:
            raise _unplugged()
        self._unplugged = False
        return found or await self._by_itself(deadline)

    async def leads_there(self) -> bool:
        """Whether, as far as is known, what is asked now comes to the other side."""
        reached = self._reached
        if reached is None:
            return False
        if not reached.through_agent:
            return reached.session.leads_there
        # The link to the agent is always there; the agent knows how it stands with the other side.
        with contextlib.suppress(GimmalError):
            answered = await self.ask_agent("status", LOOK_SECONDS)
            if answered is not None:
                reply, connection = answered
                connection.close()
                return bool(reply.status.get("connected")) and not reply.status.get("silent")
        return False

    async def _end_when_silent(self, reached: Reached) -> None:
        """Not every question has a deadline of its own: bytes come slowly where line or disk are slow."""
        loop = asyncio.get_running_loop()
        answered_at = loop.time()
        while not reached.session.over:
            await asyncio.sleep(LOOK_SECONDS)
            if not reached.session.asks or await self.leads_there():
                answered_at = loop.time()
            elif loop.time() - answered_at >= SILENT_SECONDS:
                reached.session.fail(
                    DeadlinePassed(
                        f"the other side did not answer within {CALL_SECONDS:g} s",
                        "try again; `gimmal status` shows the connection",
                    )
                )

    async def why_not_better(self) -> dict[str, str]:
        """Of each path that would be better than the one at hand, why it cannot be had, by a try of some seconds.

        Empty where the agent has the session, or the path is the best. A path that is found is taken.
        """
        reached, dialler = self._reached, self._dialler
        if reached is None or reached.through_agent or dialler is None:
            return {}
        link = reached.session.bulk.pick(bulk=False)
        better = [path for path in dialler.dialable if link is not None and rank(path) < rank(link.path)]
        better.sort(key=rank)
        why_not: dict[str, str] = {}
        probes = Tasks()
        left = {probes.start(self._probe(dialler, reached.session, path), f"look for {path.value}") for path in better}
        try:
            while left:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                for path, reason in (probe.result() for probe in done):
                    if not reason:
                        return {}
                    why_not[path.value] = reason
        finally:
            await probes.close(1.0)
        return {path.value: why_not[path.value] for path in better}

    async def _probe(self, dialler: Dialler, session: Session, path: PathKind) -> tuple[PathKind, str]:
        """Try for one path; why it cannot be had, nothing where it was."""
        seconds = _probe_seconds(session, path)
        try:
            async with asyncio.timeout(seconds):
                session.attach(await dialler.probe(session, frozenset((path,))))
        except (GimmalError, TimeoutError):
            silent = f"it did not answer within {seconds:.0f} s"
            if path is PathKind.LAN:
                silent = "the other side does not answer in this network"
            return path, dialler.failures.get(path, silent)
        return path, ""

    async def rest(self, seconds: float) -> None:
        """Wait between two tries, but no longer than the half is there.

        Raises:
            HalfGone: it was pulled out.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        if self._gone.is_set():
            raise _gone()

    async def while_there(self, work: Awaitable[ResultT]) -> ResultT:
        """The result of ``work``, unless the half is pulled out first; a thread that is at it is left behind.

        Raises:
            HalfGone: it was pulled out.
        """
        try:
            async with asyncio.timeout(None) as self._opening:
                return await work
        except TimeoutError:
            # Its keys are in memory still: nothing else would keep this process from opening sessions.
            if self._gone.is_set():
                raise _gone() from None
            raise
        finally:
            self._opening = None

    async def drop(self, reason: CloseReason) -> None:
        """Close the session at hand and wait until its last record is out, where it leads anywhere."""
        if self._reached is not None:
            session = self._reached.session
            awaited = session.leads_there
            session.close(reason)
            if awaited:
                await session.finished()
            self._reached = None

    async def ask_agent(self, verb: str, deadline: float, more: bytes = b"") -> tuple[Reply, socket.socket] | None:
        """Put a question to the agent of this half; None where none runs. The caller closes the socket.

        Args:
            verb: what is asked.
            deadline: seconds.
            more: a message that belongs to the question, encoded.

        Raises:
            GimmalError: what the agent says.
        """
        path = socket_path(self.header.pair_id, self.header.side)
        if not path.exists():
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                connection.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
            async with asyncio.timeout(deadline + 2.0):
                try:
                    await _connect(connection, path)
                except (ConnectionRefusedError, FileNotFoundError):
                    # Left over by an agent that was killed.
                    connection.close()
                    return None
                await send_message(connection, Question(CONTROL_VERSION, verb, deadline))
                if more:
                    await send_body(connection, more)
                reply = decode_struct(Reply, await receive_message(connection))
        except OSError as exc:
            connection.close()
            if isinstance(exc, TimeoutError):
                raise DeadlinePassed("the agent on this computer did not answer", "restart `gimmal up`") from None
            raise UnreachableError(
                "the agent on this computer closed the connection", "it may be busy: run the command again"
            ) from exc
        except BaseException:
            connection.close()
            raise
        if reply.refusal is not None:
            connection.close()
            raise reply.refusal.error()
        return reply, connection

    async def _through_agent(self, deadline: float) -> Reached | None:
        if self._options.at is not None or self._options.only is not None:
            return None
        answered = await self.ask_agent("session", deadline)
        if answered is None:
            return None
        reply, connection = answered
        self.journal_key = reply.journal_key
        self.journal_directory = state_directory(reply.lineage)
        session = local_session(connection, self.pool, None, opener=True, features=reply.features)
        # An agent that is gone does not come back to this session; the command may find another way.
        lost = Interrupted("the agent on this computer ended", "run the command again")
        session.links[0].ended.add_done_callback(lambda _ended: session.fail(lost))
        session.ended.add_done_callback(lambda _ended: self._note_end(session))
        return self._noted(Reached(session, RemoteFiles(session), True, reply.path, reply.way), reply.computer)

    def _note_end(self, session: Session) -> None:
        self._unplugged = session.closed_for is CloseReason.UNPLUGGED

    async def _by_itself(self, deadline: float) -> Reached:
        dialler = self._dialler
        if dialler is None:
            dialler = self._dialler = await self._make_dialler()
        session = await dialler.open_session(None, deadline)
        self._keeper = PathKeeper(session, dialler)
        self._tasks.start(self._watch_network(), "watch the network")
        self._was_seen = True
        first = session.links[0]
        reached = Reached(session, RemoteFiles(session), False, first.path.value, first.way)
        return self._noted(reached, session.peer.name)

    def _noted(self, reached: Reached, computer: str) -> Reached:
        """What is done over there goes to the log of this computer."""
        if self._own is None:
            self._own = OwnActs(self.journal_directory, self.journal_key, self.workers)
        reached.files.using = self._own.of_session(self.header.side.other.value, computer, reached.session.ended)
        return reached

    async def learn_keys(self) -> None:
        """Know ``journal_key`` and ``journal_directory``, without reaching the other side.

        Raises:
            GimmalError: the agent does not answer, or the half cannot be opened.
        """
        if self.journal_key:
            return
        answered = await self.ask_agent("log", OPEN_SECONDS)
        if answered is None:
            await self._open_half()
            return
        reply, connection = answered
        connection.close()
        self.journal_key, self.journal_directory = reply.journal_key, state_directory(reply.lineage)

    async def _open_half(self) -> OpenedHalf:
        if self._half is not None:  # nobody is asked for a password twice
            return self._half
        try:
            half = await self.workers.call(open_half, self.location, self._options.password)
        except (HalfMissing, LocalError) as exc:
            if isinstance(exc, LocalError) and not await self.workers.call(self._presence.looks_gone):
                raise
            raise _gone() from exc  # it was there when this command began
        self.journal_key = journal_key_of(half)
        self.journal_directory = state_directory(half.lineage_id)
        self._half = half
        return half

    async def _make_dialler(self) -> Dialler:
        half = await self._open_half()
        self._seen = LastSeen(half)
        if self._options.at is None and not half.relays and not self._options.lan:
            raise UsageError("this pair has no relay", "name the other side with --at HOST:PORT")
        instance = random_bytes(16)
        proof = relay_identity_of(half)
        for url in relay_urls_of(half) if self._options.at is None else ():
            self.relay_addresses.append((url.host, url.port))
            make_client = partial(
                RelayClient,
                url,
                proof,
                Role.ASKS,
                instance,
                PROGRAM,
                on_peer=self._on_relay_news,
                ways=RelayWays(),
            )
            self._relays.append(AskingRelay(make_client, SecondLook(url, proof, instance, PROGRAM)))
        self._local = local = local_network_of(half, self.workers, asks=self._options.lan)
        key = candidate_key(half.discovery_secret)
        ways = Ways(self._options.at, self._relays, key, self._options.only, local)
        return Dialler(identity_of(half, agent=False), ways, self.pool)

    async def _watch_network(self) -> None:
        """Begin once the command has lasted for a while: most are over by then."""
        await asyncio.sleep(NETWORK_AFTER_SECONDS)
        if self._network is None:
            self._network = NetworkWatch(self.workers, self._on_network)
            self._network.start()

    def _on_network(self) -> None:
        if self._local is not None:
            self._local.forget()
        for relay in self._relays:
            relay.second.forget()
        if self._keeper is not None:
            self._keeper.doubt()

    def _on_relay_news(self) -> None:
        """A relay says that the other side came, went, or has other addresses."""
        if self._keeper is not None:
            self._keeper.changed()
        if self._reached is not None:
            self._reached.session.hurry()

    async def _watch(self) -> None:
        """End the session when the half is pulled out, and open no other."""
        await until_gone(self._presence)
        self._gone.set()
        if self._opening is not None:
            self._opening.reschedule(asyncio.get_running_loop().time())
        if self._reached is not None:
            self._reached.session.fail(_gone())


def _probe_seconds(session: Session, path: PathKind) -> float:
    if path is PathKind.PUNCHED:
        # What it says when it fails is worth more than that it took long.
        return punching_seconds(session)
    return NEAR_PROBE_SECONDS if path is PathKind.LAN else PROBE_SECONDS


def _gone() -> HalfGone:
    return HalfGone("the half was pulled out", "plug it in again")


def _unplugged() -> HalfGone:
    return HalfGone("the half was unplugged", "plug it in again")


async def _connect(connection: socket.socket, path: Path) -> None:
    # Not the loop's way: to it a queue that is full looks like a connection that was made.
    while True:
        try:
            connection.connect(str(path))
        except BlockingIOError:
            await asyncio.sleep(QUEUE_SECONDS)
        else:
            return
