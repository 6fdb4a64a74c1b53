"""Packed records at the side that shares: what is false in them ends the session and is never written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from gimmal.base.errors import ProtocolViolation
from gimmal.base.workers import Workers
from gimmal.protocol.codec import decode_answer, encode
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import (
    BundleFile,
    BundleWritten,
    Done,
    OpenPart,
    Packing,
    PartOpened,
    StreamEnd,
    Write,
    WriteBundle,
)
from gimmal.protocol.packed import pack
from gimmal.share.serving import Serving
from gimmal.transport.buffers import BufferPool
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
