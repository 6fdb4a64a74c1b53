"""Copies whose bytes are packed on the way: every direction and shape, old and hostile sides, and what it costs."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gimmal.base.errors import Interrupted, ProtocolViolation
from gimmal.base.zstandard import LEVEL
from gimmal.protocol.codec import encode
from gimmal.protocol.features import OFFERED, PACKED
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import OpenPart, Packing, Read, ReadBundle, StreamEnd, Version, Write, WriteBundle
from gimmal.protocol.packed import pack
from gimmal.remote.copy_tree import CopyOptions
from gimmal.remote.files import Block, Files
from gimmal.remote.limit import Limit
from gimmal.remote.limited_files import LimitedFiles
from gimmal.remote.progress import Progress
from gimmal.remote.remote_files import RemoteFiles
from gimmal.share.serving import Serving
from gimmal.transport import packing as packing_room
from gimmal.transport.buffers import RecordBuffer
from gimmal.transport.exchange import Incoming, Piece
from gimmal.transport.packing import Packer
from tests.patience import PATIENCE
from tests.remote import two_sides as sides_room
from tests.remote.random_trees import build, seen
from tests.remote.two_sides import Sides, TwoSides, copy_between

WAYS = pytest.mark.parametrize("way", [("near", "far"), ("far", "near")], ids=["up", "down"])
MIB = 1 << 20


def text(size: int) -> bytes:
    return b"".join(b"%07d one more line of a log\n" % number for number in range(size // 30 + 1))[:size]


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def small_files(root: Path) -> None:
    for number in range(400):
        folder = root / f"folder{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_bytes(text(3000 + number))
    (root / "picture.jpg").write_bytes(noise(200_000))


def large_text(root: Path) -> None:
    (root / "log").write_bytes(text(9 * MIB + 12_345))


def sparse(root: Path) -> None:
    with (root / "image").open("wb") as file:
        file.write(text(100_000))
        file.seek(3 * MIB)
        file.write(text(700_000))
        file.seek(30 * MIB)
        file.write(text(70_000))
        file.truncate(41 * MIB)


def mixed(root: Path) -> None:
    (root / "mixed").write_bytes(text(2 * MIB) + noise(5 * MIB) + text(2 * MIB))
    (root / "empty").write_bytes(b"")
    (root / "one").write_bytes(b"1")


SHAPES: list[Callable[[Path], None]] = [small_files, large_text, sparse, mixed]


class Counted:
    """What one copy moved over the wire, and what it said of it."""

    def __init__(self, two: TwoSides, way: tuple[str, str], packing: Packing, limit: int | None = None) -> None:
        self.progress = Progress()
        self.wire = 0
        self.saved = 0
        self._packing = packing
        self._limit = limit
        self._way = way
        two.run(self._work)

    async def _work(self, sides: Sides) -> None:
        if self._limit is not None:
            sides.far = LimitedFiles(sides.session, Limit(self._limit), sides.workers)
        sides.far.choose_packing(self._packing)
        source, target = self._way
        await copy_between(sides, f"{source}/tree", f"{target}/tree", self.progress, CopyOptions())
        self.wire, self.saved = sides.wire_bytes, sides.far.saved


def prepare(base: Path, way: tuple[str, str], shape: Callable[[Path], None]) -> tuple[TwoSides, Path, Path]:
    base.mkdir(exist_ok=True)
    two = TwoSides(base)
    source, target = (two.near if side == "near" else two.far for side in way)
    (source / "tree").mkdir()
    shape(source / "tree")
    return two, source / "tree", target / "tree"


@WAYS
@pytest.mark.parametrize("shape", SHAPES)
def test_a_packed_copy_is_the_same_and_shorter(
    tmp_path: Path, way: tuple[str, str], shape: Callable[[Path], None]
) -> None:
    wires = {}
    for packing in (Packing.NEVER, Packing.ALWAYS):
        two, source, target = prepare(tmp_path / packing.name, way, shape)
        counted = Counted(two, way, packing)
        assert not counted.progress.failures
        assert seen(target) == seen(source)
        wires[packing] = counted.wire
        saved = counted.saved
        if packing is Packing.NEVER:
            assert saved == 0
    # What is said to be saved is what did not pass the wire; beside it only a few messages differ in length.
    assert abs(wires[Packing.NEVER] - wires[Packing.ALWAYS] - saved) < 2000
    assert saved > 0.2 * wires[Packing.NEVER]


@WAYS
def test_random_trees_are_copied_the_same(tmp_path: Path, way: tuple[str, str]) -> None:
    for seed in range(4):
        two, source, target = prepare(
            tmp_path / str(seed), way, lambda root, seed=seed: build(random.Random(seed), root / "tree")
        )
        counted = Counted(two, way, Packing.ALWAYS)
        assert not counted.progress.failures
        assert seen(target) == seen(source)


@WAYS
def test_inside_a_computer_nothing_is_packed_unless_asked_for(tmp_path: Path, way: tuple[str, str]) -> None:
    two, source, target = prepare(tmp_path, way, large_text)
    counted = Counted(two, way, Packing.SLOW)
    assert counted.saved == 0
    assert counted.wire > (source / "log").stat().st_size
    assert seen(target) == seen(source)


@WAYS
@pytest.mark.parametrize("shape", [small_files, large_text])
def test_another_side_without_the_feature_gets_and_sends_none(
    tmp_path: Path, way: tuple[str, str], shape: Callable[[Path], None]
) -> None:
    base = tmp_path / "old"
    base.mkdir()
    two = TwoSides(base, far_features=OFFERED & ~PACKED)
    source, target = (two.near if side == "near" else two.far for side in way)
    (source / "tree").mkdir()
    shape(source / "tree")
    asked: list[Packing] = []
    handle = Serving.handle

    async def look(self: Serving, incoming: Incoming) -> object:
        if isinstance(incoming.request, Read | ReadBundle | Write | WriteBundle):
            asked.append(incoming.request.packing)
        return await handle(self, incoming)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Serving, "handle", look)
        counted = Counted(two, way, Packing.ALWAYS)
    assert asked
    assert set(asked) == {Packing.NEVER}
    assert counted.saved == 0
    assert seen(target / "tree") == seen(source / "tree")


@WAYS
def test_a_dense_file_costs_one_sample_in_sixteen_blocks(
    tmp_path: Path, way: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    two, source, target = prepare(tmp_path, way, lambda root: (root / "film").write_bytes(noise(40 * MIB)) and None)
    sampled = 0
    shrinks = packing_room.shrinks

    def count(views: list[memoryview]) -> bool:
        nonlocal sampled
        sampled += 1
        return shrinks(views)

    monkeypatch.setattr(packing_room, "shrinks", count)
    counted = Counted(two, way, Packing.ALWAYS)
    assert counted.saved == 0
    # Blocks that are read at once may each be sampled before the first has said that it does not shrink.
    assert 1 <= sampled <= 4
    assert seen(target) == seen(source)


class NotedLimit(Limit):
    """Notes how many bytes were waited for and used."""

    used = 0

    async def wait(self, count: int) -> None:
        self.used += count
        await super().wait(count)

    def give_back(self, count: int) -> None:
        self.used -= count
        super().give_back(count)


@WAYS
@pytest.mark.parametrize("shape", [small_files, large_text])
def test_a_limit_counts_what_passes_the_wire(
    tmp_path: Path, way: tuple[str, str], shape: Callable[[Path], None]
) -> None:
    two, source, target = prepare(tmp_path, way, shape)

    async def work(sides: Sides) -> tuple[int, int]:
        limit = NotedLimit(2_000_000)
        sides.far = LimitedFiles(sides.session, limit, sides.workers)
        # A limit is a slow line.
        assert sides.far.packing is Packing.ALWAYS
        await copy_between(sides, f"{way[0]}/tree", f"{way[1]}/tree", Progress(), CopyOptions())
        return sides.wire_bytes, limit.used

    wire, used = two.run(work)
    total = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    assert seen(target) == seen(source)
    assert wire < 0.7 * total
    # Requests, answers, the listing and headers of bundles are not bulk.
    assert 0.75 * wire < used <= wire


def test_a_fast_limit_packs_no_more_than_the_line_asks_for(tmp_path: Path) -> None:
    async def work(sides: Sides) -> tuple[Packing, Packing]:
        files = LimitedFiles(sides.session, Limit(1_000_000_000), sides.workers)
        first = files.packing
        files.choose_packing(Packing.NEVER)
        return first, files.packing

    assert TwoSides(tmp_path).run(work) == (Packing.SLOW, Packing.NEVER)


@WAYS
def test_an_interrupted_packed_copy_goes_on_where_it_was(
    tmp_path: Path, way: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    two, source, target = prepare(tmp_path, way, lambda root: (root / "log").write_bytes(text(30 * MIB)) and None)
    written = 0

    async def interrupted(sides: Sides) -> None:
        sides.far.choose_packing(Packing.ALWAYS)
        files: Files = sides.far if way[1] == "far" else sides.near
        write_block = files.write_block
        one_by_one = asyncio.Lock()

        async def limited(*arguments: Any, **named: Any) -> bytes:
            nonlocal written
            async with one_by_one:
                if written == 3:
                    raise Interrupted("cut", "")
                written += 1
                return await write_block(*arguments, **named)

        monkeypatch.setattr(files, "write_block", limited)
        with pytest.raises(Interrupted):
            await copy_between(sides, f"{way[0]}/tree", f"{way[1]}/tree", Progress(), CopyOptions())

    two.run(interrupted)
    counted = Counted(two, way, Packing.ALWAYS)
    assert counted.progress.resumed_bytes >= 8 * MIB, counted.progress
    assert counted.wire < 22 * MIB // 3
    assert seen(target) == seen(source)


# Other sides that lie -------------------------------------------------------------------------------------------------


class LyingServing(Serving):
    """Answers Reads and ReadBundles with packed records that are not what they say."""

    async def handle(self, incoming: Incoming) -> None:
        request = incoming.request
        if not isinstance(request, Read | ReadBundle):
            return await super().handle(incoming)  # type: ignore[return-value]
        body = pack(memoryview(text(100_000)))
        assert body is not None
        size = request.length if isinstance(request, Read) else BODY_MAX
        lie = min(size, BODY_MAX).to_bytes(4, "big") + body[4:]
        kind = RecordKind.PACKED if isinstance(request, Read) else RecordKind.PACKED_BUNDLE
        incoming.link.post(kind, incoming.number, 0, lie)
        if isinstance(request, Read):
            end = encode(StreamEnd(bytes(32)))
            incoming.link.post(RecordKind.END, incoming.number, min(size, BODY_MAX), end)
        return None


@pytest.mark.parametrize("shape", [small_files, large_text])
def test_a_download_of_lies_ends_and_leaves_nothing(
    tmp_path: Path, shape: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sides_room, "Serving", LyingServing)
    two, _source, target = prepare(tmp_path, ("far", "near"), shape)
    with pytest.raises(ProtocolViolation):
        Counted(two, ("far", "near"), Packing.ALWAYS)
    left = [path for path in target.rglob("*") if path.is_file() and not path.name.startswith(".gimmal-part-")]
    assert left == []


def test_a_range_is_packed_by_the_version_that_was_read(tmp_path: Path) -> None:
    """What is remembered of a file that did not shrink does not hold for the file that came in its place."""
    two = TwoSides(tmp_path)
    place = two.far / "file"

    async def work(sides: Sides) -> tuple[int, int]:
        files: RemoteFiles = sides.far
        files.choose_packing(Packing.ALWAYS)
        saved = []
        for content in (noise(MIB), text(MIB)):
            place.write_bytes(content)
            state = os.stat(place)
            version = Version(state.st_ino, state.st_size, state.st_mtime_ns)
            block = await files.read_block("far/file", 0, MIB, version)
            assert b"".join(bytes(piece.body) for piece in block.pieces) == content
            saved.append(block.saved)
            files.release(block)
        return saved[0], saved[1]

    dense, shrunk = two.run(work)
    assert dense == 0
    assert shrunk > MIB // 2


def test_who_gives_up_while_packing_leaves_no_buffer_that_is_written_to(tmp_path: Path) -> None:
    """The thread goes on with the block's buffers; nobody else may have them meanwhile."""
    two = TwoSides(tmp_path)
    (two.near / "log").write_bytes(text(4 * MIB))
    begun, go = threading.Event(), threading.Event()

    class SlowPacker(Packer):
        def pack_pieces(self, file: Hashable, pieces: Sequence[Piece], level: int = LEVEL) -> None:
            begun.set()
            assert go.wait(PATIENCE)
            super().pack_pieces(file, pieces, level)

    async def work(sides: Sides) -> None:
        files = sides.far
        files.choose_packing(Packing.ALWAYS)
        files._packer = SlowPacker()
        loaded: list[RecordBuffer] = []

        async def load() -> Block:
            block = await sides.near.read_block("near/log", 0, 4 * MIB, None)
            loaded.extend(piece.owner for piece in block.pieces if piece.owner is not None)
            return block

        opened = await files.open_part(OpenPart("far/log", 4 * MIB, bytes(16)))
        writing = asyncio.create_task(files.write_block(opened.part, 0, 4 * MIB, load))
        await asyncio.to_thread(begun.wait, 30)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        taken = [sides.session.pool.take() for _ in range(60)]
        go.set()
        assert len(loaded) == 4
        assert not any(buffer is one for buffer in loaded for one in taken)

    two.run(work)
