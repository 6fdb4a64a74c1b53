"""GET and HEAD: exact ranges of one version of a file, or none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from wsgidav.dav_error import DAVError

from gimmal.base.primitives import random_bytes
from gimmal.frontends.dav.bridge import Bridge
from gimmal.frontends.dav.statuses import RETRY_SECONDS
from gimmal.frontends.stream.conditions import Validators, Verdict
from gimmal.frontends.stream.ranges import ByteRange, Multipart, NotSatisfiable, parse_ranges
from gimmal.protocol.messages import Version
from gimmal.remote.edits.open_file import OpenFile
from gimmal.remote.files import version_of

FIRST_READ, READ = 64 * 1024, 1 << 20
"""Bytes that are read at once: few at first, so that they are there soon."""

READ_SECONDS = 30.0
"""What a client waits for bytes in the middle of a file, a line that is cut included."""


@dataclass(frozen=True)
class Plan:
    """An answer whose body is still to be read.

    Attributes:
        status: of the answer.
        fields: of its header.
        parts: what the body is made of: bytes of our own, and ranges of the file.
    """

    status: HTTPStatus
    fields: dict[str, str]
    parts: tuple[bytes | ByteRange, ...] = ()


def plan(version: Version, content_type: str, fields: Mapping[str, str], *, head: bool) -> Plan:
    """The answer to a request for one version of a file.

    Args:
        version: what there is.
        content_type: of the file.
        fields: of the request, names in lower case.
        head: only the header is wanted.
    """
    validators, size = Validators(version), version.size
    about = {"ETag": validators.etag, "Accept-Ranges": "bytes"}
    if validators.last_modified:
        about["Last-Modified"] = validators.last_modified
    verdict = validators.judge(fields)
    if verdict is not Verdict.ANSWER:
        return Plan(HTTPStatus(verdict.value), about | {"Content-Length": "0"})
    wanted = None if head else fields.get("range")
    ranges = None
    if wanted is not None and validators.range_holds(fields.get("if-range"), time.time()):
        try:
            ranges = parse_ranges(wanted, size)
        except NotSatisfiable:
            unmet = {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
            return Plan(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, about | unmet)
    if ranges is None:
        whole = {"Content-Type": content_type, "Content-Length": str(size)}
        return Plan(HTTPStatus.OK, about | whole, () if head or not size else (ByteRange(0, size),))
    if len(ranges) == 1:
        span = ranges[0]
        one = {
            "Content-Type": content_type,
            "Content-Range": span.content_range(size),
            "Content-Length": str(span.length),
        }
        return Plan(HTTPStatus.PARTIAL_CONTENT, about | one, (span,))
    multipart = Multipart(ranges, size, content_type, random_bytes(16).hex())
    several = {"Content-Type": multipart.content_type, "Content-Length": str(multipart.length)}
    parts = [part for before, span in multipart.parts for part in (before, span)]
    return Plan(HTTPStatus.PARTIAL_CONTENT, about | several, (*parts, multipart.end))


def body(
    bridge: Bridge, handle: OpenFile, version: Version, parts: tuple[bytes | ByteRange, ...], first_seconds: float
) -> Iterator[bytes]:
    """The bytes of an answer, piece by piece; the first piece is to be read before anything is promised.

    Args:
        bridge: to the loop.
        handle: of the file; it goes on with another version where the other side has one, this does not.
        version: that was promised.
        parts: of the plan.
        first_seconds: what the first piece may take.

    Raises:
        DAVError: they cannot be had. Where some are sent already, the connection has to be closed.
    """
    length, seconds = FIRST_READ, first_seconds
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        at = part.start
        while at < part.end:
            piece = bridge.call(handle.read(at, min(length, part.end - at)), seconds)
            if not piece or version_of(handle.attributes) != version:
                again = [("Retry-After", str(RETRY_SECONDS))]
                raise DAVError(HTTPStatus.SERVICE_UNAVAILABLE, "the file changed meanwhile", add_headers=again)
            yield piece
            at += len(piece)
            length, seconds = READ, READ_SECONDS
