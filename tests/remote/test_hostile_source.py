"""A download from a peer whose tree is a lie: nothing is written but below the target named."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gimmal.base.workers import Workers
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.messages import Attributes, BundleItem, Entry, Kind, Page
from gimmal.remote.copy_tree import CopyOptions, Existing, TreeCopier
from gimmal.remote.files import Bundle
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import FAILURES_MAX, Progress
from gimmal.share.service import ShareService
from gimmal.share.shares import Rights, Share, ShareTable
from gimmal.transport.buffers import BufferPool

CONTENT = b"from the other side"
FILE = Attributes(Kind.FILE, len(CONTENT), 1, 0o7777, 1)
FOLDER = Attributes(Kind.DIRECTORY, 0, 1, 0o7777, 1)
ESCAPES = [
    "..",
    "../out",
    "../../out",
    "a/../../out",
    "/out",
    "//out",
    "",
    ".",
    "a//b",
    "link/out",
    "to-file/out",
    "out\0",
    "a\\..\\..\\out",
    "\u202eout",
    "\x1b[31mout",
    "x" * 256,
    "/".join(["d"] * 65),
]


class Liar(LocalFiles):
    """A source that names what it likes."""

    entries_named: tuple[Entry, ...] = ()

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        yield Page(list(self.entries_named), 0)

    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Bundle:
        item = BundleItem(0, len(CONTENT), small_file_digest(CONTENT), FILE)
        return Bundle([item] * len(names), [memoryview(CONTENT)] * len(names), lambda: None)


def everything(base: Path) -> set[str]:
    return {
        os.path.relpath(os.path.join(folder, name), base)
        for folder, folders, names in os.walk(base)
        for name in folders + names
        if "journals" not in folder and name != "journals"
    }


def download(base: Path, entries: list[Entry]) -> Progress:
    """Copy what a liar names into ``base/near/target``, beside which lie things of this computer."""
    near = base / "near"
    (near / "target").mkdir(parents=True)
    (base / "elsewhere").mkdir()
    (near / "target" / "link").symlink_to(base / "elsewhere")
    (near / "target" / "to-file").symlink_to(base / "elsewhere" / "new")
    (near / "mine").write_text("mine")
    share = Share("here", near, Rights.READ_WRITE)
    service = ShareService(ShareTable([share]), base / "journals", bytes(32))
    session, workers, progress = service.open_session(), Workers(), Progress()
    liar = Liar(session, BufferPool(), workers)
    liar.entries_named = tuple(entries)
    copier = TreeCopier(liar, LocalFiles(session, BufferPool(), workers), CopyOptions(Existing.OVERWRITE), progress)
    asyncio.run(copier.copy_folder("far", FOLDER, "here/target"))
    workers.close()
    session.close()
    service.close()
    return progress


@pytest.mark.parametrize("attributes", [FILE, FOLDER], ids=["file", "folder"])
def test_no_name_leads_out_of_the_target(tmp_path: Path, attributes: Attributes) -> None:
    progress = download(tmp_path, [Entry(name, attributes) for name in ESCAPES])
    assert progress.failed == len(ESCAPES)
    assert everything(tmp_path) == {
        "elsewhere",
        "near",
        "near/mine",
        "near/target",
        "near/target/link",
        "near/target/to-file",
    }
    assert (tmp_path / "near" / "mine").read_text() == "mine"
    assert all(text.isprintable() for failure in progress.failures for text in failure)


def test_one_name_twice_is_written_once_and_a_mode_gives_no_rights_to_run_as_another(tmp_path: Path) -> None:
    progress = download(tmp_path, [Entry("new", FILE), Entry("new", FILE)])
    assert (progress.files, progress.failed) == (1, 1)
    made = tmp_path / "near" / "target" / "new"
    assert made.read_bytes() == CONTENT
    assert made.stat().st_mode & 0o7000 == 0


def test_lists_of_names_are_bounded(tmp_path: Path) -> None:
    pipe = Attributes(Kind.OTHER, 0, 1, 0o777, 1)
    names = [Entry(f"{number}", pipe, mapped=True) for number in range(2 * FAILURES_MAX)]
    progress = download(tmp_path, names)
    assert len(progress.mapped) == len(progress.left_out) == FAILURES_MAX
