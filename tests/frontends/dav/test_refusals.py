"""What a client is told where a request fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from wsgidav.dav_error import DAVError, PRECONDITION_CODE_PropfindFiniteDepth

from gimmal.base.errors import PeerAbsent
from gimmal.frontends.dav.refusals import Refusals


def told(error: Exception, method: str = "GET", *, late: bool = False) -> tuple[str, dict[str, str], bytes]:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def application(_environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        if late:
            start("200 OK", [])
            yield b"begun"
        raise error

    def start(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        started.append((status, headers))

    body = b"".join(Refusals(None, application, {})({"REQUEST_METHOD": method}, start))
    ((status, headers),) = started
    return status, dict(headers), body


def test_the_reason_is_plain_text_that_moves_no_cursor() -> None:
    status, fields, body = told(DAVError(404, "no \x1b[31m\u202e such"))
    assert (status, fields["Content-Type"]) == ("404 Not Found", "text/plain; charset=utf-8")
    assert fields["Content-Length"] == str(len(body))
    assert b"\x1b" not in body
    assert "\u202e" not in body.decode()
    assert told(DAVError(404), "HEAD")[2] == b""
    assert told(DAVError(304))[1] == {"Content-Length": "0"}


def test_our_errors_say_when_to_come_again() -> None:
    status, fields, body = told(PeerAbsent("the other side is away"))
    assert (status, fields["Retry-After"], body) == ("503 Service Unavailable", "10", b"the other side is away\n")


def test_a_condition_of_webdav_is_told_as_xml() -> None:
    status, fields, body = told(DAVError(403, err_condition=PRECONDITION_CODE_PropfindFiniteDepth))
    assert status == "403 Forbidden"
    assert fields["Content-Type"].startswith("application/xml")
    assert b"propfind-finite-depth" in body


def test_a_mistake_of_ours_tells_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    status, _fields, body = told(ZeroDivisionError("secret"))
    assert status == "500 Internal Server Error"
    assert b"secret" not in body
    assert "a request of the network drive failed" in caplog.text


def test_what_has_begun_breaks_off() -> None:
    with pytest.raises(PeerAbsent):
        told(PeerAbsent("away"), late=True)
