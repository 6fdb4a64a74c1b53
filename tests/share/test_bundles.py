"""WriteBundle: many small files, each old or new."""

from __future__ import annotations

import os
import stat

import pytest

from gimmal.protocol.codes import Code
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.limits import BUNDLE_ITEMS_MAX
from gimmal.protocol.messages import BundleFile, BundleWritten, Replace, WriteBundle
from gimmal.share import flushing
from tests.share.rig import MTIME, Rig, bundle_of


def test_files_arrive_with_time_and_mode(rig: Rig) -> None:
    (rig.rw / "sub").mkdir()
    files = {f"sub/{number}": os.urandom(number) for number in range(100)} | {"empty": b"", "é\u200dü": b"x"}
    assert rig.bundle("rw", files) == [0] * 102
    for name, content in files.items():
        assert (rig.rw / name).read_bytes() == content
        assert (rig.rw / name).stat().st_mtime_ns == MTIME
    content = b"#!/bin/sh"
    header = BundleFile("script", len(content), small_file_digest(content), MTIME, 0o4755)
    rig.session.write_bundle(WriteBundle("rw", durable=False), [header], [memoryview(content)])
    assert stat.S_IMODE((rig.rw / "script").stat().st_mode) == 0o755
    assert not [name for name in os.listdir(rig.rw) if name.startswith(".gimmal")]


def test_one_bad_file_leaves_the_rest_alone(rig: Rig) -> None:
    (rig.rw / "there").write_bytes(b"old")
    (rig.rw / "folder").mkdir()
    (rig.rw / "link").symlink_to("folder")
    files = {
        "a": b"a",
        "there": b"new",
        "../x": b"x",
        "none/b": b"b",
        "folder": b"f",
        "link/c": b"c",
        "link": b"l",
        "d": b"d",
    }
    assert rig.bundle("rw", files) == [
        0, Code.EXISTS, Code.BAD_NAME, Code.NOT_FOUND, Code.EXISTS, Code.LINK_REFUSED, Code.EXISTS, 0,
    ]  # fmt: skip
    assert sorted(os.listdir(rig.rw)) == ["a", "d", "folder", "link", "there"]
    assert (rig.rw / "there").read_bytes() == b"old"
    assert os.listdir(rig.rw / "folder") == []


def test_replacing(rig: Rig) -> None:
    path = rig.rw / "file"
    path.write_bytes(b"old")
    path.chmod(0o604)
    (rig.rw / "link").symlink_to("file")
    (rig.rw / "folder").mkdir()
    files = {"file": b"new", "link": b"x", "folder": b"x"}
    assert rig.bundle("rw", files, Replace.ALWAYS) == [0, Code.LINK_REFUSED, Code.IS_A_DIRECTORY]
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o604)
    assert rig.bundle("rw", files, Replace.EXPECTED) == Code.INVALID
    assert rig.bundle("rw", files, newer_only=True) == Code.INVALID


@pytest.mark.parametrize(("difference", "code"), [(-1, 0), (0, Code.EXISTS), (1, Code.EXISTS)])
def test_newer_only(rig: Rig, difference: int, code: int) -> None:
    path = rig.rw / "file"
    path.write_bytes(b"old")
    os.utime(path, ns=(MTIME, MTIME + difference))
    assert rig.bundle("rw", {"file": b"new", "other": b"o"}, Replace.ALWAYS, newer_only=True) == [code, 0]
    assert path.read_bytes() == (b"old" if code else b"new")


def test_the_same_name_twice(rig: Rig) -> None:
    headers, contents = bundle_of({"a": b"one"})
    more, more_contents = bundle_of({"a": b"two"})
    answer = rig.session.write_bundle(WriteBundle("rw"), headers + more, contents + more_contents)
    assert answer == BundleWritten([0, Code.EXISTS])
    assert (rig.rw / "a").read_bytes() == b"one"


def test_the_largest_bundle(rig: Rig) -> None:
    files = {f"{number}": b"x" for number in range(BUNDLE_ITEMS_MAX)}
    before = len(os.listdir("/proc/self/fd"))
    assert rig.bundle("rw", files) == [0] * BUNDLE_ITEMS_MAX
    assert len(os.listdir("/proc/self/fd")) == before
    assert rig.bundle("rw", {f"more-{number}": b"x" for number in range(BUNDLE_ITEMS_MAX + 1)}) == Code.INVALID


def test_without_the_call_each_file_is_synced(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    fsync = os.fsync

    def counting(descriptor: int) -> None:
        synced.append(stat.S_IFMT(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counting)
    assert rig.bundle("rw", {"a": b"1", "b": b"2"}) == [0, 0]
    assert synced == [stat.S_IFDIR]  # the files were made durable together
    monkeypatch.setattr(flushing, "sync_file_system", lambda _: False)
    assert rig.bundle("rw", {"c": b"1", "d": b"2"}) == [0, 0]
    assert synced == [stat.S_IFDIR, stat.S_IFREG, stat.S_IFREG, stat.S_IFDIR]


def test_many_folders_are_flushed_together(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes: list[str] = []
    fsync, sync = os.fsync, flushing.sync_file_system

    def counting(descriptor: int) -> None:
        flushes.append("fsync")
        fsync(descriptor)

    def syncing(descriptor: int) -> bool:
        flushes.append("syncfs")
        return sync(descriptor)

    monkeypatch.setattr(os, "fsync", counting)
    monkeypatch.setattr(flushing, "sync_file_system", syncing)
    for number in range(20):
        (rig.rw / f"{number}").mkdir()
    for count, expected in ((3, ["syncfs", "fsync", "fsync", "fsync"]), (4, ["syncfs"] * 2), (20, ["syncfs"] * 2)):
        flushes.clear()
        assert rig.bundle("rw", {f"{number}/of {count}": b"x" for number in range(count)}) == [0] * count
        assert flushes == expected
    monkeypatch.setattr(flushing, "sync_file_system", lambda _: False)
    flushes.clear()
    assert rig.bundle("rw", {f"{number}/alone": b"x" for number in range(20)}) == [0] * 20
    assert flushes == ["fsync"] * 40


@pytest.mark.parametrize("which", [1, 2])
def test_what_a_device_failed_to_flush_is_not_taken_for_durable(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """A second call would not tell of the first one's loss."""
    calls = 0

    def failing_once(_: int) -> bool:
        nonlocal calls
        calls += 1
        if calls == which:
            raise OSError(5, "input/output error")
        return True

    monkeypatch.setattr(flushing, "sync_file_system", failing_once)
    for number in range(10):
        (rig.rw / f"{number}").mkdir()
    assert rig.bundle("rw", {f"{number}/file": b"x" for number in range(10)}) == [Code.INPUT_OUTPUT] * 10
    assert calls == which


def test_a_bundle_in_more_folders_than_are_kept_open(rig: Rig) -> None:
    names = [f"{number % 30}/{number}/x{number}" for number in range(300)]
    for name in names:
        (rig.rw / name).parent.mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    assert rig.bundle("rw", {name: name.encode() for name in names}) == [0] * 300
    assert all((rig.rw / name).read_bytes() == name.encode() for name in names)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_bundle_into_nowhere(rig: Rig) -> None:
    assert rig.bundle("none", {"a": b""}) == Code.NOT_FOUND
    assert rig.bundle("", {"a": b""}) == Code.NOT_GRANTED
    assert rig.bundle("rw/../ro", {"a": b""}) == Code.BAD_NAME
    assert rig.bundle("rw/none", {"a": b"", "b": b""}) == [Code.NOT_FOUND] * 2
