"""The agent sends home what commands left in journals of edits: they ended, or the half was pulled out elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from gimmal.agent.plugged import computer_name
from gimmal.agent.queue.way import Host
from gimmal.base.errors import GimmalError, UnreachableError
from gimmal.base.tasks import Tasks
from gimmal.remote.edits.conflict_list import ConflictList
from gimmal.remote.edits.journal import folders, left_over
from gimmal.remote.edits.left_over import send_left_over
from gimmal.remote.edits.operations import Gone, Operation, Save
from gimmal.remote.remote_files import RemoteFiles
from gimmal.share.using import Using

logger = logging.getLogger("gimmal.agent")

LOOK_SECONDS = 5.0
"""How often to look whether a command has left a journal, while the other side is there."""

AGAIN_SECONDS = 60.0
"""Until the next try where the other side refused something, or has no room."""

WAIT_SECONDS = 3600.0
"""How long one wait for the other side lasts; then it is waited on."""


class EditsHome:
    """Looks for journals that no process has, whenever the other side is there.

    Args:
        host: what the agent lends.
        half: the folder ``GIMMAL``, where journals may lie.
        say: told one line for the person when edits have gone home.
    """

    def __init__(self, host: Host, half: Path, say: Callable[[str], None]) -> None:
        self._host = host
        self._places = folders(half, host.directory, host.key)
        self._say = say
        self._tasks = Tasks()

    def start(self) -> None:
        """Begin."""
        self._tasks.start(self._keep_looking(), "send edits home")

    def close(self) -> None:
        """Look no more; what has not gone home waits in its journal."""
        self._tasks.cancel()

    async def _keep_looking(self) -> None:
        while True:
            pause = LOOK_SECONDS
            try:
                if await self._host.workers.call(_any, self._places):
                    pause = await self._send()
            except UnreachableError as exc:
                logger.debug("edits wait for the other side: %s", exc.message)
            except GimmalError as exc:
                logger.warning("edits cannot go home now: %s", exc.message)
                pause = AGAIN_SECONDS
            await asyncio.sleep(pause)

    async def _send(self) -> float:
        """Send what is there; seconds until the next look."""
        host = self._host
        session = await host.peer(WAIT_SECONDS)
        files = RemoteFiles(session)
        own = host.own_log.own_session("b" if host.side == "a" else "a", session.peer.name) if host.own_log else None
        if own is not None:
            files.using = Using(own)
        home: set[str] = set()
        beside: set[str] = set()

        def tell(operation: Operation, gone: Gone) -> None:
            if isinstance(operation, Save):
                home.add(gone.path)
                if gone.path != operation.path:
                    beside.add(gone.path)

        conflicts = ConflictList(tuple(self._places), host.key)
        try:
            refused = await send_left_over(
                files, self._places, host.key, host.workers, computer_name(), conflicts, tell
            )
        finally:
            if own is not None:
                own.over()
            self._tell(len(home), len(beside))
        return AGAIN_SECONDS if refused else LOOK_SECONDS

    def _tell(self, home: int, beside: int) -> None:
        if home:
            more = f", {beside} beside what the other side had changed: gimmal conflicts" if beside else ""
            self._say(f"edits: {'1 file has' if home == 1 else f'{home:,} files have'} gone home{more}")


def _any(places: Sequence[Path]) -> bool:
    return bool(left_over(list(places)))
