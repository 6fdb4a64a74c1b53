"""The server, asked by players over real sockets, for a file of the other side over a real session."""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
from collections.abc import Awaitable, Callable
from email.parser import BytesParser
from pathlib import Path

import pytest

from gimmal.base.tcp_owner import owners_known
from gimmal.frontends.stream import server as server_module
from gimmal.frontends.stream.server import CONNECTIONS_MAX, StreamServer
from gimmal.remote.file_cache import FileCache
from tests.frontends.stream.player import Player, serving
from tests.nobody import as_nobody
from tests.remote.simulated_line import content_of
from tests.remote.two_sides import Sides, TwoSides

SIZE = 3_000_001
CONTENT = content_of(SIZE)
Work = Callable[[Player, StreamServer, FileCache], Awaitable[None]]


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "film.mkv").write_bytes(CONTENT)
    return made


def play(two: TwoSides, work: Work, path: str = "far/film.mkv") -> None:
    async def main(sides: Sides) -> None:
        async with serving(sides.far, path) as (server, cache):
            player = Player(server.url)
            await work(player, server, cache)
            player.leave()

    two.run(main)


def test_the_whole_file_and_what_is_said_of_it(two: TwoSides) -> None:
    async def work(player: Player, server: StreamServer, _cache: FileCache) -> None:
        got = await player.ask()
        assert (got.status, got.body) == (200, CONTENT)
        assert got.fields["content-type"] == "video/x-matroska"
        assert got.fields["content-length"] == str(SIZE)
        assert got.fields["accept-ranges"] == "bytes"
        assert got.fields["cache-control"] == "no-store"
        assert got.fields["x-content-type-options"] == "nosniff"
        assert got.fields["content-security-policy"].startswith("default-src 'none'; ")
        assert got.fields["etag"].startswith('"')
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/play\.mkv", server.url)
        head = await player.ask("HEAD")
        assert (head.status, head.body) == (200, b"")
        assert {**head.fields, "date": ""} == {**got.fields, "date": ""}

    play(two, work)


def test_ranges_are_exact_and_one_connection_serves_many(two: TwoSides) -> None:
    draw = random.Random(2)

    async def work(player: Player, _server: StreamServer, _cache: FileCache) -> None:
        for _ in range(60):
            first = draw.randrange(SIZE)
            last = min(SIZE - 1, first + draw.choice([0, 1, 4095, 70_000]))
            got = await player.ask(range=f"bytes={first}-{last}")
            assert (got.status, got.body) == (206, CONTENT[first : last + 1])
            assert got.fields["content-range"] == f"bytes {first}-{last}/{SIZE}"
            assert got.fields["content-length"] == str(last + 1 - first)
        got = await player.ask(range="bytes=-5")
        assert (got.status, got.body) == (206, CONTENT[-5:])
        got = await player.ask(range=f"bytes={SIZE}-")
        assert (got.status, got.fields["content-range"], got.body) == (416, f"bytes */{SIZE}", b"")
        got = await player.ask("HEAD", range="bytes=0-5")
        assert (got.status, got.fields["content-length"]) == (200, str(SIZE))
        got = await player.ask(range="lines=1-2")
        assert (got.status, len(got.body)) == (200, SIZE)

    play(two, work)


def test_several_ranges_come_as_parts(two: TwoSides) -> None:
    async def work(player: Player, _server: StreamServer, _cache: FileCache) -> None:
        got = await player.ask(range="bytes=0-9,2000000-2000099,-1")
        assert got.status == 206
        assert got.fields["content-length"] == str(len(got.body))
        head = f"Content-Type: {got.fields['content-type']}\r\n\r\n".encode()
        message = BytesParser().parsebytes(head + got.body)
        parts = [(part["Content-Range"], part.get_payload(decode=True)) for part in message.get_payload()]
        assert parts == [
            (f"bytes 0-9/{SIZE}", CONTENT[:10]),
            (f"bytes 2000000-2000099/{SIZE}", CONTENT[2_000_000:2_000_100]),
            (f"bytes {SIZE - 1}-{SIZE - 1}/{SIZE}", CONTENT[-1:]),
        ]
        one = await player.ask(range=f"bytes=5-6,{SIZE + 5}-")
        assert (one.status, one.body) == (206, CONTENT[5:7])

    play(two, work)


def test_conditions(two: TwoSides) -> None:
    async def work(player: Player, _server: StreamServer, _cache: FileCache) -> None:
        etag = (await player.ask("HEAD")).fields["etag"]
        assert (await player.ask(if_none_match=etag)).status == 304
        assert (await player.ask(if_match='"other"')).status == 412
        same = await player.ask(range="bytes=3-4", if_range=etag)
        assert (same.status, same.body) == (206, CONTENT[3:5])
        other = await player.ask(range="bytes=3-4", if_range='"other"')
        assert (other.status, other.body) == (200, CONTENT)

    play(two, work)


def test_a_file_that_changed_is_served_anew_and_never_mixed(two: TwoSides) -> None:
    changed = CONTENT[::-1]

    async def work(player: Player, server: StreamServer, _cache: FileCache) -> None:
        before = await player.ask(range="bytes=0-99")
        (two.far / "film.mkv").write_bytes(changed)
        after = await player.ask(range="bytes=2000000-2000009", if_range=before.fields["etag"])
        assert (after.status, after.body) == (200, changed)
        assert after.fields["etag"] != before.fields["etag"]

    play(two, work)


def test_a_file_that_changes_while_it_is_sent_breaks_off(two: TwoSides) -> None:
    film = two.far / "film.mkv"
    os.truncate(film, 1 << 30)  # more than any socket takes and any cache holds

    async def work(player: Player, _server: StreamServer, _cache: FileCache) -> None:
        await player.begin()
        await player.answer(100_000)
        film.write_bytes(CONTENT[::-1])
        rest = await player.answer()
        assert not rest.whole

    play(two, work)


def test_who_leaves_has_nothing_fetched_for_any_more(two: TwoSides) -> None:
    os.truncate(two.far / "film.mkv", 1 << 30)

    async def work(player: Player, _server: StreamServer, cache: FileCache) -> None:
        await player.begin()
        await player.answer(100_000)
        file = await cache.open("far/film.mkv")
        assert file.readers == 1
        player.leave()
        while file.readers or cache.pace.under_way:
            await asyncio.sleep(0)

    play(two, work)


def test_a_player_that_pauses_is_read_ahead_of_within_limits(two: TwoSides) -> None:
    os.truncate(two.far / "film.mkv", 1 << 30)

    async def work(player: Player, _server: StreamServer, cache: FileCache) -> None:
        await player.begin()
        await player.answer(1)
        quiet = 0
        while quiet < 200:  # turns of the loop in which nothing was fetched
            quiet = 0 if cache.pace.under_way else quiet + 1
            await asyncio.sleep(0)
        assert 0 < cache.stretches.held <= 48 << 20

    play(two, work)


def test_what_is_no_request_for_us_gets_no_byte_of_the_file(two: TwoSides) -> None:
    async def work(player: Player, server: StreamServer, cache: FileCache) -> None:
        for status, method, fields in (
            (403, "GET", {"host": "evil.example"}),
            (403, "GET", {"host": f"127.0.0.1:{player.port + 1}"}),
            (403, "GET", {"origin": "http://evil.example"}),
            (403, "GET", {"origin": "null"}),
            (403, "GET", {"sec_fetch_site": "cross-site"}),
            (403, "GET", {"sec_fetch_site": "same-site"}),
            (405, "POST", {}),
            (405, "OPTIONS", {}),
            (405, "DELETE", {}),
        ):
            got = await player.ask(method, **fields)
            assert (got.status, len(got.body) < 100) == (status, True), fields
            assert "access-control-allow-origin" not in got.fields
        secret = player.target.split("/")[1]
        for target in ("/", "/play.mkv", f"/{secret}", f"/{secret}/play.mkv/", f"//{secret}/play.mkv", "/" + "x" * 500):
            assert (await player.ask(target=target)).status == 404
        ours = await player.ask(
            origin=f"http://127.0.0.1:{player.port}", sec_fetch_site="same-origin", range="bytes=0-0"
        )
        assert ours.status == 206
        named = await player.ask(host=f"localhost:{player.port}", range="bytes=0-0")
        assert named.status == 206

    play(two, work)


def test_answers_that_are_no_file(two: TwoSides) -> None:
    async def work(player: Player, _server: StreamServer, _cache: FileCache) -> None:
        (two.far / "film.mkv").unlink()
        got = await player.ask()
        assert (got.status, got.body) == (404, b":far/film.mkv: no such file or folder\n")
        (two.far / "film.mkv").mkdir()
        assert (await player.ask()).status == 502
        (two.far / "film.mkv").rmdir()
        (two.far / "film.mkv").write_bytes(b"")
        empty = await player.ask()
        assert (empty.status, empty.body) == (200, b"")
        assert (await player.ask(range="bytes=0-")).status == 416

    play(two, work)


def test_what_is_no_http_ends_the_connection(two: TwoSides) -> None:
    async def work(player: Player, _server: StreamServer, _cache: FileCache) -> None:
        for rubbish in (b"\x00" * 100 + b"\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"x" * 100_000):
            reader, writer = await asyncio.open_connection(player.host, player.port)
            writer.write(rubbish)
            got = await reader.read()
            assert got == b"" or got.startswith(b"HTTP/1.1 400")
            writer.close()
        twice = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nRange: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n" % player.port
        reader, writer = await asyncio.open_connection(player.host, player.port)
        writer.write(twice)
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()

    play(two, work)


async def _rest(stream: asyncio.StreamReader) -> bytes:
    """What still comes until the other end closes, however it does."""
    try:
        return await stream.read()
    except ConnectionResetError:
        return b""


def test_a_connection_without_a_request_is_closed(two: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 0.05)

    async def work(player: Player, _server: StreamServer, _cache: FileCache) -> None:
        silent, writer = await asyncio.open_connection(player.host, player.port)
        assert await _rest(silent) == b""
        writer.close()
        await player.ask(range="bytes=0-0")
        assert await _rest(player.stream) == b""  # no second request comes

    play(two, work)


def test_connections_are_counted(two: TwoSides) -> None:
    async def work(player: Player, server: StreamServer, _cache: FileCache) -> None:
        held = [await asyncio.open_connection(player.host, player.port) for _ in range(CONNECTIONS_MAX)]
        one_more, writer = await asyncio.open_connection(player.host, player.port)
        assert await _rest(one_more) == b""
        writer.close()
        held.pop()[1].transport.abort()
        while len(server.state.connections) >= CONNECTIONS_MAX:
            await asyncio.sleep(0)
        assert (await player.ask(range="bytes=0-0")).status == 206
        for _reader, writer in held:
            writer.transport.abort()

    play(two, work)


@pytest.mark.skipif(os.geteuid() != 0 or not owners_known(), reason="only root can be another user")
def test_another_user_gets_no_byte_even_with_the_url(two: TwoSides) -> None:
    async def work(player: Player, _server: StreamServer, _cache: FileCache) -> None:
        stranger = socket.socket()
        stranger.setblocking(False)
        with as_nobody():
            theirs = socket.socket()  # a socket belongs to who makes it
        with stranger, theirs:
            theirs.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(theirs, (player.host, player.port))
            request = f"GET {player.target} HTTP/1.1\r\nHost: {player.host}:{player.port}\r\n\r\n".encode()
            try:
                await loop.sock_sendall(theirs, request)
                got = await loop.sock_recv(theirs, 1000)
            except ConnectionError:
                got = b""
            assert got == b""
        assert (await player.ask(range="bytes=0-0")).status == 206

    play(two, work)


def test_nothing_is_logged(two: TwoSides, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)

    async def work(player: Player, _server: StreamServer, _cache: FileCache) -> None:
        secret = player.target.split("/")[1]
        await player.ask(range="bytes=0-9")
        await player.ask(target=f"/{secret}/other")
        os.truncate(two.far / "film.mkv", 1 << 30)
        other = Player(f"http://{player.host}:{player.port}{player.target}")
        await other.begin()
        await other.answer(10)
        (two.far / "film.mkv").unlink()
        other.leave()
        assert secret not in caplog.text
        assert secret not in "".join(capfd.readouterr())

    play(two, work)
