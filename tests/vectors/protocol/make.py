"""Write the vector files of the protocol, by an independent implementation.

Uses the standard library and `blake3` after docs/spec/protocol.md, and no code of gimmal.
Run from the project's root: .venv/bin/python tests/vectors/protocol/make.py
"""

from __future__ import annotations

import hashlib
import json
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


def requests() -> list[Vector]:
    def request(name: str, tag: int, note: str = "", /, **fields: Any) -> Vector:
        return message("request", name, tag, fields, note)

    return [
        request("Stat", 1, "", path="Documents/report.odt"),
        request("Stat", 1, "the list of shares", path=""),
        request("Stat", 1, "a long path", path=LONG),
        request("List", 2, "", path="Documents", cursor=0, watch=0),
        request("List", 2, "the largest cursor", path="", cursor=(1 << 32) - 1, watch=0),
        request("List", 2, "with a watch", path="Documents", cursor=0, watch=7),
        request("OpenNotices", 52, "", credit=65_536),
        request("OpenNotices", 52, "the most", credit=1 << 20),
        request("Watch", 53, "", stream=7, paths=["Documents", "Documents/sub"]),
        request("Watch", 53, "to know of all that changed", stream=(1 << 32) - 1, paths=[]),
        request("Unwatch", 54, "", stream=7, watches=[1, (1 << 32) - 1]),
        request("Tree", 3, "", path="Documents", cursor=7, xattrs=True),
        request("StatFileSystem", 4, "", path="Documents", grain=False),
        request("StatFileSystem", 4, "with the steps of times", path="Documents", grain=True),
        request("Read", 5, "", path="a/b", offset=0, length=4 << 20, version=None, sparse=False, packing=0),
        request(
            "Read",
            5,
            "with a version",
            path="a/b",
            offset=(1 << 63) - 1,
            length=1,
            version=VERSION,
            sparse=True,
            packing=1,
        ),
        request("ReadBundle", 6, "", folder="a", names=["b", "c/d"], xattrs=True, packing=2),
        request("ReadBundle", 6, "as many as allowed", folder="a", names=["n"] * 1024, xattrs=False, packing=0),
        request(
            "OpenPart",
            7,
            "",
            path="a/b",
            size=5,
            source=SOURCE,
            replace=2,
            expected=VERSION,
            first=24_576,
            data=None,
        ),
        request(
            "OpenPart",
            7,
            "of a sparse file",
            path="a/b",
            size=1 << 40,
            source=SOURCE,
            replace=0,
            expected=None,
            first=0,
            data=[[0, 1], [5, 2]],
        ),
        request("Write", 8, "", part=1, offset=4 << 20, length=4 << 20, sparse=True, reused=[], packing=2),
        request("Write", 8, "nothing", part=1, offset=0, length=0, sparse=False, reused=[], packing=0),
        request(
            "Write",
            8,
            "put together",
            part=1,
            offset=0,
            length=9,
            sparse=False,
            reused=[[0, 1 << 40, 4], [5, 0, 4]],
            packing=1,
        ),
        request(
            "Commit", 9, "", part=1, digest=DIGEST, mtime_ns=-1, mode=0o600, durable=True, keep=True, xattrs=XATTRS
        ),
        request(
            "Commit", 9, "no mode", part=1, digest=DIGEST, mtime_ns=0, mode=None, durable=False, keep=False, xattrs=[]
        ),
        request("Discard", 10, "", part=1, remove=False),
        request("WriteBundle", 11, "", folder="a", replace=1, durable=True, newer_only=True, keep=True, packing=1),
        request("MakeDirectories", 12, "", paths=["a/b", "a/b/c"], parents=True, exist_ok=True, mode=0o700),
        request("RemoveMany", 13, "", paths=["a/b"]),
        request("Rename", 14, "", source="a/b", target="a/c", replace=0, expected=None),
        request("Copy", 15, "", source="a/b", target="a/c", replace=1, keep=False, xattrs=True),
        request(
            "SetAttributes",
            16,
            "",
            items=[
                {"path": "a", "mtime_ns": 1, "mode": None, "xattrs": []},
                {"path": "a/b", "mtime_ns": 2, "mode": 0o755, "xattrs": XATTRS},
            ],
        ),
        request("Examine", 17, "", path="a/b", version=None, offset=0),
        request("Examine", 17, "with a version, from a place on", path="a/b", version=VERSION, offset=(1 << 63) - 1),
        request(
            "MakeLinks",
            18,
            "",
            items=[
                {"path": "a/b", "target": "../é", "mtime_ns": -1, "hard": False, "size": 0},
                {"path": "a/c", "target": "a/d", "mtime_ns": 1, "hard": True, "size": (1 << 63) - 1},
            ],
            replace=1,
            keep=True,
        ),
        request("Trash", 20, "", paths=["a/b", "a/c"]),
        request("ListTrash", 21, "", share="a", after=""),
        request("ListTrash", 21, "from a place on", share="a", after="67412abc1f2e3d4c.1023"),
        request("RestoreTrash", 22, "", share="a", names=["67412abc1f2e3d4c.0"], target="a/d"),
        request("EmptyTrash", 23, "", share="a", names=["67412abc1f2e3d4c.0", "67412abc1f2e3d4c.1"]),
        request("DigestBlocks", 36, "", path="a/b", first=(1 << 32) - 1, count=64, version=VERSION),
        request("DigestBlocks", 36, "one block of any version", path="a/b", first=0, count=1, version=None),
        request("DigestFiles", 37, "", folder="a", names=["b", "c/d"]),
        request("DigestFiles", 37, "as many as allowed", folder="a", names=["n"] * 1024),
        request("Measure", 38, "the line", what=0, length=4 << 20, path=""),
        request("Measure", 38, "the cipher", what=1, length=1, path=""),
        request("Measure", 38, "a disk", what=2, length=256 << 20, path="a/b"),
        request("MeasureUp", 39, "", length=4 << 20),
        request("Punch", 48, "", places=[PLACE_IPV4, PLACE_IPV6], round_trip=25_000),
        request("Punch", 48, "as many as allowed", places=[PLACE_IPV6] * 8, round_trip=(1 << 32) - 1),
        request("ListChunks", 24, "", path="a/b", version=VERSION, offset=0, average=1 << 16, blocks=False),
        request("ListChunks", 24, "from 5 on", path="a/b", version=VERSION, offset=5, average=1 << 20, blocks=True),
    ]


def answers() -> list[Vector]:
    def answer(name: str, tag: int, note: str = "", /, **fields: Any) -> Vector:
        return message("answer", name, tag, fields, note)

    return [
        answer("Failed", 64, "", code=3),
        answer("Failed", 64, "a code of the future", code=65535),
        answer("Done", 65, "", saved=0),
        answer("Done", 65, "of a block that came packed", saved=4 << 20),
        answer("Found", 66, "", attributes=FILE, bare=False),
        answer("Found", 66, "placed without its extended attributes", attributes=TWIN, bare=True),
        answer("Page", 67, "the last", entries=[], cursor=0, failures=[], watch=0, folder=None),
        answer(
            "Page",
            67,
            "of a folder that is watched",
            entries=[],
            cursor=0,
            failures=[],
            watch=(1 << 32) - 1,
            folder=FOLDER,
        ),
        answer("Watched", 101, "", watches=[1, 0, (1 << 32) - 1], pushed=(1 << 63) - 1),
        answer(
            "Page",
            67,
            "",
            entries=[
                {"name": "report.odt", "attributes": FILE, "mapped": False, "xattrs": [], "bare": False},
                {"name": "sub", "attributes": FOLDER, "mapped": False, "xattrs": XATTRS, "bare": True},
                {"name": "é", "attributes": LINK, "mapped": True, "xattrs": [], "bare": False},
                {"name": "pipe", "attributes": OTHER, "mapped": False, "xattrs": [], "bare": False},
            ],
            cursor=9,
            failures=[["secret", 9]],
            watch=0,
            folder=None,
        ),
        answer("Room", 68, "", total=1 << 40, free=1 << 39, available=0, grain=0),
        answer("Room", 68, "a disk of FAT", total=1 << 40, free=1 << 39, available=0, grain=2_000_000_000),
        answer("PunchPlaces", 100, "", places=[PLACE_IPV4, PLACE_IPV6], changes_ports=False),
        answer("PunchPlaces", 100, "a router that changes ports", places=[], changes_ports=True),
        answer("PartOpened", 69, "", part=1, blocks=[DIGEST, b"", DIGEST]),
        answer("Results", 70, "", codes=[0, 3, 300]),
        answer("BundleWritten", 71, "", codes=[0, 4], bare=1, saved=1 << 20),
        answer("Examined", 72, "", xattrs=XATTRS, bare=True, extents=[[0, 4096], [1 << 40, 1]], next=1 << 41),
        answer("Examined", 72, "a folder without", xattrs=[], bare=False, extents=[], next=0),
        answer(
            "TrashPage",
            75,
            "",
            entries=[
                {
                    "name": "67412abc1f2e3d4c.0",
                    "path": "sub/report.odt",
                    "attributes": FILE,
                    "trashed": (1 << 32) - 1,
                    "who": "side b",
                }
            ],
            more=True,
        ),
        answer("TrashPage", 75, "an empty trash", entries=[], more=False),
        answer("BlockDigests", 88, "", version=VERSION, digests=[DIGEST, DIGEST], nanoseconds=(1 << 63) - 1),
        answer("BlockDigests", 88, "behind the end", version=VERSION, digests=[], nanoseconds=0),
        answer(
            "FileDigests",
            89,
            "",
            files=[
                {"code": 0, "digest": DIGEST, "attributes": FILE},
                {"code": 14, "digest": b"", "attributes": None},
            ],
        ),
        answer("Took", 90, "", length=256 << 20, nanoseconds=1, read_nanoseconds=(1 << 63) - 1),
        answer("Chunks", 76, "", chunks=bytes(range(24)), blocks=DIGEST),
        answer("Chunks", 76, "of an empty file", chunks=b"", blocks=b""),
    ]


def bodies() -> list[Vector]:
    hello = {
        "version": 1,
        "program": "gimmal 0.1.0",
        "features": 0,
        "random": digest_of("random"),
        "computer": SOURCE,
        "agent": True,
        "name": "anna-laptop",
    }
    return [
        message("Hello", "Hello", None, hello, "opens a session"),
        message("Hello", "Hello", None, {**hello, "name": "\u00e9" * 64}, "the longest name of a computer"),
        message("Hello", "Hello", None, {**hello, "random": b"", "agent": False, "name": ""}, "joins one"),
        message("Hello", "Hello", None, {**hello, "version": 255, "features": (1 << 63) - 1}, "the largest numbers"),
        message("Join", "Join", None, {"number": 0, "bulk": False}),
        message("Join", "Join", None, {"number": (1 << 32) - 1, "bulk": True}),
        message("Close", "Close", None, {"reason": 3}),
        message("Close", "Close", None, {"reason": 255}, "a reason of the future reads as DONE"),
        message("StreamEnd", "StreamEnd", None, {"digest": DIGEST}),
        message(
            "Notices",
            "Notices",
            None,
            {
                "changes": [
                    {"watch": 3, "what": 0, "name": "report.odt", "attributes": FILE, "mapped": False},
                    {"watch": 3, "what": 0, "name": "\u00e9", "attributes": LINK, "mapped": True},
                    {"watch": 3, "what": 0, "name": "gone", "attributes": None, "mapped": False},
                    {"watch": 3, "what": 0, "name": "", "attributes": FOLDER, "mapped": False},
                    {"watch": (1 << 32) - 1, "what": 1, "name": "", "attributes": None, "mapped": False},
                    {"watch": 0, "what": 2, "name": "", "attributes": None, "mapped": False},
                ]
            },
        ),
    ]


def evolved() -> list[Vector]:
    """What a later program may send and a reader of version 1 must take."""
    stat = {"path": "a"}
    hello = ["gimmal 9", 5, b"", SOURCE, False]
    names = ("version", "program", "features", "random", "computer", "agent", "name")
    return [
        {**message("request", "Stat", 1, stat, "a new field at the end"), "bytes": pack([1, "a", {"x": 1}]).hex()},
        {**message("request", "Stat", 1, stat, "a long integer as tag"), "bytes": "92ce00000001a161"},
        {
            **message("request", "List", 2, {"path": "a", "cursor": 0, "watch": 0}, "fields with a default left out"),
            "bytes": pack([2, "a"]).hex(),
        },
        {
            **message("request", "List", 2, {"path": "a", "cursor": 5, "watch": 0}, "of an earlier program"),
            "bytes": pack([2, "a", 5]).hex(),
        },
        {
            **message(
                "answer",
                "Page",
                67,
                {"entries": [], "cursor": 4, "failures": [], "watch": 0, "folder": None},
                "of an earlier program",
            ),
            "bytes": pack([67, [], 4, []]).hex(),
        },
        {
            **message(
                "Notices",
                "Notices",
                None,
                {"changes": [{"watch": 1, "what": 1, "name": "", "attributes": None, "mapped": False}]},
                "fields of the inner left out, and a new one of the outer",
            ),
            "bytes": pack([[[1, 1]], "new"]).hex(),
        },
        {
            **message(
                "Hello",
                "Hello",
                None,
                dict(zip(names, [1, *hello, "pc"], strict=True)),
                "new fields at the end",
            ),
            "bytes": pack([1, *hello, "pc", "new", [1, 2]]).hex(),
        },
        {
            **message(
                "Hello",
                "Hello",
                None,
                dict(zip(names, [1, *hello, ""], strict=True)),
                "of an earlier program, without the name of the computer",
            ),
            "bytes": pack([1, *hello]).hex(),
        },
        {
            **message(
                "answer",
                "Room",
                68,
                {"total": 3, "free": 2, "available": 1, "grain": 0},
                "without steps of times",
            ),
            "bytes": pack([68, 3, 2, 1]).hex(),
        },
        {
            **message("request", "Punch", 48, {"places": [PLACE_IPV4], "round_trip": 0}, "without a round trip"),
            "bytes": pack([48, [PLACE_IPV4]]).hex(),
        },
        {
            **message("answer", "PunchPlaces", 100, {"places": [], "changes_ports": False}, "new fields at the end"),
            "bytes": pack([100, [], False, "new", [1]]).hex(),
        },
        {**message("answer", "Done", 65, {"saved": 0}, "a new field"), "bytes": pack([65, 0, "new"]).hex()},
        {**message("answer", "Done", 65, {"saved": 0}, "of an earlier program"), "bytes": pack([65]).hex()},
        {
            **message(
                "answer",
                "Found",
                66,
                {"attributes": FILE, "bare": False},
                "fields of the inner left out, and a new one of the outer",
            ),
            "bytes": pack([66, list(FILE.values())[:5], False, None]).hex(),
        },
    ]


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


def bad() -> list[Vector]:
    def vector(kind: str, name: str, encoded: bytes, failure: str, **more: Any) -> Vector:
        return {"kind": kind, "name": name, "bytes": encoded.hex(), "failure": failure, **more}

    unsupported, violation = "UNSUPPORTED", "ProtocolViolation"
    version = [77, 5, 1]
    requests = [
        ("no bytes", b""),
        ("a tag of the future", pack([60, "a"])),
        ("too many paths for a trash", pack([20, ["a/b"] * 1025])),
        ("a name of a trash entry that is too long", pack([21, "a", "n" * 65])),
        ("an answer's tag", pack([65])),
        ("a tag that is a string", pack(["1", "a"])),
        ("a map", b"\x82\x00\x01\x01\xa1a"),
        ("an empty array", pack([])),
        ("a missing field", pack([1])),
        ("cut short", pack([1, "abc"])[:-1]),
        ("bytes behind the end", pack([1, "a"]) + b"\x00"),
        ("a path of bytes", pack([1, b"a"])),
        ("a path that is not UTF-8", b"\x92\x01\xa1\xff"),
        ("a path with a surrogate", b"\x92\x01\xa3\xed\xa0\x80"),
        ("a path of 4,097 characters", pack([1, "n" * 4097])),
        ("a negative cursor", pack([2, "a", -1])),
        ("a watch of 33 bits", pack([2, "a", 0, 1 << 32])),
        ("less granted than one body of notices", pack([52, 65_535])),
        ("more granted than may be", pack([52, (1 << 20) + 1])),
        ("more folders to watch than allowed", pack([53, 7, ["a/b"] * 1025])),
        ("more watches to end than allowed", pack([54, 7, [1] * 1025])),
        ("a cursor of 33 bits", pack([2, "a", 1 << 32])),
        ("a cursor that is a float", b"\x93\x02\xa1a\xcb" + struct.pack(">d", 1.0)),
        ("a cursor that is true", pack([2, "a", True])),
        ("a read of nothing", pack([5, "a", 0, 0, None])),
        ("a read of more than a block", pack([5, "a", 0, (4 << 20) + 1, None])),
        ("an offset of 64 bits", pack([5, "a", 1 << 63, 1, None])),
        ("a version too short", pack([5, "a", 0, 1, version[:2]])),
        ("more names than allowed", pack([6, "a", ["n"] * 1025])),
        ("an array of 2^32 - 1 names", b"\x93\x06\xa1a\xdd\xff\xff\xff\xff"),
        ("bytes of 2^32 - 1", b"\x96\x07\xa1a\x05\xc6\xff\xff\xff\xff"),
        ("a source of 15 bytes", pack([7, "a", 5, bytes(15), 0, None])),
        ("an unknown way to replace", pack([7, "a", 5, SOURCE, 3, None])),
        ("an unknown way to pack", pack([5, "a", 0, 1, None, False, 3])),
        ("a write of more than a block", pack([8, 1, 0, (4 << 20) + 1])),
        ("a digest of 31 bytes", pack([9, 1, bytes(31), 0])),
        ("a mode of 13 bits", pack([9, 1, DIGEST, 0, 0o10000])),
        ("a time of 65 bits", b"\x94\x09\x01" + pack(DIGEST) + b"\xcf" + b"\xff" * 8),
        ("more extended attributes than allowed", pack([9, 1, DIGEST, 0, None, True, False, [["user.a", b""]] * 65])),
        ("an extended attribute too large", pack([9, 1, DIGEST, 0, None, True, False, [["user.a", bytes(65_537)]]])),
        ("an extended attribute whose name is too long", pack([16, [["a", 1, None, [["user." + "n" * 251, b""]]]]])),
        ("more stretches of data than allowed", pack([7, "a", 5, SOURCE, 0, None, 0, [[0, 1]] * 8193])),
        ("an examination from a negative place", pack([17, "a", None, -1])),
        ("more links than allowed", pack([18, [["a", "b", 1]] * 1025])),
        ("a link without a time", pack([18, [["a", "b"]]])),
        ("more blocks to read again than allowed", pack([36, "a", 0, 65])),
        ("no block to read again", pack([36, "a", 0, 0])),
        ("more files to read again than allowed", pack([37, "a", ["n"] * 1025])),
        ("a measurement of what is not known", pack([38, 3, 1])),
        ("a measurement of nothing", pack([38, 0, 0])),
        ("a measurement that is too long", pack([38, 2, (256 << 20) + 1, "a"])),
        ("more bytes to throw away than a block", pack([39, (4 << 20) + 1])),
        ("more places than allowed", pack([48, [PLACE_IPV4] * 9])),
        ("a place of 17 bytes", pack([48, [PLACE_IPV4[1:]]])),
        ("a place that is text", pack([48, ["203.0.113.9:40123"]])),
        ("a round trip of 33 bits", pack([48, [PLACE_IPV4], 1 << 32])),
        ("more stretches of an old version than allowed", pack([8, 1, 0, 1, False, [[0, 0, 1]] * 513])),
        ("a stretch of an old version without a length", pack([8, 1, 0, 1, False, [[0, 0]]])),
        ("chunks without a version", pack([24, "a"])),
        ("an average that is none of the three", pack([24, "a", version, 0, 1 << 17])),
        ("nested without end", b"\x93\x01\xa1a" + b"\x91" * 5000),
    ]
    answers = [
        ("no bytes", b""),
        ("a tag of the future", pack([120])),
        ("more entries of a trash than a page holds", pack([75, [["n", "p", [0, 0, 0, 0, 0], 0, ""]] * 1025, False])),
        ("a request's tag", pack([1, "a"])),
        ("bytes behind the end", pack([65]) + b"\x00"),
        ("more saved than a block holds", pack([65, (4 << 20) + 1])),
        ("a failure with code 0", pack([64, 0])),
        ("a code of 17 bits", pack([64, 65536])),
        ("an unknown kind of entry", pack([66, [4, 0, 0, 0, 1]])),
        ("a negative size", pack([66, [0, -1, 0, 0, 1]])),
        ("a negative identity", pack([66, [0, 0, 0, 0, -1]])),
        ("an array of 2^32 - 1 entries", b"\x93\x43\xdd\xff\xff\xff\xff"),
        ("more entries than allowed", b"\x93\x43\xdd" + struct.pack(">I", (1 << 16) + 1)),
        ("more stretches of data than allowed", pack([72, [], False, [[0, 1]] * 8193])),
        ("an extended attribute of three", pack([72, [["user.a", b"", 1]]])),
        ("more codes than allowed", pack([70, [0] * 1025])),
        ("more bundle codes than allowed", pack([71, [0] * 1025])),
        ("more blocks read again than allowed", pack([88, version, [DIGEST] * 65])),
        ("a digest of a block that is too short", pack([88, version, [bytes(31)]])),
        ("more files read again than allowed", pack([89, [[3]] * 1025])),
        ("a file's digest of 33 bytes", pack([89, [[0, bytes(33), None]]])),
        ("a negative time", pack([90, 1, -1])),
        ("a block digest of 33 bytes", pack([69, 1, [bytes(33)]])),
        ("more blocks than allowed", pack([69, 1, [b""] * 24_577])),
        ("more places than allowed", pack([100, [PLACE_IPV6] * 9])),
        ("a place of 19 bytes", pack([100, [PLACE_IPV6 + b"\0"]])),
        ("ports that are changed once", pack([100, [], 1])),
        ("more chunks than allowed", pack([76, bytes(12 * 8192 + 1)])),
        ("a watch of 33 bits", pack([67, [], 0, [], 1 << 32])),
        ("more watches than allowed", pack([100, [1] * 1025, 0])),
        ("a negative count of what was pushed", pack([100, [1], -1])),
    ]
    hello = [1, "p", 0, b"", SOURCE, True]
    bodies = [
        ("Hello", "version 0", pack([0, *hello[1:]])),
        ("Hello", "a version of 9 bits", pack([256, *hello[1:]])),
        ("Hello", "random of 33 bytes", pack([*hello[:3], bytes(33), *hello[4:]])),
        ("Hello", "computer of 15 bytes", pack([*hello[:4], bytes(15), True])),
        ("Hello", "a program of 257 characters", pack([1, "p" * 257, *hello[2:]])),
        ("Hello", "a name of 65 characters", pack([*hello, "n" * 65])),
        ("Hello", "a name that is bytes", pack([*hello, b"n"])),
        ("Hello", "agent that is a number", pack([*hello[:5], 1])),
        ("Hello", "a field is missing", pack(hello[:5])),
        ("Hello", "no bytes", b""),
        ("Join", "a number of 33 bits", pack([1 << 32, False])),
        ("Join", "a field is missing", pack([0])),
        ("Close", "a reason of 9 bits", pack([256])),
        ("Close", "a map", b"\x81\xa6reason\x00"),
        ("StreamEnd", "a digest of 31 bytes", pack([bytes(31)])),
        ("Notices", "more changes than allowed", pack([[[1, 1]] * 4097])),
        ("Notices", "a change of an unknown kind", pack([[[1, 3]]])),
        ("Notices", "a watch of 33 bits", pack([[[1 << 32, 1]]])),
        ("Notices", "a name of 4,097 characters", pack([[[1, 0, "n" * 4097]]])),
        ("Notices", "attributes that are none", pack([[[1, 0, "n", [0, 1]]]])),
        ("Notices", "cut short", pack([[[1, 1]]])[:-1]),
        ("StreamEnd", "bytes behind the end", pack([DIGEST]) + b"\x00"),
    ]
    attributes = list(FILE.values())
    item, file = [0, 5, DIGEST, attributes], ["a", 5, DIGEST, 1, None]
    beyond = pack([["a", (4 << 20) + 1, DIGEST, 1]])
    header, files = pack([item]), pack([file])
    large = pack([[0, 4 << 20, DIGEST, attributes]] * 3)
    bundles = [
        ("bundle_items", "a header longer than the body", header, len(header) + 1),
        ("bundle_items", "contents too short", header + b"hell", len(header)),
        ("bundle_items", "contents too long", header + b"hello!", len(header)),
        ("bundle_items", "a header cut short", header + b"hello", len(header) - 1),
        ("bundle_items", "a header with bytes behind it", header + b"hello", len(header) + 1),
        ("bundle_items", "an empty header", b"hello", 0),
        ("bundle_items", "more items than allowed", pack([[1]] * 1025), len(pack([[1]] * 1025))),
        ("bundle_items", "sizes beyond the record", large, len(large)),
        ("bundle_items", "a header length of 64 bits", header + b"hello", (1 << 64) - 1),
        *(
            ("bundle_items", name, pack([bad_item]) + contents, len(pack([bad_item])))
            for name, bad_item, contents in (
                ("a file without a digest", [0, 5, b"", attributes], b"hello"),
                ("a file with a short digest", [0, 5, DIGEST[:31], attributes], b"hello"),
                ("a file without attributes", [0, 5, DIGEST, None], b"hello"),
                ("a failed file with contents", [3, 5, b"", None], b"hello"),
                ("a failed file with a digest", [3, 0, DIGEST, None], b""),
                ("a failed file with attributes", [3, 0, b"", attributes], b""),
            )
        ),
        ("bundle_files", "a header longer than the body", files, len(files) + 1),
        ("bundle_files", "contents too short", files + b"hell", len(files)),
        ("bundle_files", "contents too long", files + b"hello!", len(files)),
        ("bundle_files", "a size beyond a block", beyond, len(beyond)),
        ("bundle_files", "no digest", pack([["a", 0, b"", 1]]), len(pack([["a", 0, b"", 1]]))),
    ]
    return [
        *(vector("request", name, encoded, unsupported) for name, encoded in requests),
        *(vector("answer", name, encoded, violation) for name, encoded in answers),
        *(vector(kind, name, encoded, violation) for kind, name, encoded in bodies),
        *(vector(kind, name, body, violation, header_length=length) for kind, name, body, length in bundles),
    ]


def pattern(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def digests() -> list[Vector]:
    """Of files whose byte at place i is i mod 251."""
    sizes = (0, 1, 5, 1 << 20, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 9 << 20)
    return [{"size": size, "digest": file_digest(pattern(size)).hex()} for size in sizes]


GEAR = [int.from_bytes(hashlib.md5(bytes([value]) * 64).digest()[:8], "big") for value in range(256)]
MASKS = {
    1 << 16: (0x0000D90703537000, 0x0000D90F03530000),
    1 << 18: (0x0000D91707537000, 0x0000D90703537000),
    1 << 20: (0x0000D91767537000, 0x0000D91707537000),
}


def next_chunk(content: bytes, at: int, average: int) -> int:
    left, minimum, maximum = len(content) - at, average // 4, average * 4
    strict, loose = MASKS[average]
    if left <= minimum:
        return left
    limit, value = min(left, maximum), 0
    for place in range(minimum, 2 * (limit // 2)):
        value = (2 * value + GEAR[content[at + place]]) & ((1 << 64) - 1)
        if not value & (strict if place < average else loose):
            return place
    return limit


def chunks() -> list[Vector]:
    """Of files that are the first bytes of BLAKE3's extended output of ``gimmal chunks``; whole, for all are small."""
    vectors = []
    cases = [
        *((size, 0, 1 << 16) for size in (0, 1, 16_384, 16_385, 65_537, 100_001, (1 << 20) + 1, 9 << 20)),
        ((1 << 20) + 1, 1, 1 << 16),
        (9 << 20, (4 << 20) + 77, 1 << 16),
        (9 << 20, 0, 1 << 18),
        (9 << 20, 0, 1 << 20),
    ]
    for size, offset, average in cases:
        content = blake3(b"gimmal chunks").digest(length=size)
        at, listed = offset, b""
        while at < size:
            length = next_chunk(content, at, average)
            listed += struct.pack(">I", length) + blake3(content[at : at + length]).digest()[:8]
            at += length
        ends = [min(start + (4 << 20), size) for start in range(0, size, 4 << 20)]
        blocks = [blake3(content[(end - 1) // (4 << 20) * (4 << 20) : end]).digest() for end in ends if end > offset]
        vectors.append(
            {
                "size": size,
                "offset": offset,
                "average": average,
                "chunks": listed.hex(),
                "blocks": b"".join(blocks).hex(),
            }
        )
    return vectors


def write(name: str, vectors: Any) -> None:
    (HERE / name).write_text(json.dumps(vectors, indent=1, ensure_ascii=True) + "\n", "utf-8")


if __name__ == "__main__":
    write("good.json", [*requests(), *answers(), *bodies()])
    write("evolved.json", evolved())
    write("bundles.json", bundles())
    write("packed.json", packed())
    write("bad.json", bad())
    write("digests.json", digests())
    write("chunks.json", chunks())
