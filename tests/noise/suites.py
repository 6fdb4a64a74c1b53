"""Noise suites that gimmal does not speak, for the published vectors."""

from __future__ import annotations

import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from gimmal.base.errors import AuthenticationFailed
from gimmal.base.primitives import x25519, x25519_public
from gimmal.noise.suite import AESGCM_SHA256, AesGcm, Suite


class ChaChaPoly:
    """ChaChaPoly of the Noise specification, section 12.3: the nonce is little-endian."""

    def __init__(self, k: bytes) -> None:
        self._cipher = ChaCha20Poly1305(k)

    def encrypt(self, n: int, ad: bytes, plaintext: bytes) -> bytes:
        return self._cipher.encrypt(struct.pack("<4xQ", n), plaintext, ad)

    def decrypt(self, n: int, ad: bytes, ciphertext: bytes) -> bytes:
        try:
            return self._cipher.decrypt(struct.pack("<4xQ", n), ciphertext, ad)
        except InvalidTag:
            raise AuthenticationFailed("a wrong tag", "") from None


_CIPHERS = {"AESGCM": AesGcm, "ChaChaPoly": ChaChaPoly}
_HASHES = {"SHA256": "sha256", "SHA512": "sha512", "BLAKE2s": "blake2s", "BLAKE2b": "blake2b"}


def suite(name: str) -> Suite:
    """Return the suite of that name; the one gimmal speaks is gimmal's own object."""
    if name == AESGCM_SHA256.name:
        return AESGCM_SHA256
    _, cipher, hash_name = name.split("_")
    algorithm = _HASHES[hash_name]
    return Suite(
        name=name,
        hash_length=hashlib.new(algorithm).digest_size,
        hash=lambda data: hashlib.new(algorithm, data).digest(),
        hmac_hash=lambda key, data: hmac.digest(key, data, algorithm),
        cipher=_CIPHERS[cipher],
        dh=x25519,
        dh_public=x25519_public,
    )
