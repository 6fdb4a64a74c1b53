"""MessagePack and the values of the vectors, without a library of ours or others (see make.py)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from blake3 import blake3

HERE = Path(__file__).parent
Vector = dict[str, Any]


def pack(value: Any) -> bytes:
    """msgpack, always the shortest form. A dict stands for a message: its values in order."""
    if value is None:
        return b"\xc0"
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return pack_int(value)
    if isinstance(value, str):
        data = value.encode("utf-8")
        if len(data) < 32:
            return bytes([0xA0 | len(data)]) + data
        return sized(len(data), 0xD9, 0xDA, 0xDB) + data
    if isinstance(value, bytes):
        return sized(len(value), 0xC4, 0xC5, 0xC6) + value
    items = list(value.values()) if isinstance(value, dict) else list(value)
    if len(items) < 16:
        front = bytes([0x90 | len(items)])
    elif len(items) < 1 << 16:
        front = b"\xdc" + struct.pack(">H", len(items))
    else:
        front = b"\xdd" + struct.pack(">I", len(items))
    return front + b"".join(pack(item) for item in items)


def pack_int(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes([value])
    if -32 <= value < 0:
        return struct.pack(">b", value)
    unsigned = ((0xCC, ">B", 8), (0xCD, ">H", 16), (0xCE, ">I", 32), (0xCF, ">Q", 64))
    signed = ((0xD0, ">b", 7), (0xD1, ">h", 15), (0xD2, ">i", 31), (0xD3, ">q", 63))
    if value >= 0:
        return next(bytes([code]) + struct.pack(form, value) for code, form, bits in unsigned if value < 1 << bits)
    return next(bytes([code]) + struct.pack(form, value) for code, form, bits in signed if value >= -(1 << bits))


def sized(length: int, one: int, two: int, four: int) -> bytes:
    if length < 1 << 8:
        return bytes([one, length])
    if length < 1 << 16:
        return bytes([two]) + struct.pack(">H", length)
    return bytes([four]) + struct.pack(">I", length)


def plain(value: Any) -> Any:
    """For JSON: bytes become hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def message(kind: str, name: str, tag: int | None, fields: dict[str, Any], note: str = "") -> Vector:
    items = list(fields.values())
    encoded = pack(items if tag is None else [tag, *items])
    return {"kind": kind, "name": name, "note": note, "fields": plain(fields), "bytes": encoded.hex()}


def digest_of(label: str) -> bytes:
    return blake3(label.encode()).digest()


def file_digest(content: bytes) -> bytes:
    size = 4 << 20
    blocks = [blake3(content[at : at + size]).digest() for at in range(0, len(content), size)]
    return blake3(len(content).to_bytes(8, "big") + b"".join(blocks)).digest()


PLAIN = {"linked": 0, "sparse": False}
FILE = {
    "kind": 0,
    "size": 5,
    "mtime_ns": 1_700_000_000_123_456_789,
    "mode": 0o644,
    "identity": 77,
    "target": "",
    **PLAIN,
}
FOLDER = {"kind": 1, "size": 0, "mtime_ns": 0, "mode": 0o755, "identity": 2, "target": "", **PLAIN}
LINK = {"kind": 2, "size": 3, "mtime_ns": -1, "mode": 0o777, "identity": (1 << 64) - 1, "target": "../é", **PLAIN}
OTHER = {"kind": 3, "size": (1 << 63) - 1, "mtime_ns": -(1 << 63), "mode": 0o7777, "identity": 0, "target": "", **PLAIN}
TWIN = {**FILE, "linked": (1 << 64) - 1, "sparse": True}
XATTRS = [["user.a", b"\x00value"], ["user.mime_type", b""]]
VERSION = {"identity": 77, "size": 5, "mtime_ns": 1_700_000_000_123_456_789}
DIGEST = digest_of("content")
SOURCE = bytes(range(16))
PLACE_IPV4 = bytes(10) + b"\xff\xff" + bytes([203, 0, 113, 9]) + (40_123).to_bytes(2, "big")
PLACE_IPV6 = bytes.fromhex("20010db8000000000000000000000007") + (65_535).to_bytes(2, "big")
LONG = "share/" + "/".join(["n" * 255] * 15)
