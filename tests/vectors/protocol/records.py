"""Vectors of bundles and of packed records."""

from __future__ import annotations

import struct
from typing import Any

from blake3 import blake3
from encoding import FILE, XATTRS, Vector, file_digest, pack, plain


def bundles() -> list[Vector]:
    def bundle(kind: str, note: str, headers: list[dict[str, Any]], contents: list[bytes]) -> Vector:
        header = pack(headers)
        return {
            "kind": kind,
            "note": note,
            "headers": plain(headers),
            "contents": plain(contents),
            "header_length": len(header),
            "bytes": (header + b"".join(contents)).hex(),
        }

    def item(content: bytes) -> dict[str, Any]:
        return {
            "code": 0,
            "size": len(content),
            "digest": file_digest(content),
            "attributes": FILE,
            "xattrs": XATTRS,
            "bare": True,
        }

    def file(name: str, content: bytes) -> dict[str, Any]:
        return {
            "name": name,
            "size": len(content),
            "digest": file_digest(content),
            "mtime_ns": 1,
            "mode": None,
            "xattrs": [],
            "sparse": False,
        }

    return [
        bundle("bundle_items", "no file", [], []),
        bundle(
            "bundle_items",
            "three files, one of them failed",
            [
                item(b"hello"),
                {"code": 3, "size": 0, "digest": b"", "attributes": None, "xattrs": [], "bare": False},
                item(b""),
            ],
            [b"hello", b"", b""],
        ),
        bundle("bundle_files", "no file", [], []),
        bundle(
            "bundle_files",
            "two files",
            [
                file("a", b"content"),
                {**file("b/c", b""), "mode": 0o600, "xattrs": XATTRS, "sparse": True},
            ],
            [b"content", b""],
        ),
    ]


def frame(blocks: list[bytes], size: int | None, *, window_log: int = 20, dictionary: int = 0) -> bytes:
    """A Zstandard frame (RFC 8878) of blocks made by `block`; one segment where a size is given."""
    descriptor = (0xA0 if size is not None else 0) | (1 if dictionary else 0)
    front = b"\x28\xb5\x2f\xfd" + bytes([descriptor])
    if size is None:
        front += bytes([(window_log - 10) << 3])
    front += bytes([dictionary]) if dictionary else b""
    front += struct.pack("<I", size) if size is not None else b""
    return front + b"".join(blocks)


def block(kind: int, data: bytes, count: int, *, last: bool) -> bytes:
    """Kind 0 is raw, 1 repeats one byte."""
    return struct.pack("<I", last | kind << 1 | count << 3)[:3] + data


def runs(text: bytes, count: int) -> list[bytes]:
    """``text`` and then ``count`` times the letter x, in blocks of at most 128 KiB."""
    blocks = [block(0, text, len(text), last=False)]
    while count:
        some = min(count, 128 << 10)
        count -= some
        blocks.append(block(1, b"x", some, last=not count))
    return blocks


def packed() -> list[Vector]:
    def vector(name: str, size: int, body: bytes, /, **more: Any) -> Vector:
        return {"name": name, "bytes": (struct.pack(">I", size) + body).hex(), **more}

    def good(name: str, text: bytes, count: int, body: bytes) -> Vector:
        content = text + b"x" * count
        return vector(name, len(content), body, size=len(content), digest=blake3(content).hexdigest())

    violation = {"failure": "ProtocolViolation"}
    whole = 1 << 20
    simple = frame(runs(b"gimmal", 100), 106)
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 3) + b"abc"
    return [
        good("one segment", b"gimmal", 100, simple),
        good("no size in the frame", b"gimmal", 100, frame(runs(b"gimmal", 100), None)),
        good("a whole record", b"gimmal", whole - 6, frame(runs(b"gimmal", whole - 6), whole)),
        good("a small window", b"gimmal", 100, frame(runs(b"gimmal", 100), None, window_log=10)),
        {"name": "no bytes", "bytes": "", **violation},
        {"name": "a size alone", "bytes": "00000064", **violation},
        vector("no frame", 100, b"gimmal", **violation),
        vector("of no bytes", 0, simple, **violation),
        vector("no shorter than what it stands for", len(simple) + 4, simple, **violation),
        vector("of more than a record", whole + 1, frame(runs(b"", whole + 1), None), **violation),
        vector("of 4 GiB", (1 << 32) - 1, simple, **violation),
        vector("holds less", 107, simple, **violation),
        vector("holds more", 105, simple, **violation),
        vector("holds very much more", 8192, frame(runs(b"gimmal", 1 << 27), None), **violation),
        vector("cut short", 106, simple[:-1], **violation),
        vector("bytes behind it", 106, simple + b"\0", **violation),
        vector("two frames", 106, frame(runs(b"gimmal", 50), 56) + frame(runs(b"", 50), 50), **violation),
        vector("a skippable frame before it", 106, skippable + simple, **violation),
        vector("a skippable frame behind it", 106, simple + skippable, **violation),
        vector("a skippable frame alone", 106, skippable, **violation),
        vector("a window of 2 MiB", 106, frame(runs(b"gimmal", 100), None, window_log=21), **violation),
        vector("a window of 2 GiB", 106, frame(runs(b"gimmal", 100), None, window_log=31), **violation),
        vector("a dictionary", 106, frame(runs(b"gimmal", 100), 106, dictionary=7), **violation),
        vector("a size in the frame of 4 GiB", 106, frame(runs(b"gimmal", 100), (1 << 32) - 1), **violation),
    ]
