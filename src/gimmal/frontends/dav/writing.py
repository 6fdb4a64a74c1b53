"""PUT: a new version of a file, all of it or none.

Its bytes go to the other side as they come, into a file that has no name there yet; at the end it takes the name in one
step. Where the line is down, they are kept in the journal.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from wsgidav.dav_error import DAVError

from gimmal.base.errors import RemoteError, UnreachableError
from gimmal.frontends.dav.provider import Provider, new_path
from gimmal.frontends.dav.side import Side
from gimmal.frontends.dav.statuses import RETRY_SECONDS
from gimmal.frontends.stream.conditions import Verdict
from gimmal.protocol.limits import EDIT_DATA_MAX
from gimmal.protocol.messages import Attributes, Replace, Version
from gimmal.remote.files import version_of
from gimmal.remote.patch import Patch
from gimmal.remote.patching import open_patch, save_ranges

if TYPE_CHECKING:
    from gimmal.frontends.dav.resources import File

PIECE = 256 * 1024
"""Bytes that are sent at once."""

UNDER_WAY = 8
"""Pieces of one file on their way: what bounds its memory."""

SLOWEST_LINE = 65_536
"""Bytes a second that a line is expected to carry at least."""

AT_ONCE_SECONDS = 4.0
"""What the other side has to answer when it gets a small file; then that goes into the journal."""

PIECE_SECONDS = 30.0
"""What a piece may take on a slow line; and the end of a file, which the disk there makes durable."""

KEPT_MAX = 32 << 20
"""Bytes of a file that is taken while the line is down."""


class Input(Protocol):
    """The body of a request."""

    at_end: bool

    def read(self, size: int) -> bytes:
        """Its next bytes; none at the end."""


@dataclass(frozen=True)
class Upload:
    """What a file is to become, but for its contents.

    Attributes:
        wire: path of the other side.
        base: the version that the request means; None where it means whatever is there.
        new: nothing may be there.
        missing: nothing was there, as far as is known.
        mtime_ns: the time it gets, nanoseconds since 1970.
    """

    wire: str
    base: Version | None
    new: bool
    missing: bool
    mtime_ns: int

    @property
    def replace(self) -> Replace:
        """What its contents may replace."""
        if self.new:
            return Replace.NEVER
        return Replace.EXPECTED if self.base is not None else Replace.ALWAYS


def check_conditions(resource: File | None, fields: Mapping[str, str]) -> None:
    """Whether a file may be written over as If-Match and the like say.

    Args:
        resource: what is there, None where nothing is.
        fields: of the request, names in lower case.

    Raises:
        DAVError: it may not.
    """
    fields = {name: text for name, text in fields.items() if name != "if-modified-since"}
    failed = "if-match" in fields if resource is None else resource.validators.judge(fields) is not Verdict.ANSWER
    if failed:
        raise DAVError(HTTPStatus.PRECONDITION_FAILED, "it is another version than the request is for")


def upload_of(path: str, resource: File | None, fields: Mapping[str, str], mtime_ns: int | None) -> Upload:
    """What a request that passed its conditions is to do; what they said holds until it is done.

    Args:
        path: of the drive.
        resource: what is there.
        fields: of the request, names in lower case.
        mtime_ns: the time that came along; None for now.

    Raises:
        DAVError: no file can be called so.
    """
    bound = resource is not None and ("if-match" in fields or "if-unmodified-since" in fields)
    base = version_of(resource.attributes) if bound and resource is not None else None
    new = fields.get("if-none-match", "").strip() == "*"
    return Upload(new_path(path), base, new, resource is None, time.time_ns() if mtime_ns is None else mtime_ns)


def time_field(environ: Mapping[str, Any]) -> int | None:
    """The time of change that rclone and the clients of Nextcloud send along, in nanoseconds; None where they do not.

    Raises:
        DAVError: it is none.
    """
    text = environ.get("HTTP_X_OC_MTIME", "")
    if not text:
        return None
    seconds = text.partition(".")[0]
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 11:
        raise DAVError(HTTPStatus.BAD_REQUEST, "X-OC-Mtime is no time")
    return int(seconds) * 1_000_000_000


def receive(provider: Provider, upload: Upload, body: Input) -> Attributes:
    """Give a file the contents that come.

    Returns:
        what the file is then: durable at home, or, with the line down, in the journal.

    Raises:
        DAVError: it was not written; what was there still is.
        BadBody: the client has left; the same holds.
    """
    bridge, side = provider.bridge, provider.side
    with _alone(provider, upload.wire), _as_conditions_said(upload):
        first = _filled(body, EDIT_DATA_MAX)
        if not bridge.call(side.sends_now()):
            return _keep(provider, upload, first, body)
        if body.at_end:
            return _receive_small(provider, upload, first, body)
        patch = bridge.call(_begin(side, upload))
        try:
            _send(provider, patch, first, body)
            return bridge.call(_commit(side, upload, patch), PIECE_SECONDS)
        finally:
            with contextlib.suppress(DAVError):
                bridge.call(patch.discard())


def _receive_small(provider: Provider, upload: Upload, content: bytes, body: Input) -> Attributes:
    """What is here as a whole goes home in one round trip, or, where that is not answered, into the journal.

    It may have been done all the same: by its time the journal knows it again.
    """
    try:
        seconds = AT_ONCE_SECONDS + len(content) / SLOWEST_LINE
        return provider.bridge.call(_save(provider.side, upload, content), seconds)
    except DAVError as exc:
        if not isinstance(exc.__cause__, UnreachableError):
            raise
    return _keep(provider, upload, content, body)


def _filled(body: Input, most: int) -> bytes:
    """As many bytes as there are, ``most`` at most."""
    pieces, left = [], most
    while left and (piece := body.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _send(provider: Provider, patch: Patch, first: bytes, body: Input) -> None:
    """Send a body piece by piece, several on their way."""
    bridge = provider.bridge
    sending: deque[Future[None]] = deque()
    at, piece = 0, first
    while piece:
        sending.append(bridge.begin(patch.write(at, piece), PIECE_SECONDS))
        at += len(piece)
        while len(sending) >= UNDER_WAY:
            bridge.wait(sending.popleft(), PIECE_SECONDS)
        piece = body.read(PIECE)
    while sending:
        bridge.wait(sending.popleft(), PIECE_SECONDS)


def _keep(provider: Provider, upload: Upload, first: bytes, body: Input) -> Attributes:
    """Take a file into the journal: only once it is here as a whole, for then nothing can break off any more."""
    with _in_turn(provider):
        content = first + _filled(body, KEPT_MAX - len(first))
        if not body.at_end and body.read(1):
            raise _again("the other side cannot be reached")
        return provider.bridge.call(_write_down(provider.side, upload, content), PIECE_SECONDS)


async def _save(side: Side, upload: Upload, content: bytes) -> Attributes:
    async with side.tree.view.changing(upload.wire) as change:
        attributes = await save_ranges(
            await side.files(),
            upload.wire,
            base=upload.base,
            kept=0,
            size=len(content),
            replace=upload.replace,
            ranges=[(0, content)],
            mtime_ns=upload.mtime_ns,
            mode=None,
            durable=True,
        )
        change.done(attributes)
    return attributes


async def _begin(side: Side, upload: Upload) -> Patch:
    files = await side.files()
    return await open_patch(files, upload.wire, base=upload.base, size=0, replace=upload.replace, kept=0)


async def _commit(side: Side, upload: Upload, patch: Patch) -> Attributes:
    async with side.tree.view.changing(upload.wire) as change:
        attributes = await patch.commit(mtime_ns=upload.mtime_ns, mode=None, durable=True)
        change.done(attributes)
    return attributes


async def _write_down(side: Side, upload: Upload, content: bytes) -> Attributes:
    tree, wire = side.tree, upload.wire
    handle = await tree.open(wire, read=False, write=True, create=True, exclusive=upload.missing)
    try:
        # Not cut to nothing first: where the bytes are not taken, the file stays as it is.
        await handle.write(0, content)
        await handle.truncate(len(content))
        await tree.set_attributes(wire, mtime_ns=upload.mtime_ns)
    except BaseException:
        await handle.close()
        if upload.missing:
            await tree.remove(wire)
        raise
    await handle.close()
    return (await tree.find(wire)).attributes


@contextlib.contextmanager
def _in_turn(provider: Provider) -> Iterator[None]:
    """One client at a time has its file in memory as a whole."""
    if not provider.keeping.acquire(timeout=PIECE_SECONDS):
        raise _again("the other side cannot be reached")
    try:
        yield
    finally:
        provider.keeping.release()


def _again(reason: str) -> DAVError:
    return DAVError(HTTPStatus.SERVICE_UNAVAILABLE, reason, add_headers=[("Retry-After", str(RETRY_SECONDS))])


@contextlib.contextmanager
def _as_conditions_said(upload: Upload) -> Iterator[None]:
    """A file that the other side changed meanwhile fails the request as it would have at its beginning."""
    try:
        yield
    except DAVError as exc:
        cause = exc.__cause__
        if upload.base is not None and isinstance(cause, RemoteError) and cause.code in ("changed", "not_found"):
            raise DAVError(HTTPStatus.PRECONDITION_FAILED, "it is another version than the request is for") from exc
        raise


@contextlib.contextmanager
def _alone(provider: Provider, wire: str) -> Iterator[None]:
    """One client at a time writes a file: the other is told to come again, for it might have meant another version."""
    with provider.guard:
        if wire in provider.written:
            raise _again("the file is just being written")
        provider.written.add(wire)
    try:
        yield
    finally:
        with provider.guard:
            provider.written.discard(wire)
