"""Foreign text never reaches an eye or a terminal raw."""

from __future__ import annotations

import re
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
