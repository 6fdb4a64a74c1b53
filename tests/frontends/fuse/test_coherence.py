"""What the kernel is told to ask for again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

pytest.importorskip("pyfuse3")

from gimmal.frontends.fuse import coherence
from gimmal.frontends.fuse.coherence import Coherence, ItemT
from gimmal.frontends.fuse.inodes import Inodes
from gimmal.protocol.messages import Attributes, Kind
from gimmal.remote.tree.view import Found, Touched
from tests.patience import PATIENCE

FOLDER = Attributes(Kind.DIRECTORY, 0, 0, 0o755, 1)
FILE = Attributes(Kind.FILE, 5, 0, 0o644, 2)


class View:
    """What coherence asks of a view: paths, their numbers and kinds."""

    def __init__(self) -> None:
        self.entries = {"": (1, FOLDER), "s": (2, FOLDER), "s/file": (3, FILE), "s/folder": (4, FOLDER)}
        self.on_touched: Callable[..., None] | None = None

    def known(self, path: str) -> Found | None:
        entry = self.entries.get(path)
        return Found(entry[1], entry[0], False, False) if entry is not None else None

    def number_of(self, path: str) -> int | None:
        return self.entries[path][0] if path in self.entries else None

    def path_of(self, number: int) -> str | None:
        return next((path for path, entry in self.entries.items() if entry[0] == number), None)

    def hold(self, number: int) -> None: ...

    def release(self, number: int, count: int = 1) -> None: ...


class Kernel:
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[ItemT] = []
        self.busy = threading.Event()
        self.busy.set()

    def doubt(self, item: ItemT) -> None:
        self.busy.wait(30)
        self.told.append(item)
        raise FileNotFoundError


async def until_told(kernel: Kernel, expected: set[ItemT]) -> None:
    async with asyncio.timeout(30):
        while set(kernel.told) != expected:
            assert set(kernel.told) <= expected
            await asyncio.sleep(0.002)


def following(work: Callable[[Coherence, View, Inodes, Kernel], Awaitable[None]]) -> None:
    async def main() -> None:
        view, kernel = View(), Kernel()
        inodes = Inodes(view)  # type: ignore[arg-type]
        for path, (number, attributes) in view.entries.items():
            inodes.tell(number, 2 if "/" in path else 1, path, is_folder=attributes.kind is Kind.DIRECTORY)
        made = Coherence(view, inodes, kernel.doubt)  # type: ignore[arg-type]
        made.start()
        try:
            async with asyncio.timeout(PATIENCE):
                await work(made, view, inodes, kernel)
        finally:
            kernel.busy.set()
            made.close()
        assert view.on_touched is None

    asyncio.run(main())


def test_a_file_that_changed_keeps_its_name() -> None:
    async def work(made: Coherence, view: View, inodes: Inodes, kernel: Kernel) -> None:
        assert view.on_touched is not None
        view.on_touched([Touched("s", "file")])
        await until_told(kernel, {(2, b""), (3, b"")})

    following(work)


def test_a_name_that_is_new_gone_or_of_another_file_is_looked_up_again() -> None:
    async def work(made: Coherence, view: View, inodes: Inodes, kernel: Kernel) -> None:
        assert made.may_keep_absent(2, b"new")
        view.entries["s/new"] = (9, FILE)
        made.touched([Touched("s", "new")])
        await until_told(kernel, {(2, b""), (2, b"new")})
        kernel.told.clear()
        del view.entries["s/file"]
        made.touched([Touched("s", "file")])
        await until_told(kernel, {(2, b""), (2, b"file")})
        kernel.told.clear()
        made.touched([Touched("elsewhere", "file"), Touched("s")])
        await until_told(kernel, {(2, b"")})

    following(work)


def test_where_anything_may_have_changed_folders_keep_their_names() -> None:
    async def work(made: Coherence, view: View, inodes: Inodes, kernel: Kernel) -> None:
        assert made.may_keep_absent(2, b"none")
        made.touched([Touched(None)])
        await until_told(kernel, {(1, b""), (2, b""), (3, b""), (4, b""), (2, b"file"), (2, b"none")})

    following(work)


def test_a_name_that_led_elsewhere_is_doubted_too() -> None:
    """The file was moved over there while nobody told of it."""

    async def work(made: Coherence, view: View, inodes: Inodes, kernel: Kernel) -> None:
        view.entries["s/moved"] = view.entries.pop("s/file")
        made.touched([Touched(None)])
        await until_told(kernel, {(1, b""), (2, b""), (3, b""), (4, b""), (2, b"file")})
        kernel.told.clear()
        made.doubt_names((2, b"one"), (4, b"two"))
        await until_told(kernel, {(2, b"one"), (4, b"two")})

    following(work)


def test_everything_is_doubted_once_in_a_while_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coherence, "ALL_SECONDS", 0.05)

    async def work(made: Coherence, view: View, inodes: Inodes, kernel: Kernel) -> None:
        for _ in range(100):
            made.touched([Touched(None)])
        async with asyncio.timeout(30):
            while len(kernel.told) < 10:
                await asyncio.sleep(0.002)
        assert len(kernel.told) == 10, "5 at once, and 5 for all that came since"

    following(work)


def test_a_kernel_that_is_busy_holds_up_nobody() -> None:
    async def work(made: Coherence, view: View, inodes: Inodes, kernel: Kernel) -> None:
        kernel.busy.clear()
        made.touched([Touched("s", "file")])
        for _ in range(1000):
            made.touched([Touched("s", "folder")])
        kernel.busy.set()
        await until_told(kernel, {(2, b""), (3, b""), (4, b"")})
        assert len(kernel.told) <= 5, "one for all changes of one entry"

    following(work)


def test_names_that_are_absent_are_kept_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coherence, "ABSENT_MAX", 3)

    async def work(made: Coherence, view: View, inodes: Inodes, kernel: Kernel) -> None:
        assert [made.may_keep_absent(2, b"%d" % number) for number in range(4)] == [True, True, True, False]
        made.touched([Touched("s", "1")])
        assert made.may_keep_absent(2, b"more")

    following(work)


def test_a_kernel_that_knows_too_much_is_told_to_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coherence, "INODES_MAX", 40)
    monkeypatch.setattr(coherence, "ROOM_SECONDS", 1000)

    async def work(made: Coherence, view: View, inodes: Inodes, kernel: Kernel) -> None:
        for number in range(100, 140):
            inodes.tell(number, 4, f"s/folder/{number}", is_folder=False)
            made.make_room()
        await until_told(kernel, {(2, b"file"), *((4, b"%d" % number) for number in range(100, 109))})

    following(work)
