"""What is looked at before any request is understood: who asks, for what place, and how much it sends."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from gimmal.frontends.dav.targets import BadTarget, path_of_target

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

STALE = "gimmal.stale"
"""Key of a request's environment: what is answered was known before the line was lost."""

HOSTS = "gimmal.hosts"
"""Key of a request's environment: values of Host that are this server."""

BODY_MAX = 256 * 1024
"""Bytes of a request that is no file: XML of a question, or what a file is locked with."""

ALWAYS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    # Whatever a file is, a browser runs nothing of it.
    ("Content-Security-Policy", "default-src 'none'; media-src 'self'; img-src 'self'; sandbox"),
)
"""Fields of every answer."""


class Refused(Exception):
    """A request that is not gone into.

    Args:
        status: of the answer.
    """

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Guard:
    """Stands before an application of WSGI.

    Args:
        application: what answers the requests that are let through.
        hosts: values of Host that are this server, and with ``http://`` before them of Origin.
    """

    def __init__(self, application: Application, hosts: tuple[str, ...]) -> None:
        self._application = application
        self._hosts = hosts
        self._origins = {"http://" + host for host in hosts}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        """One request."""

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            named = {name.lower() for name, _value in headers}
            more = [(name, value) for name, value in ALWAYS if name.lower() not in named]
            if environ.get(STALE):
                more.append(("Warning", '110 gimmal "the other side cannot be reached: this is how it was"'))
            return start_response(status, headers + more, exc_info)

        try:
            self._check(environ)
        except Refused as refused:
            body = (refused.status.phrase.lower() + "\n").encode()
            # What it sends is not read: nothing else can come on this connection.
            length = ("Content-Length", str(len(body)))
            start(
                f"{refused.status.value} {refused.status.phrase}",
                [("Content-Type", "text/plain; charset=utf-8"), length, ("Connection", "close")],
            )
            yield body
            return
        yield from self._application(environ, start)

    def _check(self, environ: Environ) -> None:
        origin = environ.get("HTTP_ORIGIN")
        if environ.get("HTTP_HOST", "").lower() not in self._hosts or (
            origin is not None and origin not in self._origins
        ):
            raise Refused(HTTPStatus.FORBIDDEN)
        if environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin"):
            raise Refused(HTTPStatus.FORBIDDEN)
        self._check_body(environ)
        if not _is_login(environ.get("HTTP_AUTHORIZATION", "")):
            del environ["HTTP_AUTHORIZATION"]
        target = environ["REQUEST_URI"]
        for origin in self._origins:
            if target.lower().startswith(origin + "/"):
                target = target[len(origin) :]
        if target == "*":
            return
        try:
            path = path_of_target(target)
        except BadTarget:
            raise Refused(HTTPStatus.BAD_REQUEST) from None
        environ["PATH_INFO"], environ["QUERY_STRING"] = path, target.partition("?")[2]
        # The server sees to the rest of the body; wsgidav would close every connection that a refused one came on.
        environ["wsgidav.all_input_read"] = 1
        environ[HOSTS] = self._hosts

    def _check_body(self, environ: Environ) -> None:
        """Lengths that cannot be, and bodies that are too long for what they are."""
        length, chunked = environ.get("CONTENT_LENGTH", ""), environ.get("HTTP_TRANSFER_ENCODING")
        if length and (not length.isascii() or not length.isdigit() or len(length) > 18 or chunked):
            raise Refused(HTTPStatus.BAD_REQUEST)
        if environ["REQUEST_METHOD"] == "PUT":
            return
        if chunked:
            raise Refused(HTTPStatus.LENGTH_REQUIRED)
        if int(length or 0) > BODY_MAX:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _is_login(field: str) -> bool:
    """Whether Authorization is one that can be read; wsgidav fails on another."""
    scheme, _space, rest = field.partition(" ")
    if scheme.lower() != "basic":
        return True
    try:
        return b":" in base64.b64decode(rest.strip(), validate=True) and bool(base64.b64decode(rest).decode("utf-8"))
    except (binascii.Error, ValueError):
        return False
