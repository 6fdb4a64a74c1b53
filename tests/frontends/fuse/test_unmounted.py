"""A mount that is taken away is noticed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gimmal.base.workers import Workers
from gimmal.frontends.fuse import unmounted
from gimmal.frontends.fuse.unmounted import until_unmounted
from tests.patience import PATIENCE


def test_it_waits_as_long_as_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [[tmp_path], [Path("/other"), tmp_path], [Path("/other")]]
    monkeypatch.setattr(unmounted, "own_mounts", lambda: looks.pop(0))
    monkeypatch.setattr(unmounted, "LOOK_SECONDS", 0.01)

    async def main() -> None:
        workers = Workers()
        async with asyncio.timeout(PATIENCE):
            await until_unmounted(tmp_path, workers)
        workers.close()

    asyncio.run(main())
    assert not looks
