"""The page on which a browser plays a film."""

from __future__ import annotations

from html.parser import HTMLParser

from gimmal.frontends.stream.hls import PLAYLIST
from gimmal.frontends.stream.page import film_page
from gimmal.frontends.stream.tracks import InnerTrack, Track


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_film_and_tracks_are_named_and_nothing_of_the_other_side_becomes_markup() -> None:
    label = '"><script>alert(1)</script>'
    tracks = [Track("s/film.en.srt", "srt", "en", "en"), InnerTrack(3, "", label)]
    page = film_page([("play.mp4", "video/mp4"), ("hls/index.m3u8", PLAYLIST)], tracks)
    elements = Elements(page)
    assert elements.of("source") == [
        {"src": "play.mp4", "type": "video/mp4"},
        {"src": "hls/index.m3u8", "type": PLAYLIST},
    ]
    assert elements.of("track") == [
        {"kind": "subtitles", "src": "text/0.vtt", "srclang": "en", "label": "en"},
        {"kind": "subtitles", "src": "text/1.vtt", "label": label},
    ]
    assert {tag for tag, _ in elements.found} == {
        "html", "head", "meta", "title", "style", "body", "video", "source", "track",
    }  # fmt: skip
    assert b"film" not in page
