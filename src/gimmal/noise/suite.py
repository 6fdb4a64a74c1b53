"""The algorithms behind a Noise handshake, and the one suite that gimmal speaks."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gimmal.base.primitives import Aead, hmac_sha256, sha256, x25519, x25519_public

_NONCE = struct.Struct(">4xQ")


class Cipher(Protocol):
    """One key of a cipher of the Noise specification, section 4.2."""

    def encrypt(self, n: int, ad: bytes, plaintext: bytes) -> bytes:
        """ENCRYPT(k, n, ad, plaintext)."""
        ...

    def decrypt(self, n: int, ad: bytes, ciphertext: bytes) -> bytes:
        """DECRYPT(k, n, ad, ciphertext); raises AuthenticationFailed."""
        ...


@dataclass(frozen=True)
class Suite:
    """DH, cipher and hash functions of the Noise specification, section 4.

    Attributes:
        name: the last three parts of a protocol name, for instance ``25519_AESGCM_SHA256``.
        hash_length: HASHLEN, 32 or 64 bytes.
    """

    name: str
    hash_length: int
    hash: Callable[[bytes], bytes]
    hmac_hash: Callable[[bytes, bytes], bytes]
    cipher: Callable[[bytes], Cipher]
    dh: Callable[[bytes, bytes], bytes]
    dh_public: Callable[[bytes], bytes]

    def hkdf(self, chaining_key: bytes, input_key_material: bytes, num_outputs: int) -> tuple[bytes, ...]:
        """HKDF(chaining_key, input_key_material, num_outputs) with two or three outputs."""
        temp_key = self.hmac_hash(chaining_key, input_key_material)
        outputs: list[bytes] = []
        previous = b""
        for number in range(1, num_outputs + 1):
            previous = self.hmac_hash(temp_key, previous + bytes([number]))
            outputs.append(previous)
        return tuple(outputs)


class AesGcm:
    """AESGCM of the Noise specification, section 12.3: nonce is 4 zero bytes and n in big-endian."""

    __slots__ = ("_aead",)

    def __init__(self, k: bytes) -> None:
        self._aead = Aead(k)

    def encrypt(self, n: int, ad: bytes, plaintext: bytes) -> bytes:
        """ENCRYPT(k, n, ad, plaintext)."""
        return self._aead.seal(_NONCE.pack(n), plaintext, ad)

    def decrypt(self, n: int, ad: bytes, ciphertext: bytes) -> bytes:
        """DECRYPT(k, n, ad, ciphertext); raises AuthenticationFailed."""
        return self._aead.open(_NONCE.pack(n), ciphertext, ad)


AESGCM_SHA256 = Suite(
    name="25519_AESGCM_SHA256",
    hash_length=32,
    hash=sha256,
    hmac_hash=hmac_sha256,
    cipher=AesGcm,
    dh=x25519,
    dh_public=x25519_public,
)
