"""ListChunks: files cut as the specification says, page by page, by another implementation's vectors."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from gimmal.protocol.chunk_messages import Average, Chunks, ListChunks
from gimmal.protocol.chunks import ChunkPage, read_chunks
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Version
from gimmal.share import chunking
from tests.share.rig import Rig
from tests.vector_files import load


def version(path: Path) -> Version:
    state = path.stat()
    return Version(state.st_ino, state.st_size, state.st_mtime_ns)


def page(rig: Rig, path: Path, offset: int = 0, average: Average = Average.FINE, *, blocks: bool = False) -> ChunkPage:
    request = ListChunks(f"rw/{path.name}", version(path), offset, average, blocks)
    answer = rig.session.answer(request)
    assert isinstance(answer, Chunks), answer
    return read_chunks(request, answer)


def pages(rig: Rig, path: Path, *, blocks: bool = False) -> list[ChunkPage]:
    """All pages of a file."""
    found = [page(rig, path, blocks=blocks)]
    while found[-1].end < path.stat().st_size:
        found.append(page(rig, path, found[-1].end, blocks=blocks))
    return found


@pytest.mark.parametrize("vector", load("protocol/chunks.json"), ids=lambda v: f"{v['size']}-{v['average']}")
def test_vectors(rig: Rig, vector: dict[str, Any]) -> None:
    path = rig.rw / "file"
    path.write_bytes(blake3(b"gimmal chunks").digest(length=vector["size"]))
    request = ListChunks("rw/file", version(path), vector["offset"], Average(vector["average"]), blocks=True)
    answer = rig.session.answer(request)
    assert isinstance(answer, Chunks)
    assert answer.chunks.hex() == vector["chunks"]
    assert answer.blocks.hex() == vector["blocks"]


@pytest.mark.parametrize("least", [100_000, BLOCK_SIZE, BLOCK_SIZE + 1, 9_000_000])
def test_pages_are_the_whole(rig: Rig, monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    path = rig.rw / "file"
    path.write_bytes(random.Random(1).randbytes(5 * BLOCK_SIZE + 12_345))
    (whole,) = pages(rig, path, blocks=True)
    monkeypatch.setattr(chunking, "CHUNKS_PAGE_BYTES", least)
    some = pages(rig, path, blocks=True)
    assert len(some) > 1
    assert [chunk for one in some for chunk in one.chunks] == whole.chunks
    assert [digest for one in some for digest in one.blocks] == whole.blocks
    content = path.read_bytes()
    assert whole.blocks == [blake3(content[at : at + BLOCK_SIZE]).digest() for at in range(0, len(content), BLOCK_SIZE)]


def test_a_page_holds_no_more_chunks_than_may_travel(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig.rw / "file"
    path.write_bytes(random.Random(2).randbytes(BLOCK_SIZE))
    monkeypatch.setattr(chunking, "CHUNKS_PAGE_MAX", 5)
    some = pages(rig, path)
    assert {len(one.chunks) for one in some[:-1]} == {5}


def test_what_is_inserted_changes_few_chunks(rig: Rig) -> None:
    content = random.Random(3).randbytes(2 * BLOCK_SIZE)
    (rig.rw / "old").write_bytes(content)
    (rig.rw / "new").write_bytes(content[:1_000_000] + b"inserted" + content[1_000_000:])
    old, new = (set(page(rig, rig.rw / name).chunks) for name in ("old", "new"))
    assert len(new - old) <= 2
    assert len(old) > 50


def test_an_older_or_newer_version_is_refused(rig: Rig) -> None:
    path = rig.rw / "file"
    path.write_bytes(bytes(100_000))
    before = version(path)
    os.utime(path, (1, 1))
    assert rig.code(ListChunks("rw/file", before)) == Code.CHANGED


def test_a_file_cut_short_while_it_is_read_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig.rw / "file"
    path.write_bytes(bytes(20 << 20))
    asked = ListChunks("rw/file", version(path))
    seen = []

    def cut(size: int, digest: bytes) -> bytes:
        if not seen:
            os.truncate(path, 6 << 20)
        seen.append(size)
        return b"x" * 12

    monkeypatch.setattr(chunking, "entry_of", cut)
    assert rig.code(asked) == Code.CHANGED
    assert seen


def test_a_file_written_to_while_it_is_read_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig.rw / "file"
    path.write_bytes(bytes(1 << 20))
    asked = ListChunks("rw/file", version(path))
    monkeypatch.setattr(chunking, "entry_of", lambda _size, _digest: path.write_bytes(bytes(1 << 20)) and b"x" * 12)
    assert rig.code(asked) == Code.CHANGED


def test_other_refusals(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig.rw / "file"
    path.write_bytes(b"content")
    here = version(path)
    for name in ("ro", "drop"):
        (rig.base / name / "file").write_bytes(b"content")
    assert rig.code(ListChunks("rw/file", here, 8)) == Code.INVALID
    assert rig.code(ListChunks("rw/none", here)) == Code.NOT_FOUND
    assert rig.code(ListChunks("rw", here)) == Code.IS_A_DIRECTORY
    assert rig.code(ListChunks("drop/file", version(rig.drop / "file"))) == Code.NOT_GRANTED
    assert isinstance(rig.session.answer(ListChunks("ro/file", version(rig.ro / "file"))), Chunks)
    os.mkfifo(rig.rw / "pipe")
    assert rig.code(ListChunks("rw/pipe", here)) == Code.SPECIAL_FILE
    (rig.rw / "link").symlink_to("file")
    assert rig.code(ListChunks("rw/link", here)) == Code.LINK_REFUSED
    monkeypatch.setitem(sys.modules, "pyfastcdc.cy", None)
    assert rig.code(ListChunks("rw/file", here)) == Code.UNSUPPORTED
