"""What the methods of WebDAV do: wsgidav's own, but for those that move contents."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from itertools import chain
from typing import Any

from wsgidav.dav_error import DAVError, PRECONDITION_CODE_PropfindFiniteDepth
from wsgidav.mw.base_mw import BaseMiddleware
from wsgidav.request_server import RequestServer
from wsgidav.util import get_uri_parent, parse_xml_body

from gimmal.frontends.dav.guard import HOSTS
from gimmal.frontends.dav.multistatus import BadQuestion, multistatus, question
from gimmal.frontends.dav.provider import Provider
from gimmal.frontends.dav.reading import Plan, body, plan
from gimmal.frontends.dav.resources import Environ, File, Folder
from gimmal.frontends.dav.targets import BadTarget, path_of_destination, quoted, wire_path
from gimmal.frontends.dav.writing import check_conditions, receive, time_field, upload_of
from gimmal.frontends.stream.conditions import Validators
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

    def do_PROPFIND(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Properties of a file or folder, or of what a folder holds; never of all below it."""
        depth = environ.get("HTTP_DEPTH", "infinity")
        if depth not in ("0", "1"):
            self._fail(HTTPStatus.FORBIDDEN, err_condition=PRECONDITION_CODE_PropfindFiniteDepth)
        try:
            wanted, names = question(parse_xml_body(environ, allow_empty=True))
        except BadQuestion:
            self._fail(HTTPStatus.BAD_REQUEST)
        resource = self._resource(environ)
        if "HTTP_IF" in environ:
            self._evaluate_if_headers(resource, environ)
        below = self._provider.members(resource.path, environ) if depth == "1" and isinstance(resource, Folder) else ()
        answer = multistatus(chain((resource,), below), wanted, names)
        length = sum(len(piece) for piece in answer)
        fields = [("Content-Type", "application/xml; charset=utf-8"), ("Content-Length", str(length))]
        start_response("207 Multi-Status", fields)
        return answer

    def _resource(self, environ: Environ) -> File | Folder:
        """What a request names; raises DAVError where it is not there."""
        resource = self._provider.get_resource_inst(environ["PATH_INFO"], environ)
        if resource is None:
            raise DAVError(HTTPStatus.NOT_FOUND)
        return resource

    def do_GET(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The contents of a file; of a folder a word to people."""
        return self._send(environ, start_response, head=False)

    def do_HEAD(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The same without the contents."""
        return self._send(environ, start_response, head=True)

    def _send(self, environ: Environ, start_response: StartResponse, *, head: bool) -> Iterator[bytes]:
        path = environ["PATH_INFO"]
        resource = self._resource(environ)
        if not isinstance(resource, File):
            fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(_HERE)))]
            start_response("200 OK", fields)
            yield b"" if head else _HERE
            return
        if "HTTP_IF" in environ:
            self._evaluate_if_headers(resource, environ)
        bridge, seconds = self._provider.bridge, self._provider.side.asked_seconds
        handle = bridge.call(self._provider.tree.open(wire_path(path)), seconds)
        try:
            version = version_of(handle.attributes)
            answer = plan(version, content_type_of(path), fields_of(environ), head=head)
            pieces = body(bridge, handle, version, answer.parts, seconds)
            # The first piece before the header: where the bytes cannot be had, that is the answer.
            first = next(pieces, b"")
            _start(start_response, answer)
            yield from chain((first,), pieces)
        finally:
            with contextlib.suppress(DAVError):
                bridge.call(handle.close())

    def do_PUT(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The whole new contents of a file: it has them when this is answered, or none of them."""
        path = environ["PATH_INFO"]
        if "HTTP_CONTENT_RANGE" in environ or "HTTP_CONTENT_ENCODING" in environ:
            self._fail(HTTPStatus.BAD_REQUEST, context_info="only a whole file, as it is, can be put")
        mtime_ns = time_field(environ)
        resource = self._provider.get_resource_inst(path, environ)
        folder = self._provider.get_resource_inst(get_uri_parent(path) or "/", environ)
        if isinstance(resource, Folder) or path.endswith("/"):
            self._fail(HTTPStatus.METHOD_NOT_ALLOWED)
        if not isinstance(folder, Folder):
            self._fail(HTTPStatus.CONFLICT, context_info="there is no such folder")
        fields = fields_of(environ)
        check_conditions(resource, fields)
        if "HTTP_IF" in environ:
            self._evaluate_if_headers(resource, environ)
        self._check_write_permission(resource or folder, "0", environ)
        with self._write_transaction(resource, environ):
            upload = upload_of(path, resource, fields, mtime_ns)
            attributes = receive(self._provider, upload, environ["wsgi.input"])
        answer = [("ETag", Validators(version_of(attributes)).etag), ("Content-Length", "0")]
        if mtime_ns is not None:
            answer.append(("X-OC-MTime", "accepted"))
        start_response("201 Created" if resource is None else "204 No Content", answer)
        return [b""]

    def do_LOCK(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """A lock; of what is not there an empty file is made first, where nobody else has locked the folder."""
        path = environ["PATH_INFO"]
        if self._provider.get_resource_inst(path, environ) is None:
            folder = self._provider.get_resource_inst(get_uri_parent(path) or "/", environ)
            self._check_write_permission(folder, "0", environ)
        answer: Iterable[bytes] = super().do_LOCK(environ, start_response)
        return answer

    def do_COPY(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """A copy on the other side: its bytes do not come here."""
        return self._copy_or_move(environ, start_response, is_move=False)

    def do_MOVE(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Another name, or another place."""
        return self._copy_or_move(environ, start_response, is_move=True)

    def _copy_or_move(self, environ: Environ, start_response: StartResponse, is_move: bool) -> Iterable[bytes]:
        source = self._resource(environ)
        path = self._destination(environ, source)
        below = environ.get("HTTP_DEPTH", "infinity")
        overwrite = environ.get("HTTP_OVERWRITE", "T")
        if overwrite not in ("T", "F") or below not in (("infinity",) if is_move else ("0", "infinity")):
            self._fail(HTTPStatus.BAD_REQUEST)
        target = self._provider.get_resource_inst(path, environ)
        folder = self._provider.get_resource_inst(get_uri_parent(path) or "/", environ)
        if not isinstance(folder, Folder):
            self._fail(HTTPStatus.CONFLICT, context_info="there is no such folder")
        self._evaluate_if_headers(source, environ)
        self._check_locks(environ, source if is_move else None, target, folder)
        if target is not None and overwrite != "T":
            self._fail(HTTPStatus.PRECONDITION_FAILED, context_info="it is already there")
        before = source.get_ref_url()
        if is_move:
            self._provider.move(source, path, target)
            source.remove_all_locks(recursive=True)
            self._provider.prop_manager.move_properties(before, quoted(path))
        else:
            self._provider.copy(source, path, target, below=below == "infinity")
            self._provider.prop_manager.copy_properties(before, quoted(path))
        start_response("204 No Content" if target is not None else "201 Created", [("Content-Length", "0")])
        return [b""]

    def _destination(self, environ: Environ, source: File | Folder) -> str:
        """Where a copy or move goes; raises DAVError where that cannot be."""
        try:
            path = path_of_destination(environ["HTTP_DESTINATION"], environ[HOSTS])
        except KeyError:
            raise DAVError(HTTPStatus.BAD_REQUEST, "it is not said where to") from None
        except BadTarget:
            raise DAVError(HTTPStatus.BAD_GATEWAY, "that is no place of this drive") from None
        here, there = source.path.rstrip("/") + "/", path.rstrip("/") + "/"
        if here.startswith(there) or there.startswith(here):
            raise DAVError(HTTPStatus.FORBIDDEN, "one of the two lies in the other")
        return path

    def _check_locks(
        self,
        environ: Environ,
        source: File | Folder | None,
        target: File | Folder | None,
        folder: File | Folder | None,
    ) -> None:
        """Raises DAVError where a lock that the request does not name forbids what it changes."""
        if source is not None:
            source.check_unlocked()
            above = self._provider.get_resource_inst(get_uri_parent(source.path) or "/", environ)
            self._check_write_permission(above, "0", environ)
        if target is None:
            self._check_write_permission(folder, "0", environ)
        else:
            target.check_unlocked()


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
