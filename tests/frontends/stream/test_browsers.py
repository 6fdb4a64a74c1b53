"""Which films a browser is given as they are."""

from __future__ import annotations

import pytest

from gimmal.frontends.stream.browsers import plays_as_it_is
from gimmal.protocol.film_messages import Film
from gimmal.protocol.messages import Version


@pytest.mark.parametrize(
    ("kind", "video", "audio", "cuts", "expected"),
    [
        ("video/mp4", "h264", "aac", [0], True),
        ("video/mp4", "h264", "", [0], True),
        ("video/mp4", "h264", "aac", [], False),
        ("video/mp4", "h264", "ac3", [0], False),
        ("video/mp4", "hevc", "aac", [], False),
        ("video/webm", "vp9", "opus", [], True),
        ("video/x-matroska", "h264", "aac", [0], False),
        ("video/x-msvideo", "mpeg4", "mp3", [], False),
    ],
)
def test_what_is_played(kind: str, video: str, audio: str, cuts: list[int], expected: bool) -> None:
    film = Film(Version(1, 2, 3), 1, 1, 1, 1, video, audio, cuts)
    assert plays_as_it_is(kind, film) is expected
