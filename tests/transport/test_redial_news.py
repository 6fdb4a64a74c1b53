"""A session without links that hears, while it dials, that there may be a way again."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.base.errors import PeerAbsent
from gimmal.transport import session as session_module
from gimmal.transport.link import Link
from tests.patience import PATIENCE
from tests.transport.helpers import run
from tests.transport.sessions import Notes, Pair


def test_news_that_comes_during_a_try_brings_the_next_one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "REDIAL_FIRST_SECONDS", 10.0 * PATIENCE)
    monkeypatch.setattr(session_module, "REDIAL_MOST_SECONDS", 10.0 * PATIENCE)

    async def main() -> None:
        pair = Pair(None, Notes())
        pair.link()
        tries = 0
        second = asyncio.Event()

        async def dial(_bulk: bool) -> Link:
            nonlocal tries
            tries += 1
            if tries == 1:
                await asyncio.sleep(0)
                pair.a.hurry()
                await asyncio.sleep(0)
            else:
                second.set()
            raise PeerAbsent("it is not there", "plug in the other half")

        pair.a.dial = dial
        pair.a.links[0].fail(PeerAbsent("the line was cut", "wait"))
        async with asyncio.timeout(PATIENCE):
            await second.wait()
        await pair.close()

    run(main())
