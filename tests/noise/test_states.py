"""What a cipher state and the memory of hellos do one by one, beside the vectors of whole handshakes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gimmal.base.errors import AuthenticationFailed, InternalError
from gimmal.noise.cipher_state import MAX_NONCE, CipherState
from gimmal.noise.gate import (
    Hello,
    RecentHellos,
    build_hello,
    check_version_notice,
    parse_hello,
    version_notice,
)
from gimmal.noise.suite import AESGCM_SHA256

KEY = bytes(range(32))


def keyed() -> CipherState:
    state = CipherState(AESGCM_SHA256)
    state.initialize_key(KEY)
    return state


def sealed(nonce: int, ad: bytes, plaintext: bytes, key: bytes = KEY) -> bytes:
    return AESGCM(key).encrypt(bytes(4) + nonce.to_bytes(8, "big"), plaintext, ad)


class TestCipherState:
    def test_without_a_key_nothing_is_sealed(self) -> None:
        state = CipherState(AESGCM_SHA256)
        assert not state.has_key()
        assert state.encrypt_with_ad(b"ad", b"plain") == state.decrypt_with_ad(b"ad", b"plain") == b"plain"
        copied = state.copy()
        state.initialize_key(KEY)
        assert state.has_key()
        assert not copied.has_key()
        state.initialize_key(None)
        assert not state.has_key()

    def test_without_a_key_there_is_nothing_to_rekey(self) -> None:
        with pytest.raises(InternalError, match="without a key"):
            CipherState(AESGCM_SHA256).rekey()

    def test_nonces_begin_at_0_count_up_and_can_be_set(self) -> None:
        state = keyed()
        assert [state.encrypt_with_ad(b"a", b"x") for _once in range(3)] == [sealed(n, b"a", b"x") for n in range(3)]
        state.set_nonce(1000)
        assert state.encrypt_with_ad(b"a", b"x") == sealed(1000, b"a", b"x")
        assert state.copy().encrypt_with_ad(b"a", b"x") == sealed(1001, b"a", b"x")
        state.initialize_key(KEY)
        assert state.encrypt_with_ad(b"a", b"x") == sealed(0, b"a", b"x")

    def test_a_copied_state_without_a_key_counts_from_0_too(self) -> None:
        state = CipherState(AESGCM_SHA256).copy()
        state.initialize_key(KEY)
        assert state.decrypt_with_ad(b"a", sealed(0, b"a", b"x")) == b"x"

    def test_a_failed_opening_moves_nothing(self) -> None:
        state = keyed()
        with pytest.raises(AuthenticationFailed):
            state.decrypt_with_ad(b"a", sealed(1, b"a", b"x"))
        assert state.decrypt_with_ad(b"a", sealed(0, b"a", b"x")) == b"x"

    def test_the_last_nonce_is_for_rekeying_only(self) -> None:
        for use in (CipherState.encrypt_with_ad, CipherState.decrypt_with_ad):
            state = keyed()
            state.set_nonce(MAX_NONCE)
            with pytest.raises(InternalError, match="all its nonces"):
                use(state, b"a", sealed(MAX_NONCE, b"a", b"x"))
        state.set_nonce(MAX_NONCE - 1)
        assert state.encrypt_with_ad(b"a", b"x") == sealed(2**64 - 2, b"a", b"x")

    def test_rekeying_keeps_the_nonce(self) -> None:
        state = keyed()
        state.set_nonce(7)
        state.rekey()
        key = sealed(2**64 - 1, b"", bytes(32))[:32]
        assert state.encrypt_with_ad(b"a", b"x") == sealed(7, b"a", b"x", key)


def hello(number: int) -> Hello:
    noise = number.to_bytes(32, "big") + bytes(16)
    return parse_hello(build_hello(1, bytes(16), bytes(8), KEY, noise))


class TestHellos:
    def test_the_ephemeral_is_the_first_32_bytes(self) -> None:
        assert hello(5).ephemeral == (5).to_bytes(32, "big")

    def test_neither_tag_nor_handshake_is_shown(self) -> None:
        shown = repr(hello(5))
        assert "tag" not in shown
        assert "noise" not in shown
        assert "version=1" in shown

    def test_a_repeat_is_known_whatever_else_it_says(self) -> None:
        recent = RecentHellos(4)
        assert recent.admit(hello(1))
        assert not recent.admit(hello(1))
        assert not recent.admit(replace(hello(1), tag=bytes(16), noise=hello(1).noise[:32] + b"x" * 16))
        assert recent.admit(hello(2))

    def test_the_oldest_gives_way(self) -> None:
        recent = RecentHellos(3)
        assert all(recent.admit(hello(number)) for number in range(3))
        assert not any(recent.admit(hello(number)) for number in range(3))
        assert recent.admit(hello(3))
        assert not any(recent.admit(hello(number)) for number in (1, 2, 3))
        assert recent.admit(hello(0))

    @pytest.mark.parametrize("size", [1, 16, 18, 33])
    def test_a_notice_has_17_bytes(self, size: int) -> None:
        notice = version_notice(hello(1), KEY, 2)
        assert check_version_notice(notice, KEY, hello(1).to_bytes()) == 2
        with pytest.raises(AuthenticationFailed):
            check_version_notice((notice + bytes(16))[:size], KEY, hello(1).to_bytes())
        with pytest.raises(AuthenticationFailed):
            check_version_notice(b"", KEY, hello(1).to_bytes())
