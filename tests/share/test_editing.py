"""Edits: what they begin as, what is written over, how they end, and what stays when they do not."""

from __future__ import annotations

import os
import stat
import struct
import threading
from collections.abc import Callable

import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import EDITS_MAX, SPARSE_SIZE_MAX
from gimmal.protocol.messages import (
    Answer,
    Attributes,
    CommitEdit,
    DiscardEdit,
    Done,
    EditOpened,
    EditRead,
    Failed,
    Found,
    ListTrash,
    OpenEdit,
    QuickEdit,
    ReadEdit,
    Replace,
    TrashPage,
    TruncateEdit,
    Version,
    WriteEdit,
)
from gimmal.share import edit_file
from gimmal.share.shares import ShareTable, parse_share
from tests.share.rig import MTIME, Rig

CONTENT = bytes(range(256)) * 64


def version_of(rig: Rig, name: str = "file") -> Version:
    state = (rig.rw / name).stat()
    return Version(state.st_ino, state.st_size, state.st_mtime_ns)


def begin(rig: Rig, path: str = "rw/file", kept: int | None = None, size: int | None = None) -> int:
    """The number of an edit of a file that stands."""
    base = version_of(rig, path.partition("/")[2])
    kept = base.size if kept is None else kept
    return opened(rig, OpenEdit(path, base, kept, kept if size is None else size, Replace.EXPECTED))


def opened(rig: Rig, request: OpenEdit) -> int:
    answer = rig.session.answer(request)
    assert isinstance(answer, EditOpened), answer
    return answer.edit


def write(rig: Rig, edit: int, *pieces: tuple[int, bytes]) -> Answer:
    data = b"".join(piece for _offset, piece in pieces)
    ranges = tuple((offset, len(piece)) for offset, piece in pieces)
    return rig.session.answer(WriteEdit(edit, ranges, data, blake3_digest(data)))


def read(rig: Rig, edit: int, offset: int = 0, length: int = 1 << 19) -> bytes:
    answer = rig.session.answer(ReadEdit(edit, offset, length))
    assert isinstance(answer, EditRead), answer
    assert answer.digest == blake3_digest(answer.data)
    return answer.data


def commit(rig: Rig, edit: int, **fields: object) -> Attributes:
    answer = rig.session.answer(CommitEdit(edit, **fields))  # type: ignore[arg-type]
    assert isinstance(answer, Found), answer
    return answer.attributes


def quick(path: str, base: Version | None, data: bytes, at: int = 0, **fields: object) -> QuickEdit:
    size = max(base.size if base else 0, at + len(data))
    replace = Replace.NEVER if base is None else Replace.EXPECTED
    ranges = ((at, len(data)),)
    kept = base.size if base else 0
    return QuickEdit(path, base, kept, size, replace, ranges, data, blake3_digest(data), **fields)  # type: ignore[arg-type]


def hidden(rig: Rig) -> list[str]:
    return [name for name in os.listdir(rig.rw) if name.startswith(".gimmal-part")]


@pytest.fixture
def file(rig: Rig) -> Rig:
    (rig.rw / "file").write_bytes(CONTENT)
    return rig


@pytest.mark.parametrize("clones", [True, False])
@pytest.mark.parametrize("kept", [0, 5000, len(CONTENT)])
def test_an_edit_begins_as_what_is_kept_and_zeros(
    file: Rig, monkeypatch: pytest.MonkeyPatch, clones: bool, kept: int
) -> None:
    def clone(source: int, target: int) -> bool:
        """What a file system that shares bytes does."""
        os.pwrite(target, os.pread(source, 1 << 20, 0), 0)
        return clones

    monkeypatch.setattr(edit_file, "clone_file", clone if clones else lambda *_: False)
    edit = begin(file, kept=kept, size=len(CONTENT) + 100)
    assert read(file, edit) == CONTENT[:kept] + bytes(len(CONTENT) + 100 - kept)


def test_holes_of_the_base_stay_holes(rig: Rig) -> None:
    with open(rig.rw / "file", "wb") as sparse:
        sparse.truncate(64 << 20)
        os.pwrite(sparse.fileno(), b"middle", 32 << 20)
    commit(rig, begin(rig))
    assert (rig.rw / "file").stat().st_blocks * 512 < 1 << 20
    with open(rig.rw / "file", "rb") as after:
        assert os.pread(after.fileno(), 6, 32 << 20) == b"middle"


def test_ranges_are_written_in_their_order_and_the_file_that_stands_is_not_touched(file: Rig) -> None:
    edit = begin(file)
    assert write(file, edit, (10, b"aaaa"), (12, b"bbbb"), (20_000, b"end")) == Done()
    model = bytearray(CONTENT)
    model[10:16] = b"aabbbb"
    model += bytes(20_000 - len(model)) + b"end"
    assert read(file, edit) == model
    assert read(file, edit, 19_999, 100) == b"\0end"
    assert read(file, edit, 30_000) == b""
    assert (file.rw / "file").read_bytes() == CONTENT
    assert file.names("rw") == ["file"]
    placed = commit(file, edit, mtime_ns=MTIME)
    assert (file.rw / "file").read_bytes() == model
    assert placed.mtime_ns == (file.rw / "file").stat().st_mtime_ns == MTIME
    assert not hidden(file)


def test_a_truncated_edit_is_shorter_and_what_is_added_is_zeros(file: Rig) -> None:
    edit = begin(file)
    assert file.session.answer(TruncateEdit(edit, 10)) == Done()
    assert file.session.answer(TruncateEdit(edit, 20)) == Done()
    assert read(file, edit) == CONTENT[:10] + bytes(10)


def test_one_question_does_it_all(file: Rig) -> None:
    before = version_of(file)
    answer = file.session.answer(quick("rw/file", before, b"changed", 100, mtime_ns=MTIME))
    assert isinstance(answer, Found)
    assert (file.rw / "file").read_bytes() == CONTENT[:100] + b"changed" + CONTENT[107:]
    attributes = answer.attributes
    assert Version(attributes.identity, attributes.size, attributes.mtime_ns) == version_of(file) != before
    assert isinstance(file.session.answer(quick("rw/new", None, b"new")), Found)
    assert (file.rw / "new").read_bytes() == b"new"
    assert not hidden(file)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda base: OpenEdit("rw/file", base, base.size, base.size, Replace.EXPECTED),
        lambda base: quick("rw/file", base, b"x"),
    ],
    ids=["edit", "quick"],
)
def test_another_version_than_the_base_is_not_begun_with(file: Rig, request_of: Callable[[Version], object]) -> None:
    base = version_of(file)
    (file.rw / "file").write_bytes(b"theirs")
    assert file.code(request_of(base)) == Code.CHANGED
    (file.rw / "file").unlink()
    assert file.code(request_of(base)) == Code.CHANGED
    assert os.listdir(file.rw) == []


def test_a_base_that_changes_while_it_is_copied_is_none(file: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = edit_file.copy_bytes

    def slow(reading: int, writing: int, start: int, size: int) -> None:
        copy(reading, writing, start, size)
        (file.rw / "file").write_bytes(b"theirs")

    monkeypatch.setattr(edit_file, "clone_file", lambda *_: False)
    monkeypatch.setattr(edit_file, "copy_bytes", slow)
    assert file.code(quick("rw/file", version_of(file), b"x")) == Code.CHANGED
    assert (file.rw / "file").read_bytes() == b"theirs"
    assert not hidden(file)


def test_what_changed_meanwhile_stays_and_both_can_be_kept(file: Rig) -> None:
    edit = begin(file)
    write(file, edit, (0, b"ours"))
    (file.rw / "file").write_bytes(b"theirs")
    assert file.code(CommitEdit(edit)) == Code.CHANGED
    assert file.code(CommitEdit(edit, path="rw/file")) == Code.EXISTS
    assert file.code(CommitEdit(edit, path="ro/file")) == Code.NOT_GRANTED
    assert file.code(CommitEdit(edit, path="drop/file")) == Code.CROSS_DEVICE
    assert file.code(CommitEdit(edit, path="rw/folder/file")) == Code.NOT_FOUND
    assert file.code(CommitEdit(edit, path="rw/other", keep_open=True)) == Code.INVALID
    (file.rw / "folder").mkdir()
    commit(file, edit, path="rw/folder/ours")
    assert (file.rw / "file").read_bytes() == b"theirs"
    assert (file.rw / "folder/ours").read_bytes() == b"ours" + CONTENT[4:]
    assert file.code(DiscardEdit(edit)) == Code.UNKNOWN_PART
    assert not hidden(file)


@pytest.mark.parametrize(
    ("replace", "there", "code"),
    [
        (Replace.NEVER, "nothing", 0),
        (Replace.NEVER, "file", Code.EXISTS),
        (Replace.NEVER, "folder", Code.EXISTS),
        (Replace.ALWAYS, "nothing", 0),
        (Replace.ALWAYS, "file", 0),
        (Replace.ALWAYS, "folder", Code.IS_A_DIRECTORY),
        (Replace.ALWAYS, "link", Code.LINK_REFUSED),
    ],
)
def test_a_new_file_replaces_only_what_it_may(rig: Rig, replace: Replace, there: str, code: int) -> None:
    late = opened(rig, OpenEdit("rw/x", None, 0, 3, replace))
    match there:
        case "file":
            (rig.rw / "x").write_bytes(b"old")
        case "folder":
            (rig.rw / "x").mkdir()
        case "link":
            (rig.rw / "x").symlink_to("elsewhere")
    for request in (
        QuickEdit("rw/x", None, 0, 3, replace, (), b"", blake3_digest(b"")),
        OpenEdit("rw/x", None, 0, 3, replace),
        CommitEdit(late),
    ):
        answer = rig.session.answer(request)
        if replace is Replace.NEVER and code == 0 and not isinstance(request, QuickEdit):
            assert answer == Failed(Code.EXISTS), "the first made it"
        else:
            assert (answer.code if isinstance(answer, Failed) else 0) == code
    assert not code or there != "file" or (rig.rw / "x").read_bytes() == b"old"


@pytest.mark.parametrize(
    "request_of",
    [
        lambda base: OpenEdit("", base, 0, 0, Replace.EXPECTED),
        lambda base: OpenEdit("rw/file", None, 0, 0, Replace.EXPECTED),
        lambda base: OpenEdit("rw/new", base, 0, 0, Replace.NEVER),
        lambda base: OpenEdit("rw/file", base, base.size + 1, base.size + 1, Replace.EXPECTED),
        lambda base: OpenEdit("rw/file", base, 5, 4, Replace.EXPECTED),
        lambda base: OpenEdit("rw/new", None, 1, 1, Replace.NEVER),
        lambda base: QuickEdit("rw/file", base, 3, 3, Replace.EXPECTED, ((1, 3),), b"abc", blake3_digest(b"abc")),
        lambda base: QuickEdit("rw/file", base, 3, 9, Replace.EXPECTED, ((1, 2),), b"abc", blake3_digest(b"abc")),
        lambda base: QuickEdit(
            "rw/file", base, 3, 9, Replace.EXPECTED, ((1, 3), (1, 0)), b"abc", blake3_digest(b"abc")
        ),
    ],
)
def test_what_makes_no_sense_is_refused(file: Rig, request_of: Callable[[Version], object]) -> None:
    assert file.code(request_of(version_of(file))) == Code.INVALID
    assert (file.rw / "file").read_bytes() == CONTENT
    assert os.listdir(file.rw) == ["file"]


def test_bytes_that_do_not_fit_their_digest_are_not_written(file: Rig) -> None:
    edit = begin(file)
    assert file.code(WriteEdit(edit, ((0, 3),), b"abc", blake3_digest(b"abd"))) == Code.CORRUPT
    wrong = QuickEdit("rw/file", version_of(file), 0, 3, Replace.EXPECTED, ((0, 3),), b"abc", bytes(32))
    assert file.code(wrong) == Code.CORRUPT
    assert read(file, edit) == CONTENT


def test_a_size_beyond_all_disks_is_too_large(file: Rig) -> None:
    edit = begin(file)
    for request in (
        TruncateEdit(edit, SPARSE_SIZE_MAX + 1),
        WriteEdit(edit, ((SPARSE_SIZE_MAX, 1),), b"x", blake3_digest(b"x")),
        WriteEdit(edit, (((1 << 63) - 1, 1),), b"x", blake3_digest(b"x")),
        OpenEdit("rw/new", None, 0, SPARSE_SIZE_MAX + 1, Replace.NEVER),
    ):
        assert file.code(request) == Code.TOO_LARGE
    assert read(file, edit, (1 << 63) - 1, 1) == b""


def test_mode_owner_and_extended_attributes_are_those_of_before(file: Rig) -> None:
    (file.rw / "file").chmod(0o751)
    os.setxattr(file.rw / "file", "user.mark", b"red")
    if os.geteuid() == 0:
        os.chown(file.rw / "file", 12_345, 23_456)
    before = (file.rw / "file").stat()
    commit(file, begin(file))
    after = (file.rw / "file").stat()
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert os.getxattr(file.rw / "file", "user.mark") == b"red"
    commit(file, begin(file), mode=0o600)
    assert stat.S_IMODE((file.rw / "file").stat().st_mode) == 0o600


def test_who_else_may_read_it_stays(file: Rig) -> None:
    entries = [(0x01, 6, -1), (0x02, 4, 12_345), (0x04, 0, -1), (0x10, 4, -1), (0x20, 0, -1)]
    access = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(file.rw / "file", "system.posix_acl_access", access)
    except OSError as error:
        pytest.skip(f"this disk keeps no access lists: {error}")
    commit(file, begin(file))
    assert os.getxattr(file.rw / "file", "system.posix_acl_access") == access


def test_rights_of_a_program_are_not_taken_over(file: Rig) -> None:
    """What a peer wrote must not run as somebody else."""
    (file.rw / "file").chmod(0o4755)
    commit(file, begin(file), mode=0o7777)
    assert stat.S_IMODE((file.rw / "file").stat().st_mode) == 0o777


def test_another_name_of_the_file_keeps_the_old_version(file: Rig) -> None:
    os.link(file.rw / "file", file.rw / "other")
    edit = begin(file)
    write(file, edit, (0, b"new"))
    commit(file, edit)
    assert (file.rw / "other").read_bytes() == CONTENT
    assert (file.rw / "file").read_bytes()[:3] == b"new"


def test_what_is_replaced_goes_to_the_trash_where_that_is_asked(file: Rig) -> None:
    commit(file, begin(file))
    commit(file, begin(file), keep=True)
    file.session.answer(quick("rw/file", version_of(file), b"x", keep=True))
    page = file.session.answer(ListTrash("rw"))
    assert isinstance(page, TrashPage)
    assert [entry.path for entry in page.entries] == ["file", "file"]


def test_an_edit_that_is_kept_open_goes_on_as_one_of_what_it_made(file: Rig) -> None:
    edit = begin(file)
    model = bytearray(CONTENT)
    for number in range(5):
        write(file, edit, (number * 10, b"%d" % number))
        model[number * 10] = ord("0") + number
        commit(file, edit, keep_open=True)
        assert (file.rw / "file").read_bytes() == model
        assert read(file, edit) == model
    assert commit(file, edit).size == len(model)
    assert not hidden(file)


def test_an_edit_that_was_kept_open_sees_what_changed_since(file: Rig) -> None:
    edit = begin(file)
    commit(file, edit, keep_open=True)
    (file.rw / "file").write_bytes(b"theirs")
    assert write(file, edit, (0, b"x")) == Failed(Code.CHANGED)
    assert file.code(CommitEdit(edit)) == Code.CHANGED
    assert file.session.answer(DiscardEdit(edit)) == Done()
    assert (file.rw / "file").read_bytes() == b"theirs"
    assert not hidden(file)


def test_nothing_stays_of_what_was_given_up_or_of_a_session_that_is_over(file: Rig) -> None:
    edits = [begin(file) for _ in range(3)]
    assert len(hidden(file)) == 3
    assert file.session.answer(DiscardEdit(edits[0])) == Done()
    assert len(hidden(file)) == 2
    assert file.code(DiscardEdit(edits[0])) == Code.UNKNOWN_PART
    file.again()
    assert os.listdir(file.rw) == ["file"]
    assert file.code(ReadEdit(edits[1], 0, 1)) == Code.UNKNOWN_PART


def test_a_share_that_ends_takes_its_edits_with_it(file: Rig) -> None:
    edit = begin(file)
    file.service.set_shares(ShareTable([parse_share(f"rw={file.base / 'rw'}:ro")]))
    assert os.listdir(file.rw) == ["file"]
    for request in (ReadEdit(edit, 0, 1), TruncateEdit(edit, 0), CommitEdit(edit)):
        assert file.code(request) == Code.UNKNOWN_PART
    assert write(file, edit, (0, b"x")) == Failed(Code.UNKNOWN_PART)


def test_an_edit_whose_file_somebody_removed_is_not_placed(file: Rig) -> None:
    edit = begin(file)
    (file.rw / hidden(file)[0]).unlink()
    assert file.code(CommitEdit(edit)) == Code.UNKNOWN_PART
    assert (file.rw / "file").read_bytes() == CONTENT


def test_open_edits_are_bounded_and_room_comes_back(file: Rig) -> None:
    edits = [begin(file) for _ in range(EDITS_MAX)]
    assert file.code(OpenEdit("rw/new", None, 0, 0, Replace.NEVER)) == Code.LIMIT
    assert len(hidden(file)) == EDITS_MAX
    file.session.answer(DiscardEdit(edits[0]))
    assert begin(file) == edits[-1] + 1


def test_what_is_asked_of_an_edit_that_is_being_committed_is_not_waited_for(
    file: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = begin(file)
    flushing, flushed = threading.Event(), threading.Event()
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        flushing.set()
        assert flushed.wait(60)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    placing = threading.Thread(target=commit, args=(file, edit))
    placing.start()
    try:
        assert flushing.wait(60)
        assert write(file, edit, (0, b"x")) == Failed(Code.LIMIT)
        assert file.code(CommitEdit(edit)) == Code.LIMIT
        assert file.session.answer(DiscardEdit(edit)) == Done()
    finally:
        flushed.set()
        placing.join(60)
    assert (file.rw / "file").read_bytes() == CONTENT
    assert not hidden(file)


def test_an_edit_whose_flush_failed_is_not_gone_on_with(file: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    edit = begin(file)
    write(file, edit, (0, b"lost"))

    def failing(descriptor: int) -> None:
        raise OSError(5, "a disk that failed")

    monkeypatch.setattr(os, "fsync", failing)
    assert file.code(CommitEdit(edit)) == Code.INPUT_OUTPUT
    assert file.code(CommitEdit(edit, durable=False)) == Code.UNKNOWN_PART
    assert (file.rw / "file").read_bytes() == CONTENT
    assert not hidden(file)
