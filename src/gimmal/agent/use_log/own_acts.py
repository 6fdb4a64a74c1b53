"""What one command does on the other side, for the log on this computer."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from gimmal.agent.use_log.use_log import UseLog
from gimmal.base.workers import Workers
from gimmal.protocol.messages import CloseReason
from gimmal.share.using import Using

logger = logging.getLogger("gimmal.agent")


class OwnActs:
    """Kept while the command runs, and written now and then and when it ends.

    Args:
        directory: where the sealed things of the lineage lie.
        key: 32 bytes from the half that seal them.
        workers: threads.
    """

    def __init__(self, directory: Path, key: bytes, workers: Workers) -> None:
        self._log = UseLog(directory, key, workers, logger.debug, own=True)
        self._log.start()

    def of_session(self, side: str, computer: str, ended: asyncio.Future[None]) -> Using:
        """Takes what is done through one session.

        Args:
            side: the other one, ``a`` or ``b``.
            computer: the name that its computer gives itself, or nothing.
            ended: done when nothing more comes of the session.
        """
        own = self._log.own_session(side, computer)
        ended.add_done_callback(lambda _ended: own.over())
        return Using(own)

    async def close(self) -> None:
        """Write the rest; the caller bounds how long that may take."""
        await self._log.close(CloseReason.DONE)
