"""The trash of a share: nothing that goes there is lost, nobody reaches into it, and after 30 days it is empty."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.protocol.codes import Code
from gimmal.protocol.messages import (
    Copy,
    Done,
    EmptyTrash,
    Failed,
    FolderTimes,
    Found,
    LinkItem,
    List,
    ListTrash,
    MakeDirectories,
    MakeLinks,
    OpenPart,
    Read,
    RemoveMany,
    Rename,
    Replace,
    RestoreTrash,
    Results,
    SetAttributes,
    Stat,
    Trash,
    TrashEntry,
    TrashPage,
    Tree,
)
from gimmal.share import trash_batches, trash_looks
from gimmal.share.service import ShareService
from gimmal.share.shares import ShareTable, parse_share
from gimmal.share.trash_looks import COUNTED_MAX
from gimmal.share.trash_names import EntryName, is_trash_name, new_batch_name, parse_entry_name, time_of_batch
from gimmal.share.trash_removing import EMPTY_SECONDS, FILLED_SECONDS, KEPT_SECONDS, ROOM_BATCHES
from tests.share.rig import KEY, Rig, tree_of

NOW = 1_700_000_000.0


class TrashRig(Rig):
    """The rig with a clock of its own."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.close()
        self.now = NOW
        shares = [parse_share(f"{name}={base / name}:{name}") for name in ("rw", "ro", "drop")]
        self.service = ShareService(ShareTable(shares), base / "journals", KEY, lambda: self.now)
        self.session = self.service.open_session("side b")

    @property
    def trash(self) -> Path:
        return self.rw / ".gimmal-trash"

    def put(self, name: str, content: bytes = b"content") -> Path:
        path = self.rw / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def move(self, *paths: str) -> list[int]:
        answer = self.session.answer(Trash([f"rw/{path}" for path in paths]))
        assert isinstance(answer, Results), answer
        return answer.codes

    def listed(self) -> list[TrashEntry]:
        found: list[TrashEntry] = []
        after = ""
        while True:
            page = self.session.answer(ListTrash("rw", after))
            assert isinstance(page, TrashPage), page
            found += page.entries
            if not page.more:
                return found
            after = found[-1].name

    def restore(self, *names: str, target: str = "") -> list[int]:
        answer = self.session.answer(RestoreTrash("rw", list(names), target))
        assert isinstance(answer, Results), answer
        return answer.codes

    def empty(self, *names: str) -> list[int]:
        answer = self.session.answer(EmptyTrash("rw", list(names)))
        assert isinstance(answer, Results), answer
        return answer.codes

    def batches(self) -> list[str]:
        names = os.listdir(self.trash) if self.trash.exists() else []
        return sorted(name for name in names if not name.startswith("looks."))

    def sweep(self) -> None:
        while self.service.sweep_trash():
            pass

    def sweep_daily(self, days: int) -> None:
        """Now, and once a day from then on."""
        self.sweep()
        for _ in range(days):
            self.now += COUNTED_MAX
            self.sweep()


@pytest.fixture
def trash_rig(tmp_path: Path) -> Iterator[TrashRig]:
    rig = TrashRig(tmp_path / "side")
    yield rig
    rig.close()


def test_what_was_moved_is_listed_and_comes_back_as_it_was(trash_rig: TrashRig) -> None:
    trash_rig.put("letters/ada.txt", b"dear ada")
    trash_rig.put("letters/deep/er/x", b"x")
    (trash_rig.rw / "letters" / "empty").mkdir(mode=0o700)
    os.symlink("nowhere", trash_rig.rw / "letters" / "link")
    trash_rig.put("one", b"1")
    before = tree_of(trash_rig.rw)
    assert trash_rig.move("letters", "one", "missing") == [0, 0, Code.NOT_FOUND]
    assert trash_rig.names("rw") == []
    listed = trash_rig.listed()
    assert [(entry.path, entry.who, entry.trashed) for entry in listed] == [
        ("letters", "side b", int(NOW)),
        ("one", "side b", int(NOW)),
    ]
    assert stat.S_IMODE(trash_rig.trash.stat().st_mode) == 0o700
    assert trash_rig.restore(*(entry.name for entry in listed)) == [0, 0]
    assert list(trash_rig.trash.iterdir()) == []
    trash_rig.trash.rmdir()
    after = tree_of(trash_rig.rw)
    assert after == before


def test_nothing_is_replaced_by_what_comes_back(trash_rig: TrashRig) -> None:
    trash_rig.put("a/b", b"old")
    assert trash_rig.move("a/b") == [0]
    trash_rig.put("a/b", b"new")
    (entry,) = trash_rig.listed()
    assert trash_rig.restore(entry.name) == [Code.EXISTS]
    assert (trash_rig.rw / "a" / "b").read_bytes() == b"new"
    assert trash_rig.restore(entry.name, target="rw/c/d") == [0]
    assert (trash_rig.rw / "c" / "d").read_bytes() == b"old"
    assert trash_rig.listed() == []
    assert trash_rig.restore(entry.name) == [Code.NOT_FOUND]


def test_folders_above_are_made_again(trash_rig: TrashRig) -> None:
    trash_rig.put("a/b/c", b"x")
    assert trash_rig.move("a/b/c") == [0]
    assert trash_rig.session.answer(RemoveMany(["rw/a/b", "rw/a"])) == Results([0, 0])
    assert trash_rig.restore(trash_rig.listed()[0].name) == [0]
    assert (trash_rig.rw / "a" / "b" / "c").read_bytes() == b"x"


def test_names_in_the_trash_do_not_collide(trash_rig: TrashRig) -> None:
    for number in range(20):
        trash_rig.put("same", b"%d" % number)
        assert trash_rig.move("same") == [0]
    kept = sorted(path.read_bytes() for path in trash_rig.trash.glob("*/[0-9]*"))
    assert kept == sorted(b"%d" % number for number in range(20))
    assert len(trash_rig.listed()) == 20


def test_only_writable_shares_have_one(trash_rig: TrashRig) -> None:
    (trash_rig.ro / "file").write_bytes(b"x")
    for share in ("ro", "drop"):
        assert trash_rig.session.answer(Trash([f"{share}/file"])) == Results([Code.NOT_GRANTED])
        for request in (ListTrash(share), RestoreTrash(share, []), EmptyTrash(share, [])):
            assert trash_rig.session.answer(request) == Failed(Code.NOT_GRANTED)
    assert os.listdir(trash_rig.ro) == ["file"]
    assert trash_rig.session.answer(ListTrash("rw/file")) == Failed(Code.INVALID)
    assert trash_rig.session.answer(ListTrash("none")) == Failed(Code.NOT_FOUND)
    assert trash_rig.session.answer(Trash(["rw"])) == Results([Code.NOT_GRANTED])


SPELLINGS = [".gimmal-trash", ".GIMMAL-Trash", ".gimmal-trash.", ".gimmal-tra\u017fh", ".gimmal-tra\u200dsh"]


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("folder", ["rw", "rw/below"])
def test_no_path_from_the_wire_leads_into_it(trash_rig: TrashRig, name: str, folder: str) -> None:
    trash_rig.put("victim")
    trash_rig.move("victim")
    (trash_rig.rw / "below").mkdir()
    where = trash_rig.base / folder / name
    if not where.exists():
        os.rename(trash_rig.trash, where)
    trash_rig.put("file")
    (batch,) = os.listdir(where)
    before = tree_of(where)
    for path in (f"{folder}/{name}", f"{folder}/{name}/{batch}", f"{folder}/{name}/{batch}/0", f"{folder}/{name}/x"):
        assert trash_rig.code(Stat(path)) == Code.NOT_FOUND
        assert trash_rig.code(List(path)) == Code.NOT_FOUND
        assert trash_rig.code(Tree(path)) == Code.NOT_FOUND
        assert trash_rig.read(path) == Code.NOT_FOUND
        assert isinstance(trash_rig.session.open_range(Read(path, 0, 1)), Failed)
        assert trash_rig.session.answer(RemoveMany([path])) == Results([Code.BAD_NAME])
        assert trash_rig.session.answer(MakeDirectories([path])) == Results([Code.BAD_NAME])
        assert trash_rig.session.answer(Trash([path])) == Results([Code.BAD_NAME])
        assert trash_rig.session.answer(SetAttributes([FolderTimes(path, 0)])) == Results([Code.BAD_NAME])
        assert trash_rig.code(Rename(path, "rw/free")) == Code.BAD_NAME
        assert trash_rig.code(Rename("rw/file", path)) == Code.BAD_NAME
        assert trash_rig.code(Copy(path, "rw/free")) == Code.NOT_FOUND
        assert trash_rig.code(Copy("rw/file", path)) == Code.BAD_NAME
        assert trash_rig.code(OpenPart(path, 0, bytes(16))) == Code.BAD_NAME
        assert trash_rig.bundle(folder, {path.partition("/")[2].removeprefix("below/"): b"x"}) in (
            [Code.BAD_NAME],
            Code.BAD_NAME,
        )
    assert name not in trash_rig.names(folder)
    listing = trash_rig.session.answer(Tree("rw"))
    assert not any("trash" in entry.name.lower() for entry in listing.entries)
    assert tree_of(where) == before


def test_names_of_entries_lead_nowhere_else(trash_rig: TrashRig) -> None:
    trash_rig.put("victim")
    trash_rig.move("victim")
    (entry,) = trash_rig.listed()
    batch = entry.name.partition(".")[0]
    for name in (
        "",
        ".",
        "..",
        "../victim",
        f"{batch}.../0",
        f"{batch}.01",
        f"{batch}.10000",
        f"{batch}./0",
        f"{batch}.note.json",
        "0" * 64,
    ):
        assert trash_rig.restore(name) == [Code.INVALID]
        assert trash_rig.empty(name) == [Code.INVALID]
    assert trash_rig.restore(f"{'0' * 16}.0") == [Code.NOT_FOUND]
    assert trash_rig.restore(f"{batch}.1") == [Code.NOT_FOUND]
    assert [found.name for found in trash_rig.listed()] == [entry.name]


@pytest.mark.parametrize("planted", ["link", "file"])
def test_what_stands_in_place_of_the_trash_is_never_followed(trash_rig: TrashRig, tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    trash_rig.put("file")
    if planted == "link":
        trash_rig.trash.symlink_to(outside)
        code = Code.LINK_REFUSED
    else:
        trash_rig.trash.write_bytes(b"")
        code = Code.NOT_A_DIRECTORY
    assert trash_rig.move("file") == [code]
    assert trash_rig.session.answer(ListTrash("rw")) == Failed(code)
    assert isinstance(trash_rig.upload("rw/file", b"new", replace=Replace.ALWAYS), Found)
    assert (trash_rig.rw / "file").read_bytes() == b"new"
    trash_rig.sweep()
    assert list(outside.iterdir()) == []


def test_a_batch_that_is_a_link_is_never_followed(trash_rig: TrashRig, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0").write_bytes(b"precious")
    trash_rig.trash.mkdir()
    name = "0000000100000000"
    (trash_rig.trash / name).symlink_to(outside)
    assert trash_rig.listed() == []
    assert trash_rig.empty(f"{name}.0") == [Code.NOT_A_DIRECTORY]
    assert trash_rig.restore(f"{name}.0", target="rw/stolen") == [Code.NOT_A_DIRECTORY]
    trash_rig.now += 10 * KEPT_SECONDS
    trash_rig.sweep()
    assert (outside / "0").read_bytes() == b"precious"


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{",
        b"[]",
        b'{"version":2,"who":"x","items":[["a"]]}',
        b'{"version":1,"who":"x","items":[[".."]]}',
        b'{"version":1,"who":"x","items":[["a/b"]]}',
        b'{"version":1,"who":"x","items":[[1]]}',
        b'{"version":1,"who":"x","items":3}',
        b"[" * 100_000,
    ],
)
def test_an_entry_whose_note_is_lost_is_not(trash_rig: TrashRig, note: bytes) -> None:
    trash_rig.put("file", b"precious")
    trash_rig.move("file")
    (batch,) = trash_rig.trash.iterdir()
    (batch / "note.json").write_bytes(note)
    (entry,) = trash_rig.listed()
    assert entry.path == ""
    assert trash_rig.restore(entry.name) == [Code.INVALID]
    assert trash_rig.restore(entry.name, target="rw/found") == [0]
    assert (trash_rig.rw / "found").read_bytes() == b"precious"


def test_a_note_cannot_lead_out_of_the_share_or_into_its_own_places(trash_rig: TrashRig) -> None:
    for names in ('[".gimmal-trash","x"]', '[".gimmal-part-x"]', "[]"):
        trash_rig.put("file")
        trash_rig.move("file")
        entry = trash_rig.listed()[-1]
        batch = trash_rig.trash / entry.name.partition(".")[0]
        (batch / "note.json").write_text('{"version":1,"who":"x","items":[' + names + "]}")
        assert trash_rig.restore(entry.name)[0] in (Code.BAD_NAME, Code.NOT_GRANTED)
        assert trash_rig.empty(entry.name) == [0]


def test_a_half_and_a_share_are_never_moved(trash_rig: TrashRig) -> None:
    half = trash_rig.rw / "stick" / "GIMMAL"
    half.mkdir(parents=True)
    (half / "half.json").write_bytes(b"keys")
    assert trash_rig.move("stick") == [Code.NOT_GRANTED]
    assert (half / "half.json").read_bytes() == b"keys"


def test_what_is_emptied_is_gone_and_only_that(trash_rig: TrashRig) -> None:
    outside = trash_rig.base / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    for number in range(30):
        trash_rig.put(f"tree/{number}/deep/{number}")
    os.symlink(outside, trash_rig.rw / "tree" / "link")
    (trash_rig.rw / "tree" / "3").chmod(0o500)
    (trash_rig.rw / "tree" / "4").chmod(0)
    trash_rig.put("other")
    trash_rig.move("tree", "other")
    tree, other = trash_rig.listed()
    assert trash_rig.empty(tree.name, tree.name) == [0, Code.NOT_FOUND]
    assert trash_rig.listed() == [other]
    assert trash_rig.empty(other.name) == [0]
    assert list(trash_rig.trash.iterdir()) == []
    assert (outside / "kept").read_bytes() == b"kept"


def test_a_tree_of_any_depth_can_be_destroyed(trash_rig: TrashRig) -> None:
    """Deeper than paths and descriptors reach."""
    depth = 3000
    top = os.open(trash_rig.rw, os.O_RDONLY)
    current = os.dup(top)
    trash_rig.put("deep/file")
    os.close(current)
    current = os.open("deep", os.O_RDONLY, dir_fd=top)
    os.close(top)
    for _ in range(depth):
        os.mkdir("d", dir_fd=current)
        below = os.open("d", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = below
    os.close(current)
    trash_rig.trash.mkdir(exist_ok=True)
    batch = trash_rig.trash / "0000000100000000"
    batch.mkdir()
    os.rename(trash_rig.rw / "deep", batch / "0")
    trash_rig.sweep_daily(31)
    assert list(trash_rig.trash.iterdir()) == []


def test_after_30_days_it_is_gone_and_not_before(trash_rig: TrashRig) -> None:
    trash_rig.put("old/file")
    trash_rig.move("old")
    trash_rig.sweep_daily(15)
    trash_rig.put("young")
    trash_rig.move("young")
    trash_rig.sweep_daily(15)
    assert [entry.path for entry in trash_rig.listed()] == ["old", "young"]
    trash_rig.sweep_daily(1)
    assert [entry.path for entry in trash_rig.listed()] == ["young"]
    assert len(trash_rig.batches()) == 1
    trash_rig.sweep_daily(15)
    assert list(trash_rig.trash.iterdir()) == []


class TestWrongClocks:
    YEAR = 400 * 24 * 3600

    def test_one_that_was_behind_destroys_nothing_when_it_is_right(self, trash_rig: TrashRig) -> None:
        trash_rig.now -= self.YEAR
        trash_rig.put("file")
        trash_rig.move("file")
        trash_rig.sweep()
        trash_rig.now += self.YEAR
        trash_rig.sweep_daily(29)
        assert [entry.path for entry in trash_rig.listed()] == ["file"]
        trash_rig.sweep_daily(1)
        assert trash_rig.listed() == []

    def test_one_that_is_now_right_and_now_wrong_counts_no_more_than_a_day_a_look(self, trash_rig: TrashRig) -> None:
        trash_rig.put("file")
        trash_rig.move("file")
        for _ in range(29):
            trash_rig.sweep()
            trash_rig.now += self.YEAR
            trash_rig.sweep()
            trash_rig.now -= self.YEAR
        assert [entry.path for entry in trash_rig.listed()] == ["file"]

    def test_what_came_from_the_future_goes_after_30_days_too(self, trash_rig: TrashRig) -> None:
        trash_rig.now += self.YEAR
        trash_rig.put("file")
        trash_rig.move("file")
        trash_rig.now -= self.YEAR
        trash_rig.sweep_daily(31)
        assert trash_rig.listed() == []

    def test_looks_within_an_hour_are_counted_once(self, trash_rig: TrashRig) -> None:
        trash_rig.put("file")
        trash_rig.move("file")
        for _ in range(31 * 48):
            trash_rig.sweep()
            trash_rig.now += 1800
        assert trash_rig.listed() == []

    @pytest.mark.parametrize(
        "notes",
        [
            b"",
            b"[]",
            b"{}",
            b'{"version":1,"looked":0,"seconds":1e9,"met":{}}',
            b'{"version":1,"looked":0,"seconds":9,"met":{"%s":-99999999}}',
            b'{"version":1,"looked":0,"seconds":true,"met":{}}',
            b'{"version":2,"looked":0,"seconds":99999999,"met":{"%s":0}}',
            b"[" * 100_000,
        ],
    )
    def test_where_the_looks_are_lost_all_counts_from_now(self, trash_rig: TrashRig, notes: bytes) -> None:
        trash_rig.put("file")
        trash_rig.move("file")
        trash_rig.sweep_daily(20)
        looks = trash_rig.trash / "looks.json"
        looks.write_bytes(notes.replace(b"%s", trash_rig.batches()[0].encode()))
        trash_rig.sweep_daily(30)
        assert [entry.path for entry in trash_rig.listed()] == ["file"]
        trash_rig.sweep_daily(1)
        assert trash_rig.listed() == []

    def test_a_disk_that_keeps_no_looks_destroys_nothing_too_early(
        self, trash_rig: TrashRig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trash_rig.put("file")
        trash_rig.move("file")
        trash_rig.sweep_daily(30)

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "no space")

        monkeypatch.setattr(trash_looks, "write_new", full)
        trash_rig.put("later")
        trash_rig.move("later")
        trash_rig.sweep_daily(40)
        assert [entry.path for entry in trash_rig.listed()] == ["later"]


def test_a_sweep_is_done_in_portions(trash_rig: TrashRig) -> None:
    from gimmal.base.beneath import Root
    from gimmal.share.trash_removing import sweep

    for number in range(100):
        trash_rig.put(f"many/{number}")
    trash_rig.move("many")
    trash_rig.sweep_daily(KEPT_SECONDS // COUNTED_MAX)
    trash_rig.now += COUNTED_MAX
    rounds = 0
    with Root(trash_rig.rw) as root:
        while sweep(root, trash_rig.now, 10):
            rounds += 1
            assert trash_rig.listed() == []  # what is half destroyed is no entry
    assert 10 <= rounds <= 15
    assert list(trash_rig.trash.iterdir()) == []


def test_what_killed_programs_left_is_swept_away(trash_rig: TrashRig) -> None:
    trash_rig.trash.mkdir()
    young = trash_rig.trash / new_batch_name(NOW).decode()
    old = trash_rig.trash / new_batch_name(NOW - EMPTY_SECONDS).decode()
    torn = trash_rig.trash / new_batch_name(NOW - EMPTY_SECONDS - 1).decode()
    for folder in (young, old, torn):
        folder.mkdir()
        (folder / "note.json").write_bytes(b"{")
    (torn / "gone-123").mkdir()
    (torn / "gone-123" / "rest").write_bytes(b"")
    (trash_rig.trash / "of-another-program").write_bytes(b"")
    trash_rig.sweep()
    left = {young.name, "looks.json", "of-another-program"}
    assert {path.name for path in trash_rig.trash.iterdir()} == left


def test_replaced_files_are_kept(trash_rig: TrashRig) -> None:
    trash_rig.put("file", b"first")
    trash_rig.put("source", b"third")
    os.chmod(trash_rig.rw / "file", 0o640)
    identity = (trash_rig.rw / "file").stat().st_ino
    assert isinstance(trash_rig.upload("rw/file", b"second", replace=Replace.ALWAYS, keep=True), Found)
    assert isinstance(trash_rig.session.answer(Copy("rw/source", "rw/file", Replace.ALWAYS, keep=True)), Found)
    assert trash_rig.bundle("rw", {"file": b"fourth", "new": b"n"}, Replace.ALWAYS, keep=True) == [0, 0]
    kept = {path.read_bytes(): path for path in trash_rig.trash.glob("*/[0-9]*")}
    assert sorted(kept) == [b"first", b"second", b"third"]
    assert kept[b"first"].stat().st_ino == identity
    assert [entry.path for entry in trash_rig.listed()] == ["file"] * 3
    assert (trash_rig.rw / "file").read_bytes() == b"fourth"


def test_nothing_is_kept_of_what_is_not_replaced(trash_rig: TrashRig) -> None:
    trash_rig.put("file", b"old")
    assert trash_rig.bundle("rw", {"file": b"new"}, Replace.NEVER, keep=True) == [Code.EXISTS]
    assert trash_rig.upload("rw/file", b"new", keep=True) == Failed(Code.EXISTS)
    assert isinstance(trash_rig.upload("rw/new", b"new", replace=Replace.ALWAYS, keep=True), Found)
    assert not trash_rig.trash.exists() or trash_rig.listed() == []
    assert (trash_rig.rw / "file").stat().st_nlink == 1


def test_a_file_that_cannot_be_kept_is_not_replaced(trash_rig: TrashRig, monkeypatch: pytest.MonkeyPatch) -> None:
    trash_rig.put("file", b"old")
    monkeypatch.setattr(trash_batches, "BATCHES_MAX", 0)
    assert trash_rig.upload("rw/file", b"new", replace=Replace.ALWAYS, keep=True) == Failed(Code.LIMIT)
    assert trash_rig.bundle("rw", {"file": b"new"}, Replace.ALWAYS, keep=True) == [Code.LIMIT]
    assert trash_rig.move("file") == [Code.LIMIT]
    assert (trash_rig.rw / "file").read_bytes() == b"old"


def test_disks_without_hard_links_keep_replaced_files_too(trash_rig: TrashRig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    trash_rig.put("file", b"old")
    assert trash_rig.bundle("rw", {"file": b"new"}, Replace.ALWAYS, keep=True) == [0]
    assert (trash_rig.rw / "file").read_bytes() == b"new"
    assert [path.read_bytes() for path in trash_rig.trash.glob("*/0")] == [b"old"]


def test_pages_give_every_entry_once(trash_rig: TrashRig) -> None:
    for start in (0, 1000, 2000):
        names = [f"{start + number:05}" for number in range(1000)]
        for name in names:
            trash_rig.put(name, b"")
        assert trash_rig.move(*names) == [0] * 1000
        trash_rig.now += 1
    listed = trash_rig.listed()
    assert [entry.path for entry in listed] == [f"{number:05}" for number in range(3000)]
    first = trash_rig.session.answer(ListTrash("rw"))
    assert isinstance(first, TrashPage)
    assert first.more
    assert len(first.entries) <= 1024


def test_strange_names_come_back_as_they_were(trash_rig: TrashRig) -> None:
    name = b"caf\xe9 \n \\ \xff"
    path = os.fsencode(trash_rig.rw) + b"/" + name
    with open(path, "wb") as file:
        file.write(b"x")
    (wire,) = trash_rig.names("rw")
    assert trash_rig.move(wire) == [0]
    (entry,) = trash_rig.listed()
    assert entry.path == wire
    assert trash_rig.restore(entry.name) == [0]
    assert os.listdir(os.fsencode(trash_rig.rw)) in ([name, b".gimmal-trash"], [b".gimmal-trash", name])


@given(st.floats(min_value=-1e12, max_value=1e12), st.integers(0, 1023))
def test_names_of_entries_tell_their_time(now: float, index: int) -> None:
    batch = new_batch_name(now)
    assert parse_entry_name(str(EntryName(batch, index))) == EntryName(batch, index)
    assert time_of_batch(batch) == min(max(int(now), 0), (1 << 32) - 1)


@pytest.mark.parametrize("name", ["trash", ".gimmal-tras", ".gimmal-trash2", "x.gimmal-trash", ".gimmal-trash~"])
def test_other_names_are_nobodys(name: str) -> None:
    assert not is_trash_name(name.encode())


def test_removing_leaves_the_trash_alone(trash_rig: TrashRig) -> None:
    trash_rig.put("sub/file")
    trash_rig.move("sub/file")
    assert isinstance(trash_rig.session.answer(Rename("rw/sub", "rw/moved")), Done)
    (entry,) = trash_rig.listed()
    assert trash_rig.restore(entry.name) == [0]
    assert (trash_rig.rw / "sub" / "file").read_bytes() == b"content"


class TestReplacedByLinks:
    ITEMS = (
        LinkItem("rw/file", "elsewhere", 1),
        LinkItem("rw/link", "elsewhere", 1),
        LinkItem("rw/new", "elsewhere", 1),
        LinkItem("rw/named", "rw/first", 5, True, 5),
    )

    def prepare(self, rig: TrashRig) -> None:
        for name in ("file", "named", "first"):
            rig.put(name, b"first" if name == "first" else b"old " + name.encode())
        os.utime(rig.rw / "first", ns=(5, 5))
        (rig.rw / "link").symlink_to("old")

    def make(self, rig: TrashRig) -> list[int]:
        answer = rig.session.answer(MakeLinks(list(self.ITEMS), Replace.ALWAYS, keep=True))
        assert isinstance(answer, Results), answer
        return answer.codes

    def test_what_links_replace_is_kept(self, trash_rig: TrashRig) -> None:
        self.prepare(trash_rig)
        assert self.make(trash_rig) == [0, 0, 0, 0]
        assert sorted(entry.path for entry in trash_rig.listed()) == ["file", "link", "named"]
        assert trash_rig.restore(*(entry.name for entry in trash_rig.listed())) == [Code.EXISTS] * 3
        for item in self.ITEMS:
            (trash_rig.base / item.path).unlink()
        assert trash_rig.restore(*(entry.name for entry in trash_rig.listed())) == [0, 0, 0]
        assert (trash_rig.rw / "file").read_bytes() == b"old file"
        assert (trash_rig.rw / "named").read_bytes() == b"old named"
        assert os.readlink(trash_rig.rw / "link") == "old"
        assert (trash_rig.rw / "file").stat().st_nlink == 1

    def test_where_no_link_can_be_made_all_stays(self, trash_rig: TrashRig, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(1, "operation not permitted")  # as exFAT says it

        self.prepare(trash_rig)
        with monkeypatch.context() as patch:
            patch.setattr(os, "symlink", refuse)
            patch.setattr(os, "link", refuse)
            assert self.make(trash_rig) == [Code.NOT_STORED] * 4
        assert trash_rig.listed() == []
        assert sorted(os.listdir(trash_rig.rw)) == [".gimmal-trash", "file", "first", "link", "named"]
        assert (trash_rig.rw / "file").read_bytes() == b"old file"
        # Nor where only the last step fails, with all linked into the trash by then.
        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", refuse)
            assert self.make(trash_rig)[:2] == [Code.DENIED] * 2
        assert [entry.path for entry in trash_rig.listed()] == []
        assert (trash_rig.rw / "file").stat().st_nlink == (trash_rig.rw / "named").stat().st_nlink == 1

    def test_a_link_that_is_there_already_keeps_nothing(self, trash_rig: TrashRig) -> None:
        self.prepare(trash_rig)
        (trash_rig.rw / "named").unlink()
        (trash_rig.rw / "named").hardlink_to(trash_rig.rw / "first")
        assert self.make(trash_rig) == [0, 0, 0, 0]
        assert "named" not in [entry.path for entry in trash_rig.listed()]
        assert (trash_rig.rw / "first").stat().st_nlink == 2

    def test_what_cannot_be_kept_is_not_replaced(self, trash_rig: TrashRig, monkeypatch: pytest.MonkeyPatch) -> None:
        self.prepare(trash_rig)
        monkeypatch.setattr(trash_batches, "BATCHES_MAX", 0)
        assert self.make(trash_rig) == [Code.LIMIT, Code.LIMIT, 0, Code.LIMIT]
        assert (trash_rig.rw / "file").read_bytes() == b"old file"


@pytest.mark.parametrize("way", ["upload", "copy"])
def test_a_file_that_was_not_replaced_after_all_is_in_its_place_alone(
    trash_rig: TrashRig, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    trash_rig.put("file", b"old")
    trash_rig.put("source", b"new")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        if way == "upload":
            assert trash_rig.upload("rw/file", b"new", replace=Replace.ALWAYS, keep=True) == Failed(Code.DENIED)
        else:
            request = Copy("rw/source", "rw/file", Replace.ALWAYS, keep=True)
            assert trash_rig.session.answer(request) == Failed(Code.DENIED)
    assert trash_rig.listed() == []
    assert (trash_rig.rw / "file").read_bytes() == b"old"
    assert (trash_rig.rw / "file").stat().st_nlink == 1


class TestBatchesOfSeveralRequests:
    def replace(self, rig: TrashRig, name: str, content: bytes) -> None:
        assert isinstance(rig.upload(f"rw/{name}", content, replace=Replace.ALWAYS, keep=True), Found)

    def test_one_session_fills_one_batch_and_every_entry_knows_its_place(self, trash_rig: TrashRig) -> None:
        for number in range(30):
            trash_rig.put(f"folder{number}/file", b"old %d" % number)
            self.replace(trash_rig, f"folder{number}/file", b"new")
        assert len(trash_rig.batches()) == 1
        entries = trash_rig.listed()
        assert sorted(entry.path for entry in entries) == sorted(f"folder{number}/file" for number in range(30))
        for number in range(30):
            (trash_rig.rw / f"folder{number}/file").unlink()
        names = [entry.name for entry in entries]
        assert trash_rig.session.answer(RestoreTrash("rw", names)) == Results([0] * 30)
        assert [(trash_rig.rw / f"folder{n}/file").read_bytes() for n in range(30)] == [
            b"old %d" % n for n in range(30)
        ]
        assert trash_rig.batches() == []
        self.replace(trash_rig, "folder1/file", b"new")  # the batch remembered is gone by now
        assert [entry.path for entry in trash_rig.listed()] == ["folder1/file"]

    def test_after_ten_minutes_and_in_another_session_another_is_begun(self, trash_rig: TrashRig) -> None:
        trash_rig.put("file")
        self.replace(trash_rig, "file", b"1")
        trash_rig.now += FILLED_SECONDS
        self.replace(trash_rig, "file", b"2")
        assert len(trash_rig.batches()) == 2
        trash_rig.again()
        self.replace(trash_rig, "file", b"3")
        assert len(trash_rig.batches()) == 3

    def test_a_batch_holds_no_more_entries_than_have_names(self, trash_rig: TrashRig) -> None:
        for number in range(1030):
            trash_rig.put(f"{number}")
        for start in range(0, 1030, 103):
            answer = trash_rig.session.answer(Trash([f"rw/{number}" for number in range(start, start + 103)]))
            assert answer == Results([0] * 103)
        assert sorted(len(os.listdir(trash_rig.trash / name)) - 1 for name in trash_rig.batches()) == [103, 927]

    def test_requests_at_the_same_time_keep_to_themselves(self, trash_rig: TrashRig) -> None:
        def many(thread: int) -> None:
            for number in range(40):
                name = f"{thread}-{number}"
                trash_rig.put(name, name.encode())
                assert trash_rig.move(name) == [0]

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(many, range(4)))
        assert len(trash_rig.batches()) <= 4
        entries = trash_rig.listed()
        assert len(entries) == 160
        for entry in entries:
            batch, _dot, index = entry.name.partition(".")
            assert (trash_rig.trash / batch / index).read_bytes() == entry.path.encode()

    def test_a_full_trash_lets_its_oldest_go(
        self, trash_rig: TrashRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        count = ROOM_BATCHES + 20
        monkeypatch.setattr(trash_batches, "BATCHES_MAX", count)
        for number in range(count):
            trash_rig.put(f"{number}/deep/file", b"%d" % number)
            assert trash_rig.move(f"{number}") == [0]
            trash_rig.now += FILLED_SECONDS
        trash_rig.put("one", b"more")
        self.replace(trash_rig, "one", b"new")
        assert [entry.path for entry in trash_rig.listed()] == [f"{n}" for n in range(ROOM_BATCHES, count)] + ["one"]
        assert "the trash of rw is full" in caplog.text
