"""Answers GET and HEAD for one file of the other side, as an ASGI application."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from gimmal.base.errors import DeadlinePassed, GimmalError, HalfError, RemoteError, UnreachableError
from gimmal.base.primitives import equal, random_bytes
from gimmal.base.tasks import Tasks
from gimmal.frontends.stream.beside import MADE_SECONDS, Beside, Made
from gimmal.frontends.stream.conditions import Validators, Verdict
from gimmal.frontends.stream.content_types import content_type_of
from gimmal.frontends.stream.ranges import ByteRange, Multipart, NotSatisfiable, parse_ranges
from gimmal.remote.cached_file import CachedFile, Reader
from gimmal.remote.file_cache import FileCache

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

STALL_SECONDS = 90.0
"""What a player waits for bytes at most, a line that is cut included."""

FIRST_READ, READ = 64 * 1024, 256 * 1024
"""Bytes that are read at once: few at first, so that they are there soon."""

CHANGES_MAX = 3
"""So often a file may change while one request begins to be answered."""

_ALWAYS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Whatever a file is, a browser runs nothing of it and loads nothing for it but its own bytes. Not in a sandbox:
    # a page in one asks for its own film as a stranger.
    "Content-Security-Policy": "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'",
}

_STATUS = {
    "not_found": HTTPStatus.NOT_FOUND,
    "not_granted": HTTPStatus.FORBIDDEN,
    "denied": HTTPStatus.FORBIDDEN,
    "changed": HTTPStatus.SERVICE_UNAVAILABLE,
    "limit": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""By code of the other side; BAD_GATEWAY where it is none of these."""


@dataclass(frozen=True)
class Plan:
    """An answer whose first bytes are still to be fetched.

    Attributes:
        status: of the answer.
        fields: of its header, in the order they are sent.
        parts: what the body is made of: bytes of our own, and ranges of the file.
    """

    status: HTTPStatus
    fields: dict[str, str]
    parts: tuple[bytes | ByteRange, ...] = ()


class StreamApplication:
    """Serves one file at one secret place.

    Args:
        cache: where its bytes come from.
        path: wire path of the file.
        target: path in the URL, the secret as a folder of it: a request for another one is answered NOT_FOUND.
        hosts: values of Host that are this server, and with ``http://`` before them of Origin.
        beside: answers for other places below the secret.
    """

    def __init__(
        self, cache: FileCache, path: str, target: str, hosts: tuple[str, ...], beside: Beside | None = None
    ) -> None:
        self._cache = cache
        self._path = path
        folder, _slash, self._name = target.rpartition("/")
        self._folder = folder.encode("ascii") + b"/"
        self._hosts = hosts
        self._beside = beside
        self._content_type = content_type_of(path)
        self._tasks = Tasks()

    def close(self) -> None:
        """Break off what is being answered."""
        self._tasks.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; returns without completing the answer where that cannot be gone on with."""
        answer = self._tasks.start(self._answer(scope, send), "answer to a player")
        left = self._tasks.start(_until_left(receive), "whether a player has left")
        try:
            await asyncio.wait((answer, left), return_when=asyncio.FIRST_COMPLETED)
        finally:
            answer.cancel()
            left.cancel()
            await asyncio.wait((answer, left))

    async def _answer(self, scope: Scope, send: Send) -> None:
        fields = _fields_of(scope)
        refusal = None if fields is None else self._refusal(scope, fields)
        if fields is None or refusal is not None:
            await _send_short(send, refusal or HTTPStatus.BAD_REQUEST)
            return
        name = scope["raw_path"][len(self._folder) :].decode("ascii", "replace")
        if name != self._name:
            await self._answer_beside(scope["method"], name, send)
            return
        try:
            begun = await self._begin(scope["method"], fields)
        except GimmalError as exc:
            await _send_short(send, _status_of(exc), exc.message)
            return
        try:
            await _send_head(send, begun.plan)
            # Where it breaks off, the connection is closed before the promised length: the player sees that.
            with suppress(GimmalError):
                await _send_body(send, begun)
        finally:
            begun.close()

    def _refusal(self, scope: Scope, fields: Mapping[str, str]) -> HTTPStatus | None:
        """Why a request is not for us, or not from whom it should be; None where it is."""
        origin = fields.get("origin")
        allowed = {"http://" + host for host in self._hosts}
        if fields.get("host") not in self._hosts or (origin is not None and origin not in allowed):
            return HTTPStatus.FORBIDDEN
        if fields.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return HTTPStatus.FORBIDDEN
        if not equal(scope["raw_path"][: len(self._folder)], self._folder):
            return HTTPStatus.NOT_FOUND
        return None if scope["method"] in ("GET", "HEAD") else HTTPStatus.METHOD_NOT_ALLOWED

    async def _answer_beside(self, method: str, name: str, send: Send) -> None:
        """What is made for one request, and is small enough to lie in memory."""
        try:
            made = await self._make(name)
        except GimmalError as exc:
            await _send_short(send, _status_of(exc), exc.message)
            return
        if made is None:
            await _send_short(send, HTTPStatus.NOT_FOUND)
            return
        fields = _ALWAYS | {"Content-Type": made.content_type, "Content-Length": str(len(made.body))}
        await _send_head(send, Plan(HTTPStatus.OK, fields))
        await send({"type": "http.response.body", "body": made.body if method == "GET" else b"", "more_body": False})

    async def _make(self, name: str) -> Made | None:
        if self._beside is None:
            return None
        try:
            async with asyncio.timeout(MADE_SECONDS) as timeout:
                return await self._beside.answer(name)
        except TimeoutError:
            if not timeout.expired():
                raise
            raise DeadlinePassed("it took too long to make", "try again") from None

    async def _begin(self, method: str, fields: Mapping[str, str]) -> _Begun:
        """The answer, and the first bytes of its body: they bear out that the file still is what the header says.

        So a jump costs one round trip, not one for the version and one for the bytes.
        """
        changes = 0
        while True:
            file = await self._cache.open(self._path)
            begun = _Begun(file, self.plan(file, method, fields))
            try:
                if method == "GET":
                    await begun.read_first()
                await file.confirm()
            except BaseException as exc:
                begun.close()
                changes += 1
                if not isinstance(exc, RemoteError) or exc.code != "changed" or changes > CHANGES_MAX:
                    raise
            else:
                return begun

    def plan(self, file: CachedFile, method: str, fields: Mapping[str, str]) -> Plan:
        """The answer to a request for one version of the file.

        Args:
            file: the version.
            method: GET or HEAD.
            fields: of the request, names in lower case.
        """
        validators, size = Validators(file.version), file.size
        about = _ALWAYS | {"ETag": validators.etag, "Accept-Ranges": "bytes"}
        if validators.last_modified:
            about["Last-Modified"] = validators.last_modified
        verdict = validators.judge(fields)
        if verdict is Verdict.NOT_MODIFIED:
            return Plan(HTTPStatus.NOT_MODIFIED, about)
        if verdict is Verdict.FAILED:
            return Plan(HTTPStatus.PRECONDITION_FAILED, about | {"Content-Length": "0"})
        ranges = None
        wanted = fields.get("range")
        if method == "GET" and wanted is not None and validators.range_holds(fields.get("if-range"), time.time()):
            try:
                ranges = parse_ranges(wanted, size)
            except NotSatisfiable:
                unmet = {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
                return Plan(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, about | unmet)
        return self._plan_body(about, size, ranges)

    def _plan_body(self, about: dict[str, str], size: int, ranges: list[ByteRange] | None) -> Plan:
        if ranges is None:
            whole = {"Content-Type": self._content_type, "Content-Length": str(size)}
            return Plan(HTTPStatus.OK, about | whole, (ByteRange(0, size),) if size else ())
        if len(ranges) == 1:
            one = {
                "Content-Type": self._content_type,
                "Content-Range": ranges[0].content_range(size),
                "Content-Length": str(ranges[0].length),
            }
            return Plan(HTTPStatus.PARTIAL_CONTENT, about | one, tuple(ranges))
        multipart = Multipart(ranges, size, self._content_type, random_bytes(16).hex())
        several = {"Content-Type": multipart.content_type, "Content-Length": str(multipart.length)}
        parts = [part for head, span in multipart.parts for part in (head, span)]
        return Plan(HTTPStatus.PARTIAL_CONTENT, about | several, (*parts, multipart.end))


class _Begun:
    """An answer, and who reads the range of the file that its body begins with."""

    def __init__(self, file: CachedFile, plan: Plan) -> None:
        self.file = file
        self.plan = plan
        self.first: memoryview | None = None
        self._reader: Reader | None = None

    async def read_first(self) -> None:
        """Have the first bytes of the first range."""
        span = next((part for part in self.plan.parts if isinstance(part, ByteRange)), None)
        if span is not None:
            reader = self.read_on(span)
            self.first = await reader.read_some(span.start, min(span.length, FIRST_READ), STALL_SECONDS)

    def read_on(self, span: ByteRange) -> Reader:
        """Who reads a range: the one that began with it, or another in its place."""
        if self._reader is None or self._reader.until != span.end:
            self.close()
            self._reader = self.file.reader(streaming=True, until=span.end)
        return self._reader

    def close(self) -> None:
        """Read no more."""
        if self._reader is not None:
            self._reader.close()


async def _send_body(send: Send, begun: _Begun) -> None:
    for part in begun.plan.parts:
        if isinstance(part, bytes):
            await _send_bytes(send, part)
            continue
        at, reader = part.start, begun.read_on(part)
        piece, begun.first = begun.first, None
        while at < part.end:
            if piece is None:
                piece = await reader.read_some(at, min(READ, part.end - at), STALL_SECONDS)
            await _send_bytes(send, bytes(piece))
            at += len(piece)
            piece = None
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _fields_of(scope: Scope) -> dict[str, str] | None:
    """The fields of a request, names in lower case; None where one that may stand once stands twice."""
    fields: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        if key in fields and key in ("host", "range", "if-range", "origin"):
            return None
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def _status_of(error: GimmalError) -> HTTPStatus:
    if isinstance(error, RemoteError):
        return _STATUS.get(error.code, HTTPStatus.BAD_GATEWAY)
    if isinstance(error, UnreachableError):
        return HTTPStatus.GATEWAY_TIMEOUT
    return HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, HalfError) else HTTPStatus.BAD_GATEWAY


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass  # a body that nobody asked for


async def _send_head(send: Send, plan: Plan) -> None:
    fields = {"Date": formatdate(usegmt=True)} | plan.fields
    headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": int(plan.status), "headers": headers})


async def _send_bytes(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _send_short(send: Send, status: HTTPStatus, text: str = "") -> None:
    """An answer without a file; ``text`` is displayable."""
    body = ((text or status.phrase.lower()) + "\n").encode()
    fields = _ALWAYS | {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        fields["Allow"] = "GET, HEAD"
    await _send_head(send, Plan(status, fields))
    await send({"type": "http.response.body", "body": body, "more_body": False})
