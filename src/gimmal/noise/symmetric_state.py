"""SymmetricState of the Noise specification, section 5.2."""

from __future__ import annotations

from gimmal.noise.cipher_state import CipherState
from gimmal.noise.suite import Suite


class SymmetricState:
    """Chaining key `ck`, hash `h` and the CipherState of a handshake.

    A handshake message is worked on a copy (:meth:`copy`), so an operation here may fail half way.
    """

    __slots__ = ("_cipher_state", "_ck", "_h", "_suite")

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._ck = b""
        self._h = b""
        self._cipher_state = CipherState(suite)

    def initialize_symmetric(self, protocol_name: bytes) -> None:
        """InitializeSymmetric(protocol_name): a name of at most HASHLEN bytes is padded, not hashed."""
        if len(protocol_name) <= self._suite.hash_length:
            self._h = protocol_name.ljust(self._suite.hash_length, b"\0")
        else:
            self._h = self._suite.hash(protocol_name)
        self._ck = self._h
        self._cipher_state.initialize_key(None)

    def mix_key(self, input_key_material: bytes) -> None:
        """MixKey(input_key_material)."""
        self._ck, temp_k = self._suite.hkdf(self._ck, input_key_material, 2)
        self._cipher_state.initialize_key(temp_k[:32])

    def mix_hash(self, data: bytes) -> None:
        """MixHash(data)."""
        self._h = self._suite.hash(self._h + data)

    def mix_key_and_hash(self, input_key_material: bytes) -> None:
        """MixKeyAndHash(input_key_material)."""
        self._ck, temp_h, temp_k = self._suite.hkdf(self._ck, input_key_material, 3)
        self.mix_hash(temp_h)
        self._cipher_state.initialize_key(temp_k[:32])

    def get_handshake_hash(self) -> bytes:
        """GetHandshakeHash()."""
        return self._h

    def has_key(self) -> bool:
        """Whether EncryptAndHash encrypts by now."""
        return self._cipher_state.has_key()

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """EncryptAndHash(plaintext)."""
        ciphertext = self._cipher_state.encrypt_with_ad(self._h, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """DecryptAndHash(ciphertext); raises AuthenticationFailed."""
        plaintext = self._cipher_state.decrypt_with_ad(self._h, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[bytes, bytes]:
        """Split(): the keys of the initiator's and of the responder's sending direction, 32 bytes each."""
        temp_k1, temp_k2 = self._suite.hkdf(self._ck, b"", 2)
        return temp_k1[:32], temp_k2[:32]

    def copy(self) -> SymmetricState:
        """Return an independent state."""
        other = SymmetricState(self._suite)
        other._ck = self._ck
        other._h = self._h
        other._cipher_state = self._cipher_state.copy()
        return other
