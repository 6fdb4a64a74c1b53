"""PUT: a new version of a file, all of it or none."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from wsgidav.dav_error import DAVError

from gimmal.frontends.dav.statuses import RETRY_SECONDS, answer_of
from gimmal.frontends.dav.targets import BadName, wire_path
from gimmal.frontends.stream.conditions import Verdict
from gimmal.protocol.messages import Attributes

if TYPE_CHECKING:
    from gimmal.frontends.dav.provider import Provider
    from gimmal.frontends.dav.resources import File

PIECE = 1 << 20
"""Bytes that are taken at once."""

WRITE_SECONDS = 60.0
"""What a piece may wait for room: the line carries it in that time, or the client is told to try again."""

_under_way: set[tuple[int, str]] = set()
_guard = threading.Lock()


class Input(Protocol):
    """The body of a request."""

    def read(self, size: int) -> bytes:
        """Its next bytes; none at the end."""


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


def receive(provider: Provider, path: str, body: Input, *, new: bool, mtime_ns: int | None) -> Attributes:
    """Give a file the contents that come.

    Args:
        provider: of the tree.
        path: of the drive.
        body: the contents.
        new: nothing is there yet.
        mtime_ns: the time it gets; None for now.

    Returns:
        what the file is then.

    Raises:
        DAVError: it was not written; what was there still is.
        BadBody: the client has left; the same holds.
    """
    try:
        wire = wire_path(path)
    except BadName as exc:
        raise answer_of(exc) from exc
    bridge, tree = provider.bridge, provider.tree
    with _alone(id(provider), wire):
        handle = bridge.call(tree.open(wire, read=False, write=True, create=True, exclusive=new, truncate=True))
        at = 0
        try:
            while piece := body.read(PIECE):
                bridge.call(handle.write(at, piece), WRITE_SECONDS)
                at += len(piece)
        except BaseException:
            with contextlib.suppress(DAVError):
                bridge.call(handle.discard())
            raise
        bridge.call(handle.close(), WRITE_SECONDS)
        if mtime_ns is not None:
            provider.set_time(path, mtime_ns)
        return bridge.call(tree.find(wire)).attributes


@contextlib.contextmanager
def _alone(tree: int, wire: str) -> Iterator[None]:
    """Two clients that write one file at the same time would mix what they send."""
    with _guard:
        if (tree, wire) in _under_way:
            again = [("Retry-After", str(RETRY_SECONDS))]
            raise DAVError(HTTPStatus.SERVICE_UNAVAILABLE, "the file is just being written", add_headers=again)
        _under_way.add((tree, wire))
    try:
        yield
    finally:
        with _guard:
            _under_way.discard((tree, wire))
