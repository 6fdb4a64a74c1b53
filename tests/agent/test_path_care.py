"""An agent's sessions hear of other addresses of the other side, once each."""

from __future__ import annotations

import asyncio
from typing import Any

from gimmal.agent.path_care import PathCare, PathStatus
from gimmal.base.workers import Workers
from gimmal.transport.dial import Dialler, Ways
from gimmal.transport.link import PathKind
from tests.transport.helpers import identities, run
from tests.transport.sessions import Notes, Pair


def test_new_addresses_are_news_and_known_ones_are_not(monkeypatch: Any) -> None:
    async def main() -> None:
        pair = Pair(None, Notes(), redial=True)
        workers = Workers()
        care = PathCare(workers, lambda *_: None, lambda: None)
        assert care.status(None) == PathStatus()
        care.start(Dialler(identities("care")[0], Ways(None, [], bytes(32)), pair.pools[0]))
        assert care.status(pair.a) == PathStatus()
        pair.link()
        care.take(pair.a)
        care.take(pair.a)
        changes: list[None] = []
        (keeper,) = care._keepers.values()
        monkeypatch.setattr(keeper, "changed", lambda: changes.append(None))
        for left in ([b""], [b"one"], [b"one", b""], [b""], [b"one"], [b"two", b"one"]):
            care.heard(left)
        assert len(changes) == 2
        status = care.status(pair.a)
        assert status.path == "direct" and status.links == {"direct": 1} and status.failures == {}
        assert status.since > 0
        await pair.close()
        await asyncio.sleep(0)
        assert not care._keepers
        care.close()
        await asyncio.sleep(0.01)
        workers.close()

    run(main())


def test_only_better_paths_are_told_of() -> None:
    async def main() -> None:
        pair = Pair(None, Notes(), redial=True)
        workers = Workers()
        care = PathCare(workers, lambda *_: None, lambda: None)
        dialler = Dialler(identities("care")[0], Ways(None, [], bytes(32)), pair.pools[0])
        dialler.failures = {PathKind.RELAYED: "relay away", PathKind.DIRECT: "no answer", PathKind.LAN: "not found"}
        care.start(dialler)
        left, _right = pair.link()
        left.path = PathKind.RELAYED
        assert list(care.status(pair.a).failures.items()) == [("lan", "not found"), ("direct", "no answer")]
        left.path = PathKind.LAN
        assert care.status(pair.a).failures == {}
        await pair.close()
        care.close()
        await asyncio.sleep(0.01)
        workers.close()

    run(main())
