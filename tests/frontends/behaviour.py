"""What every front end does alike, in terms of a small adapter: one suite for all of them.

A front end joins by an adapter, a subclass of ``Front``, and a fixture ``front`` that yields one with a folder of its
own for each test. ``Behaviour`` holds the tests; a test class inherits it. Errors are those of this computer's file
systems (``FileNotFoundError`` and so on), whatever the front end itself calls them.
"""

from __future__ import annotations

import os
import random
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from tests.endtoend.world import content, until

LARGE = 9_000_001
"""Bytes of a large file: several blocks, and no round number."""

NAMES = (
    "with space",
    " leading and trailing ",
    "-dash",
    "--",
    "semi;colon&amp",
    "per%20cent",
    "percent%",
    "question?mark#hash",
    "quote'\"back`tick",
    "colon:name",
    "[brackets]*star",
    "plus+plus",
    "tab-less~tilde",
    "naïve-ünïcödé",
    "cafe\u0301",
    "caf\u00e9",
    "日本語のファイル名",
    "😀",
    "ends with dot.",
    "...",
    "x" * 255,
    "$HOME",
    "<angle>",
    "pipe|pipe",
    "UPPER",
    "upper",
)
"""All may travel, and all differ."""


class Front(ABC):
    """One front end over a folder of the other side.

    Paths are relative to that folder, with slashes.
    """

    parts = True
    """Whether a part of a file can be written without the rest, and a file cut or lengthened."""
    links = True
    """Whether symbolic links can be made and are told of as links."""
    times = True
    """Whether the time of a file can be set."""
    exclusive = True
    """Whether a file can be made only where none is, and a rename refuse to replace."""
    empty_name = "empty"

    def __init__(self, home: Path) -> None:
        self.home = home
        """The same folder as the other side's own disk has it."""

    @abstractmethod
    def write(self, path: str, data: bytes) -> None:
        """Make a file or replace it whole, durable at home when this returns."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """All of a file."""

    @abstractmethod
    def read_range(self, path: str, offset: int, length: int) -> bytes:
        """As many bytes as there are of a range."""

    @abstractmethod
    def names(self, folder: str) -> set[str]:
        """Names of a folder's entries."""

    @abstractmethod
    def size(self, path: str) -> int:
        """Size of a file."""

    @abstractmethod
    def is_folder(self, path: str) -> bool:
        """Whether it is one."""

    @abstractmethod
    def mtime(self, path: str) -> float:
        """Its time, in seconds."""

    @abstractmethod
    def make_folder(self, path: str) -> None:
        """Make one folder."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file."""

    @abstractmethod
    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""

    @abstractmethod
    def rename(self, source: str, target: str) -> None:
        """Rename or move; a file replaces a file."""

    # Where a front end can

    def write_part(self, path: str, offset: int, data: bytes) -> None:
        """Write over a part of a file, durable at home when this returns."""
        raise NotImplementedError

    def truncate(self, path: str, size: int) -> None:
        """Give a file this size."""
        raise NotImplementedError

    def make_link(self, path: str, target: str) -> None:
        """Make a symbolic link."""
        raise NotImplementedError

    def read_link(self, path: str) -> str:
        """Where a link points."""
        raise NotImplementedError

    def set_mtime(self, path: str, seconds: float) -> None:
        """Set the time of a file."""
        raise NotImplementedError

    def make_new(self, path: str, data: bytes) -> None:
        """Make a file; FileExistsError where there is one."""
        raise NotImplementedError

    # For the tests

    def arrived(self, *paths: str) -> None:
        """Wait until what was done at home is told here: notices take a moment."""
        for path in paths:
            until(lambda path=path: self._is_as_at_home(path), f"{path} here as at home", 10)  # type: ignore[misc]

    def _is_as_at_home(self, path: str) -> bool:
        there = self.home / path
        try:
            if there.is_dir():
                return self.is_folder(path) and self.names(path) == set(os.listdir(there))
            return self.exists(path) and (there.is_symlink() or self.size(path) == there.stat().st_size)
        except FileNotFoundError:
            return False

    def exists(self, path: str) -> bool:
        """Whether something is there."""
        folder, _slash, name = path.rpartition("/")
        return name in self.names(folder)


def can(front: Front, what: str) -> None:
    """Skip a test of something that a front end has not."""
    if not getattr(front, what):
        pytest.skip(f"{type(front).__name__} has no {what}")


class Reading:
    """What is there is shown."""

    def test_a_file_is_read_whole(self, front: Front) -> None:
        (front.home / "file").write_bytes(content(LARGE))
        front.arrived("file")
        assert front.size("file") == LARGE
        assert front.read("file") == content(LARGE)

    def test_an_empty_file_is_read(self, front: Front) -> None:
        (front.home / "file").write_bytes(b"")
        front.arrived("file")
        assert front.size("file") == 0
        assert front.read("file") == b""
        assert front.read_range("file", 0, 10) == b""

    def test_ranges_are_exact(self, front: Front) -> None:
        data = content(LARGE)
        (front.home / "file").write_bytes(data)
        front.arrived("file")
        edges = [(0, 1), (1, 4096), (4095, 2), (4 << 20, 1), ((4 << 20) - 1, 2), (LARGE - 1, 1), (LARGE - 10, 100)]
        rng = random.Random(5)
        edges += [(rng.randrange(LARGE), rng.randrange(1, 100_000)) for _ in range(20)]
        for offset, length in edges:
            assert front.read_range("file", offset, length) == data[offset : offset + length], (offset, length)

    def test_all_names_are_listed_and_lead_to_their_files(self, front: Front) -> None:
        for name in NAMES:
            (front.home / name).write_text(name)
        front.arrived("")
        assert front.names("") == set(NAMES)
        for name in NAMES:
            assert front.read(name).decode() == name

    def test_a_large_folder_is_listed_whole(self, front: Front) -> None:
        folder = front.home / "many"
        folder.mkdir()
        expected = {f"{number:05}-{'n' * 40}" for number in range(3000)}
        for name in expected:
            (folder / name).touch()
        front.arrived("many")
        assert front.names("many") == expected

    def test_folders_in_folders(self, front: Front) -> None:
        deep = "/".join(f"level {number}" for number in range(12))
        (front.home / deep).mkdir(parents=True)
        (front.home / deep / "file").write_text("deep")
        front.arrived("", deep)
        assert front.is_folder(deep)
        assert not front.is_folder(deep + "/file")
        assert front.read(deep + "/file") == b"deep"
        assert front.names("level 0") == {"level 1"}

    def test_times_are_told(self, front: Front) -> None:
        (front.home / "file").write_text("x")
        os.utime(front.home / "file", (1_000_000_000, 1_000_000_000))
        front.arrived("file")
        until(lambda: front.mtime("file") == 1_000_000_000, "its time", 10)

    def test_what_is_not_there_is_not_found(self, front: Front) -> None:
        (front.home / "file").write_text("x")
        (front.home / "folder").mkdir()
        front.arrived("", "file", "folder")
        with pytest.raises(FileNotFoundError):
            front.read("missing")
        with pytest.raises(FileNotFoundError):
            front.names("missing")
        with pytest.raises(FileNotFoundError):
            front.read("folder/missing")
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            front.read("file/below")

    def test_a_folder_is_no_file(self, front: Front) -> None:
        (front.home / "folder").mkdir()
        front.arrived("", "folder")
        with pytest.raises(OSError):
            front.read("folder")

    def test_what_the_other_side_changes_is_seen(self, front: Front) -> None:
        (front.home / "file").write_text("one")
        front.arrived("file")
        assert front.read("file") == b"one"
        assert front.names("") == {"file"}
        (front.home / "file").write_text("another one")
        until(lambda: front.read("file") == b"another one", "the new content", 10)
        (front.home / "new").write_text("n")
        until(lambda: front.names("") == {"file", "new"}, "the new name", 10)
        (front.home / "file").unlink()
        until(lambda: front.names("") == {"new"}, "the name gone", 10)

    def test_a_replaced_file_is_seen(self, front: Front) -> None:
        (front.home / "file").write_bytes(content(100_000))
        front.arrived("file")
        assert front.read("file") == content(100_000)
        (front.home / "aside").write_bytes(content(100_000, 2))
        (front.home / "aside").rename(front.home / "file")
        until(lambda: front.read("file") == content(100_000, 2), "the other file", 10)


class Writing:
    """What is written is at home, whole."""

    def test_a_file_is_made(self, front: Front) -> None:
        front.write("file", b"hello")
        assert (front.home / "file").read_bytes() == b"hello"
        assert front.read("file") == b"hello"
        assert front.size("file") == 5
        assert front.names("") == {"file"}

    def test_an_empty_file_is_made(self, front: Front) -> None:
        front.write("file", b"")
        assert (front.home / "file").read_bytes() == b""
        assert front.size("file") == 0

    def test_a_large_file_is_made(self, front: Front) -> None:
        front.write("file", content(LARGE))
        assert (front.home / "file").read_bytes() == content(LARGE)
        assert front.read("file") == content(LARGE)

    def test_a_file_is_replaced(self, front: Front) -> None:
        (front.home / "file").write_bytes(content(200_000))
        front.arrived("file")
        assert front.size("file") == 200_000
        front.write("file", b"short")
        assert (front.home / "file").read_bytes() == b"short"
        assert front.read("file") == b"short"
        front.write("file", content(300_000, 3))
        assert front.read("file") == content(300_000, 3)
        assert (front.home / "file").read_bytes() == content(300_000, 3)

    def test_all_names_are_made(self, front: Front) -> None:
        for name in NAMES:
            front.write(name, name.encode())
        assert set(os.listdir(front.home)) == set(NAMES)
        assert front.names("") == set(NAMES)
        for name in NAMES:
            assert (front.home / name).read_text() == name

    def test_folders_are_made_and_removed(self, front: Front) -> None:
        front.make_folder("folder")
        front.make_folder("folder/inner")
        assert (front.home / "folder" / "inner").is_dir()
        assert front.names("folder") == {"inner"}
        with pytest.raises(FileExistsError):
            front.make_folder("folder")
        with pytest.raises(OSError):
            front.remove_folder("folder")
        assert (front.home / "folder" / "inner").is_dir()
        front.remove_folder("folder/inner")
        front.remove_folder("folder")
        assert not (front.home / "folder").exists()
        assert front.names("") == set()

    def test_a_file_is_removed(self, front: Front) -> None:
        (front.home / "file").write_text("x")
        (front.home / "other").write_text("y")
        front.arrived("", "file", "other")
        front.remove("file")
        assert os.listdir(front.home) == ["other"]
        assert front.names("") == {"other"}
        with pytest.raises(FileNotFoundError):
            front.read("file")
        with pytest.raises(FileNotFoundError):
            front.remove("file")

    def test_a_file_is_renamed(self, front: Front) -> None:
        front.write("old", b"content")
        front.rename("old", "new")
        assert front.names("") == {"new"}
        assert (front.home / "new").read_bytes() == b"content"
        assert front.read("new") == b"content"
        with pytest.raises(FileNotFoundError):
            front.read("old")

    def test_a_file_is_moved_between_folders(self, front: Front) -> None:
        front.make_folder("a")
        front.make_folder("b")
        front.write("a/file", b"content")
        front.rename("a/file", "b/other")
        assert front.names("a") == set()
        assert front.names("b") == {"other"}
        assert front.read("b/other") == b"content"

    def test_a_rename_replaces_a_file(self, front: Front) -> None:
        front.write("old", b"the new content")
        front.write("target", b"what was there")
        front.rename("old", "target")
        assert front.names("") == {"target"}
        assert front.read("target") == b"the new content"
        assert (front.home / "target").read_bytes() == b"the new content"

    def test_a_folder_is_renamed_with_what_it_holds(self, front: Front) -> None:
        front.make_folder("folder")
        front.make_folder("folder/inner")
        front.write("folder/inner/file", b"x")
        assert front.names("folder/inner") == {"file"}
        front.rename("folder", "renamed")
        assert front.names("") == {"renamed"}
        assert front.read("renamed/inner/file") == b"x"
        front.write("renamed/inner/file", b"y")
        assert (front.home / "renamed" / "inner" / "file").read_bytes() == b"y"

    def test_nothing_is_made_in_a_folder_that_is_not_there(self, front: Front) -> None:
        with pytest.raises(FileNotFoundError):
            front.write("missing/file", b"x")
        with pytest.raises(FileNotFoundError):
            front.make_folder("missing/folder")
        assert os.listdir(front.home) == []

    def test_a_rename_of_what_is_not_there(self, front: Front) -> None:
        with pytest.raises(FileNotFoundError):
            front.rename("missing", "other")

    def test_a_file_is_not_written_over_a_folder(self, front: Front) -> None:
        (front.home / "folder").mkdir()
        front.arrived("", "folder")
        with pytest.raises(OSError):
            front.write("folder", b"x")
        assert (front.home / "folder").is_dir()


class Parts:
    """Parts of files, for front ends that write them."""

    def test_a_part_is_written_over(self, front: Front) -> None:
        can(front, "parts")
        data = bytearray(content(LARGE))
        (front.home / "file").write_bytes(data)
        front.arrived("file")
        for offset, length in ((0, 10), (5_000_000, 70_000), ((4 << 20) - 5, 10), (LARGE - 3, 3)):
            piece = content(length, offset)
            front.write_part("file", offset, piece)
            data[offset : offset + length] = piece
            around = max(0, offset - 100)
            assert front.read_range("file", around, length + 200) == data[around : around + length + 200]
        assert (front.home / "file").read_bytes() == data
        assert front.read("file") == data

    def test_a_file_grows(self, front: Front) -> None:
        can(front, "parts")
        front.write("file", b"begin")
        front.write_part("file", 5, b" end")
        assert front.read("file") == b"begin end"
        front.write_part("file", 100_000, b"far")
        assert front.size("file") == 100_003
        expected = b"begin end" + bytes(100_000 - 9) + b"far"
        assert front.read("file") == expected
        assert (front.home / "file").read_bytes() == expected

    def test_a_file_is_cut_and_lengthened(self, front: Front) -> None:
        can(front, "parts")
        (front.home / "file").write_bytes(content(50_000))
        front.arrived("file")
        front.truncate("file", 10_000)
        assert front.size("file") == 10_000
        assert front.read("file") == content(50_000)[:10_000]
        front.truncate("file", 20_000)
        expected = content(50_000)[:10_000] + bytes(10_000)
        assert front.read("file") == expected
        assert (front.home / "file").read_bytes() == expected
        front.truncate("file", 0)
        assert (front.home / "file").read_bytes() == b""

    def test_random_writes(self, front: Front) -> None:
        can(front, "parts")
        rng = random.Random(9)
        data = bytearray(content(300_000))
        front.write("file", bytes(data))
        for number in range(25):
            offset, length = rng.randrange(320_000), rng.randrange(1, 60_000)
            piece = content(length, number)
            front.write_part("file", offset, piece)
            if len(data) < offset + length:
                data += bytes(offset + length - len(data))
            data[offset : offset + length] = piece
        assert front.read("file") == data
        assert (front.home / "file").read_bytes() == data


class More:
    """Links, times, and what is made only where nothing is."""

    def test_links_are_made_and_told_of(self, front: Front) -> None:
        can(front, "links")
        (front.home / "file").write_text("x")
        os.symlink("file", front.home / "theirs")
        front.arrived("", "theirs")
        assert front.read_link("theirs") == "file"
        front.make_link("ours", "no/such file")
        assert os.readlink(front.home / "ours") == "no/such file"
        assert front.read_link("ours") == "no/such file"
        front.remove("ours")
        assert front.names("") == {"file", "theirs"}

    def test_times_are_set(self, front: Front) -> None:
        can(front, "times")
        front.write("file", b"x")
        front.set_mtime("file", 1_234_567_890)
        assert front.mtime("file") == 1_234_567_890
        assert (front.home / "file").stat().st_mtime == 1_234_567_890

    def test_a_file_is_made_only_once(self, front: Front) -> None:
        can(front, "exclusive")
        front.make_new("file", b"first")
        with pytest.raises(FileExistsError):
            front.make_new("file", b"second")
        assert (front.home / "file").read_bytes() == b"first"


class Behaviour(Reading, Writing, Parts, More):
    """All of it."""
