"""What is believed of what ffprobe says of a file that anybody may have made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.protocol.codec import decode_answer, encode
from gimmal.protocol.film_messages import FilmText
from gimmal.protocol.limits import FILM_CUTS_MAX, FILM_TEXTS_MAX
from gimmal.protocol.messages import Version
from gimmal.share.previewing.probing import read_cuts, read_film

VERSION = Version(1, 2, 3)
VIDEO = {"codec_type": "video", "codec_name": "h264", "pix_fmt": "yuv420p", "width": 640, "height": 360}


def said(*streams: dict[str, Any], **form: str) -> bytes:
    return json.dumps({"streams": streams, "format": {"duration": "10.5", "bit_rate": "8000"} | form}).encode()


def test_a_film() -> None:
    cover = {**VIDEO, "codec_name": "mjpeg", "disposition": {"attached_pic": 1}}
    words = {"codec_type": "subtitle", "codec_name": "subrip", "tags": {"language": "eng", "title": "\u00e9"}}
    pictures = {"codec_type": "subtitle", "codec_name": "hdmv_pgs_subtitle"}
    read = read_film(said(cover, VIDEO, {"codec_type": "audio", "codec_name": "ac3"}, pictures, words), VERSION)
    assert read is not None
    film, everywhere, begins = read
    assert (film.duration, film.rate, film.width, film.height) == (10_500_000, 8000, 640, 360)
    assert (film.video, film.audio, everywhere, begins) == ("h264", "ac3", True, 0.0)
    assert film.texts == [FilmText(1, "eng", "\u00e9")]


@pytest.mark.parametrize("change", [{"codec_name": "hevc"}, {"pix_fmt": "yuv420p10le"}, {"pix_fmt": "yuv444p"}])
def test_pictures_that_not_every_browser_plays(change: dict[str, str]) -> None:
    read = read_film(said(VIDEO | change), VERSION)
    assert read is not None and not read[1]


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        said(),
        said({"codec_type": "audio"}),
        said(VIDEO, duration="nan"),
        said(VIDEO, duration="inf"),
        said(VIDEO, duration="-1"),
        said(VIDEO, duration="1e9"),
        said(VIDEO, duration="N/A"),
        said(VIDEO | {"width": 0}),
        said(VIDEO | {"height": 1 << 40}),
        said(VIDEO | {"width": "640"}),
        said({**VIDEO, "disposition": {"attached_pic": 1}}),
    ],
    ids=range(15),
)
def test_no_film(written: bytes) -> None:
    assert read_film(written, VERSION) is None


def test_a_rate_that_is_not_said_follows_from_the_size() -> None:
    read = read_film(said(VIDEO, bit_rate="N/A"), Version(1, 10_500, 3))
    assert read is not None and read[0].rate == 8000


def test_cuts() -> None:
    packets = [{"pts_time": time, "flags": "K_"} for time in ("1.4", "5.404", "5.404", "20.0", "")]
    assert read_cuts(json.dumps({"packets": packets}).encode(), 1.4, 10_000_000) == [0, 4_004_000]
    packets.append({"pts_time": "7", "flags": "__"})
    assert read_cuts(json.dumps({"packets": packets}).encode(), 1.4, 10_000_000) == []
    for written in (b"", b"{}", b"[]", b"[" * 10_000):
        assert read_cuts(written, 0.0, 1) == []


@given(st.lists(st.floats(allow_nan=True).map(str) | st.text(max_size=5), max_size=20))
def test_any_cuts_can_be_told(times: list[str]) -> None:
    packets = [{"pts_time": time, "flags": "K"} for time in times]
    cuts = read_cuts(json.dumps({"packets": packets}).encode(), 0.0, 1 << 36)
    assert cuts == sorted(set(cuts)) and all(0 <= cut < 1 << 36 for cut in cuts)


def test_what_is_told_can_always_be_read() -> None:
    words = [
        {"codec_type": "subtitle", "codec_name": "ass", "tags": {"language": "\u00e9" * 99, "title": "t" * 999}}
    ] * 300
    read = read_film(said(VIDEO | {"codec_name": "x" * 999}, *words, bit_rate="1e300"), VERSION)
    assert read is not None
    assert len(read[0].texts) == FILM_TEXTS_MAX
    assert decode_answer(encode(read[0])) == read[0]
    packets = json.dumps(
        {"packets": [{"pts_time": str(at), "flags": "K"} for at in range(FILM_CUTS_MAX + 10)]}
    ).encode()
    assert len(read_cuts(packets, 0.0, 1 << 36)) == FILM_CUTS_MAX
