"""The Range field, against the examples of RFC 9110 and a slow reading of its rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.frontends.stream.ranges import RANGES_MAX, ByteRange, Multipart, NotSatisfiable, parse_ranges


def spans(text: str, size: int = 10_000) -> list[tuple[int, int]] | None:
    found = parse_ranges(text, size)
    return None if found is None else [(one.start, one.end) for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=-500", [(9500, 10_000)]),
        ("bytes=9500-", [(9500, 10_000)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 10_000)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 1000), (4500, 5500), (9000, 10_000)]),
        ("bytes=500-600,601-999", [(500, 601), (601, 1000)]),
        ("bytes=0-99999999", [(0, 10_000)]),
        ("bytes=-99999999", [(0, 10_000)]),
        ("BYTES=1-1", [(1, 2)]),
        ("bytes=,,1-1, ,", [(1, 2)]),
        ("bytes=20000-,3-4", [(3, 5)]),
        # Ignored: the whole file is the answer.
        ("bytes=500-700,601-999", None),
        ("bytes=5-4", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes", None),
        ("bytes=1-2;3-4", None),
        ("bytes=+1-2", None),
        ("bytes=1 - 2", None),
        ("bytes=٣-٤", None),
        ("seconds=1-2", None),
        ("bytes=" + "9" * 19 + "-", None),
        ("bytes=" + ",".join(f"{2 * at}-{2 * at}" for at in range(RANGES_MAX + 1)), None),
    ],
)
def test_what_is_asked_for(text: str, expected: list[tuple[int, int]] | None) -> None:
    assert spans(text) == expected


@pytest.mark.parametrize("text", ["bytes=10000-", "bytes=10000-20000", "bytes=-0", "bytes=10000-,20000-"])
def test_what_lies_outside_the_file(text: str) -> None:
    with pytest.raises(NotSatisfiable):
        parse_ranges(text, 10_000)


@pytest.mark.parametrize("text", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_of_an_empty_file_nothing_can_be_had(text: str) -> None:
    with pytest.raises(NotSatisfiable):
        parse_ranges(text, 0)


@given(st.text(max_size=40), st.integers(0, 1 << 63))
def test_any_text_is_read_or_ignored(text: str, size: int) -> None:
    for field in (text, "bytes=" + text):
        try:
            found = parse_ranges(field, size)
        except NotSatisfiable:
            continue
        for one in found or []:
            assert 0 <= one.start < one.end <= size


@given(st.integers(1, 500), st.integers(0, 600), st.integers(0, 600))
def test_one_range_is_what_a_slow_reader_would_take(size: int, first: int, last: int) -> None:
    places = [place for place in range(size) if first <= place <= last]
    if first > last:
        assert parse_ranges(f"bytes={first}-{last}", size) is None
    elif not places:
        with pytest.raises(NotSatisfiable):
            parse_ranges(f"bytes={first}-{last}", size)
    else:
        assert spans(f"bytes={first}-{last}", size) == [(places[0], places[-1] + 1)]


def test_a_multipart_body_is_as_long_as_it_says() -> None:
    content = bytes(range(256))
    multipart = Multipart([ByteRange(0, 1), ByteRange(250, 256)], 256, "video/mp4", "zz")
    body = b"".join(head + content[one.start : one.end] for head, one in multipart.parts) + multipart.end
    assert len(body) == multipart.length
    assert body == (
        b"\r\n--zz\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-0/256\r\n\r\n\x00"
        b"\r\n--zz\r\nContent-Type: video/mp4\r\nContent-Range: bytes 250-255/256\r\n\r\n\xfa\xfb\xfc\xfd\xfe\xff"
        b"\r\n--zz--\r\n"
    )
