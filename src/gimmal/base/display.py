"""The one function that makes foreign text safe to show (docs/spec/names.md, section 5).

Every file name, message or label that came from elsewhere passes here before it reaches a terminal, a log, a
page or a mail: it can then neither move the cursor, nor reverse the reading direction, nor hide.
"""

from __future__ import annotations

import unicodedata

ELLIPSIS = "\u2026"

PATH_CHARACTERS_MAX = 10 * 4_200
"""Most characters of a path that is shown whole: no path on the wire has more than 4,096, no escape more than 10."""

_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))

# Letters, marks and spaces by category, nothing or a plain gap to the eye.
_HIDDEN_RANGES = (
    (0x00A0, 0x00A0),
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x1680, 0x1680),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2000, 0x200F),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
)


def displayable(text: str | bytes, limit: int = 400) -> str:
    """Foreign text as printable characters only, on one line, at most ``limit`` characters.

    A backslash is always doubled, so every escape below is unambiguous: ``\\xNN`` with NN below 80 is a
    control character, with NN from 80 a byte that is not UTF-8; ``\\uNNNN`` and ``\\UNNNNNNNN`` are
    characters that are invisible, change direction, are unassigned, private, surrogates, or blank
    without being a space.

    Args:
        text: what to show; bytes are read as UTF-8, bytes that are not become escapes.
        limit: most characters of the result, at least 1; what is cut ends in an ellipsis, never inside an
            escape.
    """
    if isinstance(text, bytes):
        text = text[: 4 * (limit + 1)].decode("utf-8", "surrogateescape")
    if len(text) <= limit and text.isascii() and text.isprintable() and "\\" not in text:
        return text
    pieces: list[str] = []
    length = 0
    for character in text[: limit + 1]:
        piece = _shown(character)
        pieces.append(piece)
        length += len(piece)
        if length > limit:
            while length > limit - 1:
                length -= len(pieces.pop())
            return "".join(pieces) + ELLIPSIS
    return "".join(pieces)


def displayable_path(path: str | bytes) -> str:
    """A path as ``displayable`` makes it, whole: for what a person or program asked to be told, as listings are."""
    return displayable(path, PATH_CHARACTERS_MAX)


def _shown(character: str) -> str:
    number = ord(character)
    if 0x20 <= number < 0x7F:
        return "\\\\" if character == "\\" else character
    if number < 0x80:
        return f"\\x{number:02x}"
    if 0xDC80 <= number <= 0xDCFF:  # surrogateescape: a byte that was not UTF-8
        return f"\\x{number - 0xDC00:02x}"
    if not _hidden(number, character):
        return character
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _hidden(number: int, character: str) -> bool:
    if unicodedata.category(character) in _HIDDEN_CATEGORIES:
        return True
    return any(first <= number <= last for first, last in _HIDDEN_RANGES)
