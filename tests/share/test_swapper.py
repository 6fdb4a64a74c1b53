"""A program beside us swaps a folder for a link out of the share, while the peer asks."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.messages import (
    BundleItem,
    CommitEdit,
    Copy,
    DiscardEdit,
    EditOpened,
    EditRead,
    Examine,
    Examined,
    FolderTimes,
    Found,
    LinkItem,
    List,
    MakeDirectories,
    MakeLinks,
    OpenEdit,
    Page,
    QuickEdit,
    ReadBundle,
    ReadEdit,
    RemoveMany,
    Rename,
    Replace,
    SetAttributes,
    Stat,
    Tree,
    Version,
)
from gimmal.remote.files import version_of
from gimmal.share import edit_spares
from tests.base.test_beneath import swapping
from tests.figures import figure
from tests.share.rig import MTIME, Rig, tree_of, upload

FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"


def edited_elsewhere(rig: Rig, outside: Path) -> int:
    """How many bytes of a file outside an edit gives; the peer may have guessed its version."""
    ask = rig.session.answer
    state = (outside / "b/file").stat()
    bases = [Version(state.st_ino, state.st_size, state.st_mtime_ns)]
    found = ask(Stat("rw/a/b/file"))
    if isinstance(found, Found):
        bases.append(version_of(found.attributes))
    read = 0
    for base in bases:
        ranges, digest = ((0, 6),), blake3_digest(b"inside")
        ask(QuickEdit("rw/a/b/file", base, base.size, 6, Replace.EXPECTED, ranges, b"inside", digest))
        opened = ask(OpenEdit("rw/a/b/file", base, base.size, base.size, Replace.ALWAYS))
        if isinstance(opened, EditOpened):
            answer = ask(ReadEdit(opened.edit, 0, 100))
            read += len(answer.data) if isinstance(answer, EditRead) and answer.data != b"inside" else 0
            ask(CommitEdit(opened.edit, keep_open=True))
            ask(CommitEdit(opened.edit, path="rw/a/b/moved"))
            ask(RemoveMany(["rw/a/b/moved"]))
            ask(DiscardEdit(opened.edit))
    return read


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_swapped_links_lead_nowhere(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_spares, "SPARE_BYTES_MIN", 1)
    outside = rig.base / "outside"
    for folder in (rig.rw / "a" / "b", outside / "b"):
        folder.mkdir(parents=True)
    (rig.rw / "a/b/file").write_bytes(b"inside")
    (outside / "b/file").write_bytes(b"secret")
    (outside / "b/secret").write_bytes(b"secret")
    for place in (outside / "b", outside / "b/secret", outside / "b/file"):
        os.setxattr(place, "user.secret", b"1")
    outside_time = (outside / "b/secret").stat().st_mtime_ns
    (rig.rw / "trap").symlink_to(outside)
    before = tree_of(outside)
    tries = 100_000 if FULL else 2_000
    escapes = reached = 0
    with swapping(rig.rw / "a", rig.rw / "trap"):
        for number in range(tries):
            session = rig.session
            act = number % 13
            if act == 0:
                content = rig.read("rw/a/b/file")
                escapes += content == b"secret"
                reached += content == b"inside"
            elif act == 1:
                header, contents = session.read_bundle(ReadBundle("rw/a/b", ["file", "secret"]))
                escapes += b"secret" in contents
                assert len(msgspec.msgpack.decode(header, type=list[BundleItem])) == 2
            elif act == 2:
                upload(session, "rw/a/b/file", b"inside", Replace.ALWAYS, durable=False)
            elif act == 3:
                rig.bundle("rw/a/b", {"file": b"inside", "new": b"new"}, Replace.ALWAYS)
            elif act == 4:
                session.answer(MakeDirectories(["rw/a/b/folder/deep"], parents=True))
            elif act == 5:
                session.answer(RemoveMany(["rw/a/b/folder/deep", "rw/a/b/folder", "rw/a/b/new", "rw/a/b/secret"]))
            elif act == 6:
                session.answer(Rename("rw/a/b/file", "rw/a/b/moved"))
                session.answer(Rename("rw/a/b/moved", "rw/a/b/file"))
            elif act == 7:
                session.answer(Copy("rw/a/b/secret", "rw/stolen"))
                session.answer(Copy("rw/a/b/file", "rw/a/b/copy", Replace.ALWAYS))
            elif act == 8:
                session.answer(SetAttributes([FolderTimes("rw/a/b/file", 7, 0o777)]))
            elif act == 9:
                items = [
                    LinkItem("rw/a/b/symbolic", "/etc/passwd", 1),
                    LinkItem("rw/a/b/hard", "rw/a/b/file", MTIME, True, 6),
                    LinkItem("rw/stolen", "rw/a/b/secret", outside_time, True, 6),
                ]
                session.answer(MakeLinks(items, Replace.ALWAYS))
                session.answer(RemoveMany(["rw/a/b/symbolic", "rw/a/b/hard"]))
            elif act == 10:
                for name in ("secret", "file"):
                    examined = session.answer(Examine(f"rw/a/b/{name}"))
                    escapes += isinstance(examined, Examined) and ("user.secret", b"1") in examined.xattrs
                examined = session.answer(Examine("rw/a/b"))
                escapes += isinstance(examined, Examined) and ("user.secret", b"1") in examined.xattrs
                session.answer(SetAttributes([FolderTimes("rw/a/b", 7, 0o777, (("user.mark", b"1"),))]))
            elif act == 11:
                escapes += edited_elsewhere(rig, outside)
            else:
                for request in (List("rw/a/b"), Tree("rw/a"), Tree("rw", 0, True)):
                    page = session.answer(request)
                    if isinstance(page, Page):
                        escapes += any(entry.name.endswith("secret") for entry in page.entries)
                        escapes += any(("user.secret", b"1") in entry.xattrs for entry in page.entries)
    figure(f"symlink swapper, every operation: escapes of {tries} tries", escapes + (tree_of(outside) != before), "0")
    assert reached > 0
    assert escapes == 0
    assert tree_of(outside) == before
    assert not (rig.rw / "stolen").exists()
    assert all(os.listxattr(place) == ["user.secret"] for place in (outside / "b", outside / "b/secret"))
    assert (outside / "b/secret").stat().st_nlink == 1
