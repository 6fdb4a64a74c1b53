"""Cutting a piece out of an MPEG transport stream (ITU H.222.0), so that pieces of a film follow each other exactly.

What makes a piece is told where to begin and end, but none of its ways to do so is exact for pictures that are shown in
another order than they are stored, nor for sound, whose frames fit no cut of the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PACKET = 188
CLOCK = 90_000
"""Ticks a second of the times in a stream."""

SLACK = 45
"""Ticks by which a time of a picture may have been rounded on its way."""

_SYNC = 0x47
_TABLES = 0
_PICTURES, _SOUND = range(0xE0, 0xF0), range(0xC0, 0xE0)


@dataclass(slots=True)
class _Track:
    """What is known of one stream in the stream."""

    taken: bool = False
    """The frame under way is taken."""
    begun: bool = False
    ended: bool = False
    counter: int = 0
    whole: list[bytes] = field(default_factory=list)


def cut(stream: bytes, start: int, end: int, *, all_pictures: bool = False) -> bytes:
    """The frames of a stream whose times lie between two.

    Args:
        stream: of a program with pictures, sound or both, one frame in each packet of their elementary streams, and the
            tables at its beginning. What is not well-formed is left out.
        start: in ticks; of pictures the first one taken can be shown without another.
        end: in ticks; pictures end with the first such one at or behind it, sound before it.
        all_pictures: all pictures in it are wanted.

    Returns:
        A stream that can be played by itself; empty where no picture and no sound is in it.
    """
    tracks: dict[int, _Track] = {}
    tables: dict[int, bytes] = {}
    made: list[bytes] = []
    for at in range(0, len(stream) - PACKET + 1, PACKET):
        packet = stream[at : at + PACKET]
        if packet[0] != _SYNC:
            continue
        number = (packet[1] & 0x1F) << 8 | packet[2]
        payload = _payload_of(packet)
        begins = bool(packet[1] & 0x40)
        if begins and packet[payload : payload + 3] != b"\0\0\1":
            tables.setdefault(number, packet)
            continue
        if number in tables or payload >= PACKET:
            continue
        track = tracks.setdefault(number, _Track())
        if begins:
            track.taken = _is_taken(track, packet, payload, start, end, all_pictures=all_pictures)
        if track.taken:
            made.append(packet[:3] + bytes([packet[3] & 0xF0 | track.counter]) + packet[4:])
            track.counter = (track.counter + 1) % 16
    return b"".join([*tables.values(), *made]) if made else b""


def _is_taken(track: _Track, packet: bytes, payload: int, start: int, end: int, *, all_pictures: bool) -> bool:
    """Whether the frame that begins in a packet is one of those wanted."""
    time = _time_of(packet[payload:])
    kind = packet[payload + 3] if payload + 3 < PACKET else 0
    if time is None:
        return False
    if kind in _SOUND:
        return start <= time < end
    if kind not in _PICTURES or track.ended:
        return False
    if all_pictures:
        return True
    start, end = start - SLACK, end - SLACK
    by_itself = bool(packet[3] & 0x20) and packet[4] > 0 and bool(packet[5] & 0x40)
    if by_itself and time >= end:
        track.ended = True
        return False
    if not track.begun:
        track.begun = by_itself and time >= start
        return track.begun
    return time >= start


def _payload_of(packet: bytes) -> int:
    """Where the payload of a packet begins; PACKET where it has none."""
    if not packet[3] & 0x10:
        return PACKET
    return min(PACKET, 5 + packet[4]) if packet[3] & 0x20 else 4


def _time_of(head: bytes) -> int | None:
    """When the frame is shown with which a packet of an elementary stream begins, in ticks; None where not said."""
    if len(head) < 14 or not head[7] & 0x80:
        return None
    return (head[9] >> 1 & 7) << 30 | head[10] << 22 | (head[11] >> 1) << 15 | head[12] << 7 | head[13] >> 1
