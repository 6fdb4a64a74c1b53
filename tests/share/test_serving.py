"""The serving loop over a session: what waits for a disk must not hold up what does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.base.workers import Workers
from gimmal.protocol.messages import Answer, Commit, Copy, Found, OpenPart, Request, Stat
from gimmal.share.service import ShareSession
from gimmal.share.serving import Serving
from gimmal.transport.buffers import BufferPool
from tests.share.rig import MTIME, SOURCE, Rig
from tests.transport.helpers import run
from tests.transport.sessions import Pair


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


class Busy(ShareSession):
    """A session whose disk does nothing about whole files until it is let go."""

    def __init__(self, session: ShareSession) -> None:
        super().__init__(session._state)
        self.disk = threading.Event()

    def answer(self, request: Request) -> Answer:
        if isinstance(request, OpenPart | Commit | Copy):
            assert self.disk.wait(30)
        return super().answer(request)


WHOLE_FILES = [
    Copy("rw/file", "rw/copy"),
    Commit(99, bytes(32), MTIME),
    OpenPart("rw/new", 5, SOURCE),
]


@pytest.mark.parametrize("request_of_a_file", WHOLE_FILES, ids=lambda request: type(request).__name__)
def test_work_on_whole_files_holds_up_no_question(rig: Rig, request_of_a_file: Request) -> None:
    (rig.rw / "file").write_text("whole")

    async def main() -> None:
        workers = Workers()
        share = Busy(rig.session)
        pair = Pair(other=Serving(share, BufferPool(), workers))
        pair.link()
        working = [asyncio.create_task(pair.a.call(request_of_a_file, deadline=None)) for _ in range(40)]
        for _ in range(20):
            answer = await pair.a.call(Stat("rw/file"), deadline=5)
            assert isinstance(answer, Found)
        assert not any(task.done() for task in working)
        share.disk.set()
        await asyncio.gather(*working)
        await pair.close()
        workers.close()
        await asyncio.get_running_loop().shutdown_default_executor()

    run(main())
