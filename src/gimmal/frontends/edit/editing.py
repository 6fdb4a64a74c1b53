"""One editing: the program runs, each save goes home, and nothing is left at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from typing import Any, Protocol

from gimmal.agent.reach import Reach
from gimmal.base.display import displayable
from gimmal.base.errors import GimmalError, HalfGone, Interrupted, LocalError, RemoteError, UnreachableError
from gimmal.base.tasks import Tasks
from gimmal.frontends.edit.memory_folder import DocumentFolder
from gimmal.frontends.edit.program import Program, end_program, in_use, start_program
from gimmal.frontends.edit.sending import DocumentCopy, Saved
from gimmal.frontends.edit.side_files import is_side_file
from gimmal.frontends.edit.watching import FolderWatch

RETRY_FIRST, RETRY_MOST = 0.3, 5.0
"""Seconds between two tries to send a save while the other side is away."""

AGAIN_SECONDS = 0.1
"""Until another look at a document that was being written while it was sent."""

LOOK_SECONDS = 1.0
"""How often to look whether a program that took the document over still has it open."""

CLOSED_SECONDS = 3.0
"""For so long nobody must have it open until the person has done: some programs close and open it when they save."""

LAST_SECONDS = 1.0
"""How long at the end a save that waits may take to go home; what is kept goes with the next connection."""

TEMPORARY = ".gimmal-temporary"
"""Folder for the program's temporary files."""

_EVER = 1e9
_SIBLINGS_MAX = 1000


class Teller(Protocol):
    """Tells the person what happens."""

    def saved(self, saved: Saved) -> None:
        """A save is at home."""

    def note(self, text: str) -> None:
        """Something they should know."""


class Editing:
    """Runs a program on a document until the person has done.

    Args:
        reach: ways to the other side; entered.
        copy: the document, fetched.
        folder: where it lies.
        program: the program.
        teller: told what happens.
        quiet: stdout is for something else than the program's output.
    """

    def __init__(
        self,
        reach: Reach,
        copy: DocumentCopy,
        folder: DocumentFolder,
        program: Program,
        teller: Teller,
        *,
        quiet: bool,
    ) -> None:
        self._reach = reach
        self._copy = copy
        self._folder = folder
        self._program = program
        self._teller = teller
        self._quiet = quiet
        self._saving = asyncio.Lock()
        self._tasks = Tasks()
        self._told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handed_over = False
        self._said_away = False
        self._seen_beside: set[str] = set()
        self.failure: GimmalError | None = None
        """Why the newest save is not at home; None where it is."""

    async def run(self) -> None:
        """Edit; returns when the last save is at home.

        Raises:
            HalfGone: the half was pulled out.
            LocalError: the program cannot be started, or failed.
            GimmalError: ``failure``, which kept the last save here.
        """
        temporary = self._folder.path / TEMPORARY
        await self._reach.workers.call(temporary.mkdir, 0o700)
        watch = FolderWatch(self._folder.path, self._copy.name)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._tell)
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        process: Process | None = None
        try:
            process = await start_program(self._program, self._copy.file, temporary, quiet=self._quiet)
            gone = self._tasks.start(_until_gone(self._reach), "until the half is gone")
            saving = self._tasks.start(self._keep_saving(watch), "saving")
            done = self._tasks.start(self._until_done(process), "program")
            ends: set[asyncio.Future[Any]] = {self._told, gone, done}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and (failure := gone.result()) is not None:
                await asyncio.gather(end_program(process), self._reach.workers.call(self._folder.remove))
                raise failure
            await end_program(process)
            async with self._saving:
                saving.cancel()
            await self._save_last()
            if process.returncode and not self._told.done():
                name = displayable(self._program.name)
                raise LocalError(f"{name} ended with status {process.returncode}", "what it saved is at home")
        finally:
            watch.close()
            if process is not None:
                await end_program(process)
            await self._tasks.close()

    def _tell(self) -> None:
        if not self._told.done():
            self._told.set_result(None)

    def _interrupted(self) -> None:
        # While a program has the terminal, Ctrl-C is meant for it.
        if self._handed_over:
            self._tell()

    # The program -----------------------------------------------------------------------------------------------------

    async def _until_done(self, process: Process) -> None:
        """Wait until the program has ended, and whoever it gave the document to has closed it."""
        await process.wait()
        workers, folder, name = self._reach.workers, self._folder.path, self._copy.name
        seen = await workers.call(in_use, folder, name)
        if process.returncode or not (self._program.hands_over or seen):
            return
        self._handed_over = True
        self._teller.note(
            f"{displayable(self._program.name)} gave the document to a running program; "
            "close it there, then press Ctrl-C here if this does not end by itself"
        )
        loop = asyncio.get_running_loop()
        used_at = loop.time()
        while not seen or loop.time() - used_at < CLOSED_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            if await workers.call(in_use, folder, name):
                seen, used_at = True, loop.time()

    # Saving ----------------------------------------------------------------------------------------------------------

    async def _keep_saving(self, watch: FolderWatch) -> None:
        pause: float | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await watch.until_due()
            async with self._saving:
                try:
                    await self._save()
                except HalfGone:
                    return  # which is noticed elsewhere, too
            away = self._copy.waits or isinstance(self.failure, UnreachableError)
            again = isinstance(self.failure, RemoteError) and self.failure.code == "changed"
            pause = min(2 * (pause or RETRY_FIRST / 2), RETRY_MOST) if away else AGAIN_SECONDS if again else None
            if pause is None:
                with contextlib.suppress(OSError):
                    self._note_siblings(await self._reach.workers.call(os.listdir, self._folder.path))

    async def _save(self) -> None:
        """Send what was saved; ``failure`` says how that went."""
        try:
            saved = await self._copy.save()
        except HalfGone:
            raise
        except GimmalError as exc:
            self.failure = exc
            self._note_failure(exc)
            return
        self.failure = None
        self._said_away = False
        if saved is not None:
            self._teller.saved(saved)

    def _note_failure(self, failure: GimmalError) -> None:
        if isinstance(failure, UnreachableError):
            if not self._said_away:
                self._teller.note(f"not saved yet, waiting for the other side: {failure.message}")
            self._said_away = True
        elif not (isinstance(failure, RemoteError) and failure.code == "changed"):
            self._teller.note(f"not saved: {failure.message}")

    async def _save_last(self) -> None:
        """See that the last save is at home, whatever was heard of it.

        Raises:
            GimmalError: it is not.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + LAST_SECONDS
        pause = RETRY_FIRST
        while True:
            await self._save()
            if self.failure is None and not self._copy.waits:
                break
            again = isinstance(self.failure, RemoteError) and self.failure.code == "changed"
            away = self._copy.waits or isinstance(self.failure, UnreachableError)
            if not (again or away) or loop.time() >= until:
                break
            await self._reach.rest(AGAIN_SECONDS if again else pause)
            pause = min(2 * pause, RETRY_MOST)
        if self.failure is not None:
            raise self.failure
        if self._copy.waits:
            self._teller.note("the last save waits in the journal: it goes home when the other side is next reached")
        if not await self._reach.workers.call(self._copy.file.exists):
            removed = "the document was removed here; at home it is as it was last saved"
            self._teller.note(removed if self._copy.was_there else "nothing was saved, so no document was made")

    def _note_siblings(self, names: list[str]) -> None:
        """What the person saved under another name does not travel: it must not vanish unsaid."""
        for name in names[:_SIBLINGS_MAX]:
            ours = name in (self._copy.name, TEMPORARY) or is_side_file(name, self._copy.name)
            if not ours and name not in self._seen_beside:
                self._seen_beside.add(name)
                shown = displayable(str(self._folder.path / name))
                self._teller.note(f"{shown} is not sent and goes at the end: copy it to keep it")


async def _until_gone(reach: Reach) -> GimmalError | None:
    try:
        await reach.rest(_EVER)
    except GimmalError as exc:
        return exc
    return None


def not_home(failure: GimmalError, kept: str) -> GimmalError:
    """The error for a last save that could not be sent and lies in ``kept``."""
    if isinstance(failure, UnreachableError):
        return Interrupted(
            f"the last save is not at home: {failure.message}",
            f"it is kept in {kept}, until this computer is restarted",
        )
    error = GimmalError(f"the last save is not at home: {failure.message}", f"it is kept in {kept}")
    error.exit_code = failure.exit_code
    return error
