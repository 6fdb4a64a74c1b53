"""Blocks put together of what is there and of packed gaps, straight and through an agent, with a limit and without."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from gimmal.base.workers import Workers
from gimmal.protocol.digest import file_digest
from gimmal.protocol.features import OFFERED
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX
from gimmal.protocol.messages import Commit, OpenPart, Packing, Replace, Reused, Version
from gimmal.protocol.reused import gaps_of
from gimmal.remote.files import Block
from gimmal.remote.limit import Limit
from gimmal.remote.limited_files import LimitedFiles
from gimmal.remote.remote_files import RemoteFiles
from gimmal.transport.exchange import Piece
from tests.agent.test_packed_forwarding import World
from tests.share.rig import MTIME, SOURCE, Rig
from tests.transport.helpers import run

OLD = random.Random(5).randbytes(BLOCK_SIZE)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def changed(seed: int) -> tuple[bytes, Reused]:
    """A block that holds stretches of the old version, and text, noise and zeros between them."""
    rng = random.Random(seed)
    block = bytearray()
    reused = []
    while len(block) < BLOCK_SIZE:
        left = BLOCK_SIZE - len(block)
        size = min(left, rng.choice([1, 300, 511, 512, 5000, 65_535, 65_536, 300_000, 1_500_000]))
        kind = rng.choice(["text", "noise", "zeros", "old", "old"])
        if kind == "old":
            offset = rng.randrange(len(OLD) - size + 1)
            reused.append((len(block), offset, size))
            block += OLD[offset : offset + size]
        elif kind == "text":
            block += (b"%06d some text\n" % seed * (size // 17 + 1))[:size]
        else:
            block += rng.randbytes(size) if kind == "noise" else bytes(size)
    return bytes(block), tuple(reused)


def pieces_of(block: bytes, reused: Reused) -> list[Piece]:
    gaps = gaps_of(len(block), reused)
    assert gaps is not None
    return [
        Piece(memoryview(block)[at : min(at + BODY_MAX, end)], None, at)
        for start, end in gaps
        for at in range(start, end, BODY_MAX)
    ]


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("limited", [False, True], ids=["unlimited", "limited"])
@pytest.mark.parametrize("way", ["straight", "agent"])
@pytest.mark.parametrize("packing", [Packing.NEVER, Packing.SLOW, Packing.ALWAYS])
def test_what_is_put_together_is_the_file(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, packing: Packing, way: str, limited: bool, sparse: bool
) -> None:
    blocks = [changed(seed) for seed in range(3)]
    content = b"".join(block for block, _ in blocks)
    (rig.rw / "file").write_bytes(OLD)
    state = (rig.rw / "file").stat()
    old = Version(state.st_ino, state.st_size, state.st_mtime_ns)

    async def main() -> None:
        world = World(rig, monkeypatch, slow=True)
        session = world.command if way == "agent" else world.pair.a
        world.pair.a.peer = session.peer = type(session.peer)(1, "test", OFFERED, b"", bytes(16), False)
        workers = Workers()
        files = LimitedFiles(session, Limit(40_000_000), workers) if limited else RemoteFiles(session)
        files.choose_packing(packing)
        data = ((0, len(blocks)),) if sparse else None
        request = OpenPart("rw/file", len(content), SOURCE, Replace.EXPECTED, old, 0, data)
        opened = await files.open_part(request)
        digests = []
        for index, (block, reused) in enumerate(blocks):

            async def load(block: bytes = block, reused: Reused = reused) -> Block:
                return Block(pieces_of(block, reused), BLOCK_SIZE, blake3(block).digest())

            digests.append(await files.write_block(opened.part, index * BLOCK_SIZE, BLOCK_SIZE, load, reused=reused))
        await files.ask(Commit(opened.part, file_digest(len(content), digests), MTIME))
        assert (RecordKind.PACKED in world.passed) is (packing is not Packing.NEVER)
        assert (files.saved > 0) is (packing is not Packing.NEVER)
        workers.close()
        await world.close()

    run(main())
    assert (rig.rw / "file").read_bytes() == content
