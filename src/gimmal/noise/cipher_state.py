"""CipherState of the Noise specification, section 5.1."""

from __future__ import annotations

from gimmal.base.errors import InternalError
from gimmal.noise.suite import Cipher, Suite

MAX_NONCE = 2**64 - 1
"""Reserved for REKEY; no message is ever encrypted under it."""


class CipherState:
    """A key `k`, possibly empty, and a nonce `n`; both move only when an operation succeeds."""

    __slots__ = ("_cipher", "_n", "_suite")

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._cipher: Cipher | None = None
        self._n = 0

    def initialize_key(self, key: bytes | None) -> None:
        """InitializeKey(key): set k (None for empty) and n = 0."""
        self._cipher = None if key is None else self._suite.cipher(key)
        self._n = 0

    def has_key(self) -> bool:
        """HasKey()."""
        return self._cipher is not None

    def set_nonce(self, nonce: int) -> None:
        """SetNonce(nonce)."""
        self._n = nonce

    def encrypt_with_ad(self, ad: bytes, plaintext: bytes) -> bytes:
        """EncryptWithAd(ad, plaintext); without a key returns the plaintext."""
        if self._cipher is None:
            return plaintext
        ciphertext = self._cipher.encrypt(self._next_nonce(), ad, plaintext)
        self._n += 1
        return ciphertext

    def decrypt_with_ad(self, ad: bytes, ciphertext: bytes) -> bytes:
        """DecryptWithAd(ad, ciphertext); raises AuthenticationFailed and leaves n as it was."""
        if self._cipher is None:
            return ciphertext
        plaintext = self._cipher.decrypt(self._next_nonce(), ad, ciphertext)
        self._n += 1
        return plaintext

    def rekey(self) -> None:
        """Rekey(): k = REKEY(k); n stays."""
        if self._cipher is None:
            raise InternalError("a cipher without a key cannot be rekeyed")
        self._cipher = self._suite.cipher(self._cipher.encrypt(MAX_NONCE, b"", bytes(32))[:32])

    def copy(self) -> CipherState:
        """Return an independent state; the key itself is immutable and shared."""
        other = CipherState(self._suite)
        other._cipher = self._cipher
        other._n = self._n
        return other

    def _next_nonce(self) -> int:
        if self._n >= MAX_NONCE:
            raise InternalError("a cipher has used all its nonces")
        return self._n
