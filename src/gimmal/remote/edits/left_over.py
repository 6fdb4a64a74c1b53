"""Journals that a process left behind: it was killed, the half was pulled out, or its computer is another one.

Whoever connects next sends them home: each is claimed by its lock first, so that no two do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from gimmal.base.errors import GimmalError, LocalError, ProtocolViolation, RemoteError
from gimmal.base.workers import Workers
from gimmal.remote.edits.conflict_list import ConflictList
from gimmal.remote.edits.going_home import GoingHome, Refused
from gimmal.remote.edits.journal import JournalFile, left_over
from gimmal.remote.edits.operations import Gone, Operation
from gimmal.remote.files import Files

logger = logging.getLogger("gimmal.remote")


async def send_left_over(
    files: Files,
    folders: Sequence[Path],
    key: bytes,
    workers: Workers,
    computer: str,
    conflicts: ConflictList | None,
    tell: Callable[[Operation, Gone], None] = lambda _operation, _gone: None,
) -> list[Refused]:
    """Send home what no living process has, oldest first. Returns what the other side does not do, which stays.

    Args:
        files: the other side.
        folders: where journals may lie (see `journal.folders`).
        key: 32 bytes from the half.
        workers: threads for this computer's disk.
        computer: what this one is called; see GoingHome.
        conflicts: where conflicts are noted.
        tell: called after each operation, with what came of it.

    Raises:
        UnreachableError: the line fell; the rest is still there.
        RemoteError: ``no_space``, when all that could be done was.
        LocalError: a journal cannot be read or written; the same.
    """
    refused: list[Refused] = []
    failure: GimmalError | None = None
    for path in await workers.call(left_over, list(folders)):
        try:
            journal = await workers.call(JournalFile.claim, path, key)
        except (LocalError, ProtocolViolation) as error:
            logger.warning("a journal of edits stays where it is: %s", error.message)
            continue
        if journal is None:
            continue
        try:
            refused += await GoingHome(files, journal, workers, computer, conflicts, tell).run()
            if not journal.pending:
                await workers.call(journal.remove)
        except (RemoteError, LocalError) as error:  # the others may go
            logger.warning("a journal of edits waits on: %s", error.message)
            failure = error
        finally:
            await workers.call(journal.close)
    if failure is not None:
        raise failure
    return refused
