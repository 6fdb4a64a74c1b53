"""What a session of the peer did is told in the words of the log of use: no more than was done, and refusals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import PARTS_MAX
from gimmal.protocol.messages import (
    AboutFilm,
    CommitEdit,
    Copy,
    DigestBlocks,
    DigestFiles,
    Discard,
    DiscardEdit,
    Done,
    EditOpened,
    EditRead,
    EmptyTrash,
    Failed,
    Film,
    FilmBytes,
    FilmPart,
    FolderTimes,
    Found,
    LinkItem,
    List,
    ListTrash,
    MakeDirectories,
    MakeLinks,
    OpenEdit,
    OpenPart,
    PartOpened,
    Picture,
    QuickEdit,
    Read,
    ReadBundle,
    ReadEdit,
    ReadFilmText,
    RemoveMany,
    Rename,
    Replace,
    RestoreTrash,
    SetAttributes,
    Stat,
    StatFileSystem,
    Thumbnail,
    Trash,
    TrashPage,
    Tree,
    Version,
    WriteEdit,
)
from gimmal.share.edit import Edit
from gimmal.share.edit_file import EditFile
from gimmal.share.edit_table import EditTable
from gimmal.share.using import Act, Used, Using
from tests.share.rig import MTIME, SOURCE, Rig


class Told:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.all: list[Used] = []

    def used(self, used: Sequence[Used]) -> None:
        self.all += used

    def last(self) -> Used:
        """The only thing told since this was asked before."""
        (one,) = self.all
        self.all = []
        return one


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def watched(tmp_path: Path, told: Told) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.session.close()
    rig.session = rig.service.open_session("side b", told)
    yield rig
    rig.close()


def test_looks(watched: Rig, told: Told) -> None:
    (watched.rw / "folder").mkdir()
    (watched.rw / "folder" / "file").write_bytes(b"hello")
    ask = watched.session.answer
    ask(Stat("rw/folder/file"))
    assert told.last() == Used(Act.LOOKED, "rw/folder", ["file"])
    ask(List(""))
    assert told.last() == Used(Act.LISTED, "", [""])
    ask(List("rw/folder"))
    assert told.last() == Used(Act.LISTED, "rw", ["folder"])
    ask(Tree("rw"))
    assert told.last() == Used(Act.WALKED, "", ["rw"])
    ask(DigestBlocks("rw/folder/file"))
    assert told.last() == Used(Act.COMPARED, "rw/folder", ["file"])
    ask(DigestFiles("rw/folder", ["file", "absent"]))
    assert told.last() == Used(Act.COMPARED, "rw/folder", ["file"])
    ask(StatFileSystem("rw"))
    ask(Stat("rw/absent"))
    assert told.all == []


def test_reads(watched: Rig, told: Told) -> None:
    (watched.rw / "a").write_bytes(b"12345")
    (watched.rw / "sub").mkdir()
    (watched.rw / "sub" / "b").write_bytes(b"123")
    watched.session.open_range(Read("rw/a", 1, 100)).close()  # type: ignore[union-attr]
    assert told.last() == Used(Act.READ, "rw", ["a"], size=4)
    watched.session.read_bundle(ReadBundle("rw", ["a", "sub/b"]))
    assert told.all == [Used(Act.READ, "rw", ["a"], size=5), Used(Act.READ, "rw/sub", ["b"], size=3)]
    told.all = []
    watched.session.read_bundle(ReadBundle("rw", ["absent", "sub/b"]))
    assert told.last() == Used(Act.READ, "rw/sub", ["b"], size=3)
    watched.session.open_range(Read("rw/absent", 0, 1))
    watched.session.read_bundle(ReadBundle("rw/absent", ["b"]))
    assert told.all == []


def test_what_is_made_of_a_film_is_read(watched: Rig, told: Told) -> None:
    using = Using(told)
    version = Version(1, 2, 3)
    using.answered(FilmPart("rw/film", version, 0, 5), FilmBytes(100, b"12345"))
    assert told.last() == Used(Act.READ, "rw", ["film"], size=5)
    using.answered(ReadFilmText("rw/film", version, 0), FilmBytes(100, b"12"))
    assert told.last() == Used(Act.READ, "rw", ["film"], size=2)
    using.answered(Thumbnail("rw/film"), Picture(version, b"jpeg"))
    assert told.last() == Used(Act.READ, "rw", ["film"], size=4)
    using.answered(AboutFilm("rw/film"), Film(version, 1, 1, 1, 1, "h264"))
    assert told.last() == Used(Act.LOOKED, "rw", ["film"])
    using.answered(FilmPart("rw/film", version, 0, 5), Failed(Code.NOT_GRANTED))
    assert told.last() == Used(Act.REFUSED, "rw", ["film"])
    using.answered(Thumbnail("rw/film"), Failed(Code.UNSUPPORTED))
    assert told.all == []


def test_uploads(watched: Rig, told: Told) -> None:
    watched.upload("rw/new", b"content")
    assert told.last() == Used(Act.WROTE, "rw", ["new"], size=7)
    watched.bundle("rw", {"x": b"1", "y": b"22"})
    assert told.last() == Used(Act.WROTE, "rw", ["x", "y"], size=3)
    watched.bundle("rw", {"x": b"1", "z": b"333"})
    assert told.last() == Used(Act.WROTE, "rw", ["z"], size=3)  # x is there already
    opened = watched.session.answer(OpenPart("rw/given-up", 5, SOURCE))
    assert isinstance(opened, PartOpened)
    watched.session.answer(Discard(opened.part))
    assert told.all == []


def test_edits(watched: Rig, told: Told) -> None:
    ask = watched.session.answer
    state = (watched.rw / "file").write_bytes(b"content") and (watched.rw / "file").stat()
    base = Version(state.st_ino, state.st_size, state.st_mtime_ns)
    opened = ask(OpenEdit("rw/file", base, 7, 7, Replace.EXPECTED))
    assert isinstance(opened, EditOpened)
    ask(WriteEdit(opened.edit, ((0, 3),), b"new", blake3_digest(b"new")))
    assert told.all == []
    ask(ReadEdit(opened.edit, 2, 100))
    assert told.last() == Used(Act.READ, "rw", ["file"], size=5)
    ask(CommitEdit(opened.edit, keep_open=True))
    assert told.last() == Used(Act.WROTE, "rw", ["file"], size=3)
    ask(CommitEdit(opened.edit, path="rw/other"))
    assert told.last() == Used(Act.WROTE, "rw", ["other"], size=0)
    ask(DiscardEdit(opened.edit))
    ask(QuickEdit("rw/new", None, 0, 9, Replace.NEVER, ((0, 3),), b"new", blake3_digest(b"new")))
    assert told.last() == Used(Act.WROTE, "rw", ["new"], size=3)
    ask(QuickEdit("ro/new", None, 0, 9, Replace.NEVER, (), b"", blake3_digest(b"")))
    assert told.last() == Used(Act.REFUSED, "ro", ["new"])
    ask(OpenEdit("ro/new", None, 0, 9, Replace.NEVER))
    assert told.last() == Used(Act.REFUSED, "ro", ["new"])
    given_up = ask(OpenEdit("rw/given-up", None, 0, 9, Replace.NEVER))
    assert isinstance(given_up, EditOpened)
    ask(DiscardEdit(given_up.edit))
    ask(ReadEdit(given_up.edit, 0, 1))
    assert told.all == []


def test_no_order_of_requests_for_an_edit_leaves_no_trace(
    watched: Rig, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = watched.session.answer
    state = (watched.rw / "file").write_bytes(b"content") and (watched.rw / "file").stat()
    base = Version(state.st_ino, state.st_size, state.st_mtime_ns)
    add, read = EditTable.add, EditFile.read

    def read_and_discarded(self: EditFile, offset: int, length: int) -> bytes:
        data = read(self, offset, length)
        assert isinstance(ask(DiscardEdit(opened.edit)), Done)
        return data

    opened = ask(OpenEdit("rw/file", base, 7, 7, Replace.EXPECTED))
    assert isinstance(opened, EditOpened)
    with monkeypatch.context() as patched:
        patched.setattr(EditFile, "read", read_and_discarded)
        assert isinstance(ask(ReadEdit(opened.edit, 0, 100)), EditRead)
    assert told.last() == Used(Act.READ, "rw", ["file"], size=7)

    def used_before_the_answer(self: EditTable, edit: Edit) -> int:
        number = add(self, edit)
        assert isinstance(ask(ReadEdit(number, 0, 100)), EditRead)
        assert told.last() == Used(Act.READ, "rw", ["file"], size=7)
        assert isinstance(ask(WriteEdit(number, ((0, 3),), b"new", blake3_digest(b"new"))), Done)
        assert isinstance(ask(CommitEdit(number)), Found)
        return number

    with monkeypatch.context() as patched:
        patched.setattr(EditTable, "add", used_before_the_answer)
        assert isinstance(ask(OpenEdit("rw/file", base, 7, 7, Replace.EXPECTED)), EditOpened)
    assert told.last() == Used(Act.WROTE, "rw", ["file"], size=3)


def test_changes(watched: Rig, told: Told) -> None:
    ask = watched.session.answer
    ask(MakeDirectories(["rw/one", "rw/one/two", "rw/absent/three"]))
    assert told.all == [Used(Act.MADE, "rw", ["one"]), Used(Act.MADE, "rw/one", ["two"])]
    told.all = []
    for name in ("a", "b", "c", "d"):
        (watched.rw / name).write_bytes(name.encode())
    ask(Rename("rw/a", "rw/one/a"))
    assert told.last() == Used(Act.MOVED, "rw", ["a"], ["rw/one/a"])
    ask(Copy("rw/b", "rw/one/b"))
    assert told.last() == Used(Act.COPIED, "rw", ["b"], ["rw/one/b"])
    ask(SetAttributes([FolderTimes("rw/b", MTIME)]))
    assert told.last() == Used(Act.SET, "rw", ["b"])
    ask(MakeLinks([LinkItem("rw/link", "b", MTIME)]))
    assert told.last() == Used(Act.LINKED, "rw", ["link"])
    ask(RemoveMany(["rw/b", "rw/absent", "rw/link"]))
    assert told.last() == Used(Act.REMOVED, "rw", ["b", "link"])
    ask(Trash(["rw/c", "rw/d"]))
    assert told.last() == Used(Act.TRASHED, "rw", ["c", "d"])
    page = ask(ListTrash("rw"))
    assert isinstance(page, TrashPage)
    assert told.last() == Used(Act.LISTED, "", ["rw"])
    first, second = (entry.name for entry in page.entries)
    ask(RestoreTrash("rw", [first], "rw/back"))
    assert told.last() == Used(Act.RESTORED, "rw", ["back"])
    ask(EmptyTrash("rw", [second]))
    assert told.last() == Used(Act.DESTROYED, "rw", [second])


def test_refusals(watched: Rig, told: Told) -> None:
    (watched.ro / "file").write_bytes(b"x")
    (watched.drop / "file").write_bytes(b"x")
    (watched.rw / "out").symlink_to(watched.base)
    ask = watched.session.answer
    ask(RemoveMany(["ro/file", "rw/absent"]))
    assert told.last() == Used(Act.REFUSED, "ro", ["file"])
    watched.session.open_range(Read("drop/file", 0, 1))
    assert told.last() == Used(Act.REFUSED, "drop", ["file"])
    watched.session.read_bundle(ReadBundle("drop", ["file", "other"]))
    assert told.last() == Used(Act.REFUSED, "drop", ["file", "other"])
    ask(OpenPart("ro/new", 5, SOURCE))
    assert told.last() == Used(Act.REFUSED, "ro", ["new"])
    ask(Stat("rw/../secret"))
    assert told.last() == Used(Act.REFUSED, "rw/..", ["secret"])
    ask(List("rw/out/other"))
    assert told.last() == Used(Act.REFUSED, "rw/out", ["other"])
    watched.bundle("ro", {"x": b"1"})
    assert told.last() == Used(Act.REFUSED, "ro", ["x"])


def test_a_session_that_nobody_watches_answers_alike(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    (rig.rw / "a").write_bytes(b"12345")
    rig.session.open_range(Read("rw/a", 1, 100)).close()  # type: ignore[union-attr]
    rig.upload("rw/new", b"content")
    assert (rig.rw / "new").read_bytes() == b"content"
    rig.close()


def test_part_files_that_were_left_open_are_not_remembered_for_ever(told: Told) -> None:
    using = Using(told)
    for part in range(10_000):
        using.answered(OpenPart(f"rw/{part}", 5, SOURCE), PartOpened(part, []))
    assert len(using._parts) <= 2 * PARTS_MAX
