"""A link's cipher hands records to both directions as they are, and drops all keys at the first fault."""

from __future__ import annotations

import pytest

from gimmal.base.errors import AuthenticationFailed, InternalError, ProtocolViolation
from gimmal.noise.link_cipher import RENEW, LinkCipher
from gimmal.noise.records import RecordOpener, RecordSealer
from tests.noise.pairs import connected, open_record, parties

A, B = parties("link cipher")
KIND = 0x05


def two() -> tuple[LinkCipher, LinkCipher]:
    ours, theirs = (LinkCipher(secrets) for secrets in connected(A, B))
    for cipher, party in ((ours, A), (theirs, B)):
        cipher.enable_renewal(1, party.pair_id, party.side, party.keys, 0.0)
    return ours, theirs


def test_records_are_those_of_the_keys_of_the_channel() -> None:
    secrets, _theirs = connected(A, B)
    cipher, sealer, opener = LinkCipher(secrets), RecordSealer(secrets.send_key), RecordOpener(secrets.receive_key)
    assert cipher.seal(KIND, 7, 8, b"body") == sealer.seal(KIND, 7, 8, b"body")
    other = RecordSealer(secrets.receive_key).seal(KIND, 9, 10, b"theirs")
    assert open_record(cipher, other) == (KIND, 9, 10, b"theirs")
    assert cipher.check_length(other[:4]) == opener.check_length(other[:4]) == len(other) - 4


def test_sealing_into_a_buffer() -> None:
    ours, theirs = two()
    plaintext, out = bytearray(13) + b"body" + bytes(100), bytearray(200)
    size = ours.seal_into(KIND, 1, 2, plaintext, 4, memoryview(out))
    assert open_record(theirs, bytes(out[:size])) == (KIND, 1, 2, b"body")
    assert not any(out[size:])


@pytest.mark.parametrize("kind", [RENEW - 1, RENEW + 3])
def test_kinds_beside_those_of_a_renewal_are_not_looked_at(kind: int) -> None:
    ours, theirs = two()
    assert open_record(theirs, ours.seal(kind, 1, 2, b"x")) == (kind, 1, 2, b"x")


def test_after_a_fault_neither_direction_works() -> None:
    ours, theirs = two()
    record = bytearray(ours.seal(KIND, 0, 0, b"x"))
    record[-1] ^= 1
    with pytest.raises(AuthenticationFailed):
        open_record(theirs, bytes(record))
    with pytest.raises(AuthenticationFailed):
        theirs.seal(KIND, 0, 0, b"x")
    with pytest.raises(AuthenticationFailed):
        theirs.check_length(bytes(4))


def test_a_length_out_of_range_ends_the_receiving_at_once() -> None:
    _ours, theirs = two()
    with pytest.raises(ProtocolViolation):
        theirs.check_length(b"\xff" * 4)


def test_without_a_renewal_there_is_no_new_key() -> None:
    ours, _theirs = two()
    with pytest.raises(InternalError, match="no new key"):
        ours._take_next_key()


def test_each_new_key_is_taken_once() -> None:
    ours, theirs = two()
    open_record(theirs, ours.start_renewal(A.material()))
    open_record(ours, theirs.answer_renewal(B.material(), 0.0))
    open_record(theirs, ours.finish_renewal(0.0))
    for cipher in (ours, theirs):
        assert cipher._next_key is None
        assert cipher.owes is None


def test_a_forged_renewal_ends_both_directions() -> None:
    ours, theirs = two()
    open_record(theirs, ours.seal(RENEW, 0, 0, A.material().ephemeral_private + bytes(16)))
    with pytest.raises(AuthenticationFailed):
        theirs.answer_renewal(B.material(), 0.0)
    for use in (lambda: theirs.seal(KIND, 0, 0, b""), lambda: open_record(theirs, ours.seal(KIND, 0, 0, b""))):
        with pytest.raises(AuthenticationFailed):
            use()


def test_a_renewal_is_read_from_a_larger_buffer() -> None:
    ours, theirs = two()
    view, out = memoryview(ours.start_renewal(A.material())), memoryview(bytearray(b"x" * 500))
    theirs.open_into(view[:4], view[4:], out[: len(view) - 20 + 100])
    assert open_record(ours, theirs.answer_renewal(B.material(), 0.0))[3]
