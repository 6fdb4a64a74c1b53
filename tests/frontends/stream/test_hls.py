"""Playlists of films: every moment is in one part, and none asks for more than may be had."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gimmal.frontends.stream.hls import (
    LAST_MICROSECONDS,
    MARGIN_MICROSECONDS,
    ORIGINAL,
    PART_SECONDS,
    RATES,
    edges,
    heights,
    master_playlist,
    media_playlist,
    rate_of,
    text_part,
    text_playlist,
)
from gimmal.frontends.stream.tracks import InnerTrack, Track
from gimmal.protocol.film_messages import Film
from gimmal.protocol.limits import FILM_MICROSECONDS_MAX, FILM_PART_MAX, FILM_PART_MICROSECONDS_MAX
from gimmal.protocol.messages import Version

SECOND = 1_000_000
MEDIA = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",'
FILM = Film(Version(1, 2, 3), 21 * SECOND, 4_000_000, 1920, 800, "h264", "ac3", [n * 2 * SECOND for n in range(11)], [])


def test_where_parts_meet() -> None:
    assert edges(FILM, 480) == [0, 4 * SECOND, 8 * SECOND, 12 * SECOND, 16 * SECOND, 20 * SECOND, 21_500_000]
    assert edges(FILM, ORIGINAL) == edges(FILM, 480)
    assert edges(replace(FILM, cuts=[6000, 11 * SECOND, 20_500_000]), ORIGINAL) == [6000, 11 * SECOND, 21_500_000]
    assert edges(replace(FILM, duration=1), 480) == [0, 1 + MARGIN_MICROSECONDS]


@given(
    st.integers(1, FILM_MICROSECONDS_MAX),
    st.lists(st.integers(0, FILM_MICROSECONDS_MAX), max_size=50),
    st.sampled_from([ORIGINAL, 240, 480]),
    st.integers(0, 1 << 40),
)
def test_parts_of_any_film(duration: int, cuts: list[int], height: int, rate: int) -> None:
    # As many parts as a film has: kept small here.
    film = replace(
        FILM, duration=duration % (3600 * SECOND) + 1, cuts=sorted({cut % duration for cut in cuts}), rate=rate
    )
    offered = heights(film)
    assert offered
    for height in offered:
        found = edges(film, height)
        assert found == sorted(set(found)) and len(found) >= 2
        assert all(end - start <= FILM_PART_MICROSECONDS_MAX for start, end in itertools.pairwise(found))
        if height == ORIGINAL:
            assert set(found[:-1]) <= set(film.cuts)
            assert all(film.rate / 8 * (end - start) / 1e6 <= FILM_PART_MAX for start, end in itertools.pairwise(found))
        listed = media_playlist(film, height).decode()
        lengths = [float(length) for length in re.findall(r"#EXTINF:([0-9.]+),", listed)]
        assert len(lengths) == len(found) - 1 and min(lengths) > 0
        assert max(lengths) <= int(re.findall(r"TARGETDURATION:(\d+)", listed)[0])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [ORIGINAL, 720, 480, 360, 240]),
        ({"cuts": []}, [800, 720, 480, 360, 240]),
        ({"cuts": [], "height": 2160}, [1080, 720, 480, 360, 240]),
        ({"cuts": [], "height": 100}, [100]),
        ({"height": 100}, [ORIGINAL]),
        ({"cuts": [0], "duration": 30 * SECOND}, [800, 720, 480, 360, 240]),
        ({"rate": 100_000_000}, [800, 720, 480, 360, 240]),
    ],
    ids=["may stay", "may not", "very large", "very small", "small, may stay", "one long piece", "too fast"],
)
def test_what_is_offered(changes: dict[str, object], expected: list[int]) -> None:
    assert heights(replace(FILM, **changes)) == expected


def test_rates() -> None:
    assert [rate_of(height) for height in (100, 240, 241, 1080, 2160)] == [
        RATES[240], RATES[240], RATES[360], RATES[1080], RATES[1080],
    ]  # fmt: skip


def test_the_list_of_all() -> None:
    tracks = [Track("a/film.en.srt", "srt", "en", "en"), InnerTrack(4, "", 'a "b"\nc')]
    assert master_playlist(FILM, tracks).decode().splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'{MEDIA}NAME="1 en",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=NO,URI="text0.m3u8"',
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="2 a \'b\' c",DEFAULT=NO,AUTOSELECT=NO,URI="text1.m3u8"',
        '#EXT-X-STREAM-INF:BANDWIDTH=6000000,RESOLUTION=1920x800,SUBTITLES="text"',
        "original.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=2628000,RESOLUTION=1728x720,SUBTITLES="text"',
        "720.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=1228000,RESOLUTION=1152x480,SUBTITLES="text"',
        "480.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=728000,RESOLUTION=864x360,SUBTITLES="text"',
        "360.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=428000,RESOLUTION=576x240,SUBTITLES="text"',
        "240.m3u8",
    ]


def test_the_list_of_one() -> None:
    film = replace(FILM, duration=6 * SECOND)
    assert media_playlist(film, 480).decode().splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:4",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXTINF:4.000000,",
        "480/0.ts",
        "#EXTINF:2.000000,",
        "480/1.ts",
        "#EXT-X-ENDLIST",
    ]
    assert PART_SECONDS * SECOND > LAST_MICROSECONDS


def test_subtitles() -> None:
    assert b"#EXT-X-TARGETDURATION:21\n" in text_playlist(FILM, 3) and b"\ntext3.vtt\n" in text_playlist(FILM, 3)
    assert text_part(b"WEBVTT\n\n00:00.000") == (
        b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n00:00.000"
    )
