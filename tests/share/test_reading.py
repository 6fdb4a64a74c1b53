"""Read and ReadBundle."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.protocol.codec import split_bundle_items
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX, BUNDLE_ITEMS_MAX, FILE_SIZE_MAX
from gimmal.protocol.messages import BundleItem, Failed, Read, ReadBundle, Version
from gimmal.share.bundle_reading import bundle_room
from gimmal.share.reading import OpenRange
from tests.nobody import as_nobody
from tests.share.rig import Rig


def _open(rig: Rig, path: str, offset: int = 0, length: int = BLOCK_SIZE, version: Version | None = None) -> OpenRange:
    opened = rig.session.open_range(Read(path, offset, length, version))
    assert isinstance(opened, OpenRange), opened
    return opened


def test_ranges(rig: Rig) -> None:
    content = os.urandom(BLOCK_SIZE + 1000)
    (rig.ro / "file").write_bytes(content)
    assert rig.read("ro/file") == content[:BLOCK_SIZE]
    assert rig.read("ro/file", BLOCK_SIZE) == content[BLOCK_SIZE:]
    assert rig.read("ro/file", 5, 7) == content[5:12]
    assert rig.read("ro/file", len(content)) == b""
    assert rig.read("ro/file", FILE_SIZE_MAX) == b""
    assert rig.read("ro/none") == Code.NOT_FOUND
    (rig.ro / "empty").write_bytes(b"")
    assert rig.read("ro/empty") == b""


def test_a_range_never_gives_more_than_asked(rig: Rig) -> None:
    (rig.rw / "file").write_bytes(b"0123456789")
    opened = _open(rig, "rw/file", 2, 5)
    buffer = bytearray(100)
    assert opened.length == 5
    assert opened.read_into(buffer, 0) == 5
    assert opened.read_into(buffer, 3) == 2
    assert opened.read_into(buffer, 5) == 0
    assert buffer[:2] == b"56"
    opened.close()


def _replace(path: Path) -> None:
    path.with_name("new").write_bytes(b"replaced")
    os.replace(path.with_name("new"), path)


def test_a_file_that_changes_while_it_is_read(rig: Rig) -> None:
    path = rig.rw / "file"
    path.write_bytes(b"before")
    state = path.stat()
    version = Version(state.st_ino, state.st_size, state.st_mtime_ns)
    assert rig.read("rw/file", version=version) == b"before"
    for change in (
        lambda: path.write_bytes(b"longer than before"),
        lambda: os.truncate(path, 3),
        lambda: os.utime(path, ns=(1, 1)),
    ):
        opened = _open(rig, "rw/file")
        assert opened.check() is None
        change()
        assert opened.check() is Code.CHANGED
        opened.close()
    assert rig.read("rw/file", version=version) == Code.CHANGED
    path.write_bytes(b"before")
    opened = _open(rig, "rw/file")
    _replace(path)
    assert opened.check() is None  # the old file, whole; the next range is of the new one
    old = opened.version
    opened.close()
    assert rig.read("rw/file", version=old) == Code.CHANGED


def test_a_file_cut_while_it_is_read_gives_fewer_bytes_and_changed(rig: Rig) -> None:
    path = rig.rw / "file"
    path.write_bytes(b"x" * 1000)
    opened = _open(rig, "rw/file")
    os.truncate(path, 10)
    buffer = bytearray(1000)
    assert opened.read_into(buffer, 0) == 10
    assert opened.read_into(buffer, 10) == 0
    assert opened.check() is Code.CHANGED
    opened.close()


def test_a_writer_beside_a_reader_is_always_noticed(rig: Rig) -> None:
    path = rig.rw / "file"
    contents = [bytes([value]) * 300_000 for value in range(1, 5)]
    path.write_bytes(contents[0])
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            path.write_bytes(contents[turn % 4])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        results = [rig.read("rw/file") for _ in range(200)]
    finally:
        stop.set()
        writer.join()
    for result in results:
        # Whole, or cut at the moment it was opened: what was there then and did not change while it was read.
        assert isinstance(result, int) or len(set(result)) <= 1


def test_unreadable_files(rig: Rig) -> None:
    (rig.rw / "file").write_bytes(b"x")
    (rig.rw / "file").chmod(0)
    with as_nobody():
        assert rig.read("rw/file") == Code.DENIED


def test_a_disk_that_fails(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    (rig.rw / "file").write_bytes(b"x")

    def failing(*_: object, **__: object) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "pread", failing)
    header, contents = rig.session.read_bundle(ReadBundle("rw", ["file"]))
    assert msgspec.msgpack.decode(header, type=list[BundleItem]) == [BundleItem(Code.INPUT_OUTPUT)]
    assert contents == []
    monkeypatch.setattr(os, "open", failing)
    assert rig.session.open_range(Read("rw/file", 0, 1)) == Failed(Code.INPUT_OUTPUT)


def _items(rig: Rig, folder: str, names: list[str]) -> tuple[list[BundleItem], list[bytes]]:
    header, contents = rig.session.read_bundle(ReadBundle(folder, names))
    body = memoryview(header + b"".join(contents))
    assert len(body) <= BODY_MAX
    items, views = split_bundle_items(body, len(header))
    return items, [bytes(view) for view in views]


def test_bundles(rig: Rig) -> None:
    (rig.rw / "sub").mkdir()
    (rig.rw / "sub" / "a").write_bytes(b"content of a")
    (rig.rw / "b").write_bytes(b"")
    (rig.rw / "link").symlink_to("b")
    items, contents = _items(rig, "rw", ["sub/a", "none", "b", "sub", "link", "../ro/x", "sub/a"])
    assert [item.code for item in items] == [
        0, Code.NOT_FOUND, 0, Code.IS_A_DIRECTORY, Code.LINK_REFUSED, Code.BAD_NAME, 0,
    ]  # fmt: skip
    assert contents == [b"content of a", b"", b"", b"", b"", b"", b"content of a"]
    assert items[0].digest == small_file_digest(b"content of a")
    assert items[0].attributes is not None
    assert items[0].attributes.size == 12
    items, _ = _items(rig, "none", ["a", "b"])
    assert [item.code for item in items] == [Code.NOT_FOUND] * 2


def test_what_does_not_fit_is_too_large_and_the_rest_comes(rig: Rig) -> None:
    (rig.rw / "large").write_bytes(bytes(BODY_MAX))
    for number in range(4):
        (rig.rw / f"half-{number}").write_bytes(bytes(400_000))
    (rig.rw / "small").write_bytes(b"small")
    items, _ = _items(rig, "rw", ["large", "half-0", "half-1", "half-2", "half-3", "small"])
    assert [item.code for item in items] == [Code.TOO_LARGE, 0, 0, Code.TOO_LARGE, Code.TOO_LARGE, 0]


def test_the_fullest_bundle_fits_a_record(rig: Rig) -> None:
    room = bundle_room(BUNDLE_ITEMS_MAX)
    (rig.rw / "file").write_bytes(bytes(room // BUNDLE_ITEMS_MAX))
    os.utime(rig.rw / "file", ns=(0, -(1 << 60)))
    items, _ = _items(rig, "rw", ["file"] * BUNDLE_ITEMS_MAX)
    assert all(item.code == 0 for item in items)
    (rig.rw / "one").write_bytes(bytes(bundle_room(1)))
    assert _items(rig, "rw", ["one"])[0][0].code == 0


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(0, 500_000), max_size=30))
def test_any_bundle_fits_a_record(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    rig = Rig(tmp_path_factory.mktemp("bundle"))
    for size in sizes:
        with (rig.rw / str(size)).open("wb") as file:
            file.truncate(size)
    items, contents = _items(rig, "rw", [str(size) for size in sizes])
    for size, item, content in zip(sizes, items, contents, strict=True):
        assert len(content) == (0 if item.code else size)
    rig.close()
