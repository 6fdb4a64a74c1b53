"""MakeDurable: what it flushes, and what it says where that fails."""

from __future__ import annotations

import errno
import os

import pytest

from gimmal.protocol.codes import Code
from gimmal.protocol.messages import MakeDurable, Rename, Results
from tests.share.rig import Rig


def test_folders_and_files_are_flushed_and_links_are_not_followed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, fsync = rig.rw, os.fsync
    flushed: list[int] = []
    (folder / "folder").mkdir()
    (folder / "file").write_bytes(b"content")
    (folder / "link").symlink_to("file")

    def tracing(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    rig.session.answer(Rename("rw/file", "rw/folder/moved"))
    monkeypatch.setattr(os, "fsync", tracing)
    paths = ["rw", "rw/folder", "rw/folder/moved", "rw/link", "rw/file", "rw/none/x"]
    assert rig.session.answer(MakeDurable(paths)) == Results([0, 0, 0, 0, Code.NOT_FOUND, Code.NOT_FOUND])
    assert flushed == [path.stat().st_ino for path in (folder, folder / "folder", folder / "folder" / "moved")]


def test_a_disk_that_fails_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk failed")

    (rig.rw / "file").write_bytes(b"content")
    monkeypatch.setattr(os, "fsync", failing)
    assert rig.session.answer(MakeDurable(["rw", "rw/file"])) == Results([Code.INPUT_OUTPUT, Code.INPUT_OUTPUT])
