"""MakeLinks, Examine and extended attributes, asked by a peer who means no good."""

from __future__ import annotations

import os
import stat
from typing import Any

import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codes import Code
from gimmal.protocol.data_blocks import DataBlocks, add_blocks, are_stretches, few_stretches, hole_digest
from gimmal.protocol.digest import block_count, file_digest
from gimmal.protocol.limits import BLOCK_SIZE, SPARSE_SIZE_MAX, XATTRS_MAX
from gimmal.protocol.messages import (
    Commit,
    Examine,
    Examined,
    FolderTimes,
    Found,
    LinkItem,
    MakeLinks,
    OpenPart,
    PartOpened,
    Replace,
    Results,
    SetAttributes,
    Write,
)
from gimmal.share.service import ShareSession
from gimmal.transport.exchange import Piece
from tests.share.rig import MTIME, SOURCE, Rig, bundle_of


def codes(rig: Rig, *items: LinkItem, replace: Replace = Replace.NEVER) -> list[int]:
    answer = rig.session.answer(MakeLinks(list(items), replace))
    assert isinstance(answer, Results), answer
    return answer.codes


def link(path: str, target: str) -> LinkItem:
    return LinkItem(path, target, MTIME)


class TestSymbolic:
    @pytest.mark.parametrize(
        ("target", "text"),
        [
            ("a", b"a"),
            ("../../etc/passwd", b"../../etc/passwd"),
            ("/", b"/"),
            ("a//b/", b"a//b/"),
            ("é", "é".encode()),
            ("a\uee0ab", b"a\nb"),
            ("a\ueeffb", b"a\xffb"),
            ("C\uee3ax", b"C:x"),
            ("x" * 4095, b"x" * 4095),
        ],
    )
    def test_is_made_with_its_text_exactly_as_it_was(self, rig: Rig, target: str, text: bytes) -> None:
        assert codes(rig, link("rw/link", target)) == [0]
        assert os.fsencode(os.readlink(rig.rw / "link")) == text
        assert (rig.rw / "link").lstat().st_mtime_ns == MTIME
        (entry,) = [rig.session.answer(Examine("rw/link"))]
        assert entry.code == Code.LINK_REFUSED

    @pytest.mark.parametrize(
        "target",
        ["", "a\nb", "a\x1b[31m", "a\\b", "rl\u202eo", "C:x", "a\uee00b", "a\uee2fb", "a\uee41b", "\x00", "x" * 4096],
    )
    def test_is_refused_with_a_text_that_does_not_travel_so(self, rig: Rig, target: str) -> None:
        assert codes(rig, link("rw/link", target))[0] in (Code.BAD_NAME, Code.NAME_TOO_LONG)
        assert list(rig.rw.iterdir()) == []

    def test_nothing_is_made_beneath_one(self, rig: Rig) -> None:
        outside = rig.base / "outside"
        outside.mkdir()
        (outside / "file").write_text("theirs")
        assert codes(rig, link("rw/a", "../outside"), link("rw/a/b", "x")) == [0, Code.LINK_REFUSED]
        state = (outside / "file").stat()
        hard = LinkItem("rw/stolen", "rw/a/file", state.st_mtime_ns, True, state.st_size)
        assert codes(rig, hard, LinkItem("rw/a/c", "rw/a", 0, True, 0)) == [Code.LINK_REFUSED] * 2
        assert rig.bundle("rw", {"a/new": b"x"}) == [Code.LINK_REFUSED]
        assert rig.bundle("rw", {"a": b"x"}, Replace.ALWAYS) == [Code.LINK_REFUSED]
        attributes = SetAttributes([FolderTimes("rw/a", 1, 0o777, (("user.a", b"b"),))])
        assert rig.session.answer(attributes) == Results([Code.LINK_REFUSED])
        assert [path.name for path in outside.iterdir()] == ["file"]
        assert os.listxattr(outside) == []

    def test_replaces_only_what_it_may(self, rig: Rig) -> None:
        (rig.rw / "file").write_text("x")
        (rig.rw / "folder").mkdir()
        os.mkfifo(rig.rw / "pipe")
        items = [link(f"rw/{name}", "to") for name in ("file", "folder", "pipe")]
        assert codes(rig, *items) == [Code.EXISTS] * 3
        assert codes(rig, *items, replace=Replace.ALWAYS) == [0, Code.IS_A_DIRECTORY, Code.SPECIAL_FILE]
        assert codes(rig, link("rw/file", "other"), replace=Replace.ALWAYS) == [0]
        assert os.readlink(rig.rw / "file") == "other"
        assert sorted(path.name for path in rig.rw.iterdir()) == ["file", "folder", "pipe"]
        assert rig.code(MakeLinks([], Replace.EXPECTED)) == Code.INVALID

    def test_needs_the_right_to_change_things(self, rig: Rig) -> None:
        for share in ("ro", "drop"):
            assert codes(rig, link(f"{share}/a", "b")) == [Code.NOT_GRANTED]
        assert codes(rig, link("rw/.gimmal-part-x", "b"), link("rw", "b")) == [Code.BAD_NAME, Code.NOT_GRANTED]

    def test_a_disk_without_links_says_so(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_arguments: Any, **_named: Any) -> None:
            raise PermissionError(1, "Operation not permitted")

        (rig.rw / "file").write_text("x")
        state = (rig.rw / "file").stat()
        # No disk of that kind can be had in a test; this is what vfat answers.
        monkeypatch.setattr(os, "symlink", refuse)
        monkeypatch.setattr(os, "link", refuse)
        hard = LinkItem("rw/b", "rw/file", state.st_mtime_ns, True, 1)
        assert codes(rig, link("rw/a", "b"), hard) == [Code.NOT_STORED] * 2
        assert [path.name for path in rig.rw.iterdir()] == ["file"]


class TestHard:
    def test_joins_two_names_of_one_share_while_the_file_is_the_one_meant(self, rig: Rig) -> None:
        for folder in (rig.rw, rig.ro):
            (folder / "file").write_text("abc")
            os.utime(folder / "file", ns=(1, MTIME))
        (rig.rw / "folder").mkdir()
        good = LinkItem("rw/folder/name", "rw/file", MTIME, True, 3)
        assert codes(rig, good, good) == [0, 0], "once made it is made"
        assert (rig.rw / "folder/name").samefile(rig.rw / "file")
        for item, code in (
            (LinkItem("rw/x", "rw/file", MTIME, True, 4), Code.CHANGED),
            (LinkItem("rw/x", "rw/file", MTIME + 1, True, 3), Code.CHANGED),
            (LinkItem("rw/x", "rw/missing", MTIME, True, 3), Code.NOT_FOUND),
            (LinkItem("rw/x", "rw/folder", MTIME, True, 3), Code.SPECIAL_FILE),
            (LinkItem("rw/x", "ro/file", MTIME, True, 3), Code.NOT_GRANTED),
            (LinkItem("drop/x", "rw/file", MTIME, True, 3), Code.NOT_GRANTED),
            (LinkItem("rw/x", "../rw/file", MTIME, True, 3), Code.BAD_NAME),
            (LinkItem("rw/x", "", MTIME, True, 3), Code.NOT_GRANTED),
        ):
            assert codes(rig, item) == [code], item
        (rig.rw / "x").write_text("another")
        onto = LinkItem("rw/x", "rw/file", MTIME, True, 3)
        assert codes(rig, onto) == [Code.EXISTS]
        assert codes(rig, onto, replace=Replace.ALWAYS) == [0]
        assert (rig.rw / "x").samefile(rig.rw / "file")
        assert sorted(path.name for path in rig.rw.iterdir()) == ["file", "folder", "x"]


HOSTILE_XATTRS = [
    (("security.capability", b"x"),),
    (("trusted.a", b"x"),),
    (("system.posix_acl_access", b"x"),),
    (("user.overlay.redirect", b"/"),),
    (("user.containers.override_stat", b"0:0:04755"),),
    (("user.", b"x"),),
    (("user", b"x"),),
    (("", b"x"),),
    (("user.a\nb", b"x"),),
    (("user.\u202ea", b"x"),),
    (("user.a\x00b", b"x"),),
    (("user." + "ü" * 130, b"x"),),
    (("user.a", b"x"), ("user.a", b"y")),
    tuple((f"user.{number}", bytes(60_000)) for number in range(2)),
]


class TestXattrs:
    @pytest.mark.parametrize("xattrs", HOSTILE_XATTRS, ids=lambda xattrs: repr(xattrs[0][0])[:30])
    def test_that_a_peer_may_not_set_are_refused_everywhere(self, rig: Rig, xattrs: Any) -> None:
        import msgspec

        from gimmal.protocol.messages import BundleWritten, WriteBundle

        (rig.rw / "folder").mkdir()
        request = SetAttributes([FolderTimes("rw/folder", 1, None, xattrs)])
        assert rig.session.answer(request) == Results([Code.INVALID])
        headers, contents = bundle_of({"file": b"x"})
        headers = [msgspec.structs.replace(headers[0], xattrs=xattrs)]
        assert rig.session.write_bundle(WriteBundle("rw"), headers, contents) == BundleWritten([Code.INVALID])
        opened = rig.session.answer(OpenPart("rw/empty", 0, SOURCE))
        assert isinstance(opened, PartOpened)
        assert rig.code(Commit(opened.part, file_digest(0, []), 1, xattrs=xattrs)) == Code.INVALID
        assert os.listxattr(rig.rw / "folder") == []
        assert not (rig.rw / "file").exists()
        assert not (rig.rw / "empty").exists()

    def test_are_set_under_any_mode(self, rig: Rig) -> None:
        xattrs = (("user.a", b"\x00"), ("user.b", b""))
        opened = rig.session.answer(OpenPart("rw/file", 0, SOURCE))
        assert isinstance(opened, PartOpened)
        found = rig.session.answer(Commit(opened.part, file_digest(0, []), 1, 0o444, xattrs=xattrs))
        assert isinstance(found, Found)
        assert not found.bare
        assert {name: os.getxattr(rig.rw / "file", name) for name in os.listxattr(rig.rw / "file")} == dict(xattrs)
        assert stat.S_IMODE((rig.rw / "file").stat().st_mode) == 0o444

    def test_more_than_travel_are_cut_and_it_is_said(self, rig: Rig) -> None:
        for number in range(XATTRS_MAX + 5):
            os.setxattr(rig.rw, f"user.{number:03}", b"")
        examined = rig.session.answer(Examine("rw"))
        assert isinstance(examined, Examined)
        assert (len(examined.xattrs), examined.bare) == (XATTRS_MAX, True)

    def test_a_disk_that_takes_none_still_takes_the_file(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_arguments: Any) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "setxattr", refuse)
        opened = rig.session.answer(OpenPart("rw/file", 0, SOURCE))
        assert isinstance(opened, PartOpened)
        found = rig.session.answer(Commit(opened.part, file_digest(0, []), 1, xattrs=(("user.a", b"b"),)))
        assert isinstance(found, Found)
        assert found.bare
        request = SetAttributes([FolderTimes("rw/file", 5, 0o600, (("user.a", b"b"),))])
        assert rig.session.answer(request) == Results([Code.NOT_STORED])
        assert (rig.rw / "file").stat().st_mtime_ns == 5


def write(session: ShareSession, part: int, index: int, block: bytes, *, digest: bytes | None = None) -> Any:
    """Write a sparse block of which only what is no zero comes."""
    writer = session.begin_write(Write(part, index * BLOCK_SIZE, len(block), True))
    if not hasattr(writer, "finish"):
        return writer
    start = len(block) - len(block.lstrip(b"\0"))
    body = block.strip(b"\0")
    writer.write_pieces([Piece(memoryview(body), None, start)] if body else [])
    return writer.finish(digest or blake3_digest(block))


class TestHoles:
    SIZE = 5 * BLOCK_SIZE + 10

    @pytest.mark.parametrize(
        "data", [((0, 0),), ((1, 1), (0, 1)), ((0, 1), (1, 1)), ((0, 7),), ((6, 1),), ((0, 3), (2, 1))]
    )
    def test_stretches_that_make_no_sense_are_refused(self, rig: Rig, data: Any) -> None:
        assert rig.code(OpenPart("rw/a", self.SIZE, SOURCE, data=data)) == Code.INVALID
        assert list(rig.rw.iterdir()) == []

    def test_a_file_larger_than_is_kept_track_of_is_refused(self, rig: Rig) -> None:
        assert rig.code(OpenPart("rw/a", SPARSE_SIZE_MAX + 1, SOURCE, data=())) == Code.TOO_LARGE

    def test_only_blocks_of_data_are_written_and_the_whole_is_verified(self, rig: Rig) -> None:
        opened = rig.session.answer(OpenPart("rw/a", self.SIZE, SOURCE, data=((1, 1), (5, 1))))
        assert isinstance(opened, PartOpened)
        assert opened.blocks == []
        block = bytes(BLOCK_SIZE - 9) + b"the end.\0"
        assert write(rig.session, opened.part, 0, bytes(BLOCK_SIZE)).code == Code.INVALID, "a hole"
        assert write(rig.session, opened.part, 1, block, digest=bytes(32)).code == Code.CORRUPT
        digests = [hole_digest(BLOCK_SIZE)] * 5 + [blake3_digest(b"0123456789")]
        digests[1] = blake3_digest(block)
        commit = Commit(opened.part, file_digest(self.SIZE, digests), MTIME)
        assert rig.code(commit) == Code.INVALID, "blocks are missing"
        write(rig.session, opened.part, 1, b"old bytes".ljust(BLOCK_SIZE, b"x"))
        write(rig.session, opened.part, 1, block)
        write(rig.session, opened.part, 5, b"0123456789")
        assert isinstance(rig.session.answer(commit), Found)
        content = (rig.rw / "a").read_bytes()
        assert content == bytes(BLOCK_SIZE) + block + bytes(3 * BLOCK_SIZE) + b"0123456789"
        assert (rig.rw / "a").stat().st_blocks * 512 < BLOCK_SIZE

    def test_a_sparse_write_needs_a_sparse_part(self, rig: Rig) -> None:
        opened = rig.session.answer(OpenPart("rw/a", 10, SOURCE))
        assert isinstance(opened, PartOpened)
        assert write(rig.session, opened.part, 0, b"0123456789").code == Code.INVALID


def test_blocks_of_data_are_counted_as_they_lie() -> None:
    data: list[tuple[int, int]] = []
    add_blocks(data, [(5, 10), (BLOCK_SIZE - 1, 2), (9 * BLOCK_SIZE, BLOCK_SIZE), (12 * BLOCK_SIZE, 1)])
    assert data == [(0, 2), (9, 1), (12, 1)]
    assert are_stretches(data, 13)
    assert not are_stretches(data, 12)
    assert few_stretches(data, 2) == ((0, 2), (9, 4))
    blocks = DataBlocks(20 * BLOCK_SIZE, data)
    held = [index for index in range(block_count(20 * BLOCK_SIZE)) if blocks.holds(index)]
    assert [blocks.index_at(number) for number in range(blocks.count)] == held == [0, 1, 9, 12]
    assert [blocks.number_of(index) for index in held] == [0, 1, 2, 3]
    assert sum(length for _offset, length in blocks.holes()) == 16 * BLOCK_SIZE
