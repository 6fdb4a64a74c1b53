"""Keys of a root."""

from __future__ import annotations

import hashlib
import hmac
import os

import pytest

from gimmal.noise.keys import RootKeys, session_root


def hkdf(salt: bytes, ikm: bytes, info: bytes) -> bytes:
    """First 32 bytes of HKDF-SHA256, written from RFC 5869 alone."""
    pseudo_random_key = hmac.digest(salt or bytes(32), ikm, "sha256")
    return hmac.digest(pseudo_random_key, info + b"\x01", "sha256")


def test_root_keys_by_the_rfc() -> None:
    root = os.urandom(32)
    keys = RootKeys.from_root(root)
    assert keys.psk == hkdf(b"", root, b"noise psk")
    assert keys.gate_key == hkdf(b"", root, b"gate")
    assert keys.key_id == hkdf(b"", root, b"key id")[:8]


def test_session_root_by_the_rfc() -> None:
    h, root, initiator, responder = (hashlib.sha256(bytes([n])).digest() for n in range(4))
    expected = hkdf(h, root + initiator + responder, b"gimmal session v1")
    assert session_root(h, root, initiator, responder) == expected
    assert session_root(h, root, responder, initiator) != expected


@pytest.mark.parametrize("wrong", range(4))
@pytest.mark.parametrize("size", [0, 31, 33])
def test_sizes_are_exact(wrong: int, size: int) -> None:
    parts = [bytes(32)] * 4
    parts[wrong] = bytes(size)
    with pytest.raises(ValueError, match="expected 32 bytes"):
        session_root(*parts)
    with pytest.raises(ValueError, match="expected 32 bytes"):
        RootKeys.from_root(bytes(size))
