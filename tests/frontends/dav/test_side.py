"""Whether the other side can be asked: one has waited, the others do not, until it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gimmal.base.errors import DeadlinePassed, PeerAbsent, RemoteError
from gimmal.frontends.dav import side as side_module
from gimmal.frontends.dav.side import ASKED_SECONDS, KNOWN_SECONDS, Side
from gimmal.protocol.codes import Code, error_of_code
from tests.patience import PATIENCE


class Files:
    """Answers a listing once the line is back."""

    def __init__(self) -> None:
        self.back = asyncio.Event()
        self.asked = 0

    async def entries(self, _path: str) -> Any:
        self.asked += 1
        if not self.back.is_set():
            raise PeerAbsent("away")
        yield []


class Tree:
    """As much of a tree as a Side needs."""

    def __init__(self) -> None:
        self.view = self.cache = self
        self.home = Files()
        self.downs = 0
        self.waiting: list[str] = []

    def note_silence(self) -> None:
        self.downs += 1

    async def files(self) -> Files:
        return self.home


def with_side(work: Callable[[Side, Tree], Awaitable[None]], *, leads: bool = True) -> None:
    async def leads_there() -> bool:
        return leads

    async def main() -> None:
        tree = Tree()
        side = Side(tree, leads_there)  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(PATIENCE):
                await work(side, tree)
        finally:
            await side.close()
        side.failed()  # after its end nothing is begun

    asyncio.run(main())


def test_what_is_known_is_told_after_one_question_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_module, "AGAIN_SECONDS", 0.0)

    async def work(side: Side, tree: Tree) -> None:
        async def look() -> str:
            if not tree.downs:
                raise PeerAbsent("away")
            return "as it was"

        assert side.asked_seconds == ASKED_SECONDS
        assert await side.look(look) == "as it was"
        assert side.is_down
        assert side.asked_seconds == 2 * KNOWN_SECONDS
        assert not await side.sends_now()
        assert await side.look(look) == "as it was"
        assert tree.downs == 2
        tree.home.back.set()
        while side.is_down:
            await asyncio.sleep(0)
        assert await side.sends_now()

    with_side(work)


def test_what_was_never_known_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_module, "CALL_SECONDS", 0.0)
    monkeypatch.setattr(side_module, "KNOWN_SECONDS", 0.0)

    async def work(side: Side, _tree: Tree) -> None:
        with pytest.raises(DeadlinePassed):
            await side.look(asyncio.Event().wait)

    with_side(work)


def test_a_refusal_is_an_answer() -> None:
    async def work(side: Side, tree: Tree) -> None:
        async def look() -> None:
            raise error_of_code(Code.NOT_FOUND, "")

        with pytest.raises(RemoteError):
            await side.look(look)
        assert not side.is_down
        tree.waiting.append("something before")
        assert not await side.sends_now()

    with_side(work)


def test_without_a_way_nothing_is_sent() -> None:
    async def work(side: Side, _tree: Tree) -> None:
        assert not await side.sends_now()

    with_side(work, leads=False)
