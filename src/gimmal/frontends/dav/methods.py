"""What the methods of WebDAV do: wsgidav's own, but for those that move contents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from wsgidav.mw.base_mw import BaseMiddleware
from wsgidav.request_server import RequestServer

from gimmal.frontends.dav.provider import Provider
from gimmal.frontends.dav.reading import Plan, body, plan
from gimmal.frontends.dav.resources import Environ, File
from gimmal.frontends.dav.targets import wire_path
from gimmal.frontends.stream.content_types import content_type_of
from gimmal.remote.files import version_of

StartResponse = Callable[..., Any]

_HERE = b"This is a network drive: connect to it as one (WebDAV).\n"


class Methods(RequestServer):
    """Answers one request.

    Args:
        dav_provider: what resources come from.
    """

    def __init__(self, dav_provider: Provider) -> None:
        super().__init__(dav_provider)
        self._provider = dav_provider
        self._verbose = 0
        self.allow_propfind_infinite = False

    def do_GET(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The contents of a file; of a folder a word to people."""
        return self._send(environ, start_response, head=False)

    def do_HEAD(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The same without the contents."""
        return self._send(environ, start_response, head=True)

    def _send(self, environ: Environ, start_response: StartResponse, *, head: bool) -> Iterator[bytes]:
        path = environ["PATH_INFO"]
        resource = self._provider.get_resource_inst(path, environ)
        if resource is None:
            self._fail(404)
        if not isinstance(resource, File):
            fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(_HERE)))]
            start_response("200 OK", fields)
            yield b"" if head else _HERE
            return
        if "HTTP_IF" in environ:
            self._evaluate_if_headers(resource, environ)
        bridge = self._provider.bridge
        handle = bridge.call(self._provider.tree.open(wire_path(path)))
        try:
            answer = plan(version_of(handle.attributes), content_type_of(path), fields_of(environ), head=head)
            pieces = body(bridge, handle, answer.parts)
            # The first piece before the header: where the bytes cannot be had, that is the answer.
            first = next(pieces, b"")
            _start(start_response, answer)
            yield from chain((first,), pieces)
        finally:
            bridge.call(handle.close())


class Resolver(BaseMiddleware):
    """The last of wsgidav's applications: has a request answered by Methods."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        """One request."""
        yield from Methods(environ["wsgidav.provider"])(environ, start_response)


def fields_of(environ: Environ) -> dict[str, str]:
    """The fields of a request that conditions and ranges are, names in lower case."""
    names = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range")
    keys = {name: "HTTP_" + name.upper().replace("-", "_") for name in names}
    return {name: environ[key] for name, key in keys.items() if key in environ}


def _start(start_response: StartResponse, answer: Plan) -> None:
    start_response(f"{answer.status.value} {answer.status.phrase}", list(answer.fields.items()))
