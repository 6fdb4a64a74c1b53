"""How queued transfers reach the other side: over the agent's session with it, whenever there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gimmal.agent.open_parts import OpenParts
from gimmal.agent.queue.files import Flow, Parts, QueuedFiles, Room
from gimmal.agent.use_log.use_log import OwnUse, UseLog
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.remote.files import Files
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.transfer import TransferSession, TransferWay
from gimmal.share.service import ShareSession
from gimmal.share.using import Using
from gimmal.transport.buffers import BufferPool
from gimmal.transport.session import Session


@dataclass(frozen=True)
class Host:
    """What the agent lends to its queue.

    Attributes:
        side: ``a`` or ``b``.
        directory, key: folder and key of what is kept sealed on this computer.
        pool, workers: of the process.
        peer: waits, for at most so many seconds, for a session with the other side; PeerAbsent where none comes.
        own_log: keeps what is done over there, or None.
    """

    side: str
    directory: Path
    key: bytes = field(repr=False)
    pool: BufferPool
    workers: Workers
    peer: Callable[[float], Awaitable[Session]]
    own_log: UseLog | None = None


class QueueWay(TransferWay):
    """See TransferWay, for one run of one transfer.

    Args:
        host: what the agent lends.
        tasks: for what has to be told to the other side when the run has ended.
        room: of all queued transfers.
        flow, parts: of this one.
    """

    def __init__(self, host: Host, tasks: Tasks, room: Room, flow: Flow, parts: Parts) -> None:
        self._host = host
        self._tasks = tasks
        self._room = room
        self._flow = flow
        self._parts = parts

    @property
    def side(self) -> str:
        """See TransferWay."""
        return self._host.side

    async def open(self, deadline: float) -> TransferSession:
        """See TransferWay; the agent dials, this only waits."""
        session = await self._host.peer(deadline)
        return _PeerSession(self._host, session, OpenParts(session, self._tasks), self._room, self._flow, self._parts)

    def journals(self) -> tuple[Path, bytes]:
        """See TransferWay."""
        return self._host.directory, self._host.key

    async def rest(self, seconds: float) -> None:
        """See TransferWay; the agent ends what runs when the half is pulled out."""
        await asyncio.sleep(seconds)


class _PeerSession(TransferSession):
    def __init__(self, host: Host, session: Session, opened: OpenParts, room: Room, flow: Flow, parts: Parts) -> None:
        super().__init__(session, host.pool, host.workers)
        self._opened = opened
        self._own: OwnUse | None = None
        if host.own_log is not None:
            self._own = host.own_log.own_session("b" if host.side == "a" else "a", session.peer.name)
        self._room = room
        self._flow = flow
        self._parts = parts

    @property
    def path(self) -> str:
        """See TransferSession."""
        links = sorted(self.session.links, key=lambda link: link.bytes_sent + link.bytes_received)
        return links[-1].path.value if links else ""

    async def linked(self) -> bool:
        """See TransferSession."""
        return self.session.leads_there

    def local(self, share: ShareSession, roots: Mapping[str, Path]) -> Files:
        """See TransferSession."""
        return QueuedFiles(super().local(share, roots), self._room, self._flow, self._parts, None)

    def other(self, files: RemoteFiles) -> Files:
        """See TransferSession."""
        if self._own is not None:
            files.using = self._opened.using = Using(self._own)
        return QueuedFiles(super().other(files), self._room, self._flow, self._parts, self._opened)

    def leave(self) -> None:
        """See TransferSession."""
        if self._own is not None:
            self._own.over()
        self._parts.session_over()
        self._opened.leave()
