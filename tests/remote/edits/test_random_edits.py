"""Random edits of several files by one process, over a line that falls and comes back: in the end all is at home."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gimmal.base.errors import GimmalError, RemoteError, UnreachableError
from gimmal.remote.edits.open_file import OpenFile
from gimmal.remote.edits.tree import EditedTree
from tests.patience import ALONE
from tests.remote.edits.rig import CutFiles, conflicts_of, edited_tree, until
from tests.remote.two_sides import Sides, TwoSides

NAMES = [f"far/{letter}" for letter in "abcd"]
SEEDS = range(200 if ALONE else 8)
STEPS = 60


class Walk:
    """One walk: a tree, and what its files hold as a local disk would have it."""

    def __init__(self, tree: EditedTree, line: CutFiles, seed: int) -> None:
        self.tree = tree
        self.line = line
        self.draw = random.Random(seed)
        self.model: dict[str, bytearray] = {}
        self.handles: list[tuple[OpenFile, bytearray]] = []
        self.told: list[str] = []

    async def step(self) -> None:
        kind = self.draw.choice(
            ["open", "open", "write", "write", "write", "truncate", "read", "sync", "close", "rename", "remove", "line"]
        )
        self.told.append(kind)
        await getattr(self, f"_{kind}")()

    async def _open(self) -> None:
        name = self.draw.choice(NAMES)
        there, cut = name in self.model, self.draw.random() < 0.2
        exclusive = not there and self.draw.random() < 0.3
        handle = await self.tree.open(name, write=True, create=True, exclusive=exclusive, truncate=cut)
        content = self.model.setdefault(name, bytearray())
        if cut:
            del content[:]
        self.handles.append((handle, content))

    async def _write(self) -> None:
        if self.handles:
            handle, content = self.draw.choice(self.handles)
            at, data = self.draw.randrange(3000), self.draw.randbytes(self.draw.choice((0, 1, 40, 2000)))
            await handle.write(at, data)
            if data:
                content.extend(bytes(max(0, at - len(content))))
                content[at : at + len(data)] = data

    async def _truncate(self) -> None:
        if self.handles:
            handle, content = self.draw.choice(self.handles)
            size = self.draw.randrange(4000)
            await handle.truncate(size)
            del content[size:]
            content.extend(bytes(size - len(content)))

    async def _read(self) -> None:
        if self.handles:
            handle, content = self.draw.choice(self.handles)
            at, length = self.draw.randrange(4000), self.draw.randrange(1, 5000)
            try:
                got = await handle.read(at, length)
            except UnreachableError:
                assert self.line.is_cut
                return
            except RemoteError:
                # Of a file that was removed: what was never read of it is gone.
                assert handle.removed
                return
            assert got == bytes(content[at : at + length])

    async def _sync(self) -> None:
        if self.handles:
            handle, _content = self.draw.choice(self.handles)
            try:
                await handle.sync()
            except UnreachableError:
                # Nothing was written; whether the disk over there has its name cannot be asked.
                assert "line" in self.told
                assert handle.attributes == (await self.tree.find(handle.path)).attributes

    async def _close(self) -> None:
        if self.handles:
            handle, _content = self.handles.pop(self.draw.randrange(len(self.handles)))
            await handle.close()

    async def _rename(self) -> None:
        there = [name for name in NAMES if name in self.model]
        if there:
            source, target = self.draw.choice(there), self.draw.choice(NAMES)
            await self.tree.rename(source, target)
            self.model[target] = self.model.pop(source) if source != target else self.model[target]

    async def _remove(self) -> None:
        there = [name for name in NAMES if name in self.model]
        if there and self.draw.random() < 0.5:
            name = self.draw.choice(there)
            await self.tree.remove(name)
            del self.model[name]

    async def _line(self) -> None:
        self.line.is_cut = self.draw.random() < 0.4
        if self.draw.random() < 0.3:
            self.line.swallows = 1

    async def look(self) -> None:
        """The names are those of the model, also before they are at home."""
        names = {f"far/{name.name}" for name in (await self.tree.listing("far")).names}
        assert names == set(self.model)
        for name, content in self.model.items():
            assert (await self.tree.find(name)).attributes.size == len(content), name


@pytest.mark.campaign
@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_process_did_is_what_the_other_side_has(tmp_path: Path, seed: int) -> None:
    two = TwoSides(tmp_path)

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            walk = Walk(tree, line, seed)
            try:
                for _ in range(STEPS):
                    await walk.step()
                    await walk.look()
                for handle, _content in walk.handles:
                    await handle.close()
                line.is_cut, line.swallows = False, 0
                await until(lambda: not tree.waiting)
                await walk.look()
            except (GimmalError, AssertionError) as error:
                error.add_note(f"seed {seed}: {' '.join(walk.told)}")
                raise
            assert {f"far/{path.name}": path.read_bytes() for path in two.far.iterdir()} == walk.model
            assert conflicts_of(two.base).read() == []

    two.run(work)
