"""Names by which halves of a pair ask for each other in a local network (docs/spec/paths.md, section 3).

To who has not the pair's discovery secret they are random, and tell neither side, pair nor the day before apart.
"""

from __future__ import annotations

from base64 import b32encode

from gimmal.base.primitives import hkdf_sha256, hmac_sha256

SECONDS_PER_DAY = 86_400
LABEL_LENGTH = 26
ADDRESS_SIZE = 16

_INFO = b"gimmal lan v1"
_LABEL = b"gimmal lan label v1"
_PROOF = b"gimmal lan proof v1"
_CUT = 16


def lan_key(discovery_secret: bytes) -> bytes:
    """The 32-byte key of all names, from the pair's 32-byte discovery secret."""
    return hkdf_sha256(b"", discovery_secret, _INFO, 32)


def day_of(seconds: float) -> int:
    """The day of a time in seconds since 1970; 0 where a clock stands before that."""
    return max(0, int(seconds // SECONDS_PER_DAY))


def days_to_answer(day: int) -> tuple[int, ...]:
    """The days whose labels an answerer answers to on a day of its own clock, the likeliest first."""
    return tuple(other for other in (day, day - 1, day + 1) if other >= 0)


def label(key: bytes, side: str, day: int) -> str:
    """The 26 characters that stand for a side on a day.

    Args:
        key: from ``lan_key``.
        side: ``a`` or ``b``, of the half that is asked for.
        day: from ``day_of``.
    """
    return _text(hmac_sha256(key, _LABEL, side.encode(), day.to_bytes(8, "big")))


def proof(key: bytes, side: str, day: int, address: bytes, port: int) -> str:
    """The 26 characters that show that a half of ``side`` can be dialled there.

    Args:
        address: 16 bytes; an IPv4 address mapped into IPv6.
        port: 1 to 65535.
    """
    assert len(address) == ADDRESS_SIZE
    return _text(hmac_sha256(key, _PROOF, side.encode(), day.to_bytes(8, "big"), address, port.to_bytes(2, "big")))


def _text(mac: bytes) -> str:
    return b32encode(mac[:_CUT]).decode().rstrip("=").lower()
