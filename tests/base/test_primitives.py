"""The primitives against published vectors, and their own rules."""

from __future__ import annotations

import os
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gimmal.base import primitives
from gimmal.base.errors import AuthenticationFailed
from gimmal.base.primitives import Aead
from tests.figures import figure
from tests.vector_files import load, wycheproof


def hexes(vector: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(vector[name]) for name in names]


class TestAead:
    def test_wycheproof_through_the_wrapper(self) -> None:
        opened = refused = 0
        for vector in wycheproof("wycheproof_aes_gcm_test.json"):
            key, nonce, aad, message, ciphertext, tag = hexes(vector, "key", "iv", "aad", "msg", "ct", "tag")
            if len(nonce) != primitives.NONCE_SIZE:
                with pytest.raises(ValueError, match="nonce must be 12 bytes"):
                    Aead(key).open(nonce, ciphertext + tag, aad)
                continue
            if vector["result"] == "valid":
                assert Aead(key).seal(nonce, message, aad) == ciphertext + tag
                assert Aead(key).open(nonce, ciphertext + tag, aad) == message
                opened += 1
            else:
                with pytest.raises(AuthenticationFailed):
                    Aead(key).open(nonce, ciphertext + tag, aad)
                refused += 1
        assert (opened, refused) == (39, 27)

    def test_wycheproof_whole_through_the_library(self) -> None:
        accepted = refused = impossible = 0
        for vector in wycheproof("wycheproof_aes_gcm_test.json"):
            key, nonce, aad, message, ciphertext, tag = hexes(vector, "key", "iv", "aad", "msg", "ct", "tag")
            try:
                plaintext = AESGCM(key).decrypt(nonce, ciphertext + tag, aad)
            except InvalidTag:
                assert vector["result"] == "invalid"
                refused += 1
            except ValueError:
                if vector["result"] == "valid":
                    impossible += 1
                else:
                    refused += 1
            else:
                assert vector["result"] == "valid" and plaintext == message
                accepted += 1
        figure("Wycheproof AES-256-GCM", f"{accepted} accepted, {refused} refused", "67 accepted, 29 refused")
        assert (accepted, refused, impossible) == (67, 29, 9)

    @pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1 << 20])
    def test_into_equals_plain(self, size: int) -> None:
        aead, nonce, body = Aead(os.urandom(32)), os.urandom(12), os.urandom(size)
        sealed = bytearray(size + 16)
        assert aead.seal_into(nonce, memoryview(body), b"aad", memoryview(sealed)) == size + 16
        assert sealed == aead.seal(nonce, body, b"aad")
        opened = bytearray(size)
        assert aead.open_into(nonce, memoryview(sealed), b"aad", memoryview(opened)) == size
        assert opened == body

    def test_altered_leaves_nothing_of_the_plaintext(self) -> None:
        aead, body = Aead(bytes(32)), b"secret" * 100
        sealed = bytearray(aead.seal(bytes(12), body, b""))
        sealed[-1] ^= 1
        out = bytearray(len(body))
        with pytest.raises(AuthenticationFailed):
            aead.open_into(bytes(12), sealed, b"", out)
        assert out == bytes(len(body))
        with pytest.raises(AuthenticationFailed):
            aead.open(bytes(12), sealed, b"")

    @pytest.mark.parametrize("size", range(16))
    def test_shorter_than_a_tag(self, size: int) -> None:
        with pytest.raises(AuthenticationFailed):
            Aead(bytes(32)).open(bytes(12), bytes(size), b"")

    @pytest.mark.parametrize("size", [0, 16, 24, 31, 33])
    def test_key_size(self, size: int) -> None:
        with pytest.raises(ValueError, match="key must be 32 bytes"):
            Aead(bytes(size))

    def test_nonce_size_in_every_call(self) -> None:
        aead, bad = Aead(bytes(32)), bytes(13)
        for call in (
            lambda: aead.seal(bad, b"", b""),
            lambda: aead.open(bad, bytes(16), b""),
            lambda: aead.seal_into(bad, b"", b"", bytearray(16)),
            lambda: aead.open_into(bad, bytes(16), b"", bytearray()),
        ):
            with pytest.raises(ValueError, match="nonce must be 12 bytes"):
                call()

    def test_repr_hides_the_key(self) -> None:
        key = b"0123456789abcdef0123456789abcdef"
        assert "0123" not in repr(Aead(key)) and key.hex() not in repr(Aead(key))


def test_sizes_that_others_count_with() -> None:
    key, nonce = bytes(primitives.KEY_SIZE), bytes(primitives.NONCE_SIZE)
    assert len(primitives.Aead(key).seal(nonce, b"", b"")) == primitives.TAG_SIZE == 16
    assert len(primitives.sha256(b"")) == len(primitives.blake3_digest(b"")) == primitives.HASH_SIZE == 32
    assert len(primitives.sign(key, b"")) == primitives.SIGNATURE_SIZE == 64


class TestAtRest:
    def test_round_trip_and_layout(self) -> None:
        sealed = primitives.seal_at_rest(bytes(32), b"body", b"header", b"n" * 12)
        assert sealed[:12] == b"n" * 12 and len(sealed) == 12 + 4 + 16
        assert primitives.open_at_rest(bytes(32), sealed, b"header") == b"body"

    def test_nothing_can_be_sealed_too(self) -> None:
        sealed = primitives.seal_at_rest(bytes(32), b"", b"header", b"n" * 12)
        assert len(sealed) == 12 + 16
        assert primitives.open_at_rest(bytes(32), sealed, b"header") == b""

    def test_every_bit_and_every_cut(self) -> None:
        sealed = primitives.seal_at_rest(bytes(32), b"body", b"header", b"n" * 12)
        for bit in range(len(sealed) * 8):
            bad = bytearray(sealed)
            bad[bit // 8] ^= 1 << bit % 8
            with pytest.raises(AuthenticationFailed):
                primitives.open_at_rest(bytes(32), bad, b"header")
        for size in range(len(sealed)):
            with pytest.raises(AuthenticationFailed):
                primitives.open_at_rest(bytes(32), sealed[:size], b"header")
        with pytest.raises(AuthenticationFailed):
            primitives.open_at_rest(bytes(32), sealed, b"another")


class TestX25519:
    def test_wycheproof(self) -> None:
        equal = {"valid": 0, "acceptable": 0}
        refused = 0
        for vector in wycheproof("wycheproof_x25519_test.json"):
            private, public, shared = hexes(vector, "private", "public", "shared")
            try:
                result = primitives.x25519(private, public)
            except AuthenticationFailed:
                assert vector["result"] == "acceptable" and shared == bytes(32)
                refused += 1
            else:
                assert result == shared
                equal[vector["result"]] += 1
        figure("Wycheproof X25519", f"{equal}, {refused} all-zero refused", "264 valid, 223 acceptable, 31 refused")
        assert (equal, refused) == ({"valid": 264, "acceptable": 223}, 31)

    def test_rfc7748_iterations(self) -> None:
        expected = {vector["iterations"]: vector["result"] for vector in load("x25519_rfc7748_iter.json")["vectors"]}
        last = 1_000_000 if os.environ.get("GIMMAL_CAMPAIGN") == "full" else 1_000
        k = u = b"\x09" + bytes(31)
        reached = 0
        for step in range(1, last + 1):
            k, u = primitives.x25519(k, u), k
            if step in expected:
                assert k.hex() == expected[step]
                reached += 1
        assert reached == (3 if last == 1_000_000 else 2)

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_public_key_size(self, size: int) -> None:
        with pytest.raises(ValueError, match=f"^public key must be 32 bytes, not {size}$"):
            primitives.x25519(bytes(32), bytes(size))

    def test_both_sides_agree(self) -> None:
        a, b = os.urandom(32), os.urandom(32)
        shared = primitives.x25519(a, primitives.x25519_public(b))
        assert shared == primitives.x25519(b, primitives.x25519_public(a))


class TestEd25519:
    def test_rfc8032_vector_2(self) -> None:
        private = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
        assert primitives.sign_public(private).hex() == (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        )
        assert primitives.sign(private, b"\x72").hex() == (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        )

    def test_altered_is_refused(self) -> None:
        private = os.urandom(32)
        public, signature = primitives.sign_public(private), primitives.sign(private, b"message")
        primitives.verify(public, b"message", signature)
        for bad_public, message, bad_signature in (
            (public, b"messagf", signature),
            (primitives.sign_public(os.urandom(32)), b"message", signature),
            (public[:31], b"message", signature),
            (public, b"message", signature[:63]),
            (public, b"message", b""),
            (public, b"message", signature[:32] + bytes([signature[32] ^ 1]) + signature[33:]),
        ):
            with pytest.raises(AuthenticationFailed):
                primitives.verify(bad_public, message, bad_signature)


class TestDerivation:
    def test_wycheproof_hkdf_sha256(self) -> None:
        equal = refused = 0
        for vector in wycheproof("wycheproof_hkdf_sha256_test.json"):
            ikm, salt, info, okm = hexes(vector, "ikm", "salt", "info", "okm")
            if vector["result"] == "valid":
                assert primitives.hkdf_sha256(salt, ikm, info, vector["size"]) == okm
                equal += 1
            else:
                with pytest.raises(ValueError, match="8160"):
                    primitives.hkdf_sha256(salt, ikm, info, vector["size"])
                refused += 1
        figure("Wycheproof HKDF-SHA256", f"{equal} equal, {refused} refused", "83 equal, 3 refused")
        assert (equal, refused) == (83, 3)

    def test_wycheproof_hkdf_sha512_of_the_library(self) -> None:
        equal = refused = 0
        for vector in wycheproof("wycheproof_hkdf_sha512_test.json"):
            ikm, salt, info, okm = hexes(vector, "ikm", "salt", "info", "okm")
            try:
                derived = HKDF(hashes.SHA512(), vector["size"], salt, info).derive(ikm)
            except ValueError:
                assert vector["result"] == "invalid"
                refused += 1
            else:
                assert derived == okm
                equal += 1
        assert (equal, refused) == (80, 3)

    def test_wycheproof_hmac_sha256(self) -> None:
        equal = differ = 0
        for vector in wycheproof("wycheproof_hmac_sha256_test.json"):
            key, message, tag = hexes(vector, "key", "msg", "tag")
            middle = len(message) // 2
            ours = primitives.hmac_sha256(key, message[:middle], message[middle:])[: vector["tagSize"] // 8]
            if vector["result"] == "valid":
                assert primitives.equal(ours, tag)
                equal += 1
            else:
                assert not primitives.equal(ours, tag)
                differ += 1
        figure("Wycheproof HMAC-SHA256", f"{equal} equal, {differ} differ", "66 equal, 108 differ")
        assert (equal, differ) == (66, 108)

    def test_argon2id(self) -> None:
        equal = 0
        vectors = load("argon2id.json")["vectors"]
        for vector in vectors:
            password, salt, secret, associated = hexes(vector, "password", "salt", "secret", "ad")
            if secret or associated:
                # gimmal has no use for these two inputs, so this one reaches the library only.
                tag = Argon2id(
                    salt=salt,
                    length=vector["taglen"],
                    iterations=vector["t"],
                    lanes=vector["p"],
                    memory_cost=vector["m_kib"],
                    ad=associated,
                    secret=secret,
                ).derive(password)
            else:
                tag = primitives.argon2id(password, salt, vector["t"], vector["m_kib"], vector["p"], vector["taglen"])
            equal += tag.hex() == vector["tag"]
        figure("Argon2id vectors equal", f"{equal}/{len(vectors)}", "9/9")
        assert equal == len(vectors) == 9


class TestHashes:
    def test_parts_are_joined(self) -> None:
        assert primitives.sha256(b"a", b"bc").hex() == (
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
        assert primitives.blake3_digest(b"a", b"bc").hex() == (
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
        )
        hasher = primitives.new_blake3()
        hasher.update(memoryview(b"abc"))
        assert hasher.digest() == primitives.blake3_digest(b"abc")

    def test_equal(self) -> None:
        assert primitives.equal(b"same", bytearray(b"same"))
        assert not primitives.equal(b"same", b"sama")
        assert not primitives.equal(b"same", b"sam")

    def test_random_bytes_do_not_repeat(self) -> None:
        assert len({primitives.random_bytes(16) for _ in range(1_000)}) == 1_000
