"""The disable code: what it is made of, how it is shown, and how a person may type it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import UsageError
from gimmal.half.disable_code import (
    ENTROPY_BYTES,
    check_symbol,
    code_from_random,
    display_code,
    lock_of,
    pair_id_of,
    parse_code,
    unlocks,
)

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECKS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U"
entropies = st.binary(min_size=17, max_size=17)


def number_of(code: str) -> int:
    number = 0
    for character in code:
        number = number * 32 + CROCKFORD.index(character)
    return number


@given(entropies)
def test_a_code_is_the_first_130_bits_five_a_character(entropy: bytes) -> None:
    bits = "".join(f"{byte:08b}" for byte in entropy)[:130]
    assert code_from_random(entropy) == "".join(CROCKFORD[int(bits[at : at + 5], 2)] for at in range(0, 130, 5))


@pytest.mark.parametrize("size", [0, 16, 18, 32])
def test_other_amounts_of_randomness_are_refused(size: int) -> None:
    assert ENTROPY_BYTES == 17
    with pytest.raises(ValueError, match="17 random bytes"):
        code_from_random(bytes(size))


@given(entropies)
def test_what_is_shown_is_what_can_be_typed(entropy: bytes) -> None:
    code = code_from_random(entropy)
    shown = display_code(code)
    assert [len(group) for group in shown.split("-")] == [5, 5, 5, 5, 5, 2]
    assert shown.replace("-", "") == code + CHECKS[number_of(code) % 37]
    assert parse_code(shown) == parse_code(f"\t{shown.lower()} \n") == parse_code(" ".join(shown)) == code


@pytest.mark.parametrize("remainder", range(37))
def test_every_check_symbol(remainder: int) -> None:
    for last in range(32 * 32):
        code = "7" * 24 + CROCKFORD[last // 32] + CROCKFORD[last % 32]
        if number_of(code) % 37 == remainder:
            break
    assert check_symbol(code) == CHECKS[remainder]
    assert parse_code(code + CHECKS[remainder]) == code
    for other in set(CHECKS) - {CHECKS[remainder]}:
        with pytest.raises(UsageError, match="check symbol is wrong"):
            parse_code(code + other)


def test_letters_that_look_like_digits() -> None:
    code = "0" * 13 + "1" * 13
    for typed in ("O" * 13 + "I" * 13, "o" * 13 + "L" * 13, "0o" * 6 + "O" + "iIlL1" * 2 + "iIl"):
        assert parse_code(typed + check_symbol(code)) == code


@pytest.mark.parametrize("letter", "U*~$=!ÀÉ٣")
def test_foreign_characters(letter: str) -> None:
    for at in (0, 25):
        code = "0" * 26
        with pytest.raises(UsageError, match="holds a character no code has"):
            parse_code(code[:at] + letter + code[at + 1 :] + "0")


@pytest.mark.parametrize("length", [0, 1, 26, 28, 52])
def test_wrong_lengths(length: int) -> None:
    with pytest.raises(UsageError, match=f"it has {length} characters instead of 27") as caught:
        parse_code("0" * length)
    assert "26 characters and a check symbol" in caught.value.hint


def test_long_input_is_refused_unread() -> None:
    code = "0" * 27
    assert parse_code(code + " " * 173) == "0" * 26
    with pytest.raises(UsageError, match="too long"):
        parse_code(code + " " * 174)


def test_lock_and_pair_id() -> None:
    code = code_from_random(bytes(range(17)))
    lock = hashlib.sha256(b"gimmal lock v1" + code.encode()).digest()
    assert lock_of(code) == lock
    assert unlocks(code, lock)
    assert not unlocks(code, bytes(32))
    assert not unlocks("0" * 26, lock)
    a, b = bytes([1]) * 32, bytes([2]) * 32
    assert pair_id_of(lock, a, b) == hashlib.sha256(b"gimmal pair v1" + lock + a + b).digest()[:16]
    assert pair_id_of(lock, b, a) != pair_id_of(lock, a, b)
