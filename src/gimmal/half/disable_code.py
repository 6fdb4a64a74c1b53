"""The disable code, the lock and the pair id (docs/spec/half.md, section 7). No I/O, no randomness."""

from __future__ import annotations

from gimmal.base.errors import UsageError
from gimmal.base.primitives import equal, sha256

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECK_SYMBOLS = ALPHABET + "*~$=U"
CODE_LENGTH = 26
ENTROPY_BYTES = 17
_VALUES = {character: value for value, character in enumerate(ALPHABET)} | {"I": 1, "L": 1, "O": 0}
_GROUP = 5
_TYPED_MAX = 200


def code_from_random(entropy: bytes) -> str:
    """The 26 canonical characters made from 17 random bytes, of which 130 bits are used."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError("17 random bytes are needed")
    number = int.from_bytes(entropy, "big") >> 6
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def check_symbol(code: str) -> str:
    """The check symbol of 26 canonical characters."""
    number = 0
    for character in code:
        number = number << 5 | _VALUES[character]
    return CHECK_SYMBOLS[number % 37]


def display_code(code: str) -> str:
    """The code as a person sees it: check symbol behind, groups of five with hyphens."""
    whole = code + check_symbol(code)
    return "-".join(whole[at : at + _GROUP] for at in range(0, len(whole), _GROUP))


def parse_code(typed: str) -> str:
    """The 26 canonical characters of a code as a person types it.

    Raises:
        UsageError: wrong length, a foreign character, or a wrong check symbol.
    """
    hint = "type it as it stands on the sheet: 26 characters and a check symbol"
    if len(typed) > _TYPED_MAX:
        raise UsageError("that is no disable code: too long", hint)
    cleaned = "".join(typed.split()).replace("-", "").upper()
    if len(cleaned) != CODE_LENGTH + 1:
        raise UsageError(f"that is no disable code: it has {len(cleaned)} characters instead of 27", hint)
    if any(character not in _VALUES for character in cleaned[:CODE_LENGTH]):
        raise UsageError("that is no disable code: it holds a character no code has", hint)
    code = "".join(ALPHABET[_VALUES[character]] for character in cleaned[:CODE_LENGTH])
    if cleaned[CODE_LENGTH] != check_symbol(code):
        raise UsageError("that is no disable code: the check symbol is wrong, so one character is", hint)
    return code


def lock_of(code: str) -> bytes:
    """The 32-byte lock that halves and relays hold."""
    return sha256(b"gimmal lock v1", code.encode("ascii"))


def pair_id_of(lock: bytes, sign_a: bytes, sign_b: bytes) -> bytes:
    """The 16-byte pair id of a lock and the two Ed25519 public keys."""
    return sha256(b"gimmal pair v1", lock, sign_a, sign_b)[:16]


def unlocks(code: str, lock: bytes) -> bool:
    """Whether a canonical code is the one of a lock."""
    return equal(lock_of(code), lock)
