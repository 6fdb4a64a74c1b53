"""Vectors that a reader refuses, each with what is wrong with it."""

from __future__ import annotations

import struct
from typing import Any

from encoding import DIGEST, FILE, PLACE_IPV4, PLACE_IPV6, SOURCE, Vector, pack


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
        ("a small picture that is too small", pack([40, "a", 15])),
        ("a small picture that is not small", pack([40, "a", 513])),
        ("nested without end", b"\x93\x01\xa1a" + b"\x91" * 5000),
    ]
    answers = [
        ("no bytes", b""),
        ("a tag of the future", pack([120])),
        ("more entries of a trash than a page holds", pack([75, [["n", "p", [0, 0, 0, 0, 0], 0, ""]] * 1025, False])),
        ("a request's tag", pack([1, "a"])),
        ("a small picture without a byte", pack([92, version, b""])),
        ("a small picture of too many bytes", pack([92, version, bytes((128 << 10) + 1)])),
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
