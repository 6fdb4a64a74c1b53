"""The handshake of a link: what it accepts, and that it accepts nothing else."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import AuthenticationFailed, GimmalError, PeerError, ProtocolViolation, VersionMismatch
from gimmal.base.primitives import hmac_sha256, x25519_public
from gimmal.noise.channel import ANSWER_SIZE, HELLO_SIZE, NOTICE_SIZE, parse_hello, version_notice
from gimmal.noise.gate import build_hello, check_gate
from gimmal.noise.keys import RootKeys
from gimmal.noise.link_cipher import LinkCipher
from tests.figures import figure
from tests.noise.pairs import Party, connected, flipped, open_record, parties

OTHER_KEYS = RootKeys.from_root(b"another root of thirty-two bytes")
OTHER_STATIC = os.urandom(32)


def accepts(dialler: Party, listener: Party) -> bool:
    """Whether the two would exchange a first record each way."""
    initiator = dialler.dial()
    try:
        answer, theirs = listener.respond(initiator.hello)
        ours = initiator.receive(answer)
        to_listener = LinkCipher(ours).seal(1, 0, 0, b"first")
        to_dialler = LinkCipher(theirs).seal(1, 0, 0, b"first")
        open_record(LinkCipher(theirs), to_listener)
        open_record(LinkCipher(ours), to_dialler)
    except PeerError:
        return False
    return True


class TestHandshake:
    @pytest.mark.parametrize("turn", [(0, 1), (1, 0)])
    def test_either_side_may_dial(self, turn: tuple[int, int]) -> None:
        pair = parties()
        dialler, listener = pair[turn[0]], pair[turn[1]]
        initiator = dialler.dial()
        assert len(initiator.hello) == HELLO_SIZE == 89
        answer, theirs = listener.respond(initiator.hello)
        assert len(answer) == ANSWER_SIZE == initiator.answer_size(answer[0]) == 49
        ours = initiator.receive(answer)
        assert ours.send_key == theirs.receive_key != ours.receive_key == theirs.send_key
        assert ours.handshake_hash == theirs.handshake_hash

    def test_fresh_ephemerals_make_fresh_keys(self) -> None:
        a, b = parties()
        secrets = [connected(a, b)[0] for _ in range(50)]
        assert len({s.send_key for s in secrets} | {s.receive_key for s in secrets}) == 100
        assert len({s.handshake_hash for s in secrets}) == 50

    def test_what_must_not_be_accepted(self) -> None:
        a, b = parties()
        assert accepts(a, b)
        right = a.keys
        wrong_psk = RootKeys(OTHER_KEYS.psk, right.gate_key, right.key_id)
        wrong_gate = RootKeys(right.psk, OTHER_KEYS.gate_key, right.key_id)
        wrong_id = RootKeys(right.psk, right.gate_key, OTHER_KEYS.key_id)
        cases = {
            "wrong root": (a.but(keys=OTHER_KEYS), b),
            "wrong PSK": (a.but(keys=wrong_psk), b),
            "wrong gate key": (a.but(keys=wrong_gate), b),
            "wrong key id": (a.but(keys=wrong_id), b),
            "wrong own static": (a.but(static_private=OTHER_STATIC), b),
            "wrong peer static": (a.but(peer_static_public=x25519_public(OTHER_STATIC)), b),
            "wrong static of the listener": (a, b.but(static_private=OTHER_STATIC)),
            "wrong peer static of the listener": (a, b.but(peer_static_public=x25519_public(OTHER_STATIC))),
            "wrong pair id": (a.but(pair_id=os.urandom(16)), b),
            "wrong role: both a": (a, a),
            "wrong role: both b": (b, b),
            "sides exchanged": (a.but(side="b"), b.but(side="a")),
            "side a claims to be b": (a.but(side="b"), b),
            "same version byte, other prologue": (a.but(version=2), b.but(version=2).but(pair_id=os.urandom(16))),
        }
        # Exchanged on both sides the prologue agrees; it is the same pair of keys under other names.
        assert accepts(*cases.pop("sides exchanged"))
        accepted = [name for name, (dialler, listener) in cases.items() if accepts(dialler, listener)]
        figure("handshakes with wrong PSK, static, prologue or role accepted", len(accepted), "0")
        assert accepted == []

    def test_every_flipped_bit(self) -> None:
        a, b = parties()
        initiator = a.dial()
        flips, accepted = 0, []
        for bit in range(len(initiator.hello) * 8):
            flips += 1
            try:
                b.respond(flipped(initiator.hello, bit))
                accepted.append(("hello", bit))
            except PeerError:
                pass
        answer, theirs = b.respond(initiator.hello)
        for bit in range(len(answer) * 8):
            flips += 1
            try:
                initiator.receive(flipped(answer, bit))
                accepted.append(("answer", bit))
            except PeerError:
                pass
        # A failed message leaves no trace, so the right one still finishes the handshake.
        ours = initiator.receive(answer)
        record = LinkCipher(ours).seal(1, 2, 3, b"first record")
        for bit in range(len(record) * 8):
            flips += 1
            try:
                bad = flipped(record, bit)
                cipher = LinkCipher(theirs)
                length = cipher.check_length(bad[:4])
                # The line has no more bytes than this; a longer announcement is a cut link.
                if length > len(bad) - 4:
                    continue
                cipher.open_into(bad[:4], memoryview(bad)[4 : 4 + length], memoryview(bytearray(length)))
                accepted.append(("record", bit))
            except PeerError:
                pass
        figure("hello, answer and first-record bits flipped, accepted", f"{len(accepted)} of {flips}", "0")
        assert accepted == [] and flips == 8 * (89 + 49 + 45)

    def test_reflection(self) -> None:
        a, b = parties()
        initiator = a.dial()
        with pytest.raises(AuthenticationFailed):
            a.respond(initiator.hello)
        answer, _ = b.respond(initiator.hello)
        with pytest.raises(PeerError):
            initiator.receive(initiator.hello[:49])
        with pytest.raises(AuthenticationFailed):
            initiator.receive(bytes([1]) + initiator.hello[-48:])
        ours = initiator.receive(answer)
        cipher = LinkCipher(ours)
        with pytest.raises(AuthenticationFailed):
            open_record(cipher, cipher.seal(1, 0, 0, b"back to the sender"))

    def test_replayed_hello_yields_no_session(self) -> None:
        a, b = parties()
        initiator = a.dial()
        answer, _ = b.respond(initiator.hello)
        first_record = LinkCipher(initiator.receive(answer)).seal(1, 0, 0, b"act")
        _, of_the_replay = b.respond(initiator.hello)
        with pytest.raises(AuthenticationFailed):
            open_record(LinkCipher(of_the_replay), first_record)

    def test_an_answer_belongs_to_one_hello(self) -> None:
        a, b = parties()
        first, second = a.dial(), a.dial()
        answer, _ = b.respond(first.hello)
        with pytest.raises(AuthenticationFailed):
            second.receive(answer)

    def test_an_all_zero_ephemeral_is_a_failed_handshake(self) -> None:
        a, b = parties()
        hello = build_hello(1, a.pair_id, a.keys.key_id, a.keys.gate_key, bytes(48))
        with pytest.raises(AuthenticationFailed, match="worthless"):
            b.respond(hello)

    @pytest.mark.parametrize("size", [0, 1, 16, 17, 48, 50, 89])
    def test_answers_of_other_lengths(self, size: int) -> None:
        a, _ = parties()
        with pytest.raises(ProtocolViolation):
            a.dial().receive(bytes([1] * size))

    @given(st.binary(max_size=100))
    def test_any_answer_raises_a_peer_error(self, answer: bytes) -> None:
        a, _ = parties("fuzz")
        with pytest.raises(PeerError):
            a.dial().receive(answer)

    def test_secrets_are_in_no_repr(self) -> None:
        a, b = parties()
        ours, _ = connected(a, b)
        shown = repr((ours, a.keys, a.dial(), LinkCipher(ours), a.material(), parse_hello(a.dial().hello)))
        for secret in (ours.send_key, ours.receive_key, ours.handshake_hash, a.keys.psk, a.keys.gate_key):
            assert repr(secret) not in shown and secret.hex() not in shown
        assert repr(a.static_private) not in shown

    @pytest.mark.parametrize("side", ["", "c", "A", "ab"])
    def test_there_are_two_sides(self, side: str) -> None:
        a, _ = parties()
        with pytest.raises(ValueError, match="a side is a or b"):
            a.but(side=side).dial()


class TestVersions:
    def test_a_friend_of_another_version_is_named(self) -> None:
        a, b = parties()
        newer = b.but(version=2)
        initiator = a.dial()
        with pytest.raises(VersionMismatch) as at_listener:
            newer.respond(initiator.hello)
        assert (at_listener.value.ours, at_listener.value.theirs) == (2, 1)
        notice = version_notice(parse_hello(initiator.hello), newer.keys.gate_key, 2)
        assert len(notice) == NOTICE_SIZE == initiator.answer_size(notice[0]) == 17
        with pytest.raises(VersionMismatch) as at_dialler:
            initiator.receive(notice)
        assert (at_dialler.value.ours, at_dialler.value.theirs) == (1, 2)

    def test_every_flipped_bit_of_a_notice(self) -> None:
        a, _ = parties()
        initiator = a.dial()
        notice = version_notice(parse_hello(initiator.hello), a.keys.gate_key, 2)
        for bit in range(len(notice) * 8):
            with pytest.raises((AuthenticationFailed, ProtocolViolation)):
                initiator.receive(flipped(notice, bit))

    def test_a_notice_belongs_to_one_hello(self) -> None:
        a, _ = parties()
        notice = version_notice(parse_hello(a.dial().hello), a.keys.gate_key, 2)
        with pytest.raises(AuthenticationFailed):
            a.dial().receive(notice)

    def test_a_stranger_of_another_version_learns_nothing(self) -> None:
        a, b = parties()
        stranger = a.but(version=2, keys=RootKeys(a.keys.psk, OTHER_KEYS.gate_key, a.keys.key_id))
        with pytest.raises(AuthenticationFailed):
            b.respond(stranger.dial().hello)


class TestGate:
    def test_tag_covers_all_other_bytes(self) -> None:
        a, _ = parties()
        hello = a.dial().hello
        expected = hmac_sha256(a.keys.gate_key, hello[:25], hello[41:])[:16]
        assert hello[25:41] == expected
        check_gate(parse_hello(hello), a.keys.gate_key)

    @pytest.mark.parametrize("size", [*range(0, 89, 8), 88, 90, 256])
    def test_length_is_exact(self, size: int) -> None:
        with pytest.raises(ProtocolViolation):
            parse_hello(bytes(size))

    @pytest.mark.parametrize("wrong", [(15, 8, 48), (17, 8, 48), (16, 7, 48), (16, 9, 48), (16, 8, 47)])
    def test_parts_of_a_wrong_size_are_our_own_bug(self, wrong: tuple[int, int, int]) -> None:
        pair_id, key_id, noise = (bytes(size) for size in wrong)
        with pytest.raises(ValueError, match="wrong size"):
            build_hello(1, pair_id, key_id, bytes(32), noise)

    @given(st.binary(min_size=89, max_size=89))
    def test_parsing_loses_nothing(self, message: bytes) -> None:
        assert parse_hello(message).to_bytes() == message

    @given(st.binary(max_size=300))
    def test_any_hello_raises_a_peer_error(self, message: bytes) -> None:
        _, b = parties("fuzz")
        with pytest.raises(PeerError):
            b.respond(message)

    def test_junk_that_begins_like_a_hello(self) -> None:
        a, b = parties()
        count = 10_000 if os.environ.get("GIMMAL_CAMPAIGN") == "full" else 500
        answered = 0
        for _ in range(count):
            junk = bytes([1]) + a.pair_id + a.keys.key_id + os.urandom(64)
            try:
                answered += len(b.respond(junk)[0])
            except GimmalError as error:
                assert isinstance(error, AuthenticationFailed)
        figure("bytes answered to bad hellos with the right pair and key id", f"{answered} for {count}", "0")
        assert answered == 0
