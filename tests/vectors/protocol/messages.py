"""Vectors of messages: good ones, and those of later versions."""

from __future__ import annotations

from typing import Any

from encoding import (
    DIGEST,
    FILE,
    FOLDER,
    LINK,
    LONG,
    OTHER,
    PLACE_IPV4,
    PLACE_IPV6,
    SOURCE,
    TWIN,
    VERSION,
    XATTRS,
    Vector,
    digest_of,
    message,
    pack,
)


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
        request("OpenEdit", 56, "", path="a/b", base=VERSION, kept=4, size=(1 << 63) - 1, replace=2),
        request("OpenEdit", 56, "of a new file", path="a/b", base=None, kept=0, size=0, replace=0),
        request("WriteEdit", 57, "", edit=7, ranges=[[1 << 40, 3], [0, 2]], data=b"bytes", digest=DIGEST),
        request("WriteEdit", 57, "nothing", edit=(1 << 32) - 1, ranges=[], data=b"", digest=DIGEST),
        request("ReadEdit", 58, "", edit=7, offset=(1 << 63) - 1, length=983_040),
        request("TruncateEdit", 59, "", edit=7, size=(1 << 63) - 1),
        request(
            "CommitEdit", 60, "", edit=7, mtime_ns=-1, mode=0o600, durable=False, keep=True, keep_open=True, path=""
        ),
        request(
            "CommitEdit",
            60,
            "under another name",
            edit=7,
            mtime_ns=None,
            mode=None,
            durable=True,
            keep=False,
            keep_open=False,
            path="a/b (2)",
        ),
        request("DiscardEdit", 61, "", edit=7),
        request(
            "QuickEdit",
            62,
            "",
            path="a/b",
            base=VERSION,
            kept=4,
            size=9,
            replace=2,
            ranges=[[4, 5]],
            data=b"bytes",
            digest=DIGEST,
            mtime_ns=1,
            mode=0o640,
            durable=True,
            keep=True,
        ),
        request(
            "QuickEdit",
            62,
            "a new file",
            path="a/b",
            base=None,
            kept=0,
            size=5,
            replace=0,
            ranges=[[0, 5]],
            data=b"bytes",
            digest=DIGEST,
            mtime_ns=None,
            mode=None,
            durable=False,
            keep=False,
        ),
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
        answer("EditOpened", 104, "", edit=(1 << 32) - 1),
        answer("EditRead", 105, "", data=b"bytes", digest=DIGEST),
        answer("EditRead", 105, "behind the end", data=b"", digest=DIGEST),
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
            **message(
                "request",
                "OpenEdit",
                56,
                {"path": "a", "base": None, "kept": 0, "size": 0, "replace": 0},
                "fields with a default left out",
            ),
            "bytes": pack([56, "a"]).hex(),
        },
        {**message("answer", "EditOpened", 104, {"edit": 1}, "a new field"), "bytes": pack([104, 1, "new"]).hex()},
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
