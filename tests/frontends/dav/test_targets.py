"""What a request names: one reading, whatever percent signs, and nothing outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import BadName
from gimmal.base.paths import parse_shared_path
from gimmal.frontends.dav.targets import BadTarget, path_of_destination, path_of_target, quoted, wire_path

HOSTS = ("127.0.0.1:80", "localhost:80")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/a/b", "/a/b"),
        ("/a//b/", "/a/b/"),
        ("/a//b", "/a/b"),
        ("/a%20b", "/a b"),
        ("/a%252Fb", "/a%2Fb"),
        ("/a%25", "/a%"),
        ("/a%", "/a%"),
        ("/a%3Fb%23c;d", "/a?b#c;d"),
        ("/a?b", "/a"),
        ("/%C3%BC", "/ü"),
        ("/" + "ü".encode().decode("latin-1"), "/ü"),
        ("/...", "/..."),
    ],
)
def test_targets(target: str, path: str) -> None:
    assert path_of_target(target) == path


@pytest.mark.parametrize(
    "target",
    [
        "",
        "a",
        "*",
        "/a%2Fb",
        "/a%2fb",
        "/..",
        "/a/../b",
        "/%2e%2e/x",
        "/.",
        "/a/./b",
        "/%ff",
        "/ü",
        "/日",
        "/" + "a" * 20_000,
    ],
)
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(BadTarget):
        path_of_target(target)


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("/a/b", "/a/b"),
        ("http://127.0.0.1:80/a%3Fb", "/a?b"),
        ("http://localhost:80/a%3Bb;c", "/a;b;c"),
        ("HTTP://LOCALHOST:80/a", "/a"),
        ("http://user@127.0.0.1:80/a", "/a"),
        ("http://127.0.0.1:80/a%2520b", "/a%20b"),
    ],
)
def test_destinations(field: str, path: str) -> None:
    assert path_of_destination(field, HOSTS) == path


@pytest.mark.parametrize(
    "field",
    [
        "",
        "a",
        "http://example.org/a",
        "http://127.0.0.1/a",
        "https://127.0.0.1:80/a",
        "http://127.0.0.1:80",
        "http://127.0.0.1:80/../a",
        "http://[::1/a",
        "http://127.0.0.1:80@example.org/a",
        "//127.0.0.1:80/../a",
    ],
)
def test_what_is_no_destination(field: str) -> None:
    with pytest.raises(BadTarget):
        path_of_destination(field, HOSTS)


@given(st.text(max_size=80))
def test_any_text_is_a_path_that_can_be_looked_up_or_refused(text: str) -> None:
    for read in (path_of_target, lambda one: path_of_destination(one, HOSTS)):
        for given_text in (text, "/" + text):
            try:
                wire = wire_path(read(given_text))
            except (BadTarget, BadName):
                continue
            assert ".." not in wire.split("/")
            parse_shared_path(wire)


@given(st.lists(st.text(min_size=1, max_size=20).filter(lambda name: "/" not in name), min_size=1, max_size=5))
def test_a_path_comes_back_from_its_own_url(names: list[str]) -> None:
    path = "/" + "/".join(names)
    try:
        parse_shared_path(wire_path(path))
    except BadName:
        return
    assert path_of_target(quoted(path)) == path
    assert path_of_destination("http://localhost:80" + quoted(path), HOSTS) == path
