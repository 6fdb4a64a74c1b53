"""What is told of an entry, and which names of the other side are believed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gimmal.frontends.fsspec.entries import info_of, infos_below, infos_in, version_text
from gimmal.protocol.messages import Attributes, Entry, Kind

FILE = Attributes(Kind.FILE, 12, 1_700_000_000_500_000_000, 0o640, 99)

HOSTILE = ["", ".", "..", "../x", "/etc/passwd", "a/../../b", "a//b", "a\\b", "a\0", "a\u202eb", "C:x", "x" * 256]


def test_a_file_is_told_with_all_that_is_known() -> None:
    info = info_of("share/x", FILE)
    assert (info["name"], info["size"], info["type"], info["mode"]) == ("share/x", 12, "file", 0o640)
    assert info["mtime"] == 1_700_000_000.5
    assert not info["islink"]


def test_kinds_have_the_names_that_programs_know() -> None:
    told = {kind: info_of("x", Attributes(kind, 7, 0, 0o755, 1, "away")) for kind in Kind}
    assert {kind: info["type"] for kind, info in told.items()} == {
        Kind.FILE: "file",
        Kind.DIRECTORY: "directory",
        Kind.LINK: "link",
        Kind.OTHER: "other",
    }
    assert told[Kind.LINK]["destination"] == "away"
    assert told[Kind.DIRECTORY]["size"] == 0


def test_names_that_may_not_travel_are_left_out() -> None:
    entries = [Entry(name, FILE) for name in ["good", *HOSTILE]]
    assert [info["name"] for info in infos_in("share", entries)] == ["share/good"]
    assert [info["name"] for info in infos_below("share", entries)] == ["share/good"]
    assert [info["name"] for info in infos_in("", entries)] == ["good"]
    deep = [Entry("folder/file", FILE)]
    assert list(infos_in("share", deep)) == []
    assert [info["name"] for info in infos_below("share", deep)] == ["share/folder/file"]


@given(st.lists(st.text(max_size=30), max_size=10))
def test_no_name_leads_out_of_the_folder(names: list[str]) -> None:
    for info in infos_below("share/folder", [Entry(name, FILE) for name in names]):
        assert info["name"].startswith("share/folder/")
        assert ".." not in info["name"].split("/")


def test_another_version_has_another_text() -> None:
    texts = {
        version_text(info_of("x", attributes))
        for attributes in (
            FILE,
            Attributes(Kind.FILE, 13, FILE.mtime_ns, 0o640, 99),
            Attributes(Kind.FILE, 12, FILE.mtime_ns + 1, 0o640, 99),
            Attributes(Kind.FILE, 12, FILE.mtime_ns, 0o640, 98),
        )
    }
    assert len(texts) == 4
