"""Foreign text never reaches an eye or a terminal raw."""

from __future__ import annotations

import re
import tracemalloc
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.display import ELLIPSIS, displayable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("report.odt", "report.odt"),
        ("naïve café 中文 😀.txt", "naïve café 中文 😀.txt"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\tc\x7f", r"a\x0ab\x09c\x7f"),
        ("a\x85b\x9bc", r"a\u0085b\u009bc"),
        ("invoice\u202etxt.exe", r"invoice\u202etxt.exe"),
        ("\u2066x\u2069\u200e\u061c", r"\u2066x\u2069\u200e\u061c"),
        ("a\u200bb\ufeffc\u00add\u200d", r"a\u200bb\ufeffc\u00add\u200d"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("a\ue001\U000e0041", r"a\ue001\U000e0041"),
        ("\u3164\u00a0", r"\u3164\u00a0"),
        ("\ud800", r"\ud800"),
        (b"a\xff\xc0\xafb", r"a\xff\xc0\xafb"),
        ("a\udcffb", r"a\xffb"),
        ("C:\\x1b", r"C:\\x1b"),
        ("\\\x1b", r"\\\x1b"),
        ("", ""),
    ],
)
def test_table(text: str | bytes, shown: str) -> None:
    assert displayable(text) == shown


@given(st.text(st.characters(codec=None, exclude_categories=())), st.integers(1, 60))
def test_nothing_hidden_and_never_longer_than_asked(text: str, limit: int) -> None:
    shown = displayable(text, limit)
    assert len(shown) <= limit
    assert all(unicodedata.category(c)[0] != "C" and c not in "\u2028\u2029" for c in shown)


@given(st.binary(max_size=200), st.integers(1, 60))
def test_bytes_like_text(data: bytes, limit: int) -> None:
    shown = displayable(data, limit)
    assert len(shown) <= limit
    assert shown == displayable(data.decode("utf-8", "surrogateescape"), limit)


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=80))
def test_unambiguous(text: str) -> None:
    def back(match: re.Match[str]) -> str:
        escape = match.group(0)
        if escape == "\\\\":
            return "\\"
        digits = escape[2:]
        number = int(digits, 16)
        return chr(number + 0xDC00 if escape[1] == "x" and number >= 0x80 else number)

    pattern = r"\\\\|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}"
    assert re.sub(pattern, back, displayable(text, 1000)) == text


def test_cut_before_an_escape_not_inside() -> None:
    assert displayable("abc\x1b\x1b", 8) == "abc\\x1b" + ELLIPSIS
    assert displayable("abc\x1b", 6) == "abc" + ELLIPSIS
    assert displayable("x" * 10, 10) == "x" * 10
    assert displayable("x" * 11, 10) == "x" * 9 + ELLIPSIS


def test_huge_input_costs_what_is_shown() -> None:
    assert displayable("\x1b" * 50_000_000, 10) == "\\x1b\\x1b" + ELLIPSIS


# docs/spec/names.md, section 5: what looks like nothing or like a space, though its category is not a hidden one.
BLANK = (
    *(0x00A0, 0x034F, 0x115F, 0x1160, 0x1680, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0x2000, 0x2010)),
    *(0x202F, 0x205F, 0x2800, 0x3164, *range(0xFE00, 0xFE10), 0xFFA0, *range(0xE0100, 0xE01F0)),
)
HIDDEN_CATEGORIES = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def test_characters_are_shown_or_escaped_as_the_specification_says() -> None:
    blank = frozenset(BLANK)
    numbers = (*range(0x80, 0x10000), *range(0x1F000, 0x20000), *range(0xE0000, 0xE0400))
    expected = []
    for number in numbers:
        if 0xDC80 <= number <= 0xDCFF:
            expected.append(f"\\x{number - 0xDC00:02x}")
        elif number in blank or unicodedata.category(chr(number)) in HIDDEN_CATEGORIES:
            expected.append(f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}")
        else:
            expected.append(chr(number))
    assert displayable("".join(map(chr, numbers)), 1_000_000) == "".join(expected)


def test_the_edges_of_what_is_escaped() -> None:
    for number in (*range(0x20), *range(0x7F, 0xA1), *BLANK, 0xDC7F, 0xDC80, 0xDCFF, 0xDD00, 0xFFFF, 0x10000):
        shown = displayable(chr(number))
        assert shown.isascii() == (number != 0x10000), hex(number)
    for first, last in ((0xA0, 0xA0), (0x2000, 0x200F), (0x202F, 0x202F), (0x2800, 0x2800), (0xFE00, 0xFE0F)):
        for number in (first - 1, last + 1):
            if unicodedata.category(chr(number)) not in HIDDEN_CATEGORIES:
                assert displayable(chr(number)) == chr(number), hex(number)


def test_the_limit_is_400_unless_told() -> None:
    assert displayable("x" * 400) == "x" * 400
    assert displayable("x" * 401) == "x" * 399 + ELLIPSIS
    assert displayable("é" * 400) == "é" * 400
    assert displayable("é" * 401) == "é" * 399 + ELLIPSIS


def test_bytes_are_read_far_enough_and_no_further() -> None:
    four = "😀".encode()
    assert displayable(four * 10, 10) == "😀" * 10
    assert displayable(four * 11, 10) == "😀" * 9 + ELLIPSIS
    tracemalloc.start()
    try:
        for large in (b"x" * 50_000_000, "x" * 50_000_000):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            assert displayable(large, 10) == "x" * 9 + ELLIPSIS
            assert tracemalloc.get_traced_memory()[1] - before < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("typed", ["a\\b", "\\", "\\u202e", "\\x0a"])
def test_a_typed_escape_is_not_taken_for_a_shown_one(typed: str) -> None:
    assert displayable(typed) == typed.replace("\\", "\\\\")


@pytest.mark.parametrize(
    "number", [0xA0, 0x034F, 0x1160, 0x1680, 0x180F, 0x200A, 0x202F, 0x205F, 0x2800, 0xFE0F, 0xE01EF]
)
def test_what_the_eye_takes_for_nothing_or_a_space(number: int) -> None:
    assert displayable(chr(number)) == (f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}")
