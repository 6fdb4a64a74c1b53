"""What a handshake state refuses, and its sizes: whole handshakes are in the vectors."""

from __future__ import annotations

from typing import Any

import pytest

from gimmal.base.errors import AuthenticationFailed, InternalError, ProtocolViolation
from gimmal.base.primitives import x25519_public
from gimmal.noise.handshake_state import HandshakeState
from gimmal.noise.patterns import EE, KK, NN, SE, XX, E, HandshakePattern, S, handshake_pattern
from gimmal.noise.suite import AESGCM_SHA256
from gimmal.noise.symmetric_state import SymmetricState
from tests.noise.pairs import fixed

OURS, THEIRS = fixed("ours"), fixed("theirs")
IN = HandshakePattern("IN", (), (), ((E, S), (E, EE, SE)))
"""A pattern that sends a static key before there is any key to seal it under."""


def side(pattern: HandshakePattern, initiator: bool, **words: Any) -> HandshakeState:
    own, other = (OURS, THEIRS) if initiator else (THEIRS, OURS)
    known = {"s": own, "rs": x25519_public(other)} if pattern is KK else {"s": own, "rs": None}
    ephemeral = fixed(f"ephemeral {initiator}")
    return HandshakeState(pattern, initiator, b"prologue", e=ephemeral, **(known | words))


def both(pattern: HandshakePattern, **words: Any) -> tuple[HandshakeState, HandshakeState]:
    return side(pattern, True, **words), side(pattern, False, **words)


class TestTurns:
    def test_each_message_has_its_one_sender(self) -> None:
        ours, theirs = both(NN)
        for wrong in (lambda: theirs.write_message(b""), lambda: ours.read_message(bytes(32))):
            with pytest.raises(InternalError, match="out of turn"):
                wrong()
        first = ours.write_message(b"")
        with pytest.raises(InternalError, match="out of turn"):
            ours.write_message(b"")
        theirs.read_message(first)
        with pytest.raises(InternalError, match="out of turn"):
            theirs.read_message(first)

    def test_after_the_last_message_there_is_none(self) -> None:
        ours, theirs = both(NN)
        theirs.read_message(ours.write_message(b""))
        ours.read_message(theirs.write_message(b""))
        for state in (ours, theirs):
            assert state.finished
            for again in (state.write_message, state.read_message):
                with pytest.raises(InternalError, match="out of turn"):
                    again(b"")
        assert ours.split() == tuple(reversed(theirs.split()))

    def test_keys_come_at_the_end_only(self) -> None:
        ours, theirs = both(NN)
        theirs.read_message(ours.write_message(b""))
        for state in (ours, theirs):
            assert not state.finished
            with pytest.raises(InternalError, match="not finished"):
                state.split()


class TestSizes:
    def test_65535_bytes_and_no_more(self) -> None:
        ours, theirs = both(NN)
        payload = bytes(65_535 - 32)
        with pytest.raises(InternalError, match="too long"):
            ours.write_message(payload + b"x")
        message = ours.write_message(payload)  # what failed has moved nothing
        assert len(message) == 65_535
        with pytest.raises(ProtocolViolation):
            theirs.read_message(message + b"x")
        assert theirs.read_message(message) == payload

    def test_a_message_may_be_nothing_but_its_keys(self) -> None:
        ours, theirs = both(NN)
        message = ours.write_message(b"")
        assert len(message) == 32
        with pytest.raises(ProtocolViolation):
            theirs.read_message(message[:31])
        assert theirs.read_message(message) == b""
        answer = theirs.write_message(b"")
        assert len(answer) == 48
        with pytest.raises(AuthenticationFailed):
            ours.read_message(answer[:32])
        assert ours.read_message(answer) == b""

    @pytest.mark.parametrize("pattern", [IN, XX], ids=lambda pattern: pattern.name)
    def test_a_static_key_has_a_tag_if_there_is_a_key(self, pattern: HandshakePattern) -> None:
        ours, theirs = both(pattern)
        messages = []
        for number in range(len(pattern.messages)):
            sender, receiver = ((ours, theirs), (theirs, ours))[number % 2]
            messages.append(sender.write_message(b"payload"))
            assert receiver.read_message(messages[-1]) == b"payload"
        assert [len(message) for message in messages] == ([71, 55] if pattern is IN else [39, 103, 71])
        assert ours.split() == tuple(reversed(theirs.split()))

    def test_an_in_the_clear_static_key_alone(self) -> None:
        ours, theirs = both(IN)
        message = ours.write_message(b"")
        assert message[32:] == x25519_public(OURS)
        assert theirs.read_message(message) == b""


class TestKeys:
    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_a_pre_shared_key_has_32_bytes(self, size: int) -> None:
        with pytest.raises(InternalError, match="32 bytes"):
            side(handshake_pattern("NNpsk0"), True, psks=(bytes(32), bytes(size)))

    def test_pre_shared_keys_are_taken_in_their_order(self) -> None:
        pattern = handshake_pattern("NNpsk0+psk1")
        one, two, three = (fixed(f"psk {number}") for number in range(3))
        message = side(pattern, True, psks=(one, two)).write_message(b"payload")
        assert side(pattern, False, psks=(one, two, three)).read_message(message) == b"payload"
        for wrong in ((two, one), (one, three), (one, one)):
            with pytest.raises(AuthenticationFailed):
                side(pattern, False, psks=wrong).read_message(message)

    def test_a_key_that_the_pattern_needs_must_be_given(self) -> None:
        for missing in ({"s": None}, {"rs": None}):
            for initiator in (True, False):
                with pytest.raises(InternalError, match="was not given"):
                    side(KK, initiator, **missing)
        state = side(IN, True, s=None)
        with pytest.raises(InternalError, match="was not given"):
            state.write_message(b"")

    def test_no_key_is_shown(self) -> None:
        ours, theirs = both(XX)
        for _once in range(2):
            theirs.read_message(ours.write_message(b""))
            ours.read_message(theirs.write_message(b""))
            break
        assert ours._progress.re is not None
        assert ours._progress.rs is not None
        assert repr(ours._progress) == "_Progress(message_index=2, psk_index=0)"


class TestPatterns:
    @pytest.mark.parametrize("name", ["", "XK", "nn", "NNpsk", "NNpsk0+", "NNpsk0psk2", " NN", "psk0", "QQpsk0"])
    def test_names_of_none(self, name: str) -> None:
        with pytest.raises(InternalError, match="unknown handshake pattern"):
            handshake_pattern(name)

    def test_modifiers(self) -> None:
        assert not handshake_pattern("NN").has_psk
        assert handshake_pattern("NNpsk2").has_psk
        lengths = [len(tokens) for tokens in handshake_pattern("XXpsk0+psk3").messages]
        assert lengths == [2, 4, 3]


class TestSymmetricState:
    def test_beginning_again_forgets_the_key(self) -> None:
        state = SymmetricState(AESGCM_SHA256)
        state.initialize_symmetric(b"one")
        assert not state.has_key()
        state.mix_key(b"secret")
        assert state.has_key()
        assert state.copy().has_key()
        state.initialize_symmetric(b"one")
        assert not state.has_key()
        assert state.encrypt_and_hash(b"plain") == b"plain"
