"""Subtitles become WebVTT of which nothing but times, words and three tags can come out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.frontends.stream.subtitles import CUES_MAX, SUBTITLE_BYTES_MAX, SUBTITLE_ENDINGS, to_webvtt

SRT = b"""1
00:00:01,000 --> 00:00:02,500
Hello <i>there</i>,
second line

2
00:01:01,5 --> 01:00:02,000 X1:40 X2:600
<font color="red">Red</font> & blue
3
00:00:00.100 --> 00:00:00.900
without an empty line
"""

CLOCK = r"\d{2,3}:\d\d:\d\d\.\d{3}"
LINE = r"(?:(?!-->)(?:[^<>&\n]|&(?:amp|lt|gt);|</?[biu]>))+"
WHOLE = re.compile(rf"WEBVTT\n(?:\n{CLOCK} --> {CLOCK}\n(?:{LINE}\n)+)*")


def words(made: bytes) -> list[str]:
    return ["\n".join(block.split("\n")[1:]).strip() for block in made.decode().split("\n\n")[1:]]


def test_subrip() -> None:
    assert to_webvtt(SRT, "srt").decode() == (
        "WEBVTT\n"
        "\n00:00:00.100 --> 00:00:00.900\nwithout an empty line\n"
        "\n00:00:01.000 --> 00:00:02.500\nHello <i>there</i>,\nsecond line\n"
        "\n00:01:01.500 --> 01:00:02.000\nRed &amp; blue\n"
    )


def test_webvtt_keeps_no_styles_regions_notes_and_settings() -> None:
    given_bytes = (
        b"WEBVTT title\n\nSTYLE\n::cue { background: url(http://evil.example/) }\n\nREGION\nid:1\n\nNOTE a --> b\n\n"
        b"id\n00:01.000 --> 00:02.000 position:10% line:0\n<v Ada><c.red>Hi</c> &lt;b&gt; &amp; <b>you</v>\n"
    )
    assert to_webvtt(given_bytes, "vtt").decode() == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHi &lt;b&gt; &amp; <b>you</b>\n"
    )


def test_substation_alpha() -> None:
    given_bytes = (
        b"[Script Info]\nTitle: x\n[V4+ Styles]\nFormat: Name, Fontname\nStyle: A,B\n[Events]\n"
        b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        b"Comment: 0,0:00:00.00,0:00:01.00,A,,0,0,0,,hidden\n"
        b"Dialogue: 0,0:00:01.50,0:00:02.00,A,,0,0,0,,{\\an8}One, two\\Nthree\\hfour\n"
        b"Dialogue: 0,never,0:00:02.00,A,,0,0,0,,no time\n"
    )
    assert words(to_webvtt(given_bytes, "ass")) == ["One, two\nthree four"]
    assert b"00:00:01.500 --> 00:00:02.000" in to_webvtt(given_bytes, "ssa")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding: str) -> None:
    made = to_webvtt("1\n00:00:01,000 --> 00:00:02,000\nGrüße\n".encode(encoding), "srt")
    assert words(made) == ["Grüße"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<script>alert(1)</script>", "alert(1)"),
        ("<i>a<b>c</i>d", "<i>a<b>c</b></i>d"),
        ("</i>a", "a"),
        ("a --> b", "a --&gt; b"),
        ("a\u202eb\x07c", "abc"),
        ("&#10;&#10;00:00:05.000 --&gt; 00:00:06.000&#10;x", "00:00:05.000 --&gt; 00:00:06.000\nx"),
        ("{\\pos(1,2)}here", "here"),
        ("<00:01.000>karaoke", "karaoke"),
        ("1 < 2", "1 &lt; 2"),
    ],
)
def test_what_passes_of_a_text(text: str, expected: str) -> None:
    assert words(to_webvtt(f"00:00:01,000 --> 00:00:02,000\n{text}\n".encode(), "srt")) == [expected]


def test_a_cue_that_shows_nothing_is_left_out() -> None:
    assert (
        to_webvtt(b"00:00:02,000 --> 00:00:01,000\nbackwards\n\n00:00:02,000 --> 00:00:03,000\n\n", "srt")
        == b"WEBVTT\n"
    )


def test_what_is_taken_is_bounded() -> None:
    cue = b"00:00:01,000 --> 00:00:02,000\nx\n\n"
    assert len(words(to_webvtt(cue * (CUES_MAX + 10), "srt"))) == CUES_MAX
    long = to_webvtt(b"00:00:01,000 --> 00:00:02,000\n" + b"y" * 100_000 + b"\n", "srt")
    assert len(long) < 2_100
    late = b"\n" * SUBTITLE_BYTES_MAX + cue
    assert to_webvtt(late, "srt") == b"WEBVTT\n"


ODD = st.sampled_from(
    ["-->", "<i>", "</b>", "<", "&amp;", "&#10;", "\n\n", "\r", "\u2028", "{", "00:00:01,0 --> 00:00:09,0\n"]
)


@given(st.binary(max_size=300), st.sampled_from(SUBTITLE_ENDINGS))
def test_any_bytes_become_webvtt_and_nothing_else(content: bytes, ending: str) -> None:
    assert WHOLE.fullmatch(to_webvtt(content, ending).decode())


@given(st.lists(ODD | st.text(max_size=8), max_size=12).map("".join), st.sampled_from(SUBTITLE_ENDINGS))
def test_any_words_become_webvtt_and_nothing_else(text: str, ending: str) -> None:
    heads = {"srt": "00:00:01,000 --> 00:00:02,000\n", "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n"}
    head = heads.get(ending, "[Events]\nDialogue: 0,0:00:01.50,0:00:02.00,A,,0,0,0,,")
    made = to_webvtt((head + text).encode("utf-8", "replace"), ending).decode()
    assert WHOLE.fullmatch(made), made
