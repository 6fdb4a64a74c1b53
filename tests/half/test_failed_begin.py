"""What a joining that fails before it began leaves behind, and passwords that no half can have."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gimmal.base.disk import Disk, replaced_disk
from gimmal.base.errors import LocalError, WrongPassword
from gimmal.base.side import Side
from gimmal.half.format import WithPassword
from gimmal.half.reading import open_half, read_half_file
from tests.half.helpers import folders, join


class _ReadOnlyBelow(Disk):
    """Every folder below one path is on a read-only medium."""

    def __init__(self, below: Path) -> None:
        self._below = os.fspath(below)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        if path.startswith(self._below):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        super().mkdir(path, mode)


def test_a_read_only_second_folder_leaves_nothing_in_the_first(tmp_path: Path) -> None:
    a, b = folders(tmp_path, "a", "b")
    with replaced_disk(_ReadOnlyBelow(b)), pytest.raises(LocalError, match="read-only"):
        join(a, b, "home")
    assert list(a.iterdir()) == []
    assert list(b.iterdir()) == []
    join(a, b, "home")


def test_a_folder_with_something_in_it_stays(tmp_path: Path) -> None:
    a, b = folders(tmp_path, "a", "b")
    (a / "GIMMAL").mkdir()
    (a / "GIMMAL" / "note").write_text("the person's own")
    with replaced_disk(_ReadOnlyBelow(b)), pytest.raises(LocalError):
        join(a, b, "home")
    assert (a / "GIMMAL" / "note").read_text() == "the person's own"


@pytest.mark.parametrize("typed", ["", "x" * 1025])
def test_a_password_no_half_can_have_is_a_wrong_password(tmp_path: Path, typed: str) -> None:
    a, b = folders(tmp_path, "a", "b")
    join(a, b, "home", passwords={Side.B: "tram violet kettle orbit"})
    with pytest.raises(WrongPassword):
        open_half(b, lambda: typed)


def test_a_decoded_half_file_shows_nothing_that_opens_it(tmp_path: Path) -> None:
    a, b = folders(tmp_path, "a", "b")
    join(a, b, "home", passwords={Side.B: "tram violet kettle orbit"})
    for folder in (a, b):
        half = read_half_file(folder / "GIMMAL")
        shown = repr(half) + repr([half])
        assert half.payload[:32] not in shown
        assert half.header.protection.salt not in shown
    assert isinstance(half.header.protection, WithPassword)
    assert half.header.protection.check not in shown + repr(half.header)
