"""Packed records at the side that shares: what is false in them ends the session and is never written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from blake3 import blake3

from gimmal.base.errors import ProtocolViolation
from gimmal.base.workers import BULK_THREADS, Workers
from gimmal.protocol.codec import decode_answer, encode
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import (
    BundleFile,
    BundleWritten,
    Done,
    Failed,
    OpenPart,
    Packing,
    PartOpened,
    StreamEnd,
    Write,
    WriteBundle,
)
from gimmal.protocol.packed import pack
from gimmal.share import serving as serving_room
from gimmal.share.part_writing import PartWriter
from gimmal.share.serving import Serving
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import Piece
from tests.patience import PATIENCE
from tests.share.rig import SOURCE, Rig
from tests.transport.helpers import run
from tests.transport.sessions import end, raw_session

TEXT = b"".join(b"%06d and so on\n" % number for number in range(20_000))[:200_000]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def packed(content: bytes = TEXT) -> bytes:
    body = pack(memoryview(content))
    assert body is not None
    return body


def bundle(content: bytes) -> tuple[int, bytes]:
    header = encode([BundleFile("new", len(content), small_file_digest(content), 1)])
    return len(header), header + content


LIES = {
    "it holds less than it says": (200_000).to_bytes(4, "big") + packed(TEXT[:100_000])[4:],
    "it holds more than it says": (150_000).to_bytes(4, "big") + packed()[4:],
    "it is cut": packed()[:-3],
    "something is behind it": packed() + b"\0",
    "it is no frame": (200_000).to_bytes(4, "big") + TEXT[:5000],
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("kind", ["write", "bundle"])
def test_a_lie_ends_the_session_and_is_not_written(rig: Rig, kind: str, name: str) -> None:
    async def main() -> None:
        workers = Workers()
        raw, session = raw_session(Serving(rig.session, BufferPool(), workers))
        opened = rig.session.answer(OpenPart("rw/new", 200_000, SOURCE))
        assert isinstance(opened, PartOpened)
        lie = LIES[name]
        if kind == "write":
            request = Write(opened.part, 0, 200_000, packing=Packing.SLOW)
            await raw.put(RecordKind.REQUEST, 1, 1, encode(request))
            await raw.put(RecordKind.PACKED, 1, 0, lie)
            await raw.put(RecordKind.END, 1, int.from_bytes(lie[:4], "big"), encode(StreamEnd(bytes(32))))
        else:
            await raw.put(RecordKind.REQUEST, 1, 1, encode(WriteBundle("rw", packing=Packing.SLOW)))
            await raw.put(RecordKind.PACKED_BUNDLE, 1, 10, lie)
        await asyncio.wait_for(asyncio.shield(session.ended), PATIENCE)
        assert isinstance(session.cause, ProtocolViolation)
        raw.close()
        await session._tasks.close()
        workers.close()
        assert [path.name for path in rig.rw.iterdir() if not path.name.startswith(".gimmal-part-")] == []

    run(main())


def test_no_more_is_unpacked_than_threads_can_write(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes stand for many: unpacked ahead of a slow disk, they would be a way round every bound."""
    disk, begun = threading.Event(), threading.Semaphore(0)
    unpack, put = serving_room.unpacked, PartWriter.finish
    kept = 0

    def unpacked(pieces: Sequence[Piece]) -> list[Piece]:
        nonlocal kept
        kept += 1
        return unpack(pieces)

    def slowly(writer: PartWriter, digest: bytes, pieces: Sequence[Piece] = ()) -> Done | Failed:
        begun.release()
        assert disk.wait(30)
        return put(writer, digest, pieces)

    monkeypatch.setattr(serving_room, "unpacked", unpacked)
    monkeypatch.setattr(PartWriter, "finish", slowly)
    zeros = packed(bytes(1 << 20))

    async def main() -> None:
        workers = Workers()
        raw, session = raw_session(Serving(rig.session, BufferPool(), workers))
        end_of_block = encode(StreamEnd(blake3(bytes(BLOCK_SIZE)).digest()))
        opened = rig.session.answer(OpenPart("rw/zeros", 16 * BLOCK_SIZE, SOURCE))
        assert isinstance(opened, PartOpened)
        for index in range(16):
            number, start = 2 * index + 1, index * BLOCK_SIZE
            request = Write(opened.part, start, BLOCK_SIZE, packing=Packing.ALWAYS)
            records = [raw.seal(RecordKind.REQUEST, number, 1, encode(request))]
            records += [raw.seal(RecordKind.PACKED, number, start + (at << 20), zeros) for at in range(4)]
            await raw.send(*records, raw.seal(RecordKind.END, number, BLOCK_SIZE, end_of_block))
        for _ in range(BULK_THREADS):
            assert await asyncio.to_thread(begun.acquire, timeout=10)
        assert kept == BULK_THREADS
        disk.set()
        for _ in range(16):
            assert isinstance(decode_answer((await raw.get())[3]), Done)
        await end(session, raw)
        workers.close()
        await asyncio.get_running_loop().shutdown_default_executor()

    run(main())


def test_what_is_saved_is_said(rig: Rig) -> None:
    async def main() -> None:
        workers = Workers()
        raw, session = raw_session(Serving(rig.session, BufferPool(), workers))
        opened = rig.session.answer(OpenPart("rw/part", 200_000, SOURCE))
        assert isinstance(opened, PartOpened)
        await raw.put(RecordKind.REQUEST, 1, 1, encode(Write(opened.part, 0, 200_000, packing=Packing.ALWAYS)))
        await raw.put(RecordKind.PACKED, 1, 0, packed())
        await raw.put(RecordKind.END, 1, 200_000, encode(StreamEnd(blake3(TEXT).digest())))
        assert decode_answer((await raw.get())[3]) == Done(200_000 - len(packed()))
        length, body = bundle(TEXT)
        await raw.put(RecordKind.REQUEST, 3, 3, encode(WriteBundle("rw", packing=Packing.ALWAYS)))
        await raw.put(RecordKind.PACKED_BUNDLE, 3, length, packed(body))
        assert decode_answer((await raw.get())[3]) == BundleWritten([0], 0, len(body) - len(packed(body)))
        assert (rig.rw / "new").read_bytes() == TEXT
        await end(session, raw)
        workers.close()

    run(main())
