"""Media types: right for what is played, harmless for all else."""

from __future__ import annotations

import pytest

from gimmal.frontends.stream.content_types import _TYPES, OTHER, content_type_of, ending_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/film.mkv", "video/x-matroska"),
        ("FILM.MP4", "video/mp4"),
        ("song.flac", "audio/flac"),
        ("two.dots.webm", "video/webm"),
        ("page.html", OTHER),
        ("picture.svg", OTHER),
        ("script.js", OTHER),
        ("page.xhtml", OTHER),
        ("mkv", OTHER),
        ("folder.mkv/file", OTHER),
        ("", OTHER),
    ],
)
def test_types(name: str, expected: str) -> None:
    assert content_type_of(name) == expected


def test_an_ending_is_one_of_the_table_or_nothing() -> None:
    assert ending_of("film.MKV") == "mkv"
    assert ending_of("film.<script>") == ""


def test_no_type_is_one_that_a_browser_runs() -> None:
    for ours in _TYPES.values():
        kind = ours.partition("/")[0]
        assert kind in ("video", "audio", "image") or ours in (
            "application/pdf",
            "text/plain; charset=utf-8",
            "text/vtt; charset=utf-8",
        )
        assert "svg" not in ours
