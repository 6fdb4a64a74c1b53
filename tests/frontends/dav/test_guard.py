"""What stands before every request."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.frontends.dav.guard import ALWAYS, BODY_MAX, HOSTS, STALE, Guard

HERE = ("127.0.0.1:80", "localhost:80")


def answer(**fields: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, header and what the application was given; status 0 where that answers."""
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/a", "HTTP_HOST": HERE[0], **fields}
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def application(_environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        start("000 let through", [("Cache-Control", "mine")])
        yield b""

    def start(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        started.append((status, headers))

    list(Guard(application, HERE)(environ, start))
    ((status, headers),) = started
    return int(status[:3]), dict(headers), environ


def test_every_answer_has_the_fields_that_it_always_has() -> None:
    for status, headers, _environ in (answer(), answer(HTTP_HOST="elsewhere")):
        assert status in (0, 403)
        assert {name for name, _value in ALWAYS} <= set(headers)
    assert answer()[1]["Cache-Control"] == "mine"
    assert answer(HTTP_HOST="elsewhere")[1]["Connection"] == "close"
    assert "Warning" not in answer()[1]
    assert answer(**{STALE: "1"})[1]["Warning"].startswith("110 ")


def test_the_target_is_read_here() -> None:
    _status, _headers, environ = answer(REQUEST_URI="/a%252Fb?c")
    assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ[HOSTS]) == ("/a%2Fb", "c", HERE)
    assert answer(REQUEST_URI="http://LOCALHOST:80/x%20y")[2]["PATH_INFO"] == "/x y"
    assert answer(REQUEST_URI="http://elsewhere/x")[0] == 400
    assert answer(REQUEST_URI="/%2e%2e")[0] == 400
    assert answer(REQUEST_URI="*", REQUEST_METHOD="OPTIONS")[0] == 0


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"HTTP_HOST": "LocalHost:80"}, 0),
        ({"HTTP_HOST": ""}, 403),
        ({"HTTP_ORIGIN": "http://localhost:80"}, 0),
        ({"HTTP_ORIGIN": "https://localhost:80"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, 403),
        ({"CONTENT_LENGTH": str(BODY_MAX)}, 0),
        ({"CONTENT_LENGTH": str(BODY_MAX + 1)}, 413),
        ({"CONTENT_LENGTH": "9" * 18, "REQUEST_METHOD": "PUT"}, 0),
        ({"CONTENT_LENGTH": "9" * 19, "REQUEST_METHOD": "PUT"}, 400),
        ({"CONTENT_LENGTH": "٣", "REQUEST_METHOD": "PUT"}, 400),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "REQUEST_METHOD": "PUT"}, 0),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "1", "REQUEST_METHOD": "PUT"}, 400),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
    ],
)
def test_what_is_let_through(fields: dict[str, str], status: int) -> None:
    assert answer(**fields)[0] == status


@given(st.text(max_size=40))
def test_a_login_that_cannot_be_read_is_none(text: str) -> None:
    login = base64.b64encode(b"a:b").decode()
    assert "HTTP_AUTHORIZATION" in answer(HTTP_AUTHORIZATION=f"Basic {login}")[2]
    environ = answer(HTTP_AUTHORIZATION=f"Basic {text}")[2]
    if "HTTP_AUTHORIZATION" in environ:
        assert ":" in base64.b64decode(text.strip()).decode()
