"""What a client is told where a request fails: the status, and a sentence that says why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from wsgidav.dav_error import DAVError
from wsgidav.mw.base_mw import BaseMiddleware

from gimmal.base.display import displayable
from gimmal.base.errors import GimmalError
from gimmal.frontends.dav.statuses import answer_of

logger = logging.getLogger("gimmal")

_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Refusals(BaseMiddleware):
    """Turns what is raised into an answer; wsgidav's own would show its version, and HTML."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        """One request."""
        started = False

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal started
            started = True
            return start_response(status, headers, exc_info)

        try:
            yield from self.next_app(environ, start)
        except Exception as exc:
            if started:
                raise  # a part of the answer is on its way: the connection is closed
            error = _as_dav_error(exc)
            yield from _answer(error, environ, start_response)


def _as_dav_error(exc: Exception) -> DAVError:
    if isinstance(exc, DAVError):
        return exc
    if isinstance(exc, GimmalError):
        return answer_of(exc)
    logger.error("a request of the network drive failed", exc_info=exc)
    return DAVError(HTTPStatus.INTERNAL_SERVER_ERROR, "gimmal failed by a mistake of its own")


def _answer(error: DAVError, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    status = HTTPStatus(error.value)
    if status in _BODILESS:
        content_type, text = "", b""
    elif error.err_condition:
        content_type, page = error.get_response_page()
        text = bytes(page)
    else:
        content_type = "text/plain; charset=utf-8"
        text = (displayable(error.context_info or status.phrase.lower()) + "\n").encode()
    fields = [("Content-Length", str(len(text))), *(error.add_headers or ())]
    if content_type:
        fields.append(("Content-Type", content_type))
    start_response(f"{status.value} {status.phrase}", fields)
    yield b"" if environ["REQUEST_METHOD"] == "HEAD" else text
