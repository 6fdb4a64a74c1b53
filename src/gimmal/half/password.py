"""Passwords: the rule for new ones, and the keys that follow from one (docs/spec/half.md, section 5)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from gimmal.base.errors import LocalError, UsageError
from gimmal.base.primitives import argon2id, hkdf_sha256
from gimmal.half.common_passwords import COMMON, ROWS

PASSWORD_BYTES_MAX = 1024
LENGTH_MIN = 12
WORDS_MIN = 4
WORD_LETTERS_MIN = 3
_SEAL_LABEL = b"gimmal half seal v1"
_CHECK_LABEL = b"gimmal half check v1"
_FOLD = str.maketrans("013457@$", "oieastas")
_DIGITS = "0123456789"
_RULE = "use 12 or more characters, or 4 or more different words"


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """What one guess costs: Argon2id's iterations, memory in KiB, and lanes."""

    iterations: int = 3
    memory_kib: int = 262_144
    lanes: int = 4

    def acceptable(self) -> bool:
        """Whether a reader may compute this at all: bounds against a lowered cost and against exhaustion."""
        return 1 <= self.iterations <= 10 and 65_536 <= self.memory_kib <= 1_048_576 and 1 <= self.lanes <= 8


@dataclass(frozen=True, slots=True)
class PasswordKeys:
    """What follows from a password: the payload's key and the value stored to check it."""

    sealing_key: bytes = field(repr=False)
    check: bytes = field(repr=False)


def canonical_password(password: str) -> bytes:
    """The password's bytes: NFC, UTF-8.

    Raises:
        UsageError: empty, longer than 1,024 bytes, or no text.
    """
    try:
        encoded = unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:
        raise UsageError("the password is not valid text", "type it again") from None
    if not 1 <= len(encoded) <= PASSWORD_BYTES_MAX:
        raise UsageError(f"the password must have 1 to {PASSWORD_BYTES_MAX} bytes", "check the file or what was typed")
    return encoded


def password_keys(password: str, salt: bytes, cost: PasswordCost) -> PasswordKeys:
    """Compute Argon2id and split its output; the output itself is kept nowhere.

    Args:
        salt: 16 bytes.
        cost: within its limits.

    Raises:
        UsageError: see `canonical_password`.
        LocalError: this computer lacks the memory.
    """
    if not cost.acceptable():
        raise ValueError("the cost must be checked before")
    try:
        output = argon2id(canonical_password(password), salt, cost.iterations, cost.memory_kib, cost.lanes, 32)
    except MemoryError as error:
        raise LocalError(
            f"opening this half takes {cost.memory_kib // 1024} MiB of memory, which are not free",
            "close other programs and try again",
        ) from error
    return PasswordKeys(
        sealing_key=hkdf_sha256(b"", output, _SEAL_LABEL, 32),
        check=hkdf_sha256(b"", output, _CHECK_LABEL, 16),
    )


def require_good_password(password: str, pair_name: str) -> None:
    """Check a new password against the rule.

    Raises:
        UsageError: it is too short or too easily guessed; says which.
    """
    canonical_password(password)
    normal = unicodedata.normalize("NFC", password)
    fault = _length_fault(normal) or _common_fault(normal, pair_name)
    if fault is not None:
        raise UsageError(f"the password {fault}", _RULE)


def _length_fault(password: str) -> str | None:
    words = [word for word in re.split(r"[\s-]+", password.casefold()) if _letters(word) >= WORD_LETTERS_MIN]
    if len(password) >= LENGTH_MIN or len(set(words)) >= WORDS_MIN:
        return None
    return "is too short"


def _letters(word: str) -> int:
    return sum(character.isalpha() for character in word)


def _fold(text: str) -> str:
    return _letters_and_digits(text.casefold().translate(_FOLD))


def _common_fault(password: str, pair_name: str) -> str | None:
    plain = _letters_and_digits(password)
    without_digits = plain.rstrip(_DIGITS)
    if {plain, _fold(password), without_digits, _fold(without_digits)} & COMMON:
        return "is one of the common ones"
    if _repeats(password) or _repeats(plain):
        return "repeats a few characters"
    if len(plain) * 2 >= len(password) and _runs(plain):
        return "is a run along the alphabet, the digits or the keyboard"
    name = _letters_and_digits(pair_name)
    if name and plain.startswith(name) and not plain[len(name) :].strip(_DIGITS):
        return "is the name of the pair"
    return None


def _letters_and_digits(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _repeats(text: str) -> bool:
    units = range(1, min(4, len(text) // 2) + 1)
    return any((text[:unit] * len(text))[: len(text)] == text for unit in units)


def _runs(plain: str) -> bool:
    rows = (row * (len(plain) // len(row) + 2) for row in ROWS)
    return any(plain in row or plain in row[::-1] for row in rows)
