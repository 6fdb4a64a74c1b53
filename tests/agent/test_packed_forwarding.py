"""Packed records through an agent: passed on as they are, or packed there for a command that does not see the line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from gimmal.agent.forwarding import Forwarding
from gimmal.agent.local_commands import local_session
from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.features import OFFERED
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import BundleFile, OpenPart, Packing, WriteBundle
from gimmal.remote.files import Block
from gimmal.remote.remote_files import RemoteFiles
from gimmal.share.serving import Serving
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import Piece
from gimmal.transport.link import Link
from gimmal.transport.session import Session
from tests.share.rig import SOURCE, Rig
from tests.transport.helpers import run, socket_pair
from tests.transport.sessions import Pair

TEXT = b"".join(b"%07d of a long text\n" % number for number in range(80_000))[: 1 << 20]
DIGEST = blake3(TEXT).digest()


class World:
    """A command, its agent, and the other side; the kinds of bulk records that passed the line are noted."""

    def __init__(self, rig: Rig, monkeypatch: pytest.MonkeyPatch, *, slow: bool) -> None:
        self.passed: list[RecordKind] = []
        self.workers = Workers()
        self.tasks = Tasks()
        self.pair = Pair(None, Serving(rig.session, BufferPool(), self.workers))
        self.ends = self.pair.link()
        note = Session.on_record

        def on_record(session: Session, link: Link, kind: RecordKind, *more: object) -> bool:
            if link in self.ends:
                self.passed.append(kind)
            return note(session, link, kind, *more)  # type: ignore[arg-type]

        monkeypatch.setattr(Session, "on_record", on_record)
        if slow:
            for link in self.ends:
                link.round_trip = 0.05
        ends = socket_pair()
        self.agent = local_session(ends[0], BufferPool(), Forwarding(self.pair.a, self.tasks), opener=False)
        self.command = local_session(ends[1], BufferPool(), None, opener=True, features=OFFERED)
        self.files = RemoteFiles(self.command)

    async def close(self) -> None:
        for session in (self.command, self.agent):
            links = list(session.links)
            session.fail(GimmalError("the test is over"))
            for link in links:
                await link.ended
            await session._tasks.close()
        await self.pair.close()
        await self.tasks.close()
        self.workers.close()
        await asyncio.get_running_loop().shutdown_default_executor()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


CASES = pytest.mark.parametrize(
    ("packing", "slow", "packed"),
    [
        (Packing.NEVER, True, False),
        (Packing.SLOW, False, False),
        (Packing.SLOW, True, True),
        (Packing.ALWAYS, False, True),
    ],
)


@CASES
def test_a_range_and_a_bundle_are_read(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, packing: Packing, slow: bool, packed: bool
) -> None:
    (rig.rw / "file").write_bytes(TEXT)
    (rig.rw / "small").write_bytes(TEXT[:50_000])

    async def main() -> None:
        world = World(rig, monkeypatch, slow=slow)
        world.files.choose_packing(packing)
        block = await world.files.read_block("rw/file", 0, 1 << 20, None)
        assert b"".join(bytes(piece.body) for piece in block.pieces) == TEXT
        world.files.release(block)
        bundle = await world.files.read_bundle("rw", ["small"])
        assert bytes(bundle.contents[0]) == TEXT[:50_000]
        bundle.release()
        assert (RecordKind.PACKED in world.passed, RecordKind.PACKED_BUNDLE in world.passed) == (packed, packed)
        assert (RecordKind.DATA in world.passed, RecordKind.BUNDLE in world.passed) == (not packed, not packed)
        assert (world.files.saved > 500_000) is packed
        await world.close()

    run(main())


@CASES
def test_a_block_and_a_bundle_are_written(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, packing: Packing, slow: bool, packed: bool
) -> None:
    async def main() -> None:
        world = World(rig, monkeypatch, slow=slow)
        world.files.choose_packing(packing)
        opened = await world.files.open_part(OpenPart("rw/file", len(TEXT), SOURCE))

        async def load() -> Block:
            return Block([Piece(memoryview(TEXT), None)], len(TEXT), DIGEST)

        await world.files.write_block(opened.part, 0, len(TEXT), load)
        small = TEXT[:50_000]
        header = BundleFile("small", len(small), small_file_digest(small), 1)
        assert await world.files.write_bundle(WriteBundle("rw"), [header], [memoryview(small)]) == [0]
        assert (rig.rw / "small").read_bytes() == small
        part = rig.session._state.parts.get(opened.part)
        assert part.all_digests() == [DIGEST]
        assert (RecordKind.PACKED in world.passed, RecordKind.PACKED_BUNDLE in world.passed) == (packed, packed)
        assert (RecordKind.DATA in world.passed, RecordKind.BUNDLE in world.passed) == (not packed, not packed)
        # Also where it was the agent that packed.
        assert (world.files.saved > 500_000) is packed
        await world.close()

    run(main())
