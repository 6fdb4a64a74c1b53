"""What a file is by its first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.share.previewing.kinds import HEAD_BYTES, PICTURE, kind_of


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", PICTURE),
        (b"\x89PNG\r\n\x1a\n", PICTURE),
        (b"RIFF\0\0\0\0WEBPVP8 ", PICTURE),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"\0\0\0\x20ftypisom", "mov"),
        (b"\0\0\0\x20ftypheic", None),
        (b"\x1a\x45\xdf\xa3\x01", "matroska"),
        (b"\0\0\x01\xba", "mpeg"),
        ((b"G" + bytes(187)) * 3, "mpegts"),
        (b"#EXTM3U\nhttp://evil.example/", None),
        (b"ffconcat version 1.0\nfile /etc/passwd", None),
        (b"<svg/>", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_kinds(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


@given(st.binary(max_size=HEAD_BYTES))
def test_any_bytes_are_of_a_kind_or_none(head: bytes) -> None:
    assert kind_of(head) in (PICTURE, "avi", "mov", "matroska", "mpeg", "mpegts", "ogg", "flv", "asf", None)
