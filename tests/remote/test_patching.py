"""Parts of a file changed on the other side: against a bytearray, with and without edits there."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from gimmal.base.errors import RemoteError
from gimmal.protocol.features import EDIT, OFFERED
from gimmal.protocol.limits import BLOCK_SIZE, EDIT_DATA_MAX
from gimmal.protocol.messages import Attributes, Replace
from gimmal.remote import whole_patch
from gimmal.remote.files import Files, version_of
from gimmal.remote.patching import Patch, open_patch, save_ranges
from gimmal.share import editing
from gimmal.share.edit_file import EditFile
from tests.figures import figure
from tests.patience import PATIENCE
from tests.remote.two_sides import Sides, TwoSides

FEATURES = pytest.mark.parametrize("features", [OFFERED, OFFERED & ~EDIT], ids=["edits", "parts"])
CONTENT = bytes(range(256)) * 40
TIME = 1_700_000_000_123_456_789


@pytest.fixture
def world(tmp_path: Path) -> TwoSides:
    return TwoSides(tmp_path)


async def commit(patch: Patch, **named: object) -> Attributes:
    arguments = {"mtime_ns": TIME, "mode": None, "durable": False} | named
    return await patch.commit(**arguments)  # type: ignore[arg-type]


async def open_for_change(files: Files, path: str, size: int | None = None) -> Patch:
    base = version_of(await files.stat(path))
    return await open_patch(files, path, base=base, size=base.size if size is None else size, replace=Replace.EXPECTED)


@FEATURES
@pytest.mark.parametrize("seed", range(4))
def test_random_patches_do_what_they_do_to_bytes(tmp_path: Path, features: int, seed: int) -> None:
    world = TwoSides(tmp_path, far_features=features)
    chance = random.Random(seed)
    model = bytearray(chance.randbytes(chance.randrange(200_000)))
    (world.far / "file").write_bytes(model)

    async def work(sides: Sides) -> None:
        nonlocal model
        patch = await open_for_change(sides.far, "far/file")
        for _ in range(60):
            act = chance.randrange(10)
            at = chance.randrange(len(model) + 1000)
            if act < 5:
                data = chance.randbytes(chance.choice([0, 1, 100, 4096, 70_000]))
                await patch.write(at, data)
                if data:
                    model.extend(bytes(max(0, at + len(data) - len(model))))
                    model[at : at + len(data)] = data
            elif act < 6:
                size = chance.randrange(250_000)
                await patch.truncate(size)
                model = model[:size] + bytes(max(0, size - len(model)))
            elif act < 9:
                length = chance.randrange(100_000)
                assert await patch.read(at, length) == model[at : at + length]
            else:
                placed = await commit(patch, keep_open=True, mtime_ns=None)
                assert placed.size == len(model)
                assert (world.far / "file").read_bytes() == model
        await commit(patch)
        await patch.discard()

    world.run(work)
    assert (world.far / "file").read_bytes() == model
    assert os.listdir(world.far) == ["file"]


@FEATURES
def test_writes_that_touch_the_same_bytes_are_done_in_their_order(tmp_path: Path, features: int) -> None:
    world = TwoSides(tmp_path, far_features=features)
    (world.far / "file").write_bytes(CONTENT)
    model = bytearray(CONTENT)

    async def work(sides: Sides) -> None:
        patch = await open_for_change(sides.far, "far/file")
        writes = []
        for number in range(200):
            at = number * 37 % 5000
            data = bytes([number]) * 3000
            model[at : at + 3000] = data
            writes.append(asyncio.ensure_future(patch.write(at, data)))
        for write in writes:
            await asyncio.sleep(0)
            await write
        await commit(patch)

    world.run(work)
    assert (world.far / "file").read_bytes() == model


@FEATURES
def test_what_is_not_whole_is_not_placed(tmp_path: Path, features: int) -> None:
    """A write that failed, or that nobody waited for any more."""
    world = TwoSides(tmp_path, far_features=features)
    (world.far / "file").write_bytes(CONTENT)

    async def work(sides: Sides) -> None:
        patch = await open_for_change(sides.far, "far/file")
        await patch.write(0, b"fine")
        with pytest.raises(RemoteError):
            await patch.write(1 << 60, b"beyond all disks")
        for again in (patch.write(0, b"x"), patch.read(0, 1), patch.truncate(1), commit(patch)):
            with pytest.raises(RemoteError):
                await again
        await patch.discard()
        other = await open_for_change(sides.far, "far/file")
        writing = asyncio.ensure_future(other.write(0, bytes(3_000_000)))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        with pytest.raises(RemoteError) as failed:
            await commit(other)
        assert failed.value.code == "failed"
        await other.discard()
        while os.listdir(world.far) != ["file"]:
            await asyncio.sleep(0.001)  # what was on its way when it was cut short comes to its end first

    world.run(work)
    assert (world.far / "file").read_bytes() == CONTENT
    assert os.listdir(world.far) == ["file"]


def test_one_that_nobody_waited_for_is_given_up(world: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.far / "file").write_bytes(CONTENT)
    begun, go_on, made = threading.Event(), threading.Event(), threading.Event()
    begin = editing.begin_file

    def slow(*arguments: Any) -> EditFile:
        begun.set()
        assert go_on.wait(PATIENCE)
        file = begin(*arguments)
        made.set()
        return file

    monkeypatch.setattr(editing, "begin_file", slow)

    async def work(sides: Sides) -> None:
        opening = asyncio.ensure_future(open_for_change(sides.far, "far/file"))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        go_on.set()
        while not made.is_set() or os.listdir(world.far) != ["file"]:
            await asyncio.sleep(0.001)

    world.run(work)


def test_a_side_that_knows_no_edits_gets_no_more_than_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_patch, "HELD_MAX", 2)
    world = TwoSides(tmp_path, far_features=OFFERED & ~EDIT)
    (world.far / "file").write_bytes(bytes(4 * BLOCK_SIZE))

    async def work(sides: Sides) -> None:
        patch = await open_for_change(sides.far, "far/file")
        for index in (0, 3):
            await patch.write(index * BLOCK_SIZE + 5, b"changed")
        with pytest.raises(RemoteError) as refused:
            await patch.write(BLOCK_SIZE, b"x")
        assert refused.value.code == "too_large"
        await patch.discard()
        patch = await open_for_change(sides.far, "far/file", 3 * BLOCK_SIZE + 20)
        for index in (0, 3):
            await patch.write(index * BLOCK_SIZE + 5, b"changed")
        await commit(patch)

    world.run(work)
    model = bytearray(3 * BLOCK_SIZE + 20)
    model[5:12] = model[3 * BLOCK_SIZE + 5 : 3 * BLOCK_SIZE + 12] = b"changed"
    assert (world.far / "file").read_bytes() == model


@FEATURES
def test_a_new_file_is_made_of_what_was_written(tmp_path: Path, features: int) -> None:
    world = TwoSides(tmp_path, far_features=features)
    content = random.Random(1).randbytes(5_000_000)

    async def work(sides: Sides) -> None:
        patch = await open_patch(sides.far, "far/new", base=None, size=0, replace=Replace.NEVER)
        await patch.write(0, content)
        assert not (world.far / "new").exists()
        placed = await commit(patch, mode=0o640, durable=True)
        assert (placed.size, placed.mtime_ns, placed.mode) == (len(content), TIME, 0o640)

    world.run(work)
    assert (world.far / "new").read_bytes() == content


@FEATURES
def test_what_changed_meanwhile_is_not_replaced(tmp_path: Path, features: int) -> None:
    world = TwoSides(tmp_path, far_features=features)
    (world.far / "file").write_bytes(CONTENT)

    async def work(sides: Sides) -> None:
        patch = await open_for_change(sides.far, "far/file")
        await patch.write(0, bytes(len(CONTENT)))
        (world.far / "file").write_bytes(b"theirs")
        with pytest.raises(RemoteError) as refused:
            await commit(patch)
        assert refused.value.code == "changed"
        await commit(patch, path="far/file (ours)")

    world.run(work)
    assert (world.far / "file").read_bytes() == b"theirs"
    assert (world.far / "file (ours)").read_bytes() == bytes(len(CONTENT))


@FEATURES
def test_ranges_are_saved_at_once(tmp_path: Path, features: int) -> None:
    world = TwoSides(tmp_path, far_features=features)
    (world.far / "file").write_bytes(CONTENT)
    (world.far / "file").chmod(0o754)

    async def work(sides: Sides) -> Attributes:
        base = version_of(await sides.far.stat("far/file"))
        return await save_ranges(
            sides.far,
            "far/file",
            base=base,
            kept=100,
            size=300,
            replace=Replace.EXPECTED,
            ranges=[(10, b"one"), (250, memoryview(b"two"))],
            mtime_ns=TIME,
            mode=None,
            durable=True,
        )

    placed = world.run(work)
    assert (placed.size, placed.mtime_ns, placed.mode) == (300, TIME, 0o754)
    assert (world.far / "file").read_bytes() == CONTENT[:10] + b"one" + CONTENT[13:100] + bytes(150) + b"two" + bytes(
        47
    )


def test_a_small_save_of_a_large_file_is_one_question_and_few_bytes(world: TwoSides) -> None:
    (world.far / "file").write_bytes(bytes(20 << 20))

    async def work(sides: Sides) -> tuple[int, int]:
        base = version_of(await sides.far.stat("far/file"))
        asked = 0
        ask = sides.session.exchange

        async def counted(*arguments: object, **named: object) -> object:
            nonlocal asked
            asked += 1
            return await ask(*arguments, **named)  # type: ignore[arg-type]

        sides.session.exchange = counted  # type: ignore[method-assign,assignment]
        before = sides.wire_bytes
        await save_ranges(
            sides.far,
            "far/file",
            base=base,
            kept=base.size,
            size=base.size,
            replace=Replace.EXPECTED,
            ranges=[(7 << 20, b"x" * 10_240)],
            mtime_ns=None,
            mode=None,
            durable=True,
        )
        return asked, sides.wire_bytes - before

    asked, moved = world.run(work)
    figure("save of 10 KiB changed in 20 MiB: questions asked", asked, "1")
    figure("save of 10 KiB changed in 20 MiB: bytes on the line", moved, "< 11,000")
    assert asked == 1
    assert moved < 11_000


def test_more_than_one_question_holds_is_saved_too(world: TwoSides) -> None:
    (world.far / "file").write_bytes(bytes(4 << 20))
    content = random.Random(2).randbytes(EDIT_DATA_MAX + 1)

    async def work(sides: Sides) -> None:
        base = version_of(await sides.far.stat("far/file"))
        ranges = [(0, content), *(((2 << 20) + 10 * number, b"ab") for number in range(1100))]
        await save_ranges(
            sides.far,
            "far/file",
            base=base,
            kept=base.size,
            size=base.size,
            replace=Replace.EXPECTED,
            ranges=ranges,
            mtime_ns=None,
            mode=None,
            durable=False,
        )

    world.run(work)
    read = (world.far / "file").read_bytes()
    assert read[: len(content)] == content
    assert read[2 << 20 : (2 << 20) + 11_000] == (b"ab" + bytes(8)) * 1100
