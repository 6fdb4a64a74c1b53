"""The one wrapper over the cryptographic libraries.

No other module of gimmal imports `cryptography` or `blake3`, and no source of randomness but
:func:`random_bytes` exists. Whatever can be verified raises `AuthenticationFailed` when it is wrong. No
object here shows a secret in its repr. Sizes are in bytes unless a name says otherwise.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TypeAlias

from blake3 import blake3
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gimmal.base.errors import AuthenticationFailed

Buffer: TypeAlias = bytes | bytearray | memoryview
Blake3: TypeAlias = blake3

KEY_SIZE = 32
NONCE_SIZE = 12
TAG_SIZE = 16
HASH_SIZE = 32
SIGNATURE_SIZE = 64


class Aead:
    """AES-256-GCM under one key.

    Args:
        key: 32 bytes.

    The caller sees to it that no nonce is used twice under one key.
    """

    __slots__ = ("_cipher",)

    def __init__(self, key: Buffer) -> None:
        _require_size("key", key, KEY_SIZE)
        self._cipher = AESGCM(key)

    def seal(self, nonce: Buffer, plaintext: Buffer, associated: Buffer) -> bytes:
        """Return the ciphertext of `plaintext` followed by the 16-byte tag."""
        _require_size("nonce", nonce, NONCE_SIZE)
        return self._cipher.encrypt(nonce, plaintext, associated)

    def open(self, nonce: Buffer, ciphertext: Buffer, associated: Buffer) -> bytes:
        """Return the plaintext; raise AuthenticationFailed if anything was altered."""
        _require_size("nonce", nonce, NONCE_SIZE)
        try:
            return self._cipher.decrypt(nonce, ciphertext, associated)
        except InvalidTag:
            raise _altered() from None

    def seal_into(self, nonce: Buffer, plaintext: Buffer, associated: Buffer, out: Buffer) -> int:
        """Seal into `out`, which holds exactly `len(plaintext) + 16` bytes; return that number."""
        _require_size("nonce", nonce, NONCE_SIZE)
        return self._cipher.encrypt_into(nonce, plaintext, associated, out)

    def open_into(self, nonce: Buffer, ciphertext: Buffer, associated: Buffer, out: Buffer) -> int:
        """Open into `out`, which holds exactly `len(ciphertext) - 16` bytes; return that number.

        Raises AuthenticationFailed if anything was altered; `out` is then all zero.
        """
        _require_size("nonce", nonce, NONCE_SIZE)
        try:
            return self._cipher.decrypt_into(nonce, ciphertext, associated, out)
        except InvalidTag:
            # The library leaves there what it decrypted before it saw that the tag is wrong.
            memoryview(out)[:] = bytes(len(out))
            raise _altered() from None


def seal_at_rest(key: Buffer, plaintext: Buffer, associated: Buffer, nonce: bytes) -> bytes:
    """Return `nonce | ciphertext | tag`; `nonce` is 12 fresh random bytes."""
    return nonce + Aead(key).seal(nonce, plaintext, associated)


def open_at_rest(key: Buffer, sealed: Buffer, associated: Buffer) -> bytes:
    """Undo :func:`seal_at_rest`; raise AuthenticationFailed if anything was altered or cut."""
    if len(sealed) < NONCE_SIZE + TAG_SIZE:
        raise _altered()
    view = memoryview(sealed)
    return Aead(key).open(view[:NONCE_SIZE], view[NONCE_SIZE:], associated)


def x25519_public(private: bytes) -> bytes:
    """Return the X25519 public key of a 32-byte private key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def x25519(private: bytes, public: bytes) -> bytes:
    """Return the 32-byte Diffie-Hellman result; raise AuthenticationFailed if it is all zero."""
    _require_size("public key", public, KEY_SIZE)
    ours = X25519PrivateKey.from_private_bytes(private)
    theirs = X25519PublicKey.from_public_bytes(public)
    try:
        return ours.exchange(theirs)
    except ValueError:
        raise AuthenticationFailed(
            "the key offered by the other side is worthless", "someone may be tampering with the connection"
        ) from None


def sign_public(private: bytes) -> bytes:
    """Return the Ed25519 public key of a 32-byte private key."""
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def sign(private: bytes, message: Buffer) -> bytes:
    """Return the 64-byte Ed25519 signature of `message`."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(message)


def verify(public: bytes, message: Buffer, signature: Buffer) -> None:
    """Raise AuthenticationFailed unless `signature` is that of `message` by the owner of `public`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise AuthenticationFailed(
            "a signature is wrong", "the sender does not own the key it claims, or the message was altered"
        ) from None


def hkdf_sha256(salt: Buffer, key_material: Buffer, info: Buffer, length: int) -> bytes:
    """Return `length` bytes (at most 8,160) of HKDF-SHA256 (RFC 5869); an empty salt means 32 zero bytes."""
    derivation = HKDF(algorithm=SHA256(), length=length, salt=bytes(salt), info=bytes(info))
    return derivation.derive(key_material)


def hmac_sha256(key: Buffer, *parts: Buffer) -> bytes:
    """Return the 32-byte HMAC-SHA256 of the parts one after another."""
    return hmac.digest(bytes(key), b"".join(parts), "sha256")


def sha256(*parts: Buffer) -> bytes:
    """Return the 32-byte SHA-256 of the parts one after another."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.digest()


def equal(left: Buffer, right: Buffer) -> bool:
    """Compare in a time that tells nothing about where two secrets of one length differ."""
    return hmac.compare_digest(left, right)


def argon2id(password: bytes, salt: bytes, iterations: int, memory_kib: int, lanes: int, length: int) -> bytes:
    """Return `length` bytes of Argon2id version 0x13; `memory_kib` is in KiB, limits are the caller's."""
    derivation = Argon2id(salt=salt, length=length, iterations=iterations, lanes=lanes, memory_cost=memory_kib)
    return derivation.derive(password)


def random_bytes(count: int) -> bytes:
    """Return `count` bytes from the system's generator; the only randomness in gimmal."""
    return os.urandom(count)


def blake3_digest(*parts: Buffer) -> bytes:
    """Return the 32-byte BLAKE3 of the parts one after another."""
    if len(parts) == 1:
        return blake3(parts[0]).digest()
    state = blake3()
    for part in parts:
        state.update(part)
    return state.digest()


def new_blake3() -> Blake3:
    """Return a BLAKE3 hasher with `update(buffer)` and `digest()`."""
    return blake3()


def _require_size(name: str, value: Buffer, size: int) -> None:
    # A wrong size is a bug of the caller, never an input: no value is shown, it may be a secret.
    if len(value) != size:
        raise ValueError(f"{name} must be {size} bytes, not {len(value)}")


def _altered() -> AuthenticationFailed:
    return AuthenticationFailed(
        "data is damaged or was altered", "someone may be tampering with it; try again, then join again"
    )
