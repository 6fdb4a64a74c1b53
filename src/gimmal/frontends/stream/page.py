"""The page on which a browser plays a film with its subtitles: no script, and no word of the film's name."""

from __future__ import annotations

import html
from collections.abc import Sequence

from gimmal.frontends.stream.tracks import InnerTrack, Track

HTML = "text/html; charset=utf-8"

POSTER = "poster.jpg"
"""Where the picture is that is shown before the film begins, below the page."""

_STYLE = "body{margin:0;background:#111}video{width:100vw;height:100vh;object-fit:contain}"


def film_page(sources: Sequence[tuple[str, str]], tracks: Sequence[Track | InnerTrack]) -> bytes:
    """The page.

    Args:
        sources: places of the film below the page, and media types; a browser takes the first it can play.
        tracks: its subtitles, which are at ``text/NUMBER.vtt``.
    """
    films = [f'<source src="{html.escape(place)}" type="{html.escape(kind)}">' for place, kind in sources]
    texts = [_track(number, track) for number, track in enumerate(tracks)]
    # Browsers keep titles of pages in their history.
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>gimmal</title><style>{_STYLE}</style></head><body>',
            f'<video controls preload="metadata" poster="{POSTER}">',
            *films,
            *texts,
            "</video>",
            "</body></html>",
            "",
        ]
    ).encode()


def _track(number: int, track: Track | InnerTrack) -> str:
    language = f' srclang="{track.language}"' if track.language else ""
    return f'<track kind="subtitles" src="text/{number}.vtt"{language} label="{html.escape(track.label)}">'
