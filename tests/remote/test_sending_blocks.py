"""When the records of a block are not sent any more."""

from __future__ import annotations

import asyncio

from blake3 import blake3

from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import Done
from gimmal.remote.files import Block
from gimmal.remote.remote_files import RemoteFiles
from gimmal.transport.exchange import Piece
from gimmal.transport.session import Session
from tests.transport.helpers import run, until
from tests.transport.sessions import CONTENT, cut, end, raw_for, raw_session

SIZE = 3 * BODY_MAX
CONTENTS = CONTENT[:SIZE]


class SlowFiles(RemoteFiles):
    """Each record waits until it is let go."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.sending = asyncio.Lock()
        self.turns = asyncio.Semaphore(0)
        self.loads = 0

    async def pace(self, count: int) -> None:
        await self.turns.acquire()

    async def load(self) -> Block:
        self.loads += 1
        pieces = [Piece(memoryview(CONTENTS)[at : at + BODY_MAX], None, at) for at in range(0, SIZE, BODY_MAX)]
        return Block(pieces, SIZE, blake3(CONTENTS).digest())

    def write(self) -> asyncio.Task[bytes]:
        return asyncio.create_task(self.write_block(1, 0, SIZE, self.load))


def test_nothing_more_is_sent_of_what_is_answered() -> None:
    async def main() -> None:
        raw, session = raw_session()
        files = SlowFiles(session)
        writing = files.write()
        assert (await raw.get())[:2] == (RecordKind.REQUEST, 2)
        files.turns.release()
        assert (await raw.get())[:3] == (RecordKind.DATA, 2, 0)
        await raw.put(RecordKind.ANSWER, 2, 0, encode(Done()))
        await until(lambda: not session.is_awaited(2))
        files.turns.release()
        assert await writing == blake3(CONTENTS).digest()
        session.ping(session.links[0])
        assert (await raw.get())[0] == RecordKind.PING
        await end(session, raw)

    run(main())


def test_a_block_whose_link_is_lost_before_its_turn_is_not_even_loaded() -> None:
    async def main() -> None:
        raw, session = raw_session()
        files = SlowFiles(session)
        async with files.sending:
            writing = files.write()
            assert (await raw.get())[:2] == (RecordKind.REQUEST, 2)
            cut(session.links[0])
            raw.close()
            raw, _ = raw_for(session, "another")
        assert (await raw.get())[:2] == (RecordKind.REPEAT, 2)
        assert (await raw.get())[:2] == (RecordKind.REQUEST, 2)
        for at in range(0, SIZE, BODY_MAX):
            files.turns.release()
            assert (await raw.get())[:3] == (RecordKind.DATA, 2, at)
        assert (await raw.get())[:2] == (RecordKind.END, 2)
        await raw.put(RecordKind.ANSWER, 2, 0, encode(Done()))
        await writing
        assert files.loads == 1
        await end(session, raw)

    run(main())
