"""Every operation with every right: one matrix."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import (
    CommitEdit,
    Copy,
    DigestBlocks,
    Discard,
    DiscardEdit,
    Done,
    EditOpened,
    Failed,
    FolderTimes,
    Found,
    List,
    MakeDirectories,
    MakeDurable,
    Measure,
    Measured,
    OpenEdit,
    OpenPart,
    Page,
    PartOpened,
    QuickEdit,
    ReadEdit,
    RemoveMany,
    Rename,
    Replace,
    Results,
    SetAttributes,
    Stat,
    StatFileSystem,
    Tree,
    Version,
)
from tests.share.rig import SOURCE, Rig, code_of, tree_of

NO = Code.NOT_GRANTED


def _expected(rig: Rig, share: str) -> Version:
    state = (rig.base / share / "file").stat()
    return Version(state.st_ino, state.st_size, state.st_mtime_ns)


def _open_discard(rig: Rig, share: str) -> object:
    opened = rig.session.answer(OpenPart(f"{share}/new", 3, SOURCE))
    return rig.session.answer(Discard(opened.part)) if isinstance(opened, PartOpened) else opened


def _edit(rig: Rig, request: OpenEdit) -> object:
    opened = rig.session.answer(request)
    return rig.session.answer(CommitEdit(opened.edit)) if isinstance(opened, EditOpened) else opened


def _edit_read(rig: Rig, share: str) -> object:
    opened = rig.session.answer(OpenEdit(f"{share}/new", None, 0, 3))
    if not isinstance(opened, EditOpened):
        return opened
    read = rig.session.answer(ReadEdit(opened.edit, 0, 3))
    rig.session.answer(DiscardEdit(opened.edit))
    return read


def _quick(rig: Rig, path: str, base: Version | None) -> object:
    replace = Replace.EXPECTED if base else Replace.NEVER
    return rig.session.answer(QuickEdit(path, base, 0, 3, replace, ((0, 3),), b"new", blake3_digest(b"new")))


Operation = Callable[[Rig, str], object]

# operation: what it does, and the codes for rw, ro, drop
MATRIX: dict[str, tuple[Operation, tuple[int, int, int]]] = {
    "stat share": (lambda rig, s: rig.session.answer(Stat(s)), (0, 0, 0)),
    "stat file": (lambda rig, s: rig.session.answer(Stat(f"{s}/file")), (0, 0, NO)),
    "stat nothing": (lambda rig, s: rig.session.answer(Stat(f"{s}/none")), (3, 3, NO)),
    "list share": (lambda rig, s: rig.session.answer(List(s)), (0, 0, NO)),
    "list folder": (lambda rig, s: rig.session.answer(List(f"{s}/folder")), (0, 0, NO)),
    "tree": (lambda rig, s: rig.session.answer(Tree(s)), (0, 0, NO)),
    "statfs": (lambda rig, s: rig.session.answer(StatFileSystem(s)), (0, 0, NO)),
    "read": (lambda rig, s: rig.read(f"{s}/file"), (0, 0, NO)),
    "read bundle": (lambda rig, s: rig.bundled(s, "file"), (0, 0, NO)),
    "digest blocks": (lambda rig, s: rig.session.answer(DigestBlocks(f"{s}/file")), (0, 0, NO)),
    "digest files": (lambda rig, s: rig.digested(s, "file"), (0, 0, NO)),
    "measure": (lambda rig, s: rig.session.answer(Measure(Measured.DISK, 1, s)), (0, NO, 0)),
    "upload new": (lambda rig, s: rig.upload(f"{s}/new", b"new"), (0, NO, 0)),
    "upload over": (lambda rig, s: rig.upload(f"{s}/file", b"new"), (Code.EXISTS, NO, Code.EXISTS)),
    "upload replacing": (lambda rig, s: rig.upload(f"{s}/file", b"new", replace=Replace.ALWAYS), (0, NO, NO)),
    "upload new, may replace": (lambda rig, s: rig.upload(f"{s}/new", b"n", replace=Replace.ALWAYS), (0, NO, NO)),
    "upload expecting": (
        lambda rig, s: rig.upload(f"{s}/file", b"new", replace=Replace.EXPECTED, expected=_expected(rig, s)),
        (0, NO, NO),
    ),
    "edit": (lambda rig, s: _edit(rig, OpenEdit(f"{s}/file", _expected(rig, s), 0, 3, Replace.EXPECTED)), (0, NO, NO)),
    "edit, any": (lambda rig, s: _edit(rig, OpenEdit(f"{s}/file", None, 0, 3, Replace.ALWAYS)), (0, NO, NO)),
    "edit new": (lambda rig, s: _edit(rig, OpenEdit(f"{s}/new", None, 0, 3)), (0, NO, 0)),
    "edit over": (lambda rig, s: _edit(rig, OpenEdit(f"{s}/file", None, 0, 3)), (Code.EXISTS, NO, Code.EXISTS)),
    "edit, then read": (_edit_read, (0, NO, NO)),
    "quick edit": (lambda rig, s: _quick(rig, f"{s}/file", _expected(rig, s)), (0, NO, NO)),
    "quick edit new": (lambda rig, s: _quick(rig, f"{s}/new", None), (0, NO, 0)),
    "open and discard": (_open_discard, (0, NO, 0)),
    "bundle new": (lambda rig, s: rig.bundle(s, {"new": b"x"}), (0, NO, 0)),
    "bundle over": (lambda rig, s: rig.bundle(s, {"file": b"x"}), (Code.EXISTS, NO, Code.EXISTS)),
    "bundle replacing": (lambda rig, s: rig.bundle(s, {"file": b"x"}, Replace.ALWAYS), (0, NO, NO)),
    "bundle newer": (
        lambda rig, s: rig.bundle(s, {"new": b"x"}, Replace.ALWAYS, newer_only=True),
        (0, NO, NO),
    ),
    "make folder": (lambda rig, s: rig.session.answer(MakeDirectories([f"{s}/new"])), (0, NO, 0)),
    "make folders": (
        lambda rig, s: rig.session.answer(MakeDirectories([f"{s}/a/b"], parents=True, exist_ok=True)),
        (0, NO, 0),
    ),
    "make durable": (lambda rig, s: rig.session.answer(MakeDurable([f"{s}/file", s])), (0, NO, 0)),
    "remove": (lambda rig, s: rig.session.answer(RemoveMany([f"{s}/file"])), (0, NO, NO)),
    "remove folder": (lambda rig, s: rig.session.answer(RemoveMany([f"{s}/folder"])), (0, NO, NO)),
    "rename": (lambda rig, s: rig.session.answer(Rename(f"{s}/file", f"{s}/new")), (0, NO, NO)),
    "copy within": (lambda rig, s: rig.session.answer(Copy(f"{s}/file", f"{s}/new")), (0, NO, NO)),
    "copy to rw": (lambda rig, s: rig.session.answer(Copy(f"{s}/file", "rw/copied")), (0, 0, NO)),
    "copy from rw": (lambda rig, s: rig.session.answer(Copy("rw/file", f"{s}/copied")), (0, NO, NO)),
    "attributes": (lambda rig, s: rig.session.answer(SetAttributes([FolderTimes(f"{s}/file", 5)])), (0, NO, NO)),
    "attributes of the share": (
        lambda rig, s: rig.session.answer(SetAttributes([FolderTimes(s, 5, 0)])),
        (NO, NO, NO),
    ),
    "remove the share": (lambda rig, s: rig.session.answer(RemoveMany([s])), (NO, NO, NO)),
}

READING = {
    "stat share",
    "stat file",
    "stat nothing",
    "list share",
    "list folder",
    "tree",
    "statfs",
    "read",
    "read bundle",
    "digest blocks",
    "digest files",
    "measure",
}


@pytest.mark.parametrize("column", [0, 1, 2], ids=["rw", "ro", "drop"])
@pytest.mark.parametrize("name", MATRIX)
def test_matrix(rig: Rig, name: str, column: int) -> None:
    for folder in (rig.rw, rig.ro, rig.drop):
        (folder / "file").write_bytes(b"file")
        (folder / "folder").mkdir()
    share = ("rw", "ro", "drop")[column]
    before = tree_of(rig.base / share)
    operation, codes = MATRIX[name]
    assert code_of(operation(rig, share)) == codes[column]
    after = tree_of(rig.base / share)
    if codes[column] or name in READING:
        assert after == before
    if share == "ro" or name in READING:
        assert after == before
    if share == "drop":
        assert {key: after.get(key) for key in before} == before  # what was there is untouched


def test_a_drop_share_does_not_say_what_is_in_it(rig: Rig) -> None:
    (rig.drop / "file").write_bytes(b"secret")
    page = rig.session.answer(List(""))
    assert isinstance(page, Page)
    found = rig.session.answer(Stat("drop"))
    assert isinstance(found, Found)
    assert found.attributes.mode == 0o333
    tree = rig.session.answer(Tree(""))
    assert isinstance(tree, Page)
    assert [entry.name for entry in tree.entries] == ["drop", "ro", "rw"]
    assert tree.failures == [("drop", NO)]


def test_what_was_dropped_can_be_gone_on_with_but_not_taken_back(rig: Rig) -> None:
    assert isinstance(rig.upload("drop/new", b"content"), Found)
    assert rig.read("drop/new") == NO
    assert rig.code(Rename("drop/new", "drop/old")) == NO
    assert rig.session.answer(Rename("rw/a", "ro/a")) == Failed(NO)
    assert rig.session.answer(RemoveMany(["drop/new"])) == Results([NO])
    assert not isinstance(rig.session.answer(Stat("rw")), Done)
