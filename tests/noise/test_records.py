"""The record layer against a second implementation written from the specification."""

from __future__ import annotations

import os
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import AuthenticationFailed, InternalError, PeerError, ProtocolViolation
from gimmal.noise import records
from gimmal.noise.records import RecordOpener, RecordSealer
from tests.figures import figure
from tests.noise.pairs import connected, flipped, parties

KEY = bytes(range(32))
FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"


class Reference:
    """One direction, from docs/spec/channel.md alone."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.counter = 0

    def open(self, record: bytes) -> bytes:
        nonce = bytes(4) + self.counter.to_bytes(8, "big")
        plaintext = AESGCM(self.key).decrypt(nonce, record[4:], record[:4])
        self.counter += 1
        if self.counter % 65_536 == 0:
            self.key = AESGCM(self.key).encrypt(bytes(4) + b"\xff" * 8, bytes(32), b"")[:32]
        return plaintext


def open_all(opener: RecordOpener, wire: bytes) -> list[tuple[int, int, int, bytes]]:
    """Open the records of a stream of bytes until it ends or an error is raised."""
    opened = []
    view = memoryview(wire)
    while view:
        if len(view) < 4:
            raise EOFError
        length = opener.check_length(view[:4])
        if len(view) < 4 + length:
            raise EOFError
        out = memoryview(bytearray(length - 16))
        kind, stream, offset, size = opener.open_into(view[:4], view[4 : 4 + length], out)
        opened.append((kind, stream, offset, bytes(out[13 : 13 + size])))
        view = view[4 + length :]
    return opened


class TestLayout:
    def test_constants(self) -> None:
        assert (records.RECORD_MIN, records.RECORD_MAX) == (29, 1_048_605)
        assert records.OVERHEAD == 33

    @pytest.mark.parametrize("size", [0, 1, 13, 4096, 1 << 20])
    def test_both_ways_of_sealing_are_equal_and_as_specified(self, size: int) -> None:
        body = os.urandom(size)
        small = RecordSealer(KEY).seal(0x05, 7, 1 << 40, body)
        plaintext = bytearray(13) + body + b"more that is not sent"
        out = bytearray(b"\xee" * (size + 33 + 5))
        written = RecordSealer(KEY).seal_into(0x05, 7, 1 << 40, plaintext, size, memoryview(out))
        assert out[:written] == small and out[written:] == b"\xee" * 5
        assert struct.unpack(">I", small[:4]) == (size + 29,) == (len(small) - 4,)
        assert Reference(KEY).open(small) == struct.pack(">BIQ", 0x05, 7, 1 << 40) + body
        assert open_all(RecordOpener(KEY), small) == [(0x05, 7, 1 << 40, body)]

    def test_either_way_of_sealing_counts_for_both(self) -> None:
        sealer, reference = RecordSealer(KEY), Reference(KEY)
        out = bytearray(64)
        for number in range(6):
            if number % 3 < 2:
                size = sealer.seal_into(5, 6, number, bytearray(13) + b"body", 4, memoryview(out))
                record = bytes(out[:size])
            else:
                record = sealer.seal(5, 6, number, b"body")
            assert reference.open(record) == struct.pack(">BIQ", 5, 6, number) + b"body"
        assert sealer.counter == reference.counter == 6

    def test_extreme_fields(self) -> None:
        fields = (255, 2**32 - 1, 2**64 - 1, b"")
        assert open_all(RecordOpener(KEY), RecordSealer(KEY).seal(*fields)) == [fields]

    @pytest.mark.parametrize("fields", [(256, 0, 0), (-1, 0, 0), (0, 2**32, 0), (0, 0, 2**64), (0, 0, -1)])
    def test_fields_out_of_range_seal_nothing(self, fields: tuple[int, int, int]) -> None:
        sealer = RecordSealer(KEY)
        with pytest.raises(struct.error):
            sealer.seal(*fields, b"")
        with pytest.raises(struct.error):
            sealer.seal_into(*fields, bytearray(13), 0, memoryview(bytearray(33)))
        assert sealer.counter == 0 and not sealer.closed

    def test_a_body_too_long_seals_nothing(self) -> None:
        sealer = RecordSealer(KEY)
        size = (1 << 20) + 1
        with pytest.raises(InternalError):
            sealer.seal(1, 0, 0, bytes(size))
        with pytest.raises(InternalError):
            sealer.seal_into(1, 0, 0, bytearray(size + 13), size, memoryview(bytearray(size + 33)))
        with pytest.raises(InternalError):
            sealer.seal_into(1, 0, 0, bytearray(13), -1, memoryview(bytearray(33)))
        assert sealer.counter == 0 and not sealer.closed


class TestRefusals:
    @pytest.mark.parametrize("length", [0, 1, 28, 1_048_606, 1 << 24, 2**32 - 1])
    def test_lengths_out_of_range_kill_the_opener(self, length: int) -> None:
        opener = RecordOpener(KEY)
        with pytest.raises(ProtocolViolation):
            opener.check_length(struct.pack(">I", length))
        assert opener.closed
        with pytest.raises(AuthenticationFailed):
            opener.check_length(struct.pack(">I", 29))

    @pytest.mark.parametrize("length", [29, 30, 1_048_605])
    def test_lengths_in_range(self, length: int) -> None:
        assert RecordOpener(KEY).check_length(struct.pack(">I", length)) == length

    def test_every_flipped_bit_kills_the_opener(self) -> None:
        record = RecordSealer(KEY).seal(5, 6, 7, b"body")
        for bit in range(32, len(record) * 8):
            bad, opener = flipped(record, bit), RecordOpener(KEY)
            with pytest.raises(AuthenticationFailed):
                open_all(opener, bad)
            assert opener.closed and opener.counter == 0
            with pytest.raises(AuthenticationFailed):
                open_all(opener, record)

    def test_the_length_is_authenticated(self) -> None:
        record = RecordSealer(KEY).seal(5, 6, 7, b"body")
        out = memoryview(bytearray(100))
        with pytest.raises(AuthenticationFailed):
            RecordOpener(KEY).open_into(b"\0\0\0\x20", memoryview(record)[4:], out)

    @pytest.mark.parametrize("size", range(29))
    def test_a_short_ciphertext(self, size: int) -> None:
        opener = RecordOpener(KEY)
        with pytest.raises(ProtocolViolation):
            opener.open_into(b"\0\0\0\x1d", memoryview(bytes(size)), memoryview(bytearray(64)))
        assert opener.closed

    def test_a_failed_sealing_kills_the_sealer(self) -> None:
        sealer = RecordSealer(KEY)
        with pytest.raises(ValueError, match="must be"):
            sealer.seal_into(1, 0, 0, bytearray(13 + 50), 50, memoryview(bytearray(40)))
        assert sealer.closed and sealer.counter == 0
        with pytest.raises(AuthenticationFailed):
            sealer.seal(1, 0, 0, b"")

    def test_a_failed_sealing_of_a_small_body_kills_the_sealer(self) -> None:
        sealer = RecordSealer(KEY)
        sealer._nonce = bytearray(11)
        with pytest.raises(ValueError, match="nonce"):
            sealer.seal(1, 0, 0, b"")
        assert sealer.closed

    def test_a_failed_opening_leaves_no_plaintext(self) -> None:
        record = flipped(RecordSealer(KEY).seal(5, 6, 7, b"secret body"), 8 * 4)
        out = bytearray(100)
        with pytest.raises(AuthenticationFailed):
            RecordOpener(KEY).open_into(record[:4], memoryview(record)[4:], memoryview(out))
        assert out == bytes(100)

    def test_a_closed_direction_raises(self) -> None:
        sealer, opener = RecordSealer(KEY), RecordOpener(KEY)
        record = sealer.seal(1, 0, 0, b"")
        sealer.close()
        opener.close()
        with pytest.raises(AuthenticationFailed):
            sealer.seal(1, 0, 0, b"")
        with pytest.raises(AuthenticationFailed):
            sealer.seal_into(1, 0, 0, bytearray(13), 0, memoryview(bytearray(33)))
        with pytest.raises(AuthenticationFailed):
            opener.open_into(record[:4], memoryview(record)[4:], memoryview(bytearray(13)))

    def test_drop_swap_duplicate_splice_and_cut(self) -> None:
        sealer, foreign = RecordSealer(KEY), RecordSealer(bytes(32))
        sent = [sealer.seal(5, n, 0, b"x" * n) for n in range(6)]
        spliced = foreign.seal(5, 2, 0, b"xx")
        for bad in (
            sent[:2] + sent[3:],
            [sent[1], sent[0], *sent[2:]],
            [*sent[:3], sent[2], *sent[3:]],
            [*sent[:2], spliced, *sent[3:]],
            [*sent[:2], spliced, *sent[2:]],
        ):
            with pytest.raises(AuthenticationFailed):
                open_all(RecordOpener(KEY), b"".join(bad))
        whole = b"".join(sent)
        ends = {len(b"".join(sent[:n])) for n in range(7)}
        for cut in set(range(len(whole))) - ends:
            with pytest.raises(EOFError):
                open_all(RecordOpener(KEY), whole[:cut])

    @given(st.binary(max_size=400))
    def test_any_bytes_raise_or_end(self, wire: bytes) -> None:
        if wire:
            with pytest.raises((PeerError, EOFError)):
                open_all(RecordOpener(KEY), wire)

    @given(
        st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=200)), min_size=1, max_size=20),
        st.data(),
    )
    def test_damage_anywhere_never_yields_another_record(
        self, sent: list[tuple[int, bytes]], data: st.DataObject
    ) -> None:
        sealer = RecordSealer(KEY)
        wire = b"".join(sealer.seal(kind, 0, 0, body) for kind, body in sent)
        start = data.draw(st.integers(0, len(wire) - 1))
        end = data.draw(st.integers(start, len(wire)))
        damaged = wire[:start] + data.draw(st.binary(max_size=60)) + wire[end:]
        opened: list[tuple[int, bytes]] = []
        opener = RecordOpener(KEY)
        view, reported = memoryview(damaged), False
        try:
            while view:
                if len(view) < 4 or len(view) - 4 < (length := opener.check_length(view[:4])):
                    raise EOFError
                out = memoryview(bytearray(length))
                kind, _, _, size = opener.open_into(view[:4], view[4 : 4 + length], out)
                opened.append((kind, bytes(out[13 : 13 + size])))
                view = view[4 + length :]
        except (PeerError, EOFError):
            reported = True
        assert opened == sent[: len(opened)]
        # A cut between two records shows in the missing CLOSE record, one level up.
        assert reported or damaged == wire[: len(damaged)]


class TestRekey:
    def test_boundary(self) -> None:
        sealer, opener, reference = RecordSealer(KEY), RecordOpener(KEY), Reference(KEY)
        header = struct.pack(">BIQ", 5, 0, 0)
        for _ in range(65_536 * 2 + 2):
            record = sealer.seal(5, 0, 0, b"")
            assert reference.open(record) == header
            assert open_all(opener, record) == [(5, 0, 0, b"")]
        assert sealer.counter == opener.counter == reference.counter == 65_536 * 2 + 2
        assert reference.key != KEY

    def test_a_side_that_does_not_rekey_fails_at_once(self) -> None:
        sealer, stale = RecordSealer(KEY), RecordOpener(KEY)
        for _ in range(65_536):
            sealer.seal(5, 0, 0, b"")
        stale._counter = 65_536
        stale._nonce[4:] = (65_536).to_bytes(8, "big")
        with pytest.raises(AuthenticationFailed):
            open_all(stale, sealer.seal(5, 0, 0, b""))

    @pytest.mark.campaign
    def test_no_key_and_counter_is_used_twice(self) -> None:
        total, links = (1_000_000, 5) if FULL else (280_000, 2)
        a, b = parties()
        pairs: set[tuple[bytes, int]] = set()
        keys: set[bytes] = set()
        for _ in range(links):
            ours, theirs = connected(a, b)
            for secret in (ours.send_key, theirs.send_key):
                sealer, reference = RecordSealer(secret), Reference(secret)
                for _ in range(total // links // 2):
                    pair = (reference.key, reference.counter)
                    reference.open(sealer.seal(5, 0, 0, b""))
                    pairs.add(pair)
                    keys.add(pair[0])
        duplicates = total - len(pairs)
        figure("(key, counter) pairs used twice", f"{duplicates} of {total} under {len(keys)} keys", "0")
        assert duplicates == 0 and len(keys) == links * 2 * 2
