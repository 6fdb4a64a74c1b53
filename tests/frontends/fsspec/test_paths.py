"""Paths of ``gimmal://``."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gimmal.base.errors import BadName
from gimmal.base.paths import parse_shared_path
from gimmal.frontends.fsspec.file_system import GimmalFileSystem
from gimmal.frontends.fsspec.paths import below, parent, stripped, wire_path

names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=20)
paths = st.lists(names, min_size=1, max_size=5).map("/".join)


@given(st.text(max_size=60))
@example("gimmal://")
@example("gimmal://gimmal://x")
@example("gimmal::a/b")
@example("//")
def test_what_goes_on_is_empty_or_a_path_that_may_travel(text: str) -> None:
    try:
        path = wire_path(text)
    except BadName:
        return
    assert "//" not in path
    assert not path.startswith("/")
    assert not path.endswith("/")
    parse_shared_path(path)


@given(paths)
def test_a_url_names_the_same_as_its_path(path: str) -> None:
    for spelled in (path, f"/{path}", f"{path}/", f"gimmal://{path}", f"gimmal://{path}/", f"gimmal:///{path}"):
        assert stripped(spelled) == path.strip("/")
    assert stripped(stripped(path)) == stripped(path)


@given(paths)
def test_a_path_lies_in_its_parent(path: str) -> None:
    path = stripped(path)
    name = path.rpartition("/")[2]
    assert below(parent(path), name) == path
    assert GimmalFileSystem._parent(path) == parent(path)


@given(paths)
def test_nothing_is_decoded_or_folded(path: str) -> None:
    assert GimmalFileSystem._strip_protocol(f"gimmal://{path}%20%2F") == f"{path}%20%2F".strip("/")


@pytest.mark.parametrize("path", ["a/../b", "a/./b", "..", "a//b", "a\\b", "a/b\0", "a/\u202eb", "a/" + "x" * 256])
def test_what_the_rules_of_names_refuse_is_asked_of_nobody(path: str) -> None:
    with pytest.raises(BadName):
        wire_path(f"gimmal://{path}")


def test_lists_of_paths_are_stripped_each() -> None:
    assert GimmalFileSystem._strip_protocol(["gimmal://a/b/", "c"]) == ["a/b", "c"]
