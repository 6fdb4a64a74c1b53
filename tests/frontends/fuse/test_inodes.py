"""Which inode an entry has, for how long, and what the kernel is told of it."""

from __future__ import annotations

import stat
from collections import Counter

import pytest
from msgspec.structs import replace

pytest.importorskip("pyfuse3")

from gimmal.frontends.fuse.inodes import BORNE_SECONDS, FOLDER_SECONDS, Inodes, Owner, absent_entry, entry_attributes
from gimmal.protocol.messages import Attributes, Kind
from gimmal.remote.tree.view import Borne

FILE = Attributes(Kind.FILE, 5, 7_000_000_001, 0o4640, 2)


class View:
    """Counts who holds which number."""

    def __init__(self) -> None:
        self.held: Counter[int] = Counter()
        self.paths = {1: "", 2: "s", 3: "s/file", 9: "s/file"}

    def hold(self, number: int) -> None:
        self.held[number] += 1

    def release(self, number: int, count: int = 1) -> None:
        self.held[number] -= count

    def path_of(self, number: int) -> str | None:
        return self.paths.get(number)


def test_numbers_are_held_as_long_as_the_kernel_knows_them() -> None:
    view = View()
    inodes = Inodes(view)  # type: ignore[arg-type]
    assert inodes.tell(3, 2, "s/file", is_folder=False) == 3
    assert inodes.tell(3, 2, "s/file", is_folder=False) == 3
    assert view.held[3] == 2
    inodes.forget(3, 1)
    assert view.held[3] == 1
    assert inodes.at(3, "s/file") == 3
    inodes.forget(3, 1)
    inodes.forget(3, 1)
    assert view.held[3] == 0
    assert inodes.at(3, "s/file") is None


def test_a_file_under_another_name_gets_another_inode() -> None:
    """To the kernel one inode under two names is two links of a file: renaming one to the other does nothing."""
    view = View()
    inodes = Inodes(view)  # type: ignore[arg-type]
    inodes.tell(3, 2, "s/old", is_folder=False)
    other = inodes.tell(3, 2, "s/file", is_folder=False)
    assert other != 3
    assert inodes.tell(3, 2, "s/file", is_folder=False) == other
    assert inodes.path(other) == inodes.path(3) == "s/file"
    assert (inodes.at(3, "s/old"), inodes.at(3, "s/file")) == (3, other)
    assert set(inodes.names()) == {(3, 2, b"old"), (other, 2, b"file")}
    inodes.forget(3, 1)
    inodes.forget(other, 2)
    assert view.held[3] == 0
    assert inodes.tell(3, 2, "s/file", is_folder=False) == 3


def test_what_the_kernel_moved_itself_keeps_its_inode() -> None:
    view = View()
    inodes = Inodes(view)  # type: ignore[arg-type]
    inodes.tell(3, 2, "s/old", is_folder=False)
    other = inodes.tell(3, 2, "s/file", is_folder=False)
    inodes.moved("s/file", 7, "s/there/file")
    assert inodes.at(3, "s/there/file") == other
    assert set(inodes.names()) == {(3, 2, b"old"), (other, 7, b"file")}
    assert inodes.tell(3, 7, "s/there/file", is_folder=False) == other
    inodes.moved("s/there", 2, "s/else")
    assert inodes.at(3, "s/else/file") == other
    assert set(inodes.names()) == {(3, 2, b"old"), (other, 7, b"file")}


def test_a_folder_that_is_found_elsewhere_is_the_same() -> None:
    view = View()
    inodes = Inodes(view)  # type: ignore[arg-type]
    inodes.tell(2, 1, "s", is_folder=True)
    assert inodes.tell(2, 1, "t", is_folder=True) == 2
    assert list(inodes.names()) == [(2, 1, b"")]


def test_what_was_made_without_a_line_has_a_path_too() -> None:
    inodes = Inodes(View())  # type: ignore[arg-type]
    made = 1 << 62
    inodes.tell(made, 2, "s/folder/new", is_folder=False)
    assert inodes.path(made) == "s/folder/new"
    inodes.moved("s/fold", 2, "s/other")
    inodes.moved("s/folder", 2, "s/moved")
    assert inodes.path(made) == "s/moved/new"
    inodes.forget(made, 1)
    assert inodes.path(made) is None


def test_pages_are_kept_while_the_version_is_the_same() -> None:
    inodes = Inodes(View())  # type: ignore[arg-type]
    inodes.tell(3, 2, "s/file", is_folder=False)
    assert not inodes.is_as_told(3, FILE)
    assert inodes.is_as_told(3, FILE)
    assert not inodes.is_as_told(3, replace(FILE, mtime_ns=8))
    inodes.forget(3, 1)
    inodes.tell(3, 2, "s/file", is_folder=False)
    assert not inodes.is_as_told(3, replace(FILE, mtime_ns=8))


def test_what_the_kernel_is_told_of_a_file() -> None:
    told = entry_attributes(3, FILE, Owner(1000, 100), Borne(True, True))
    assert (told.st_ino, told.st_uid, told.st_gid, told.st_size) == (3, 1000, 100, 5)
    assert told.st_mode == stat.S_IFREG | 0o640, "never set-user-id"
    assert told.st_mtime_ns == 7_000_000_001
    assert (told.entry_timeout, told.attr_timeout) == (BORNE_SECONDS, BORNE_SECONDS)
    unsure = entry_attributes(3, FILE, Owner(0, 0), Borne(True, False))
    assert (unsure.entry_timeout, unsure.attr_timeout) == (BORNE_SECONDS, 0)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(Kind.DIRECTORY, stat.S_IFDIR | 0o640), (Kind.LINK, stat.S_IFLNK | 0o777), (Kind.OTHER, stat.S_IFREG)],
)
def test_kinds(kind: Kind, mode: int) -> None:
    attributes = replace(FILE, kind=kind, target="ö" if kind is Kind.LINK else "")
    told = entry_attributes(3, attributes, Owner(0, 0), Borne(True, True))
    assert told.st_mode == mode
    assert told.entry_timeout == (FOLDER_SECONDS if kind is Kind.DIRECTORY else BORNE_SECONDS)
    if kind is Kind.LINK:
        assert told.st_size == 2


def test_times_before_1970_and_far_ahead() -> None:
    for time in (-1, -(1 << 63), (1 << 63) - 1):
        assert entry_attributes(3, replace(FILE, mtime_ns=time), Owner(0, 0), Borne(False, False)).st_mtime_ns == time


def test_a_name_that_is_absent() -> None:
    assert absent_entry(Borne(True, False)).entry_timeout == BORNE_SECONDS
    assert absent_entry(Borne(False, False)).entry_timeout == 0
    assert absent_entry(Borne(True, False)).st_ino == 0
