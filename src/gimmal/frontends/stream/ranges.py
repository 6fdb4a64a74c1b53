"""The Range field of a request, and a multipart answer to it (RFC 9110, section 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

RANGES_MAX = 16
"""Ranges of one request that are answered; with more, or where two overlap, the whole file is the answer."""

DIGITS_MAX = 18
"""Digits of a place in a file; every file is shorter than the first number of more."""

_SPEC = re.compile(r"(?:(\d{1,%d})-(\d{1,%d})?|-(\d{1,%d}))\Z" % ((DIGITS_MAX,) * 3), re.ASCII)  # noqa: UP031


class NotSatisfiable(Exception):
    """None of the ranges asked for lies in the file: 416."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes of a file from ``start`` up to, not including, ``end``; never empty."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.end - self.start

    def content_range(self, size: int) -> str:
        """The value of Content-Range for a file of ``size`` bytes."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def parse_ranges(text: str, size: int) -> list[ByteRange] | None:
    """What a Range field asks for of a file of ``size`` bytes.

    Returns:
        the ranges in the order asked; None where the field has to be, or may be, ignored: another unit, a mistake,
        more than RANGES_MAX, or ranges that overlap.

    Raises:
        NotSatisfiable: the field is right, and none of its ranges begins in the file.
    """
    unit, equals, rest = text.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes":
        return None
    specs = [spec.strip(" \t") for spec in rest.split(",")]
    specs = [spec for spec in specs if spec]
    if not specs or len(specs) > RANGES_MAX:
        return None
    found: list[ByteRange] = []
    for spec in specs:
        match = _SPEC.match(spec)
        if match is None:
            return None
        first, last, suffix = (int(group) if group is not None else None for group in match.groups())
        if suffix is not None:
            start, end = max(0, size - suffix), size
        else:
            assert first is not None
            if last is not None and last < first:
                return None
            start, end = first, size if last is None else min(last + 1, size)
        if start < end:
            found.append(ByteRange(start, end))
    if not found:
        raise NotSatisfiable
    in_order = sorted(found, key=lambda one: one.start)
    if any(one.end > other.start for one, other in pairwise(in_order)):
        return None
    return found


class Multipart:
    """A body of several ranges.

    Args:
        ranges: at least two.
        size: bytes of the file.
        content_type: of the file.
        boundary: ASCII letters and digits that are hardly in the file: random.
    """

    def __init__(self, ranges: list[ByteRange], size: int, content_type: str, boundary: str) -> None:
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        self.parts = [
            (
                f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n"
                f"Content-Range: {one.content_range(size)}\r\n\r\n".encode("ascii"),
                one,
            )
            for one in ranges
        ]
        """Of each range what stands before its bytes, and the range."""
        self.end = f"\r\n--{boundary}--\r\n".encode("ascii")

    @property
    def length(self) -> int:
        """Bytes of the whole body."""
        return sum(len(head) + one.length for head, one in self.parts) + len(self.end)
