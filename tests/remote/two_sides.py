"""Two sides on one computer with a real session between them: folders, their share rooms, and what passes the wire."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gimmal.agent.local_commands import local_session
from gimmal.base.workers import Workers
from gimmal.protocol.features import OFFERED
from gimmal.protocol.messages import CloseReason
from gimmal.remote.copy import CopyJob, copy_once
from gimmal.remote.copy_plan import Named
from gimmal.remote.copy_tree import CopyOptions
from gimmal.remote.files import Files
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.remote.remote_files import RemoteFiles
from gimmal.share.service import ShareService
from gimmal.share.serving import Serving
from gimmal.share.shares import Rights, Share, ShareTable
from gimmal.transport.buffers import BufferPool
from gimmal.transport.session import Session
from tests.patience import PATIENCE

ResultT = TypeVar("ResultT")


@dataclass
class Sides:
    """One run: the near tree and the far one, and the session between them."""

    near: LocalFiles
    far: RemoteFiles
    session: Session
    workers: Workers

    @property
    def wire_bytes(self) -> int:
        """Bytes that passed either way so far."""
        return sum(link.bytes_sent + link.bytes_received for link in self.session.links)


class TwoSides:
    """Folders ``near`` and ``far`` below one, each the share of its side under its own name.

    Args:
        base: where they are made.
        far_rights: what the near side may do.
        far_features: what the far side says it offers.
        far: its folder, where it lies elsewhere.
    """

    def __init__(
        self,
        base: Path,
        far_rights: Rights = Rights.READ_WRITE,
        far_features: int = OFFERED,
        far: Path | None = None,
    ) -> None:
        self.base = base
        self.wires: Callable[[], tuple[socket.socket, socket.socket]] = socket.socketpair
        """Makes the two ends of their line, when the loop runs; tests put a slow one here."""
        self.near, self.far = base / "near", far or base / "far"
        self._rights = far_rights
        self._features = far_features
        for folder in (self.near, self.far):
            folder.mkdir(exist_ok=True)

    def run(self, work: Callable[[Sides], Awaitable[ResultT]], seconds: float = 2 * PATIENCE) -> ResultT:
        """Do something over a new session."""

        async def main() -> ResultT:
            ours, theirs = self.wires()
            for end in (ours, theirs):
                end.setblocking(False)
            workers, pool = Workers(), BufferPool()
            services = [
                ShareService(ShareTable([Share(name, path, rights)]), self.base / f"journals-{name}", bytes(32))
                for name, path, rights in (
                    ("near", self.near, Rights.READ_WRITE),
                    ("far", self.far, self._rights),
                )
            ]
            near, far = (service.open_session() for service in services)
            answering = Serving(far, pool, workers)
            serving = local_session(theirs, pool, answering, opener=False)
            answering.watch(serving)
            asking = local_session(ours, pool, None, opener=True, features=self._features)
            try:
                async with asyncio.timeout(seconds):
                    return await work(Sides(LocalFiles(near, pool, workers), RemoteFiles(asking), asking, workers))
            finally:
                alone = not asking.links
                asking.close(CloseReason.DONE)
                await asking.finished()
                if alone or asking.cause is not None:
                    serving.close(CloseReason.DONE)  # it would wait for who broke off to come back
                await serving.finished()
                near.close()
                far.close()
                for service in services:
                    service.close()
                workers.close()

        return asyncio.run(main())

    def copy(self, source: str, target: str, options: CopyOptions | None = None) -> Progress:
        """Copy a file or folder as ``gimmal cp -r`` does; ``near/x`` and ``far/x`` name the two sides."""
        progress = Progress()

        async def work(sides: Sides) -> None:
            await copy_between(sides, source, target, progress, options or CopyOptions())

        self.run(work)
        return progress


async def copy_between(sides: Sides, source: str, target: str, progress: Progress, options: CopyOptions) -> None:
    """The same over a session at hand."""
    ends: dict[str, Files] = {"near": sides.near, "far": sides.far}
    one, other = (ends[path.partition("/")[0]] for path in (source, target))
    named = Named(source, "", source)
    job = CopyJob([named], Named(target, "", target), True, options)
    await copy_once(one, other, job, progress)
