"""MakeDirectories, RemoveMany, Rename, SetAttributes, Copy."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from gimmal.protocol.codes import Code
from gimmal.protocol.messages import (
    Copy,
    Done,
    Failed,
    FolderTimes,
    Found,
    List,
    MakeDirectories,
    Read,
    RemoveMany,
    Rename,
    Replace,
    Results,
    SetAttributes,
    Stat,
    Version,
    Write,
)
from tests.share.rig import MTIME, Rig


def _version(path: os.PathLike[str]) -> Version:
    state = os.stat(path)
    return Version(state.st_ino, state.st_size, state.st_mtime_ns)


def test_making_folders(rig: Rig) -> None:
    (rig.rw / "file").write_bytes(b"")
    (rig.rw / "link").symlink_to("a")
    requests = [
        (MakeDirectories(["rw/a", "rw/a", "rw/b/c", "rw/file", "rw/link", "rw/link/x"]), [0, 4, 3, 4, 4, 11]),
        (MakeDirectories(["rw/a", "rw/file", "rw/link"], exist_ok=True), [0, 4, 4]),
        (MakeDirectories(["rw/b/c/d", "rw/file/x", "rw/b", "rw"], parents=True), [0, 5, 4, 0]),
        (MakeDirectories(["rw/b/c/e/f"], parents=True, exist_ok=True, mode=0o7705), [0]),
        (MakeDirectories(["rw"]), [4]),
    ]
    for request, codes in requests:
        assert rig.session.answer(request) == Results(codes)
    assert (rig.rw / "b/c/d").is_dir()
    assert stat.S_IMODE((rig.rw / "b/c/e/f").stat().st_mode) == 0o705
    assert stat.S_IMODE((rig.rw / "b/c/e").stat().st_mode) & 0o700 == 0o700


def test_removing(rig: Rig) -> None:
    (rig.rw / "full").mkdir()
    (rig.rw / "full" / "x").write_bytes(b"")
    (rig.rw / "empty").mkdir()
    (rig.rw / "file").write_bytes(b"")
    (rig.rw / "link").symlink_to("full")
    os.mkfifo(rig.rw / "pipe")
    paths = ["rw/full", "rw/empty", "rw/file", "rw/link", "rw/pipe", "rw/none", "rw/full/x", "rw/full"]
    assert rig.session.answer(RemoveMany(paths)) == Results([Code.NOT_EMPTY, 0, 0, 0, 0, Code.NOT_FOUND, 0, 0])
    assert os.listdir(rig.rw) == []


def test_renaming_files(rig: Rig) -> None:
    a, b = rig.rw / "a", rig.rw / "b"
    a.write_bytes(b"a")
    b.write_bytes(b"b")
    (rig.rw / "folder").mkdir()
    assert rig.code(Rename("rw/a", "rw/b")) == Code.EXISTS
    assert rig.code(Rename("rw/a", "rw/folder", Replace.ALWAYS)) == Code.IS_A_DIRECTORY
    assert rig.code(Rename("rw/none", "rw/c")) == Code.NOT_FOUND
    assert rig.code(Rename("rw/a", "ro/a")) == Code.NOT_GRANTED
    assert rig.code(Rename("rw/a", "rw/b", Replace.EXPECTED)) == Code.INVALID
    version = _version(b)
    assert rig.session.answer(Rename("rw/a", "rw/a")) == Done()
    assert rig.session.answer(Rename("rw/a", "rw/b", Replace.EXPECTED, version)) == Done()
    assert b.read_bytes() == b"a"
    a.write_bytes(b"other")
    assert rig.code(Rename("rw/a", "rw/b", Replace.EXPECTED, version)) == Code.CHANGED
    assert rig.session.answer(Rename("rw/a", "rw/b", Replace.ALWAYS)) == Done()
    assert rig.session.answer(Rename("rw/b", "rw/folder/c")) == Done()
    assert (rig.rw / "folder/c").read_bytes() == b"other"


def test_renaming_folders_and_links(rig: Rig) -> None:
    for name in ("one", "two"):
        (rig.rw / name).mkdir()
    (rig.rw / "one" / "x").write_bytes(b"x")
    (rig.rw / "file").write_bytes(b"f")
    (rig.rw / "link").symlink_to("one")
    for replace in (Replace.NEVER, Replace.ALWAYS):
        assert rig.code(Rename("rw/one", "rw/two", replace)) == Code.EXISTS  # a folder replaces nothing
        assert rig.code(Rename("rw/one", "rw/file", replace)) == Code.EXISTS
        assert rig.code(Rename("rw/link", "rw/file", replace)) == Code.EXISTS
    assert rig.code(Rename("rw/one", "rw/one/inside")) == Code.INVALID
    assert rig.code(Rename("rw", "rw/x")) == Code.INVALID
    assert rig.code(Rename("rw/file", "rw/link/x")) == Code.LINK_REFUSED
    assert rig.session.answer(Rename("rw/one", "rw/two/three")) == Done()
    assert rig.session.answer(Rename("rw/link", "rw/two/link")) == Done()
    assert (rig.rw / "two/three/x").read_bytes() == b"x"
    assert (rig.rw / "two/link").readlink().name == "one"


def test_hard_links_of_one_file_stay_two_names(rig: Rig) -> None:
    (rig.rw / "a").write_bytes(b"x")
    os.link(rig.rw / "a", rig.rw / "b")
    assert rig.code(Rename("rw/a", "rw/b")) == Code.EXISTS
    assert sorted(os.listdir(rig.rw)) == ["a", "b"]


def test_moves_between_shares_are_for_the_asker(rig: Rig, tmp_path: object) -> None:
    from gimmal.share.service import ShareService
    from gimmal.share.shares import ShareTable, parse_share

    for name in ("p", "q"):
        (rig.base / name).mkdir()
    table = ShareTable([parse_share(str(rig.base / name)) for name in ("p", "q")])
    service = ShareService(table, rig.base / "journals", bytes(32))
    session = service.open_session()
    (rig.base / "p" / "a").write_bytes(b"a")
    assert session.answer(Rename("p/a", "q/a")) == Failed(Code.CROSS_DEVICE)
    assert isinstance(session.answer(Copy("p/a", "q/a")), Found)
    service.close()


def test_setting_attributes(rig: Rig) -> None:
    (rig.rw / "file").write_bytes(b"")
    (rig.rw / "folder").mkdir()
    (rig.rw / "link").symlink_to("/etc/passwd")
    atime = (rig.rw / "file").stat().st_atime_ns
    items = [
        FolderTimes("rw/file", 1_000_000_007, 0o7640),
        FolderTimes("rw/folder", 2_000_000_007),
        FolderTimes("rw/link", 5, 0o777),
        FolderTimes("rw/none", 5),
        FolderTimes("rw", 5),
    ]
    expected = [0, 0, Code.LINK_REFUSED, Code.NOT_FOUND, Code.NOT_GRANTED]
    assert rig.session.answer(SetAttributes(items)) == Results(expected)
    state = (rig.rw / "file").stat()
    assert (state.st_mtime_ns, stat.S_IMODE(state.st_mode), state.st_atime_ns) == (1_000_000_007, 0o640, atime)
    assert (rig.rw / "folder").stat().st_mtime_ns == 2_000_000_007
    (rig.rw / "file").chmod(0)
    assert rig.session.answer(SetAttributes([FolderTimes("rw/file", 9, 0o600)])) == Results([0])
    assert stat.S_IMODE((rig.rw / "file").stat().st_mode) == 0o600


@pytest.mark.parametrize("way", ["kernel", "no such call", "copies nothing"])
def test_copying(rig: Rig, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    def refusing(*_: object, **__: object) -> int:
        if way == "copies nothing":
            return 0
        raise OSError(errno.EXDEV, "not here")

    if way != "kernel":
        monkeypatch.setattr(os, "copy_file_range", refusing)
    content = os.urandom(3_000_001)
    path = rig.ro / "file"
    path.write_bytes(content)
    path.chmod(0o4751)
    os.utime(path, ns=(5, MTIME))
    found = rig.session.answer(Copy("ro/file", "rw/copy"))
    assert isinstance(found, Found)
    copy = rig.rw / "copy"
    assert copy.read_bytes() == content
    assert (copy.stat().st_mtime_ns, stat.S_IMODE(copy.stat().st_mode)) == (MTIME, 0o751)
    assert found.attributes.identity == copy.stat().st_ino
    assert rig.code(Copy("ro/file", "rw/copy")) == Code.EXISTS
    copy.write_bytes(b"old")
    assert isinstance(rig.session.answer(Copy("ro/file", "rw/copy", Replace.ALWAYS)), Found)
    assert copy.read_bytes() == content
    assert os.listdir(rig.rw) == ["copy"]


def test_what_is_not_copied(rig: Rig) -> None:
    (rig.rw / "file").write_bytes(b"x")
    (rig.rw / "folder").mkdir()
    (rig.rw / "link").symlink_to("file")
    for request, code in (
        (Copy("rw/folder", "rw/new"), Code.IS_A_DIRECTORY),
        (Copy("rw", "rw/new"), Code.IS_A_DIRECTORY),
        (Copy("rw/link", "rw/new"), Code.LINK_REFUSED),
        (Copy("rw/file", "rw/link", Replace.ALWAYS), Code.LINK_REFUSED),
        (Copy("rw/file", "rw/folder", Replace.ALWAYS), Code.IS_A_DIRECTORY),
        (Copy("rw/file", "rw/file", Replace.ALWAYS), Code.INVALID),
        (Copy("rw/file", "rw/x", Replace.EXPECTED), Code.INVALID),
        (Copy("rw/none", "rw/new"), Code.NOT_FOUND),
        (Copy("rw/file", "rw/none/new"), Code.NOT_FOUND),
    ):
        assert rig.code(request) == code, request
    assert sorted(os.listdir(rig.rw)) == ["file", "folder", "link"]


def test_a_source_that_changes_while_it_is_copied(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig.rw / "file"
    path.write_bytes(b"x" * 1000)
    copy_file_range = os.copy_file_range

    def changing(*arguments: int) -> int:
        path.write_bytes(b"y" * 1000 + b"more")
        return copy_file_range(*arguments)

    monkeypatch.setattr(os, "copy_file_range", changing)
    assert rig.code(Copy("rw/file", "rw/copy")) == Code.CHANGED
    assert os.listdir(rig.rw) == ["file"]


def test_requests_with_streams_have_their_own_way(rig: Rig) -> None:
    assert rig.code(Read("rw/x", 0, 1)) == Code.UNSUPPORTED
    assert rig.code(Write(1, 0, 1)) == Code.UNSUPPORTED


def test_nothing_but_answers_leaves_a_session(rig: Rig) -> None:
    (rig.rw / "file").write_bytes(b"")
    for path in ("rw/\udcff", "rw/\ud800", "\udcff", "rw/" + "a/" * 3000, "a" * 10_000):
        for request in (Stat(path), List(path), RemoveMany([path]), Copy("rw/file", path)):
            answer = rig.session.answer(request)
            assert answer == Failed(Code.BAD_NAME) or answer == Results([Code.BAD_NAME]), path[:20]
