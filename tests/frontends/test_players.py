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


def test_mpv_reads_subtitles_from_memory_and_others_get_none(tmp_path: Path) -> None:
    script = tmp_path / "mpv"
    script.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat /dev/fd/${{1#--sub-file=fd://}} > {tmp_path}/text || true\n'
    )
    script.chmod(0o700)

    async def play(name: str) -> None:
        player = Player(name, str(script))
        process = await start_player(player, "http://127.0.0.1:1/", "film", quiet=True, subtitles=[b"WEBVTT\n", b"x"])
        assert await process.wait() == 0

    asyncio.run(play("mpv"))
    assert (tmp_path / "text").read_bytes() == b"WEBVTT\n"
    assert (tmp_path / "words").read_text().count("--sub-file=fd://") == 2
    asyncio.run(play("other"))
    assert (tmp_path / "words").read_text() == "http://127.0.0.1:1/\n"
