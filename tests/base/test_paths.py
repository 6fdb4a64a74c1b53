"""Wire names: the verdicts, the mapping and what collides."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gimmal.base.display import displayable
from gimmal.base.errors import BadName
from gimmal.base.paths import (
    collision_key,
    is_mapped,
    local_name_to_wire,
    map_text,
    mapped_text_to_local,
    may_create,
    parse_shared_path,
    parse_wire_path,
    windows_refuses,
    wire_name_to_local,
)
from tests.figures import figure
from tests.vector_files import load

VECTORS = load("hostile_names.json")

local_names = st.binary(min_size=1, max_size=255).filter(
    lambda name: name not in (b".", b"..") and b"/" not in name and b"\0" not in name
)


def _path(vector: dict[str, Any]) -> str | bytes:
    return bytes.fromhex(vector["path_hex"]) if "path_hex" in vector else vector["path"]


def test_verdicts_of_all_hostile_names() -> None:
    right = 0
    wrong = []
    for vector in VECTORS["names"]:
        path = _path(vector)
        expected = vector["create"] == "accept"
        on_windows = vector.get("create_windows", vector["create"]) == "accept"
        if may_create(path) == expected and may_create(path, windows=True) == on_windows:
            right += 1
        else:
            wrong.append(vector["id"])
    figure("hostile names: verdicts", f"{right}/{len(VECTORS['names'])}", "166/166")
    assert not wrong
    assert right == 166


def test_what_is_shown_of_hostile_names_is_harmless() -> None:
    for vector in VECTORS["names"]:
        shown = displayable(_path(vector))
        assert shown.isprintable(), vector["id"]


NOT_FOLDED = ("8.3 short name", "file and directory of one name", "symlink then path through it")


@pytest.mark.parametrize("pair", VECTORS["collisions"], ids=lambda pair: str(pair["why"]))
def test_collision_pairs(pair: dict[str, str]) -> None:
    # Three pairs are no matter of folding: the file system itself tells of them when the name is created.
    same = collision_key(pair["a"]) == collision_key(pair["b"])
    assert same == (pair["why"] not in (*NOT_FOLDED, "alternate data stream of x"))


@pytest.mark.parametrize("pair", VECTORS["no_collision"])
def test_pairs_that_do_not_collide(pair: list[str]) -> None:
    assert collision_key(pair[0]) != collision_key(pair[1])


@given(local_names)
@example(b"\xff" * 255)
@example(b"a\\b\nc")
@example(b"C:")
@example(b"C:\\x")
@example("\uee41\uee5c".encode())
@example("\uee00".encode())
@example(b"\xed\xa0\x80")
def test_every_local_name_travels_and_comes_back(name: bytes) -> None:
    wire, mapped = local_name_to_wire(name)
    assert wire_name_to_local(wire) == name
    assert parse_wire_path(wire) == (wire,)
    assert mapped == is_mapped(wire)
    if not mapped:
        assert wire.encode() == name


@given(st.text())
@example("\uee2e\uee2e")
@example("a\uee2fb")
@example("a\uee00b")
@example("a\uee41")
def test_a_wire_name_means_one_local_name_or_none(wire: str) -> None:
    try:
        name = wire_name_to_local(wire)
    except BadName:
        return
    assert name not in (b"", b".", b"..")
    assert b"/" not in name
    assert b"\0" not in name
    assert len(name) <= 255
    assert local_name_to_wire(name)[0] == wire


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=300))
def test_parsing_accepts_what_it_can_give_back_and_raises_only_bad_name(text: str) -> None:
    try:
        components = parse_wire_path(text)
    except BadName as error:
        assert error.message.isprintable()
        return
    assert "/".join(components) == text
    assert not {"", ".", ".."} & set(components)


@pytest.mark.parametrize(
    "wire",
    ["\uee2e\uee2e", "\uee2e", "a\uee2fb", "x/\uee2e\uee2e/y", "a\uee00b", "a\uee41b", "\uee5c\uee2e", "\uee80x/.."],
)
def test_mapping_is_no_way_round_the_rules(wire: str) -> None:
    with pytest.raises(BadName):
        parse_wire_path(wire)


def test_mapping_examples_of_the_specification() -> None:
    assert local_name_to_wire(b"a\\b") == ("a\uee5cb", True)
    assert local_name_to_wire(b"a\nb") == ("a\uee0ab", True)
    assert local_name_to_wire(b"a\xffb") == ("a\ueeffb", True)
    assert local_name_to_wire("a\u202eb".encode()) == ("a\ueee2\uee80\ueeaeb", True)
    assert local_name_to_wire("\uee5c".encode()) == ("\ueeee\ueeb9\uee9c", True)
    assert local_name_to_wire(b"C:x") == ("C\uee3ax", True)
    assert local_name_to_wire("é".encode()) == ("é", False)


def test_lengths_count_the_local_name() -> None:
    wire, _ = local_name_to_wire(b"\\" * 255)
    assert len(wire.encode()) == 765
    assert parse_wire_path(wire) == (wire,)
    with pytest.raises(BadName):
        parse_wire_path(wire + "a")
    with pytest.raises(BadName):
        local_name_to_wire(b"a" * 256)
    with pytest.raises(BadName):
        parse_wire_path("é" * 128)


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"a\0b"])
def test_what_is_no_local_name(name: bytes) -> None:
    with pytest.raises(BadName):
        local_name_to_wire(name)


def test_shared_paths() -> None:
    assert parse_shared_path("") == ("", ())
    assert parse_shared_path("docs") == ("docs", ())
    assert parse_shared_path("docs/a/b") == ("docs", ("a", "b"))
    assert len(parse_shared_path("docs/" + "/".join("d" * 64))[1]) == 64
    for bad in ("/", "docs/", "/docs", "..", "docs/..", "C:/x", "docs//x", "a" * 5000, "docs/" + "/".join("d" * 65)):
        with pytest.raises(BadName):
            parse_shared_path(bad)


def test_no_name_is_decoded_or_expanded() -> None:
    for text in ("%2e%2e%2fx", "~root", "$HOME", "\uff0e\uff0e", "a\u2215b"):
        assert parse_wire_path(text) == (text,)
        assert wire_name_to_local(text) == text.encode()


def test_windows_names() -> None:
    assert windows_refuses("con")
    assert windows_refuses("Aux .txt")
    assert not windows_refuses("console")
    assert not windows_refuses("com10")


def _path_of(size: int, letter: str = "a") -> str:
    """A path of exactly ``size`` bytes, 64 components at most."""
    width = len(letter.encode())
    component = letter * (200 // width)
    path = "/".join([component] * 20)
    rest = size - len(path.encode()) - 1
    while rest > 201:
        path += "/" + component
        rest = size - len(path.encode()) - 1
    return path + "/" + "a" * rest


@pytest.mark.parametrize("letter", ["a", "é", "😀"])
def test_the_longest_path(letter: str) -> None:
    longest = _path_of(4096, letter)
    assert len(longest.encode()) == 4096
    assert "/".join(parse_wire_path(longest)) == longest
    share, below = parse_shared_path(longest)
    assert "/".join((share, *below)) == longest
    for parse in (parse_wire_path, parse_shared_path):
        with pytest.raises(BadName):
            parse(_path_of(4097, letter))


def test_the_whole_path_counts_not_only_what_is_below_the_share() -> None:
    with pytest.raises(BadName):
        parse_shared_path("share/" + _path_of(4096))
    with pytest.raises(BadName):
        parse_shared_path("é" * 100 + "/" + _path_of(4000, "é"))


@pytest.mark.parametrize("name", ["a/b", "a\\b", "a\nb", "", ".", "..", "C:", "\u202e", "\ud800", "a" * 256])
def test_what_is_no_component(name: str) -> None:
    with pytest.raises(BadName):
        wire_name_to_local(name)


@pytest.mark.parametrize(
    ("first", "last"),
    [(0, 0x1F), (0x7F, 0x9F), (0x202A, 0x202E), (0x2066, 0x2069), (0xE0000, 0xE007F), (0xD800, 0xDFFF)],
)
def test_the_edges_of_what_is_refused(first: int, last: int) -> None:
    for number in (first, last):
        with pytest.raises(BadName):
            parse_wire_path(f"a{chr(number)}b")
    for number in (first - 1, last + 1):
        if number >= 0 and number != 0xE080:
            assert parse_wire_path(f"a{chr(number)}b")


def test_depth() -> None:
    assert len(parse_wire_path("/".join("d" * 64))) == 64
    with pytest.raises(BadName):
        parse_wire_path("/".join("d" * 65))


def test_names_of_255_bytes() -> None:
    assert local_name_to_wire(b"a" * 255) == ("a" * 255, False)
    assert wire_name_to_local("a" * 255) == b"a" * 255
    for name in ("a" * 256, "x/" + "a" * 256):
        with pytest.raises(BadName):
            parse_wire_path(name)


def test_messages_say_what_is_wrong_and_what_to_do() -> None:
    for text, reason in (
        ("a" * 5000, "too long"),
        ("a\nb", "forbidden character"),
        ("a/../b", "two dots"),
        ("/".join("d" * 65), "folders deep"),
        ("C:x", "drive"),
        ("a" * 256, "255 bytes"),
        ("\uee41", "mapped"),
    ):
        with pytest.raises(BadName) as caught:
            parse_wire_path(text)
        assert reason in caught.value.message
        assert caught.value.hint
    for text, reason in (("a/b", "forbidden character"), ("a\\b", "forbidden character"), ("\uee2f", "mapped")):
        with pytest.raises(BadName) as caught:
            wire_name_to_local(text)
        assert reason in caught.value.message


@pytest.mark.parametrize("letter", "abcxyzé-_")
def test_only_dots_and_spaces_at_the_end_make_no_difference(letter: str) -> None:
    assert collision_key("name" + letter) != collision_key("name")
    assert collision_key("name" + letter + " . ") == collision_key("name" + letter)


@given(st.binary(min_size=1, max_size=80).filter(lambda text: b"\0" not in text))
def test_the_target_of_a_link_is_mapped_and_mapped_back(target: bytes) -> None:
    assert mapped_text_to_local(map_text(target)[0]) == target


@given(st.text(max_size=40))
def test_a_text_that_is_mapped_back_is_the_only_one_for_its_target(text: str) -> None:
    try:
        target = mapped_text_to_local(text)
    except BadName:
        return
    assert b"\0" not in target
    assert map_text(target)[0] == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "forbidden character"),
        ("a\nb", "forbidden character"),
        ("C:x", "forbidden character"),
        ("a\uee00b", "mapped"),  # a NUL, which no link can hold
        ("\uee41", "mapped"),
        ("a\uee2fb", "mapped"),
        ("a\uee00\uee0ab", "mapped"),
    ],
)
def test_the_target_of_a_link_has_one_form_on_the_wire(text: str, reason: str) -> None:
    with pytest.raises(BadName) as caught:
        mapped_text_to_local(text)
    assert reason in caught.value.message
    assert caught.value.hint


def test_what_needs_no_mapping_in_the_target_of_a_link_stands_as_it_is() -> None:
    for text in ("../a//b/", "/", ".", "..", "1:x", "ab:c", "é", "a\uee0ab", "C\uee3ax"):
        assert map_text(mapped_text_to_local(text)) == (text, "\uee0a" in text or "\uee3a" in text)
