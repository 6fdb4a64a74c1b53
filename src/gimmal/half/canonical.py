"""Canonical JSON: one encoding of one value, anything else refused (docs/spec/half.md, section 3)."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from gimmal.base.errors import HalfDamaged

DAMAGED_HINT = "join this half again with its other half"

Hex16 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""16 bytes in lower-case hexadecimal."""

Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""32 bytes in lower-case hexadecimal."""

Value = TypeVar("Value")


def encode(value: object) -> bytes:
    """The one canonical encoding of a struct of texts, integers, booleans, lists and structs."""
    return msgspec.json.encode(value, order="sorted")


def decode(data: bytes, kind: type[Value], limit: int, what: str) -> Value:
    """Decode strictly.

    Args:
        data: what was read.
        kind: the struct expected.
        limit: bytes allowed.
        what: what this is, for the error's message.

    Raises:
        HalfDamaged: too long, no such struct, or not in canonical form.
    """
    if len(data) > limit:
        raise HalfDamaged(f"{what} is longer than {limit} bytes", DAMAGED_HINT)
    try:
        value = msgspec.json.decode(data, type=kind)
    except (ValueError, RecursionError) as error:
        # The library's message quotes what it found, which may be a secret: only the kind of failure is kept.
        del error
        raise HalfDamaged(f"{what} is not what a half holds: cut short or altered", DAMAGED_HINT) from None
    if encode(value) != data:
        raise HalfDamaged(f"{what} is not in canonical form: altered", DAMAGED_HINT)
    return value
