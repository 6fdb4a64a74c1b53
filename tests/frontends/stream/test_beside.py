"""What is served beside a film, asked for over real sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from gimmal.base.workers import Workers
from gimmal.frontends.stream.server import StreamServer
from gimmal.frontends.stream.tracks import find_tracks
from gimmal.protocol.jpeg import jpeg_size
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import Files
from tests.confined import needs_confinement
from tests.endtoend.film import make_film, needs, run
from tests.frontends.stream.player import Player
from tests.remote.two_sides import Sides, TwoSides

Work = Callable[[Player, str], Awaitable[None]]
CUE = b"1\n00:00:01,000 --> 00:00:02,000\nhello\n"


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "film.mkv").write_bytes(bytes(100_000))
    (made.far / "film.en.srt").write_bytes(CUE)
    return made


def play(two: TwoSides, work: Work) -> None:
    """Serve the film, and do something with a player and the path of its page."""

    async def main(sides: Sides) -> None:
        async def open_files() -> Files:
            return sides.far

        cache, workers = FileCache(open_files), Workers()
        server = StreamServer(cache, "far/film.mkv", workers, await find_tracks(sides.far, "far/film.mkv"))
        await server.start()
        player = Player(server.url)
        try:
            await work(player, urlsplit(server.page).path)
        finally:
            player.leave()
            await server.close()
            await cache.close()
            workers.close()

    two.run(main)


def test_the_page_and_the_subtitles(two: TwoSides) -> None:
    async def work(player: Player, page: str) -> None:
        got = await player.ask(target=page)
        assert (got.status, got.fields["content-type"]) == (200, "text/html; charset=utf-8")
        assert b'src="play.mkv"' in got.body and b'src="text/0.vtt"' in got.body
        assert got.fields["content-security-policy"].startswith("default-src 'none'; ")
        assert got.fields["cache-control"] == "no-store"
        head = await player.ask("HEAD", target=page)
        assert (head.status, head.body, head.fields["content-length"]) == (200, b"", str(len(got.body)))
        text = await player.ask(target=page + "text/0.vtt")
        assert (text.status, text.fields["content-type"]) == (200, "text/vtt; charset=utf-8")
        assert text.body == b"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nhello\n"

    play(two, work)


@needs_confinement
def test_the_picture_is_one_or_none(two: TwoSides) -> None:
    async def work(player: Player, page: str) -> None:
        assert (await player.ask(target=page + "poster.jpg")).status == 404
        Image.new("RGB", (600, 400), (9, 9, 9)).save(two.far / "other", "png")
        (two.far / "other").rename(two.far / "film.mkv")
        got = await player.ask(target=page + "poster.jpg")
        assert (got.status, got.fields["content-type"]) == (200, "image/jpeg")
        assert jpeg_size(got.body) == (512, 341)
        assert got.fields["x-content-type-options"] == "nosniff"

    play(two, work)


@needs_confinement
@needs("ffmpeg", "ffprobe")
def test_a_film_in_parts_with_words_in_it(two: TwoSides, tmp_path: Path) -> None:
    words = tmp_path / "words.srt"
    words.write_bytes(CUE)
    make_film(tmp_path / "plain.mkv", 10)
    other = tmp_path / "other.mkv"
    run("ffmpeg", "-v", "error", "-i", tmp_path / "plain.mkv", "-i", words, "-c:v", "copy", "-c:a", "copy", other)
    other.rename(two.far / "film.mkv")

    async def work(player: Player, page: str) -> None:
        async def body(name: str, kind: str) -> bytes:
            got = await player.ask(target=page + name)
            assert (got.status, got.fields["content-type"]) == (200, kind), (name, got)
            assert got.fields["cache-control"] == "no-store"
            return got.body

        assert b'src="hls/index.m3u8"' in await body("", "text/html; charset=utf-8")
        master = (await body("hls/index.m3u8", "application/vnd.apple.mpegurl")).decode()
        assert "original.m3u8" in master and 'URI="text1.m3u8"' in master
        listed = (await body("hls/original.m3u8", "application/vnd.apple.mpegurl")).decode()
        assert [line for line in listed.splitlines() if line.endswith(".ts")] == [
            "original/0.ts",
            "original/1.ts",
            "original/2.ts",
        ]
        for number in range(3):
            part = await body(f"hls/original/{number}.ts", "video/mp2t")
            assert part[0] == 0x47 and len(part) % 188 == 0
        assert b"hello" in await body("text/1.vtt", "text/vtt; charset=utf-8")
        assert b"X-TIMESTAMP-MAP" in await body("hls/text1.vtt", "text/vtt; charset=utf-8")
        assert b"text0.vtt" in await body("hls/text0.m3u8", "application/vnd.apple.mpegurl")
        for name in (
            "original/3.ts",
            "original/-1.ts",
            "240/0.ts",
            "240.m3u8",
            "text2.m3u8",
            "text2.vtt",
            "index",
            "",
            "a",
        ):
            assert (await player.ask(target=f"{page}hls/{name}")).status == 404, name

    play(two, work)


def test_of_what_is_no_film_there_are_no_parts(two: TwoSides) -> None:
    async def work(player: Player, page: str) -> None:
        for name in ("index.m3u8", "original.m3u8", "original/0.ts", "text0.m3u8"):
            assert (await player.ask(target=f"{page}hls/{name}")).status == 404
        assert b"hls/" not in (await player.ask(target=page)).body

    play(two, work)


def test_what_is_not_there_and_what_may_not_be(two: TwoSides) -> None:
    async def work(player: Player, page: str) -> None:
        for name in (
            "text/1.vtt",
            "text/00.vtt",
            "text/-1.vtt",
            "text/0.vtt/",
            "../play.mkv",
            "film.mkv",
            "%70lay.mkv",
        ):
            assert (await player.ask(target=page + name)).status == 404, name
        wrong = page[:-2] + ("A" if page[-2] != "A" else "B") + "/"
        for target in (wrong, wrong + "text/0.vtt", "/", page[:-1], "/play.mkv"):
            assert (await player.ask(target=target)).status == 404, target
        for name in ("", "text/0.vtt"):
            assert (await player.ask("POST", target=page + name)).status == 405
            assert (await player.ask(target=page + name, host="evil.example")).status == 403
            assert (await player.ask(target=page + name, origin="http://evil.example")).status == 403
            assert (await player.ask(target=page + name, sec_fetch_site="cross-site")).status == 403

    play(two, work)


def test_a_track_that_is_gone_is_said_to_be(two: TwoSides) -> None:
    async def work(player: Player, page: str) -> None:
        (two.far / "film.en.srt").unlink()
        assert (await player.ask(target=page + "text/0.vtt")).status == 404

    play(two, work)
