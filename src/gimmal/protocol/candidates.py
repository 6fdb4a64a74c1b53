"""Addresses at which a half answers, sealed so that the relay that keeps them learns none.

Format: docs/spec/protocol.md, section 9.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from msgspec import Meta, Struct

from gimmal.base.errors import AuthenticationFailed, ProtocolViolation
from gimmal.base.primitives import hkdf_sha256, open_at_rest, seal_at_rest
from gimmal.protocol.codec import decode_struct, encode

ADDRESSES_MAX = 16
_INFO = b"gimmal candidates v1"


class Candidates(Struct, array_like=True, frozen=True):
    """What an agent leaves for its peer with a relay.

    Attributes:
        version: protocol version it speaks.
        program: name and version of the program.
        addresses: IP address and port of each place it listens at, best first.
    """

    version: Annotated[int, Meta(ge=1, le=255)]
    program: Annotated[str, Meta(max_length=256)]
    addresses: Annotated[
        list[tuple[Annotated[str, Meta(max_length=64)], Annotated[int, Meta(ge=1, le=65535)]]],
        Meta(max_length=ADDRESSES_MAX),
    ]


def candidate_key(discovery_secret: bytes) -> bytes:
    """The 32-byte key both halves seal candidates with, from their 32-byte discovery secret."""
    return hkdf_sha256(b"", discovery_secret, _INFO, 32)


def seal_candidates(key: bytes, pair_id: bytes, side: str, candidates: Candidates, nonce: bytes) -> bytes:
    """The sealed bytes.

    Args:
        key: from ``candidate_key``.
        pair_id: 16 bytes.
        side: of the half whose addresses these are.
        nonce: 12 fresh random bytes.
    """
    return seal_at_rest(key, encode(candidates), _INFO + pair_id + side.encode(), nonce)


def open_candidates(key: bytes, pair_id: bytes, side: str, sealed: bytes) -> Candidates:
    """Candidates of the half of ``side``.

    Raises:
        AuthenticationFailed: not sealed by this pair for that side.
        ProtocolViolation: sealed, but not candidates; addresses that are no IP addresses.
    """
    if not sealed:
        raise AuthenticationFailed("the relay has no addresses of the other side")
    candidates = decode_struct(Candidates, open_at_rest(key, sealed, _INFO + pair_id + side.encode()))
    for host, _port in candidates.addresses:
        try:
            ip_address(host)
        except ValueError as exc:
            raise ProtocolViolation("the other side named an address that is none") from exc
    return candidates
