"""Edits over a session: whatever becomes of its links each is done once; whatever is asked, nothing breaks."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gimmal.agent.forwarding import Forwarding
from gimmal.agent.local_commands import local_session
from gimmal.base.errors import GimmalError
from gimmal.base.primitives import blake3_digest
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.protocol.features import OFFERED
from gimmal.protocol.messages import (
    CommitEdit,
    DiscardEdit,
    OpenEdit,
    QuickEdit,
    ReadEdit,
    Replace,
    TruncateEdit,
    Version,
    WriteEdit,
)
from gimmal.remote.files import version_of
from gimmal.remote.patching import open_patch, save_ranges
from gimmal.remote.remote_files import RemoteFiles
from gimmal.share.serving import Serving
from gimmal.transport.buffers import BufferPool
from tests.patience import PATIENCE
from tests.protocol.strategies import of
from tests.remote.two_sides import Sides, TwoSides
from tests.share.rig import Rig
from tests.transport.helpers import run, socket_pair
from tests.transport.sessions import HELLO, Pair, cut

OFFERING = msgspec.structs.replace(HELLO, features=OFFERED)
SIZE = 3 << 20
FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"


def test_each_edit_is_done_once_whatever_becomes_of_the_links(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    chance = random.Random(3)
    model = bytearray(SIZE)
    (rig.rw / "file").write_bytes(model)

    async def main() -> int:
        workers = Workers()
        pair = Pair(None, Serving(rig.session, BufferPool(), workers), redial=True)
        pair.a.peer = OFFERING
        pair.link()
        files = RemoteFiles(pair.a)
        cuts = 0

        async def cutting() -> None:
            nonlocal cuts
            while True:
                # At any place of what is going on: after so many turns of the loop.
                for _ in range(chance.randrange(1, 60)):
                    await asyncio.sleep(0)
                if pair.a.links and pair.a.asks:
                    cuts += 1
                    cut(chance.choice(pair.a.links))
                    while not pair.a.links:
                        pair.a.hurry()
                        await asyncio.sleep(0)

        async with asyncio.timeout(2 * PATIENCE):
            base = version_of(await files.stat("rw/file"))
            cutter = asyncio.create_task(cutting())
            for number in range(40):
                at, data = chance.randrange(SIZE - 1000), chance.randbytes(1000)
                model[at : at + 1000] = data
                if number % 4:
                    placed = await save_ranges(
                        files,
                        "rw/file",
                        base=base,
                        kept=SIZE,
                        size=SIZE,
                        replace=Replace.EXPECTED,
                        ranges=[(at, data)],
                        mtime_ns=None,
                        mode=None,
                        durable=False,
                    )
                else:
                    patch = await open_patch(files, "rw/file", base=base, size=SIZE, replace=Replace.EXPECTED)
                    await patch.write(at, data)
                    assert await patch.read(at, 1000) == data
                    placed = await patch.commit(mtime_ns=None, mode=None, durable=False)
                base = version_of(placed)
            cutter.cancel()
        await pair.close()
        workers.close()
        return cuts

    cuts = run(main())
    assert (rig.rw / "file").read_bytes() == model
    assert cuts > 20
    rig.close()


def test_edits_pass_through_an_agent(tmp_path: Path) -> None:
    world = TwoSides(tmp_path)
    (world.far / "file").write_bytes(bytes(500_000))  # too small to leave a spare
    content = random.Random(1).randbytes(SIZE + 5)

    async def work(sides: Sides) -> None:
        ends = socket_pair()
        tasks = Tasks()
        agent = local_session(ends[0], BufferPool(), Forwarding(sides.session, tasks), opener=False)
        command = local_session(ends[1], BufferPool(), None, opener=True, features=OFFERED)
        files = RemoteFiles(command)
        base = version_of(await files.stat("far/file"))
        patch = await open_patch(files, "far/file", base=base, size=base.size, replace=Replace.EXPECTED)
        left = await open_patch(files, "far/left", base=None, size=0, replace=Replace.NEVER)
        await left.write(0, b"never placed")
        await patch.write(0, content)
        assert await patch.read(0, 2 * SIZE) == content
        await patch.commit(mtime_ns=None, mode=None, durable=True)
        assert (world.far / "file").read_bytes() == content
        for session in (command, agent):
            links = list(session.links)
            session.fail(GimmalError("the command is over"))
            for link in links:
                await link.ended
            await session._tasks.close()
        while any(name.startswith(".gimmal-part") for name in os.listdir(world.far)):
            await asyncio.sleep(0.01)
        await tasks.close()

    world.run(work)
    assert os.listdir(world.far) == ["file"]


PATHS = ["rw/file", "rw/new", "rw/folder", "rw/folder/x", "rw/link", "rw", "ro/file", "drop/new", "", "rw/../x", "none"]
KINDS: list[Any] = [OpenEdit, WriteEdit, ReadEdit, TruncateEdit, CommitEdit, DiscardEdit, QuickEdit]


@st.composite
def asked(draw: st.DrawFn) -> Any:
    """Any request, more often than by chance one that could be done."""
    request = draw(of(draw(st.sampled_from(KINDS))))
    fields: dict[str, Any] = {}
    small = st.integers(0, 5000)
    for name in request.__struct_fields__:
        if name == "path":
            fields[name] = draw(st.sampled_from(PATHS))
        elif name == "edit":
            fields[name] = draw(st.integers(0, 6))
        elif name in ("kept", "size", "offset") and draw(st.booleans()):
            fields[name] = draw(small)
        elif name == "base" and draw(st.booleans()):
            fields[name] = "current"
        elif name == "ranges" and draw(st.booleans()):
            pieces = draw(st.lists(st.tuples(small, st.binary(max_size=50)), max_size=5))
            data = b"".join(piece for _offset, piece in pieces)
            fields |= {
                "ranges": tuple((offset, len(piece)) for offset, piece in pieces),
                "data": data,
                "digest": blake3_digest(data),
            }
    return request, fields


@pytest.mark.campaign
def test_whatever_is_asked_is_answered(tmp_path: Path) -> None:
    count = 0

    @settings(max_examples=500 if FULL else 50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(asked(), max_size=25))
    def ask(requests: list[Any]) -> None:
        nonlocal count
        count += 1
        rig = Rig(tmp_path / f"{count}")
        (rig.rw / "file").write_bytes(bytes(4000))
        (rig.ro / "file").write_bytes(b"theirs")
        (rig.rw / "folder").mkdir()
        (rig.rw / "link").symlink_to("file")
        outside = rig.base / "outside"
        outside.write_bytes(b"outside")
        for request, fields in requests:
            if fields.get("base") == "current":
                state = (rig.rw / "file").stat()
                fields = fields | {"base": Version(state.st_ino, state.st_size, state.st_mtime_ns)}
            rig.session.answer(msgspec.structs.replace(request, **fields))
        rig.close()
        assert outside.read_bytes() == b"outside"
        assert (rig.ro / "file").read_bytes() == b"theirs"
        assert (rig.rw / "link").is_symlink()
        assert (rig.rw / "file").is_file()
        left = [name for folder in (rig.rw, rig.drop, rig.ro) for name in os.listdir(folder) if name.startswith(".")]
        assert left == []

    ask()
