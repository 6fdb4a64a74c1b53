"""The line is cut and the writer killed at random moments: nothing that was saved is lost, wherever that happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gimmal.agent.local_commands import local_session
from gimmal.base.errors import GimmalError
from gimmal.base.workers import Workers
from gimmal.protocol.messages import CloseReason
from gimmal.remote.edits.conflict_list import ConflictList
from gimmal.remote.edits.journal import waiting_operations
from gimmal.remote.edits.left_over import send_left_over
from gimmal.remote.edits.operations import Gone, Operation
from gimmal.share.service import ShareService
from gimmal.share.serving import Serving
from gimmal.share.shares import Rights, Share, ShareTable
from gimmal.transport.buffers import BufferPool
from gimmal.transport.session import Session
from tests.figures import figure
from tests.patience import ALONE, PATIENCE
from tests.remote.edits.writer import NAMES, Way, places_in

KEY = bytes(32)
ROUNDS = 100 if ALONE else 6


class OtherSide:
    """The side with the files, at a socket; its line can be cut."""

    def __init__(self, base: Path, workers: Workers) -> None:
        self.folder = base / "far"
        self.folder.mkdir()
        self.path = str(base / "socket")
        self._service = ShareService(
            ShareTable([Share("far", self.folder, Rights.READ_WRITE)]), base / "journals", bytes(32)
        )
        self._workers = workers
        self._pool = BufferPool()
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._sessions: list[tuple[Session, socket.socket]] = []

    def open(self) -> None:
        """The line is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.bind(self.path)
        self._listener.listen()
        self._accepting = asyncio.ensure_future(self._accept(self._listener))

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _address = await asyncio.get_running_loop().sock_accept(listener)
            answering = Serving(self._service.open_session(), self._pool, self._workers)
            session = local_session(connection, self._pool, answering, opener=False)
            answering.watch(session)
            self._sessions.append((session, connection))

    async def cut(self) -> None:
        """The line is gone, with whatever was on it."""
        if self._accepting is not None and self._listener is not None:
            self._accepting.cancel()
            self._listener.close()
            self._accepting = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        sessions, self._sessions = self._sessions, []
        for session, connection in sessions:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            session.close(CloseReason.DONE)
        for session, _connection in sessions:
            await session.finished()

    async def close(self) -> None:
        await self.cut()
        self._service.close()


@contextlib.asynccontextmanager
async def writer(other: OtherSide, base: Path, seed: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.remote.edits.writer",
        other.path,
        str(base),
        str(seed),
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 21,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def heard(process: asyncio.subprocess.Process, said: list[list[str]], saves: int) -> None:
    """Wait until so many more edits were saved."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while saves:
            line = await process.stdout.readline()
            assert line, "the writer ended by itself"
            said.append(json.loads(line))
            saves -= said[-1][0] == "saved"


async def rest_of(process: asyncio.subprocess.Process, said: list[list[str]]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        if line.endswith(b"\n"):
            said.append(json.loads(line))


async def round_of(base: Path, seed: int) -> tuple[list[list[str]], dict[str, tuple[str, str]], int]:
    """What the writer said, what the other side wrote itself over what, and how many edits waited after the kill."""
    draw, workers = random.Random(seed), Workers()
    other = OtherSide(base, workers)
    said: list[list[str]] = []
    theirs: dict[str, tuple[str, str]] = {}
    other.open()
    try:
        async with writer(other, base, seed) as process:
            await heard(process, said, draw.randrange(1, 6))
            if draw.random() < 0.8:
                await other.cut()
                if draw.random() < 0.5:
                    # One that the writer has written: it knows of that version, and not of this one.
                    name = draw.choice([path for what, path, _text in said if what == "saved"])
                    theirs[name] = (f"theirs {seed}", (base / name).read_text())
                    (other.folder / "new").write_text(theirs[name][0])
                    os.replace(other.folder / "new", base / name)
                await heard(process, said, draw.randrange(1, 6))
                if draw.random() < 0.5:
                    other.open()
                    await asyncio.sleep(draw.random())  # somewhere on its way home
            process.send_signal(signal.SIGKILL)
            await rest_of(process, said)
        waited = len(waiting_operations(list(places_in(base)), KEY))
        await other.cut()
        other.open()
        await go_home(other, base, workers, draw)
    finally:
        await other.close()
        workers.close()
    return said, theirs, waited


async def go_home(other: OtherSide, base: Path, workers: Workers, draw: random.Random) -> None:
    """As the next process does that connects; the first one is cut off somewhere."""
    stop_after = draw.randrange(0, 4)

    def stop(_operation: Operation, _gone: Gone) -> None:
        nonlocal stop_after
        stop_after -= 1
        if stop_after == 0:
            raise asyncio.CancelledError

    conflicts = ConflictList(places_in(base), KEY)
    for tell in (stop, lambda _operation, _gone: None):
        way = Way(other.path)
        try:
            files = await way.open()
            with contextlib.suppress(asyncio.CancelledError):
                refused = await send_left_over(files, places_in(base), KEY, workers, "guest", conflicts, tell)
                assert refused == []
        finally:
            way.close()


def versions(folder: Path) -> dict[str, list[str]]:
    """By name, all that is there of a file: itself, and what was put beside it."""
    found: dict[str, list[str]] = {name: [] for name in NAMES}
    for path in folder.iterdir():
        stem = path.name.partition(" (conflict anna ")[0].removesuffix(".txt")
        if f"far/{stem}.txt" in found:
            found[f"far/{stem}.txt"].append(path.read_text())
    return found


def lost(said: list[list[str]], theirs: dict[str, tuple[str, str]], there: dict[str, list[str]]) -> list[str]:
    """The last saved version of each file has to be there, or one that was tried later; and what the others wrote."""
    missing = []
    for name in NAMES:
        texts = [(what, text) for what, path, text in said if path == name]
        last = max((index for index, (what, _text) in enumerate(texts) if what == "saved"), default=None)
        if last is not None:
            good = {text for _what, text in texts[last:]}
            # What had come home and was then replaced over there is not lost: somebody wanted that.
            if not good.intersection([*there[name], *theirs.get(name, ())]):
                missing.append(f"{name}: {texts[last][1][:30]}")
        if name in theirs and theirs[name][0] not in there[name]:
            missing.append(f"{name}: theirs")
    return missing


@pytest.mark.campaign
def test_nothing_that_was_saved_is_lost_by_cuts_and_kills(tmp_path: Path) -> None:
    saves, waited = 0, 0
    for seed in range(ROUNDS):
        base = tmp_path / str(seed)
        base.mkdir()
        try:
            said, theirs, kept = asyncio.run(round_of(base, seed))
        except GimmalError as error:
            raise AssertionError(f"round {seed}") from error
        assert not lost(said, theirs, versions(base / "far")), f"round {seed}"
        assert waiting_operations(list(places_in(base)), KEY) == []
        saves += sum(what == "saved" for what, _name, _text in said)
        waited += kept
    assert saves > ROUNDS
    figure(f"cuts and kills under writing, {ROUNDS} rounds: edits lost of {saves:,} saved", 0, "0")
    figure(f"the same: operations that waited in a journal, of {ROUNDS} rounds", waited, "reported")
