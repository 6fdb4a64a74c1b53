"""A program beside us swaps a folder for a link out of the share, while the peer asks."""

from __future__ import annotations

import os

import msgspec
import pytest

from gimmal.protocol.messages import (
    BundleItem,
    Copy,
    FolderTimes,
    List,
    MakeDirectories,
    Page,
    ReadBundle,
    RemoveMany,
    Rename,
    Replace,
    SetAttributes,
    Tree,
)
from tests.base.test_beneath import swapping
from tests.figures import figure
from tests.share.rig import Rig, tree_of, upload

FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_swapped_links_lead_nowhere(rig: Rig) -> None:
    outside = rig.base / "outside"
    for folder in (rig.rw / "a" / "b", outside / "b"):
        folder.mkdir(parents=True)
    (rig.rw / "a/b/file").write_bytes(b"inside")
    (outside / "b/file").write_bytes(b"secret")
    (outside / "b/secret").write_bytes(b"secret")
    (rig.rw / "trap").symlink_to(outside)
    before = tree_of(outside)
    tries = 100_000 if FULL else 2_000
    escapes = reached = 0
    with swapping(rig.rw / "a", rig.rw / "trap"):
        for number in range(tries):
            session = rig.session
            act = number % 10
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
            else:
                for request in (List("rw/a/b"), Tree("rw/a"), Tree("rw")):
                    page = session.answer(request)
                    if isinstance(page, Page):
                        escapes += any(entry.name.endswith("secret") for entry in page.entries)
    figure(f"symlink swapper, every operation: escapes of {tries} tries", escapes + (tree_of(outside) != before), "0")
    assert reached > 0
    assert escapes == 0
    assert tree_of(outside) == before
    assert not (rig.rw / "stolen").exists()
