"""Cutting transport streams: only whole frames of the time asked for come out, whatever goes in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gimmal.share.previewing.transport_stream import PACKET, SLACK, cut

TABLE = bytes([0x47, 0x40, 0, 0x10, 0]) + bytes(183)
PICTURES, SOUND = 0x100, 0x101


def frame(number: int, time: int, *, alone: bool = False, more: int = 0, kind: int | None = None) -> bytes:
    """A frame in ``1 + more`` packets; ``alone``: it can be shown without another."""
    name = kind if kind is not None else 0xE0 if number == PICTURES else 0xC0
    stamp = bytes(
        [
            0x21 | (time >> 29) & 0xE,
            time >> 22 & 0xFF,
            (time >> 14) & 0xFE | 1,
            time >> 7 & 0xFF,
            (time << 1) & 0xFE | 1,
        ]
    )
    head = b"\0\0\1" + bytes([name, 0, 0, 0x80, 0x80, 5]) + stamp
    field = bytes([1, 0x40 if alone else 0])
    first = bytes([0x47, 0x40 | number >> 8, number & 0xFF, 0x30]) + field + head
    rest = bytes([0x47, number >> 8, number & 0xFF, 0x10])
    return first.ljust(PACKET, b"\xff") + rest.ljust(PACKET, b"\xee") * more


def times(stream: bytes, number: int) -> list[int]:
    found = []
    for at in range(0, len(stream), PACKET):
        packet = stream[at : at + PACKET]
        if packet[1] & 0x40 and (packet[1] & 0x1F) << 8 | packet[2] == number and packet[3] & 0x20:
            stamp = packet[15:20]
            found.append(
                (stamp[0] >> 1 & 7) << 30 | stamp[1] << 22 | stamp[2] >> 1 << 15 | stamp[3] << 7 | stamp[4] >> 1
            )
    return found


def test_pictures_begin_and_end_with_one_that_can_be_shown_alone() -> None:
    shown = [(900, True), (1200, False), (1000, True), (1300, False), (1100, False), (2000, True), (1900, False)]
    stream = TABLE + b"".join(frame(PICTURES, time, alone=alone, more=2) for time, alone in shown)
    for off in (-SLACK, 0, SLACK):  # as far as times may be rounded
        made = cut(stream, 1000 + off, 2000 + off)
        assert made.startswith(TABLE)
        assert times(made, PICTURES) == [1000, 1300, 1100]
        assert len(made) == PACKET * (1 + 3 * 3)
    assert times(cut(stream, 1000, 2000, all_pictures=True), PICTURES) == [time for time, _ in shown]


def test_sound_is_cut_at_its_frames() -> None:
    stream = TABLE + b"".join(frame(SOUND, time) for time in (80, 99, 100, 150, 199, 200, 220))
    assert times(cut(stream, 100, 200), SOUND) == [100, 150, 199]


def test_packets_are_counted_anew_in_each_stream() -> None:
    stream = TABLE + b"".join(
        frame(SOUND, time, more=3) + frame(PICTURES, time, alone=True) for time in range(0, 2000, 100)
    )
    made = cut(stream, 500, 1500)
    for number in (SOUND, PICTURES):
        packets = [made[at : at + PACKET] for at in range(PACKET, len(made), PACKET)]
        counted = [packet[3] & 15 for packet in packets if (packet[1] & 0x1F) << 8 | packet[2] == number]
        assert counted == [at % 16 for at in range(len(counted))]


def test_parts_that_meet_hold_each_frame_once() -> None:
    whole = range(0, 10_000, 100)
    stream = TABLE + b"".join(frame(SOUND, time) + frame(PICTURES, time, alone=time % 1000 == 0) for time in whole)
    for number in (SOUND, PICTURES):
        parts = [times(cut(stream, start, start + 2000), number) for start in range(0, 10_000, 2000)]
        assert [time for part in parts for time in part] == list(whole)


def test_what_is_neither_pictures_nor_sound_nor_timed_is_left_out() -> None:
    untimed = bytearray(frame(SOUND, 5))
    untimed[13] = 0
    stream = TABLE + frame(0x102, 5, kind=0xBD) + bytes(untimed)
    assert cut(stream, 0, 10) == b""
    assert cut(b"", 0, 10) == cut(TABLE, 0, 10) == b""
    large = (1 << 33) - 1
    assert times(cut(TABLE + frame(SOUND, large), large, large + 1), SOUND) == [large]


@given(st.binary(max_size=3 * PACKET), st.integers(0, 1 << 33), st.integers(0, 1 << 33))
def test_any_bytes_are_cut(stream: bytes, start: int, end: int) -> None:
    made = cut(stream, start, end)
    assert len(made) % PACKET == 0 and len(made) <= len(stream)


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=6), st.integers(0, 40))
def test_streams_with_anything_in_their_packets_are_cut(heads: list[bytes], at: int) -> None:
    stream = TABLE + b"".join((b"\x47" + head).ljust(PACKET, b"\xff")[:PACKET] for head in heads)
    made = cut(stream[:at] + stream, 0, 1 << 33)
    assert len(made) % PACKET == 0
