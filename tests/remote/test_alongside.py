"""What the target holds is known for every name of the source, and not kept longer than needed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gimmal.base.errors import RemoteError
from gimmal.protocol.messages import Attributes, Entry, Kind, Page
from gimmal.remote import alongside
from gimmal.remote.alongside import Alongside

WHOLE_SECOND = 4_000_000_000


def entry(name: str, size: int = 1, *, time: int = WHOLE_SECOND, mapped: bool = False) -> Entry:
    return Entry(name, Attributes(Kind.FILE, size, time, 0o644, 1), mapped)


def in_order(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: [part.encode() for part in name.split("/")])


class Pages:
    """A tree given page by page; counts those taken."""

    def __init__(self, entries: list[Entry], size: int) -> None:
        self._entries, self._size = entries, size
        self.taken = 0

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        for start in range(0, len(self._entries), self._size):
            self.taken += 1
            yield Page(self._entries[start : start + self._size], 1)

    def shown(self, path: str) -> str:
        return path


def read(target: Pages, source: list[Entry], size: int, *, whole: bool = False) -> tuple[list[int | None], int]:
    """Sizes found under the names of the source, and most names held at a time."""

    async def main() -> tuple[list[int | None], int]:
        files: Any = target
        beside = Alongside(files, "t", xattrs=False, found=lambda _entry: None, whole=whole)
        found: list[int | None] = []
        most = 0
        for start in range(0, len(source), size):
            some = source[start : start + size]
            there = await beside.reach(Page(some, 1))
            most = max(most, len(there))
            found += [there[each.name].size if each.name in there else None for each in some]
        await beside.close()
        return found, most

    return asyncio.run(main())


@pytest.mark.parametrize("seed", range(40))
def test_all_that_is_there_is_found(seed: int) -> None:
    dice = random.Random(seed)
    parts = ["a", "a.b", "a b", "b", "A", "\u00e9", "z", "a0", "a-"]
    names = {"/".join(dice.choices(parts, k=dice.randint(1, 3))) for _ in range(60)}
    ours = in_order([name for name in names if dice.random() < 0.7])
    theirs = in_order([name for name in names if dice.random() < 0.7])
    sizes = {name: number for number, name in enumerate(theirs, 1)}
    target = Pages([entry(name, sizes[name]) for name in theirs], dice.randint(1, 20))
    found, _most = read(target, [entry(name) for name in ours], dice.randint(1, 20))
    assert found == [sizes.get(name) for name in ours]


def test_two_pages_are_all_that_is_held() -> None:
    names = [f"f{number:05}" for number in range(5_000)]
    target = Pages([entry(name) for name in names], 100)
    found, most = read(target, [entry(name) for name in names], 100)
    assert found == [1] * 5_000
    assert most <= 200
    assert read(Pages([entry(name) for name in names], 100), [entry(names[0])], 100, whole=True)[1] == 5_000


def test_what_is_not_asked_for_is_not_read() -> None:
    async def main() -> int:
        target = Pages([entry(f"f{number:05}") for number in range(5_000)], 100)
        files: Any = target
        beside = Alongside(files, "t", xattrs=False, found=lambda _entry: None)
        await beside.reach(Page([entry("f00000")], 0))
        await beside.close()
        return target.taken

    assert asyncio.run(main()) <= 2


@pytest.mark.parametrize("how", ["mapped in the target", "mapped in the source", "out of order"])
def test_where_the_order_cannot_be_trusted_all_is_kept(how: str) -> None:
    names = [f"f{number:03}" for number in range(100)]
    theirs = [entry(name, number) for number, name in enumerate(names)]
    ours = [entry(name) for name in names]
    if how == "out of order":
        theirs.reverse()
    elif how == "mapped in the source":
        # It stands for a name that comes first, and lies in the target under one that comes last.
        ours.insert(0, entry("\uee5c", mapped=True))
        theirs.append(entry("\uee5c", 100))
        names.insert(0, "\uee5c")
    else:
        theirs.insert(50, entry("g\uee5c", 1, mapped=True))
    found, _most = read(Pages(theirs, 10), ours, 10)
    assert found == [100 if name == "\uee5c" else int(name[1:]) for name in names]


def test_too_much_to_keep_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alongside, "ENTRIES_MAX", 50)
    theirs = [entry(f"f{number:03}") for number in range(100)]
    with pytest.raises(RemoteError, match="more than"):
        read(Pages(theirs, 10), [entry("f099")], 10, whole=True)
    assert read(Pages(theirs, 10), [entry(f"f{number:03}") for number in range(100)], 10)[0] == [1] * 100
