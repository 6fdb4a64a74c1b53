"""One folder made the mirror of another: nothing is lost that should not be, and nothing deleted in doubt."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gimmal.base.errors import GimmalError, RemoteError, UnreachableError, UsageError
from gimmal.base.workers import Workers
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Page, Version
from gimmal.remote.copy_deciding import CopyOptions, Existing
from gimmal.remote.files import Block, Files
from gimmal.remote.files_around import FilesAround
from gimmal.remote.filtered_names import forms
from gimmal.remote.filters import Filters, including
from gimmal.remote.limited_files import LimitedFiles
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.sync import SyncJob, sync_once
from gimmal.remote.sync_kinds import stage_name
from gimmal.share.service import ShareService
from gimmal.share.shares import Rights, Share, ShareTable
from gimmal.transport.buffers import BufferPool
from tests.exfat import exfat
from tests.patience import PATIENCE

FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"
OLD_TIME = 1_600_000_000


def put(root: Path, name: str, content: str = "content", time: int = OLD_TIME) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (time, time))
    return path


def tree(root: Path) -> dict[str, object]:
    """What lies below a folder, without its trash."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.split("/")[0] != ".gimmal-trash":
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


class Sides:
    """Folders ``from`` and ``to``, synced as one command does."""

    def __init__(self, base: Path, target: Path | None = None) -> None:
        self.source, self.target, self.base = base / "from", target or base / "to", base
        self.source.mkdir()
        self.target.mkdir()
        self.would: list[tuple[str, str]] = []
        self.progress = Progress()

    def sync(
        self,
        *patterns: str,
        delete: bool = True,
        trash: bool = True,
        dry_run: bool = False,
        yes: bool = False,
        source_kind: type[LocalFiles] = LocalFiles,
        target_kind: type[LocalFiles] = LocalFiles,
    ) -> Progress:
        shares = [Share("from", self.source, Rights.READ_ONLY), Share("to", self.target, Rights.READ_WRITE)]
        service = ShareService(ShareTable(shares), self.base / "journals", bytes(32))
        session, workers, pool = service.open_session(), Workers(), BufferPool()
        self.would = []
        options = CopyOptions(Existing.OVERWRITE, dry_run, lambda path, what: self.would.append((what, path)))
        job = SyncJob("from", "to", options, Filters(patterns), delete, trash, yes)
        self.progress = progress = Progress()

        async def main() -> None:
            async with asyncio.timeout(PATIENCE):
                source = source_kind(session, pool, workers)
                await sync_once(source, target_kind(session, pool, workers), job, progress)

        try:
            asyncio.run(main())
        finally:
            workers.close()
            session.close()
            service.close()
        return progress

    @property
    def trashed(self) -> list[bytes]:
        found = (self.target / ".gimmal-trash").rglob("*")
        return sorted(path.read_bytes() for path in found if path.is_file() and path.name != "note.json")


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    return Sides(tmp_path)


def test_the_target_becomes_the_source_and_what_it_had_is_in_the_trash(sides: Sides) -> None:
    put(sides.source, "same")
    put(sides.source, "changed", "new", OLD_TIME - 9)
    put(sides.source, "deep/er/new")
    put(sides.target, "same")
    put(sides.target, "changed", "old")
    put(sides.target, "gone/deep/file", "gone")
    put(sides.target, "deep/gone", "gone too")
    (sides.source / "empty").mkdir()
    os.utime(sides.source / "deep", (OLD_TIME, OLD_TIME))
    progress = sides.sync()
    assert tree(sides.target) == tree(sides.source)
    assert sides.trashed == [b"gone", b"gone too", b"old"]
    assert (progress.failed, progress.files, progress.skipped, progress.deleted) == (0, 2, 1, 4)
    assert (sides.target / "deep").stat().st_mtime == OLD_TIME
    again = sides.sync()
    assert (again.files, again.deleted, again.failed) == (0, 0, 0)


def test_without_delete_nothing_goes(sides: Sides) -> None:
    put(sides.source, "a", "new")
    put(sides.target, "a", "older", OLD_TIME + 5)
    put(sides.target, "b")
    sides.sync(delete=False)
    assert tree(sides.target) == {"a": b"new", "b": b"content"}
    assert sides.trashed == [b"older"]


def test_without_trash_it_is_gone(sides: Sides) -> None:
    put(sides.source, "a", "new")
    put(sides.target, "a", "older")
    put(sides.target, "b/c/d")
    sides.sync(trash=False)
    assert tree(sides.target) == {"a": b"new"}
    assert not (sides.target / ".gimmal-trash").exists()


def test_what_is_left_out_is_neither_copied_nor_deleted(sides: Sides) -> None:
    for root in (sides.source, sides.target):
        put(root, f"{root.name}.tmp")
        put(root, f"cache/{root.name}")
        put(root, f"gone/{root.name}.tmp", root.name)
    shutil.rmtree(sides.source / "gone")
    put(sides.target, "gone/file")
    put(sides.source, "keep.tmp")
    sides.sync("*.tmp", "cache/", "!keep.tmp")
    assert tree(sides.target) == {
        "cache": None,
        "cache/to": b"content",
        "gone": None,
        "gone/to.tmp": b"to",
        "keep.tmp": b"content",
        "to.tmp": b"content",
    }
    assert sides.trashed == [b"content"]


def test_a_dry_run_says_exactly_what_is_then_done(sides: Sides) -> None:
    put(sides.source, "new")
    put(sides.source, "folder/changed", "new")
    put(sides.target, "folder/changed", "older")
    put(sides.target, "gone/file")
    put(sides.target, "kind/below")
    put(sides.source, "kind", "a file")
    before = tree(sides.target)
    sides.sync(dry_run=True)
    assert tree(sides.target) == before
    assert sides.trashed == []
    assert sorted(sides.would) == [
        ("copy", "to/kind"),
        ("copy", "to/new"),
        ("delete", "to/gone"),
        ("delete", "to/gone/file"),
        ("delete", "to/kind"),
        ("delete", "to/kind/below"),
        ("replace", "to/folder/changed"),
    ]
    sides.sync()
    assert tree(sides.target) == tree(sides.source)


class Unlistable(LocalFiles):
    """A source with a folder that cannot be read."""

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        async for page in super().tree(path, xattrs=xattrs):
            if path == "from":
                page = Page(page.entries, page.cursor, [("secret", int(Code.DENIED))])
            yield page


class Breaking(LocalFiles):
    """A source whose listing breaks off."""

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        async for page in super().tree(path, xattrs=xattrs):
            if path == "from":
                yield Page(page.entries[:1], 1)
                raise RemoteError("input_output", "the disk reported an error")
            yield page


class Unreadable(LocalFiles):
    """A source none of whose files can be read."""

    async def read_block(
        self, path: str, offset: int, length: int, version: Version | None, *, sparse: bool = False
    ) -> Block:
        raise RemoteError("input_output", "the disk reported an error")

    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Any:
        raise RemoteError("input_output", "the disk reported an error")


@pytest.mark.parametrize("kind", [Unlistable, Breaking, Unreadable])
def test_nothing_is_deleted_in_doubt(sides: Sides, kind: type[LocalFiles]) -> None:
    put(sides.source, "a")
    put(sides.source, "renamed", "precious")
    put(sides.target, "old name", "precious")
    put(sides.target, "secret/file")
    if kind is Breaking:
        with pytest.raises(RemoteError, match="disk"):
            sides.sync(source_kind=kind)
    else:
        sides.sync(source_kind=kind)
        assert sides.progress.failed
        assert sides.progress.not_deleted == 3
    assert (sides.target / "old name").read_text() == "precious"
    assert (sides.target / "secret" / "file").exists()
    assert sides.trashed == []


def test_an_empty_source_deletes_nothing_unless_it_is_meant(sides: Sides) -> None:
    """A disk that is not mounted looks like this."""
    put(sides.target, "precious")
    with pytest.raises(GimmalError, match="source is empty"):
        sides.sync()
    assert (sides.target / "precious").exists()
    put(sides.source, "left.out")
    with pytest.raises(GimmalError, match="source is empty"):
        sides.sync("*.out")
    assert (sides.target / "precious").exists()
    sides.sync("*.out", yes=True)
    assert tree(sides.target) == {}
    assert sides.trashed == [b"content"]


def test_a_source_that_is_not_there_deletes_nothing(sides: Sides) -> None:
    put(sides.target, "precious")
    sides.source.rmdir()
    sides.source.write_text("a file")
    with pytest.raises(GimmalError):
        sides.sync(yes=True)
    assert (sides.target / "precious").exists()


def test_a_folder_gives_way_to_a_file_with_delete_only(sides: Sides) -> None:
    put(sides.source, "a", "file")
    put(sides.source, "b/c/d", "file")
    put(sides.target, "a/b/c", "below")
    put(sides.target, "b", "was a file")
    sides.sync(delete=False)
    assert sides.progress.failed == 1
    assert tree(sides.target)["a/b/c"] == b"below"
    assert tree(sides.target)["b/c/d"] == b"file"
    sides.sync()
    assert tree(sides.target) == tree(sides.source)
    assert sides.trashed == [b"below", b"was a file"]


@pytest.mark.parametrize("trash", [True, False])
def test_what_a_link_replaces_is_in_the_trash(sides: Sides, trash: bool) -> None:
    put(sides.source, "first")
    (sides.source / "named").hardlink_to(sides.source / "first")
    (sides.source / "link").symlink_to("first")
    (sides.source / "turned").symlink_to("first")
    put(sides.target, "named", "old name")
    put(sides.target, "link", "old file")
    (sides.target / "turned").symlink_to("elsewhere")
    sides.sync(trash=trash)
    assert sides.progress.failures == []
    assert (sides.target / "named").samefile(sides.target / "first")
    assert os.readlink(sides.target / "link") == os.readlink(sides.target / "turned") == "first"
    assert sides.trashed == ([b"old file", b"old name"] if trash else [])
    links = [os.readlink(path) for path in (sides.target / ".gimmal-trash").rglob("*") if path.is_symlink()]
    assert links == (["elsewhere"] if trash else [])


def test_what_no_link_can_replace_stays(tmp_path: Path) -> None:
    with exfat(tmp_path) as mounted:
        sides = Sides(tmp_path, mounted / "to")
        put(sides.source, "first", "x" * 300_000)
        (sides.source / "named").hardlink_to(sides.source / "first")
        (sides.source / "link").symlink_to("first")
        put(sides.target, "named", "old name")
        put(sides.target, "link", "old file")
        sides.sync()
        assert sides.progress.failures == []
        assert [reason for _name, reason in sides.progress.left_out] == ["symbolic link, and the target takes none"]
        assert (sides.target / "link").read_text() == "old file"
        assert (sides.target / "named").read_text() == "x" * 300_000
        assert sides.trashed == [b"old name"]


def test_a_folder_that_holds_what_is_left_out_does_not_give_way(sides: Sides) -> None:
    put(sides.source, "a", "file")
    put(sides.target, "a/keep.tmp")
    put(sides.target, "a/other")
    sides.sync("*.tmp")
    assert sides.progress.failed == 1
    assert sorted(tree(sides.target)) == ["a", "a/keep.tmp", "a/other"]


def test_a_folder_is_not_synced_into_itself(sides: Sides, tmp_path: Path) -> None:
    put(sides.source, "a")
    service = ShareService(ShareTable([Share("s", tmp_path, Rights.READ_WRITE)]), tmp_path / "journals", bytes(32))
    session, workers = service.open_session(), Workers()
    files = LocalFiles(session, BufferPool(), workers)
    for source, target in (("s/from", "s/from/x"), ("s/from/x", "s/from"), ("s", "s/to"), ("s/to", "s/to")):
        job = SyncJob(source, target, CopyOptions(Existing.OVERWRITE), Filters())
        with pytest.raises(UsageError, match="lies in the other"):
            asyncio.run(sync_once(files, files, job, Progress()))
    workers.close()
    session.close()
    service.close()


def test_a_view_asks_its_tree_for_all_that_a_tree_may_answer_in_its_own_way() -> None:
    own = {name for kind in (LocalFiles, RemoteFiles, LimitedFiles) for name in vars(kind) if name in vars(Files)}
    assert {name for name in own if not name.startswith("_")} <= set(vars(FilesAround))


class TestFilters:
    @pytest.mark.parametrize(
        ("patterns", "path", "folder", "excluded"),
        [
            ((), "a", False, False),
            (("*.o",), "deep/x.o", False, True),
            (("/x",), "deep/x", False, False),
            (("build/",), "build", False, False),
            (("build/",), "build", True, True),
            (("build/", "!build/keep"), "build/keep", False, True),
            (("build/*", "!build/keep"), "build/keep", False, False),
            (("# comment", ""), "comment", False, False),
            (("**/cache",), "a/b/cache/c/d", False, True),
            (("*", "!*/", "!*.py"), "a/b.py", False, False),
            (("*", "!*/", "!*.py"), "a/b.txt", False, True),
            (("[a-c]?",), "b1", False, True),
        ],
    )
    def test_they_mean_what_gitignore_means(
        self, patterns: tuple[str, ...], path: str, folder: bool, excluded: bool
    ) -> None:
        assert Filters(patterns).excluded(path, folder=folder) is excluded

    def test_include_takes_back(self) -> None:
        assert including("a") == "!a"
        assert including("!a") == "a"
        assert not Filters(["*.tmp", including("keep.tmp")]).excluded("x/keep.tmp", folder=False)


NAMES = st.sampled_from(["a", "b", "c.tmp", "d"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TREES = st.dictionaries(PATHS, st.sampled_from(["", "x", "yy"]) | st.none(), max_size=8)


def make(root: Path, wanted: dict[str, str | None], time: int) -> None:
    for name, content in wanted.items():
        try:
            if content is None:
                (root / name).mkdir(parents=True, exist_ok=True)
            else:
                put(root, name, content, time)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            pass


@pytest.mark.campaign
@given(TREES.filter(bool), TREES, st.booleans())
@settings(max_examples=400 if FULL else 40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_tree_becomes_any_other_and_no_byte_is_lost(
    tmp_path_factory: pytest.TempPathFactory, source: dict[str, str | None], target: dict[str, str | None], trash: bool
) -> None:
    sides = Sides(tmp_path_factory.mktemp("sync"))
    make(sides.source, source, OLD_TIME)
    make(sides.target, target, OLD_TIME + 1)
    there = tree(sides.target)
    sides.sync(trash=trash)
    assert sides.progress.failures == []
    assert tree(sides.target) == tree(sides.source)
    if trash:
        held = sorted(content for content in there.values() if isinstance(content, bytes))
        assert sides.trashed == held
    assert sides.sync().deleted == 0
    shutil.rmtree(sides.base)


PARTS = st.sampled_from(["a", "b", "*", "**", "a*", "?", "[ab]", "*.c", "x.c"])
LINES = st.builds(
    lambda no, front, parts, back: no + front + "/".join(parts) + back,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)
WHERE = st.lists(st.sampled_from(["a", "b", "ab", "x.c", "y.c"]), min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("patterns", "left_out"),
    [
        (["a/**/"], ["a/b/c"]),
        (["/a/**/ "], ["a/b/c"]),
        (["**/"], ["a/x", "a/b/c"]),
        (["*", "!**/"], ["a/x", "a/b/c", "x"]),
    ],
)
def test_two_stars_at_the_end_are_what_is_inside(patterns: list[str], left_out: list[str]) -> None:
    filters = Filters(patterns)
    assert [path for path in ("a/x", "a/b/c", "x") if filters.excluded(path, folder=False)] == left_out


@pytest.mark.campaign
@pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge")
@given(st.lists(LINES, min_size=1, max_size=5), st.lists(WHERE, min_size=1, max_size=10, unique=True))
@settings(max_examples=500 if FULL else 40, deadline=None, suppress_health_check=list(HealthCheck))
def test_filters_judge_as_git_does(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str], paths: list[str]
) -> None:
    root = tmp_path_factory.mktemp("git")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run(["git", "init", "-q", root], check=True, env=environment)
    (root / ".gitignore").write_text("\n".join(patterns) + "\n")
    for path in paths:
        with contextlib.suppress(OSError):
            put(root, path)
    files = [path for path in paths if (root / path).is_file()]
    command = ["git", "-C", str(root), "check-ignore", "--no-index", "--stdin"]
    told = subprocess.run(command, input="\n".join(files), text=True, capture_output=True, check=False, env=environment)
    filters = Filters(patterns)
    assert {path for path in files if filters.excluded(path, folder=False)} == set(told.stdout.split())
    shutil.rmtree(root)


def _make(path: Path, kind: str, content: str) -> None:
    if kind == "file":
        path.write_text(content)
    elif kind == "link":
        path.symlink_to(content)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        (path / "deep").mkdir(parents=True)
        for number in range(3):
            (path / "deep" / f"{number}").write_text(content)


def _is_whole(path: Path, kind: str, content: str) -> bool:
    if kind == "file":
        return path.is_file() and not path.is_symlink() and path.read_text() == content
    if kind == "link":
        return path.is_symlink() and os.readlink(path) == content
    if kind == "pipe":
        return path.is_fifo()
    deep = path / "deep"
    return deep.is_dir() and sorted(each.read_text() for each in deep.iterdir()) == [content] * 3


class Watched(LocalFiles):
    """A target that says before each request what is on the disk, and may be cut off."""

    look: Any
    cut_at: int | None = None
    asked: int = 0

    async def ask(self, request: Any, deadline: float | None = 10.0) -> Any:
        cls = type(self)
        cls.look()
        cls.asked += 1
        if cls.cut_at is not None and cls.asked > cls.cut_at:
            raise UnreachableError("cut", "")
        return await super().ask(request, deadline)


KINDS = [
    (old, new)
    for old in ("file", "link", "folder", "pipe")
    for new in ("file", "link", "folder")
    if old != new and (old, new) != ("file", "link")
]


@pytest.mark.parametrize("trash", [True, False], ids=["trash", "no-trash"])
@pytest.mark.parametrize(("old", "new"), KINDS)
def test_the_old_entry_or_the_new_one_stands_whatever_their_kinds(
    sides: Sides, old: str, new: str, trash: bool
) -> None:
    _make(sides.source / "name", new, "new")
    _make(sides.target / "name", old, "old")

    def look() -> None:
        beside = [sides.target / "name", *sides.target.glob(".gimmal-new-*")]
        assert _is_whole(sides.target / "name", old, "old") or any(_is_whole(path, new, "new") for path in beside)

    class Target(Watched):
        pass

    Target.look = staticmethod(look)
    for cut_at in range(200):
        Target.asked, Target.cut_at = 0, cut_at
        with contextlib.suppress(UnreachableError):
            progress = sides.sync(trash=trash, target_kind=Target)
            assert progress.failures == []
            break
        look()
    assert cut_at > 3
    assert [path.name for path in sides.target.iterdir() if path.name != ".gimmal-trash"] == ["name"]
    assert _is_whole(sides.target / "name", new, "new")


@pytest.mark.parametrize("delete", [True, False])
def test_what_a_cut_sync_made_beside_a_name_is_cleared_away(sides: Sides, delete: bool) -> None:
    put(sides.source, "sub/name", "new")
    put(sides.target, f"sub/{stage_name('name')}", "left over")
    put(sides.target, "sub/.gimmal-new-of-somebody", "theirs")
    put(sides.target, "other")
    sides.sync(delete=delete, trash=False)
    expected: dict[str, object] = {"sub": None, "sub/name": b"new"}
    if not delete:
        expected |= {"other": b"content", "sub/.gimmal-new-of-somebody": b"theirs"}
    assert tree(sides.target) == expected


def test_a_folder_that_cannot_be_copied_whole_replaces_nothing(sides: Sides) -> None:
    put(sides.source, "name/one", "new")
    os.mkfifo(sides.source / "name" / "two")
    put(sides.target, "name", "old")

    class Source(LocalFiles):
        async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Any:
            raise RemoteError("denied", "not to be read", "")

    progress = sides.sync(trash=False, source_kind=Source)
    assert progress.failed > 0
    assert (sides.target / "name").read_text() == "old"


def test_a_link_that_finds_no_place_removes_nothing(tmp_path: Path) -> None:
    with exfat(tmp_path) as disk:
        sides = Sides(tmp_path, disk / "to")
        (sides.source / "name").symlink_to("new")
        put(sides.target, "name/below", "old")
        progress = sides.sync(trash=False)
        assert tree(sides.target) == {"name": None, "name/below": b"old"}
        assert len(progress.left_out) == 1


def test_a_mapped_name_of_another_kind_is_replaced(sides: Sides) -> None:
    (sides.source / "a\\b").mkdir()
    put(sides.source, "a\\b/file", "new")
    put(sides.target, "a\uee5cb", "old")
    progress = sides.sync(trash=False)
    assert progress.failures == []
    assert tree(sides.target) == {"a\uee5cb": None, "a\uee5cb/file": b"new"}


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("C:keep", "C:keep"),
        ("a\\b.tmp", r"a\\b.tmp"),
        ("line\nbreak", "line*break"),
        ("fo\nlder/C:keep", "fo?lder/C:keep"),
        ("fo\nlder/plain", "fo\uee0alder/plain"),
        ("received\uee5cname", "received\uee5cname"),
        ("received\uee5cname", r"received\\name"),
    ],
)
def test_a_name_that_travels_mapped_is_protected_by_its_pattern(sides: Sides, name: str, pattern: str) -> None:
    put(sides.source, "other")
    put(sides.target, name, "stays")
    before = tree(sides.target)
    progress = sides.sync(pattern)
    assert (progress.failed, progress.deleted) == (0, 0)
    assert tree(sides.target) == {**before, "other": b"content"}


def test_what_a_pattern_leaves_out_by_its_real_name_is_not_copied(sides: Sides) -> None:
    put(sides.source, "C:secret")
    put(sides.source, "D:other")
    sides.sync("C:*")
    assert list(tree(sides.target)) == ["D\uee3aother"]


def test_a_path_of_very_many_spellings_is_tried_in_a_bounded_number() -> None:
    path = "/".join(["a\uee5cb"] * 40)
    tried = forms(path)
    assert len(tried) <= 256
    assert {path, path.replace("\uee5c", "\\")} <= set(tried)
