"""What one command does on the other side, for the log on this computer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from gimmal.agent.use_log.use_log import UseLog
from gimmal.base.workers import Workers
from gimmal.protocol.messages import CloseReason
from gimmal.share.using import Using

logger = logging.getLogger("gimmal.agent")

WRITE_SECONDS = 1.0
"""What is left to the disk when the command ends; whoever ran it waits for that."""


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

    def of_session(self, side: str, computer: str) -> Using:
        """Takes what is done through one session.

        Args:
            side: the other one, ``a`` or ``b``.
            computer: the name that its computer gives itself, or nothing.
        """
        return Using(self._log.own_session(side, computer))

    async def close(self) -> None:
        """Write the rest; a disk that holds it up does not hold up the command for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_SECONDS):
                await self._log.close(CloseReason.DONE)
