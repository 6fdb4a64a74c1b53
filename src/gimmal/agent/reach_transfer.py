"""How a command's transfer gets sessions: as the command does, through the agent or by itself."""

from __future__ import annotations

from pathlib import Path

from gimmal.agent.reach import Reach, Reached
from gimmal.remote.files import Files
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.transfer import TransferSession, TransferWay


class ReachWay(TransferWay):
    """See TransferWay.

    Args:
        reach: of the command; entered.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    @property
    def side(self) -> str:
        """See TransferWay."""
        return self._reach.header.side.value

    async def open(self, deadline: float) -> TransferSession:
        """See TransferWay."""
        return _ReachedSession(self._reach, await self._reach.open(deadline))

    def journals(self) -> tuple[Path, bytes]:
        """See TransferWay."""
        return self._reach.journal_directory, self._reach.journal_key

    async def rest(self, seconds: float) -> None:
        """See TransferWay."""
        await self._reach.rest(seconds)


class _ReachedSession(TransferSession):
    def __init__(self, reach: Reach, reached: Reached) -> None:
        super().__init__(reached.session, reach.pool, reach.workers)
        self._reach = reach
        self._reached = reached

    @property
    def path(self) -> str:
        """See TransferSession."""
        if self._reached.through_agent:
            return self._reached.path
        links = sorted(self.session.links, key=lambda link: link.bytes_sent + link.bytes_received)
        return links[-1].path.value if links else self._reached.path

    async def linked(self) -> bool:
        """See TransferSession."""
        return await self._reach.leads_there()

    def other(self, files: RemoteFiles) -> Files:
        """See TransferSession: what it does is noted as that of the command's other questions."""
        files.using = self._reached.files.using
        return files

    def leave(self) -> None:
        """See TransferSession: the session is this command's own, and ends with it."""
