"""What PROPFIND asks for and is told, read back by an XML parser of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wsgidav.dav_error import DAVError

from gimmal.frontends.dav.multistatus import PIECE_RESPONSES, PROPERTIES_MAX, BadQuestion, Wanted, multistatus, question
from gimmal.frontends.dav.resources import File, Folder
from gimmal.frontends.dav.targets import path_of_target
from gimmal.protocol.messages import Attributes, Kind

SECONDS = 1_000_000_000


class NoProvider:
    """What a resource needs of one here."""

    mount_path = share_path = ""
    lock_manager = prop_manager = None


ENVIRON: dict[str, Any] = {"wsgidav.provider": NoProvider()}


def file(path: str = "/s/a.txt") -> File:
    return File(path, ENVIRON, Attributes(Kind.FILE, 5_000_000_000, 86_400 * SECONDS, 0o644, 7))


def folder(path: str = "/s") -> Folder:
    return Folder(path, ENVIRON, Attributes(Kind.DIRECTORY, 0, 86_400 * SECONDS, 0o755, 8))


def told(pieces: list[bytes]) -> dict[str, dict[str, dict[str, str | None]]]:
    """By href, status and name of a property: its text, or the tag that it holds."""
    found: dict[str, dict[str, dict[str, str | None]]] = {}
    for response in ElementTree.fromstring(b"".join(pieces)):
        href = response.findtext("{DAV:}href")
        assert href is not None
        stats = found.setdefault(href, {})
        for stat in response.findall("{DAV:}propstat"):
            prop = stat.find("{DAV:}prop")
            assert prop is not None
            status = str(stat.findtext("{DAV:}status"))
            stats[status] = {one.tag: one[0].tag if len(one) else one.text for one in prop}
    return found


def test_all_properties_of_a_file_and_a_folder() -> None:
    found = told(multistatus([folder(), file()], Wanted.ALL, []))
    assert found == {
        "/s/": {
            "HTTP/1.1 200 OK": {
                "{DAV:}resourcetype": "{DAV:}collection",
                "{DAV:}getlastmodified": "Fri, 02 Jan 1970 00:00:00 GMT",
                "{DAV:}displayname": "s",
            }
        },
        "/s/a.txt": {
            "HTTP/1.1 200 OK": {
                "{DAV:}resourcetype": None,
                "{DAV:}getcontentlength": "5000000000",
                "{DAV:}getcontenttype": "text/plain; charset=utf-8",
                "{DAV:}getlastmodified": "Fri, 02 Jan 1970 00:00:00 GMT",
                "{DAV:}displayname": "a.txt",
                "{DAV:}getetag": file().validators.etag,
            }
        },
    }


def test_a_large_folder_comes_in_pieces() -> None:
    made = 0

    def files() -> Iterator[File]:
        nonlocal made
        for made in range(1, 2 * PIECE_RESPONSES + 2):
            yield file(f"/s/{made}")

    pieces = multistatus(files(), Wanted.NAMED, ["{DAV:}getetag"])
    assert len(pieces) == 3
    assert list(told(pieces)) == [f"/s/{number}" for number in range(1, made + 1)]


def test_names_alone_and_what_is_not_there() -> None:
    assert set(told(multistatus([file()], Wanted.NAMES, []))["/s/a.txt"]["HTTP/1.1 200 OK"].values()) == {None}
    names = ["{DAV:}getcontentlength", "{http://x/?a&b}c", "none", "{DAV:}getcontentlanguage"]
    found = told(multistatus([file()], Wanted.NAMED, names))["/s/a.txt"]
    assert found == {
        "HTTP/1.1 200 OK": {"{DAV:}getcontentlength": "5000000000"},
        "HTTP/1.1 404 Not Found": {"{http://x/?a&b}c": None, "none": None, "{DAV:}getcontentlanguage": None},
    }
    assert told(multistatus([file()], Wanted.NAMED, [])) == {"/s/a.txt": {"HTTP/1.1 200 OK": {}}}


def is_a_name(text: str) -> bool:
    return "/" not in text and text not in (".", "..")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(is_a_name))
@example("\uffff<>&\"'")
def test_any_name_comes_through(name: str) -> None:
    body = multistatus([file("/s/" + name)], Wanted.NAMED, ["{DAV:}displayname"])
    ((href, stats),) = told(body).items()
    assert path_of_target(href) == "/s/" + name
    shown = stats["HTTP/1.1 200 OK"]["{DAV:}displayname"]
    # No XML may hold these two.
    assert shown == name.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")


def test_a_wild_time_is_a_date_all_the_same() -> None:
    for mtime_ns in (-(10**18), 2**63 - 1, 253_402_300_800 * SECONDS):
        wild = File("/a", ENVIRON, Attributes(Kind.FILE, 1, mtime_ns, 0o644, 7))
        assert b"GMT" in multistatus([wild], Wanted.NAMED, ["{DAV:}getlastmodified"])[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<propfind xmlns='DAV:'><allprop/></propfind>", (Wanted.ALL, [])),
        ("<propfind xmlns='DAV:'><propname/></propfind>", (Wanted.NAMES, [])),
        ("<propfind xmlns='DAV:'><prop><a xmlns='b'/></prop></propfind>", (Wanted.NAMED, ["{b}a"])),
        ("<propfind xmlns='DAV:'><x/><allprop/><include><y/></include></propfind>", (Wanted.ALL, [])),
    ],
)
def test_questions(text: str, expected: tuple[Wanted, list[str]]) -> None:
    assert question(ElementTree.fromstring(text)) == expected
    assert question(None) == (Wanted.ALL, [])


@pytest.mark.parametrize(
    "text",
    [
        "<propfind/>",
        "<propfind xmlns='DAV:'/>",
        "<propfind xmlns='DAV:'><allprop/><propname/></propfind>",
        "<other xmlns='DAV:'><allprop/></other>",
        "<propfind xmlns='DAV:'><prop>" + "<a/>" * (PROPERTIES_MAX + 1) + "</prop></propfind>",
    ],
)
def test_what_is_no_question(text: str) -> None:
    with pytest.raises(BadQuestion):
        question(ElementTree.fromstring(text))


def test_contents_go_another_way() -> None:
    with pytest.raises(DAVError):
        file().get_content()
