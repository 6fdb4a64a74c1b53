"""Extended attributes are asked for once where programs ask one by one."""

from __future__ import annotations

import asyncio

from gimmal.frontends.fuse import xattrs
from gimmal.frontends.fuse.xattrs import Xattrs


class Tree:
    """Has some attributes; counts who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def xattrs(self, path: str) -> dict[str, bytes]:
        self.asked.append(path)
        return {"user.n": path.encode()}


def test_they_are_asked_for_once_in_a_while_and_after_a_change() -> None:
    async def main() -> None:
        tree = Tree()
        kept = Xattrs(tree)  # type: ignore[arg-type]
        assert await kept.of("s/a") == await kept.of("s/a") == {b"user.n": b"s/a"}
        assert tree.asked == ["s/a"]
        kept.forget("s/a")
        await kept.of("s/a")
        kept._kept["s/a"] = kept._kept["s/a"][0] - xattrs.ASKED_SECONDS - 1, {}
        assert await kept.of("s/a") == {b"user.n": b"s/a"}
        assert tree.asked == ["s/a"] * 3

    asyncio.run(main())


def test_shares_have_none() -> None:
    async def main() -> None:
        tree = Tree()
        kept = Xattrs(tree)  # type: ignore[arg-type]
        assert await kept.of("") == await kept.of("share") == {}
        assert not tree.asked

    asyncio.run(main())


def test_only_some_are_kept() -> None:
    async def main() -> None:
        kept = Xattrs(Tree())  # type: ignore[arg-type]
        for number in range(xattrs.KEPT_MAX + 10):
            await kept.of(f"s/{number}")
        assert len(kept._kept) == xattrs.KEPT_MAX
        assert "s/0" not in kept._kept

    asyncio.run(main())
