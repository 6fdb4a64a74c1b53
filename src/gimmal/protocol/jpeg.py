"""Which pictures travel: plain JPEG files of a known size (docs/spec/protocol.md, section 13)."""

from __future__ import annotations

from gimmal.protocol.limits import PICTURE_BYTES_MAX

_START, _END = 0xD8, 0xD9
_SCAN, _RESTARTS = 0xDA, range(0xD0, 0xD8)
_FRAMES = (0xC0, 0xC1, 0xC2)
_TABLES = (0xC4, 0xDB, 0xDD)
_HEADER = 0xE0
_FRAME_BYTES = 8


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a picture that may travel; None where the bytes are none.

    It is one baseline or progressive JPEG picture of 8 bits and 1 or 3 colours from the first byte to the last, with
    nothing in it that is not needed to see it: no comment, no notes of a camera, no second picture.
    """
    if len(data) > PICTURE_BYTES_MAX or data[:2] != b"\xff\xd8":
        return None
    at, size, scanned = 2, None, False
    while at + 4 <= len(data):
        kind = data[at + 1]
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if data[at] != 0xFF or length < 2 or at + 2 + length > len(data):
            return None
        if kind in _FRAMES:
            if size is not None or scanned or len(body) < _FRAME_BYTES or body[0] != 8 or body[5] not in (1, 3):
                return None
            size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        elif kind != _SCAN and kind not in _TABLES and not (kind == _HEADER and body.startswith(b"JFIF\0")):
            return None
        at += 2 + length
        if kind == _SCAN:
            if size is None:
                return None
            scanned = True
            at = _end_of_scan(data, at)
        if data[at : at + 2] == bytes([0xFF, _END]):
            whole = scanned and at + 2 == len(data)
            return size if whole and size is not None and min(size) > 0 else None
    return None


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the next marker begins that does not belong to the scan; the end of the bytes where there is none."""
    while (at := data.find(b"\xff", at)) >= 0:
        if at + 1 >= len(data):
            break
        if data[at + 1] != 0 and data[at + 1] not in _RESTARTS:
            return at
        at += 2
    return len(data)
