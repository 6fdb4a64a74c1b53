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
