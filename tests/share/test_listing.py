"""List and Tree: order, pages, cursors, failures, bounds."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gimmal.protocol.codec import encode
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import BODY_MAX, CURSORS_MAX
from gimmal.protocol.messages import Found, Kind, List, Page, Stat, StatFileSystem, Tree
from gimmal.share import listing
from tests.nobody import as_nobody
from tests.patience import within
from tests.share.rig import Rig, entries, pages


def _fill(folder: Path, count: int, form: str = "file-{:06}") -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [form.format(number) for number in range(count)]
    here = os.open(folder, os.O_RDONLY)
    for name in names:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here))
    os.close(here)
    return names


def test_attributes_and_order_by_bytes(rig: Rig) -> None:
    (rig.rw / "b").write_bytes(b"12345")
    os.utime(rig.rw / "b", ns=(0, 1_234_567_890))
    (rig.rw / "b").chmod(0o640)
    (rig.rw / "a").mkdir()
    (rig.rw / "é").symlink_to("no/where")
    (rig.rw / "Z").write_bytes(b"")
    os.mkfifo(rig.rw / "pipe")
    found = entries(rig.session, List("rw"))
    assert [entry.name for entry in found] == ["Z", "a", "b", "pipe", "é"]
    assert [entry.attributes.kind for entry in found] == [
        Kind.FILE, Kind.DIRECTORY, Kind.FILE, Kind.OTHER, Kind.LINK,
    ]  # fmt: skip
    file = found[2].attributes
    assert (file.size, file.mtime_ns, file.mode) == (5, 1_234_567_890, 0o640)
    assert file.identity == (rig.rw / "b").stat().st_ino
    assert found[4].attributes.target == "no/where"
    assert rig.session.answer(Stat("rw/b")) == Found(file)
    assert rig.session.answer(Stat("rw/é")) == Found(found[4].attributes)


def test_link_targets_are_mapped_like_names(rig: Rig) -> None:
    os.symlink(b"../\x1b[2J\xff", os.fsencode(rig.rw / "link"))
    (entry,) = entries(rig.session, List("rw"))
    assert entry.attributes.target == "../\uee1b[2J\ueeff"


def test_tree_is_depth_first_folders_before_what_they_hold(rig: Rig) -> None:
    for path in ("b/x/1", "b/a", "a/z", "c"):
        (rig.rw / path).parent.mkdir(parents=True, exist_ok=True)
        (rig.rw / path).write_bytes(b"")
    (rig.rw / "b" / "link").symlink_to("..")
    names = [entry.name for entry in entries(rig.session, Tree("rw"))]
    assert names == ["a", "a/z", "b", "b/a", "b/link", "b/x", "b/x/1", "c"]
    assert [entry.name for entry in entries(rig.session, Tree("rw/b"))] == ["a", "link", "x", "x/1"]


def test_tree_of_all_shares(rig: Rig) -> None:
    (rig.rw / "one").write_bytes(b"")
    (rig.ro / "two").write_bytes(b"")
    (rig.drop / "three").write_bytes(b"")
    found, failures = pages(rig.session, Tree(""))
    assert [entry.name for entry in found] == ["drop", "ro", "ro/two", "rw", "rw/one"]
    assert failures == [("drop", Code.NOT_GRANTED)]


@pytest.mark.parametrize("kind", [List, Tree])
def test_100_000_entries(rig: Rig, kind: type[List | Tree]) -> None:
    names = _fill(rig.rw / "big", 100_000)
    begun = time.perf_counter()
    found: list[str] = []
    cursor = 0
    while True:
        page = rig.session.answer(kind("rw/big", cursor))
        assert isinstance(page, Page)
        assert len(encode(page)) < BODY_MAX
        found += [entry.name for entry in page.entries]
        cursor = page.cursor
        if not cursor:
            break
    assert within(time.perf_counter() - begun, 10, f"{kind.__name__} of 100,000 entries: seconds")
    assert found == names


def test_longest_names_keep_a_page_inside_a_record(rig: Rig) -> None:
    _fill(rig.rw / "long", 5000, "{:06}" + "\\" * 249)
    found, failures = pages(rig.session, List("rw/long"))
    assert len(found) == 5000
    assert not failures
    page = rig.session.answer(List("rw/long"))
    assert isinstance(page, Page)
    assert len(encode(page)) < BODY_MAX


def test_large_folders_are_read_in_portions(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "AHEAD_MAX", 100)
    monkeypatch.setattr(listing, "AHEAD_MIN", 7)
    names = _fill(rig.rw / "a", 1234)
    _fill(rig.rw / "a" / "file-000500x", 321)
    expected = sorted([*names, "file-000500x"])
    assert rig.names("rw/a") == expected
    tree = [entry.name for entry in entries(rig.session, Tree("rw"))]
    assert len(tree) == len(set(tree)) == 1234 + 321 + 2


def test_the_first_pages_of_a_tree_are_short(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_BYTES_FIRST", 1_000)
    monkeypatch.setattr(listing, "PAGE_BYTES_MAX", 10_000)
    _fill(rig.rw, 500)
    found: list[Page] = []
    while not found or found[-1].cursor:
        page = rig.session.answer(Tree("rw", found[-1].cursor if found else 0))
        assert isinstance(page, Page)
        found.append(page)
    sizes = [sum(64 + len(entry.name) for entry in page.entries) for page in found]
    assert [0 <= size - most < 100 for size, most in zip(sizes, (1_000, 4_000, 10_000), strict=False)] == [True] * 3
    # Asked for again, a page is as long as it was.
    again = rig.session.answer(Tree("rw", found[0].cursor))
    assert isinstance(again, Page)
    assert again.entries == found[1].entries
    # A folder that somebody looks at comes in long pages.
    listed = rig.session.answer(List("rw"))
    assert isinstance(listed, Page)
    assert len(listed.entries) > 100


def _walk(rig: Rig, kind: type[List | Tree], monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Page]]:
    monkeypatch.setattr(listing, "PAGE_BYTES_MAX", 300)
    found = []
    cursor = 0
    while True:
        page = rig.session.answer(kind("rw", cursor))
        assert isinstance(page, Page)
        found.append((cursor, page))
        cursor = page.cursor
        if not cursor:
            return found


@pytest.mark.parametrize("kind", [List, Tree])
def test_a_page_can_be_asked_for_again(rig: Rig, kind: type[List | Tree], monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a", "b/c", "b/d"):
        _fill(rig.rw / folder, 9)
    _fill(rig.rw, 20)
    walked = _walk(rig, kind, monkeypatch)
    assert len(walked) > 3
    for cursor, page in walked[1:]:
        for _ in range(2):
            again = rig.session.answer(kind("rw", cursor))
            assert isinstance(again, Page)
            assert again.entries == page.entries


def test_cursors_are_bounded_and_bound_to_their_listing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_BYTES_MAX", 300)
    _fill(rig.rw, 50)
    _fill(rig.ro, 50)
    first = rig.session.answer(List("rw"))
    assert isinstance(first, Page)
    assert rig.code(List("ro", first.cursor)) == Code.UNKNOWN_CURSOR
    assert rig.code(Tree("rw", first.cursor)) == Code.UNKNOWN_CURSOR
    assert rig.code(List("rw", first.cursor + 1)) == Code.UNKNOWN_CURSOR
    for _ in range(CURSORS_MAX):
        assert isinstance(rig.session.answer(List("ro")), Page)
    assert rig.code(List("rw", first.cursor)) == Code.UNKNOWN_CURSOR
    other = rig.service.open_session()
    assert other.answer(List("ro", 5)) == rig.session.answer(List("ro", first.cursor))


def test_an_unreadable_folder_is_reported_and_the_walk_goes_on(rig: Rig) -> None:
    _fill(rig.rw / "a", 2)
    _fill(rig.rw / "b", 2)
    (rig.rw / "a").chmod(0)
    with as_nobody():
        found, failures = pages(rig.session, Tree("rw"))
    (rig.rw / "a").chmod(0o755)
    assert [entry.name for entry in found] == ["a", "b", "b/file-000000", "b/file-000001"]
    assert failures == [("a", Code.DENIED)]


def test_a_folder_that_fails_is_reported_and_the_walk_goes_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(rig.rw / "a", 2)
    _fill(rig.rw / "b", 2)
    bad = (rig.rw / "a").stat().st_ino
    scandir = os.scandir

    def failing(descriptor: int) -> object:
        if os.fstat(descriptor).st_ino == bad:
            raise OSError(5, "input/output error")
        return scandir(descriptor)

    monkeypatch.setattr(os, "scandir", failing)
    found, failures = pages(rig.session, Tree("rw"))
    assert [entry.name for entry in found] == ["a", "b", "b/file-000000", "b/file-000001"]
    assert failures == [("a", Code.INPUT_OUTPUT)]
    assert rig.code(List("rw/a")) == Code.INPUT_OUTPUT


def test_folders_that_go_meanwhile(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_BYTES_MAX", 300)
    _fill(rig.rw / "a", 30)
    _fill(rig.rw / "b", 3)
    first = rig.session.answer(Tree("rw"))
    assert isinstance(first, Page)
    os.rename(rig.rw / "a", rig.base / "gone")
    (rig.rw / "a").symlink_to(rig.base / "gone")
    names, failures, cursor = [], [], first.cursor
    while cursor:
        page = rig.session.answer(Tree("rw", cursor))
        assert isinstance(page, Page)
        names += [entry.name for entry in page.entries]
        failures += page.failures
        cursor = page.cursor
    assert names == ["b", "b/file-000000", "b/file-000001", "b/file-000002"]
    assert failures == [("a", Code.LINK_REFUSED)]


def test_too_deep_a_tree_is_reported(rig: Rig) -> None:
    here = os.open(rig.rw, os.O_RDONLY)
    for _ in range(100):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    found, failures = pages(rig.session, Tree("rw"))
    assert len(found) == 64
    assert failures == [("/".join("d" * 64), Code.NAME_TOO_LONG)]


def test_too_long_paths_are_reported(rig: Rig) -> None:
    here = os.open(rig.rw, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    found, failures = pages(rig.session, Tree("rw"))
    assert len(found) == 16
    assert failures == [("/".join(["d" * 250] * 16), Code.NAME_TOO_LONG)]
    assert all(isinstance(rig.session.answer(Stat("rw/" + entry.name)), Found) for entry in found)


def test_no_descriptor_is_left_open(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_BYTES_MAX", 300)
    for folder in ("a/b/c/d", "e/f"):
        _fill(rig.rw / folder, 20)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert isinstance(rig.session.answer(Tree("rw")), Page)
    pages(rig.session, Tree("rw"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_old_part_files_are_removed_when_met(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (rig.rw, rig.ro):
        for name in (".gimmal-part-" + "a" * 24, ".gimmal-part-notes"):
            (folder / name).write_bytes(b"x")
    assert rig.names("rw") == []
    assert len(os.listdir(rig.rw)) == 2
    month_later = time.time() + 31 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: month_later)
    assert rig.names("rw") == rig.names("ro") == []
    assert os.listdir(rig.rw) == [".gimmal-part-notes"]
    assert len(os.listdir(rig.ro)) == 2


def test_room_on_the_disk(rig: Rig) -> None:
    room = rig.session.answer(StatFileSystem("rw"))
    expected = os.statvfs(rig.rw)
    assert room.total == expected.f_blocks * expected.f_frsize
    assert rig.code(StatFileSystem("")) == Code.INVALID
    (rig.rw / "link").symlink_to("/proc")
    assert rig.code(StatFileSystem("rw/link")) == Code.LINK_REFUSED
    (rig.rw / "file").write_bytes(b"")
    assert rig.session.answer(StatFileSystem("rw/file")).total == room.total
