"""Entries as they will be, over those that are at home."""

from __future__ import annotations

from gimmal.protocol.messages import Attributes, Kind
from gimmal.remote.edits.laid_over import FIRST_NUMBER, Laid, LaidOver
from gimmal.remote.tree.records import Name

FILE = Attributes(Kind.FILE, 5, 1, 0o644, 9)
FOLDER = Attributes(Kind.DIRECTORY, 0, 1, 0o755, 8)
HOME = [Name("a", Kind.FILE, 2, False), Name("b", Kind.FILE, 3, False)]


def names(laid: LaidOver, path: str = "far") -> list[tuple[str, int]]:
    return [(name.name, name.number) for name in laid.listing(path, HOME)]


def test_what_was_made_and_removed_is_seen_until_it_is_done_at_home() -> None:
    laid = LaidOver()
    number = laid.new_number()
    assert number > FIRST_NUMBER
    laid.put("far/c", Laid(FILE, 1, number))
    laid.put("far/a", Laid(None, 2, 0))
    laid.put("far/b", Laid(FILE, 3, 77))
    laid.put("other/x", Laid(FILE, 4, 78))
    assert names(laid) == [("b", 77), ("c", number)]
    assert laid.find("far/a") == Laid(None, 2, 0)
    assert laid.find("far/d") is None
    laid.done(1)
    laid.done(2)
    assert names(laid) == [("a", 2), ("b", 77)]
    assert len(laid) == 2


def test_below_a_folder_that_is_only_here_nothing_else_is() -> None:
    laid = LaidOver()
    laid.put("far/new", Laid(FOLDER, 1, 70))
    laid.put("far/new/x", Laid(FILE, 2, 71))
    below = laid.find("far/new/y")
    assert below is not None
    assert below.attributes is None
    assert laid.is_new_folder("far/new")
    assert not laid.is_new_folder("far/new/x")
    assert not laid.is_new_folder("far")
    assert [name.name for name in laid.listing("far/new", [])] == ["x"]


def test_a_file_in_the_place_of_a_folder_is_another_entry() -> None:
    laid = LaidOver()
    laid.put("far/a", Laid(FOLDER, 1, 70))
    assert ("a", 70) in names(laid)


def test_bytes_of_a_moved_file_are_where_they_were_until_it_is_moved_at_home() -> None:
    laid = LaidOver()
    laid.put("far/c", Laid(FILE, 2, 2, "far/a"))
    laid.moved_home("far/a", "far/b")
    found = laid.find("far/c")
    assert found is not None
    assert found.origin == "far/b"
    laid.moved_home("far/b", "far/c")
    found = laid.find("far/c")
    assert found is not None
    assert found.origin == ""
