"""What a player is started with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gimmal.frontends.cli.players import Player, start_player


def test_a_player_asks_no_proxy_for_what_is_served_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "player"
    script.write_text(f"#!/bin/sh\nenv > {tmp_path}/environment\n")
    script.chmod(0o700)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "internal.example")
    monkeypatch.delenv("NO_PROXY", raising=False)

    async def main() -> None:
        process = await start_player(Player("other", str(script)), "http://127.0.0.1:1/secret/", "film", quiet=True)
        assert await process.wait() == 0

    asyncio.run(main())
    given = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines() if "=" in line)
    assert not {"http_proxy", "HTTP_PROXY", "all_proxy"} & given.keys()
    assert given["no_proxy"] == "internal.example,127.0.0.1,localhost"
    assert given["NO_PROXY"] == "127.0.0.1,localhost"
    assert given["https_proxy"] == "http://proxy.example:3128"
