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
    inodes.looked_up(3)
    inodes.looked_up(3)
    assert view.held[3] == 2
    inodes.forget(3, 1)
    assert view.held[3] == 1
    assert 3 in inodes
    inodes.forget(3, 1)
    assert view.held[3] == 0
    assert 3 not in inodes


def test_pages_are_kept_while_the_version_is_the_same() -> None:
    inodes = Inodes(View())  # type: ignore[arg-type]
    inodes.looked_up(3)
    assert not inodes.is_as_told(3, FILE)
    assert inodes.is_as_told(3, FILE)
    assert not inodes.is_as_told(3, replace(FILE, mtime_ns=8))
    inodes.forget(3, 1)
    inodes.looked_up(3)
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
