"""Uploads: part files, blocks, resuming, commit."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import file_digest
from gimmal.protocol.limits import BLOCK_SIZE, FILE_SIZE_MAX, PARTS_MAX
from gimmal.protocol.messages import (
    Commit,
    Discard,
    Done,
    Failed,
    Found,
    OpenPart,
    PartOpened,
    RemoveMany,
    Replace,
    Results,
    Version,
    Write,
)
from gimmal.share.part_writing import PartWriter
from gimmal.transport.exchange import Piece
from tests.patience import PATIENCE
from tests.share.rig import MTIME, SOURCE, Rig, make_service, upload, write_block

BLOCK = b"a" * BLOCK_SIZE


def _opened(answer: object) -> PartOpened:
    assert isinstance(answer, PartOpened), answer
    return answer


def _parts(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".gimmal-part-")]


def test_a_file_arrives_whole_with_its_time_and_mode(rig: Rig) -> None:
    content = os.urandom(2 * BLOCK_SIZE + 12345)
    found = rig.upload("rw/file", content, mode=0o6751)
    path = rig.rw / "file"
    assert path.read_bytes() == content
    state = path.stat()
    assert state.st_mtime_ns == MTIME
    assert stat.S_IMODE(state.st_mode) == 0o751  # never set-user-id from afar
    assert isinstance(found, Found)
    assert (found.attributes.size, found.attributes.mtime_ns) == (len(content), MTIME)
    assert found.attributes.identity == state.st_ino
    assert os.listdir(rig.rw) == ["file"]
    assert os.listdir(rig.base / "journals") == []


def test_an_empty_file_needs_no_block(rig: Rig) -> None:
    assert isinstance(rig.upload("rw/empty", b""), Found)
    assert (rig.rw / "empty").read_bytes() == b""
    umask = os.umask(0o077)
    os.umask(umask)
    assert stat.S_IMODE((rig.rw / "empty").stat().st_mode) == 0o666 & ~umask


def test_nothing_is_seen_under_the_final_name_before(rig: Rig) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", 2 * BLOCK_SIZE, SOURCE)))
    assert isinstance(write_block(rig.session, opened.part, 1, BLOCK), Done)
    assert not (rig.rw / "file").exists()
    assert rig.names("rw") == []
    (part,) = _parts(rig.rw)
    assert stat.S_IMODE((rig.rw / part).stat().st_mode) == 0o600
    digest = file_digest(2 * BLOCK_SIZE, [blake3_digest(BLOCK)] * 2)
    assert rig.code(Commit(opened.part, digest, MTIME)) == Code.INVALID  # a block is missing
    assert isinstance(write_block(rig.session, opened.part, 0, BLOCK), Done)
    assert isinstance(rig.session.answer(Commit(opened.part, digest, MTIME)), Found)
    assert rig.code(Commit(opened.part, digest, MTIME)) == Code.UNKNOWN_PART


def test_wrong_bytes_do_not_count(rig: Rig) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", BLOCK_SIZE, SOURCE)))
    assert write_block(rig.session, opened.part, 0, BLOCK, bytes(32)) == Failed(Code.CORRUPT)
    digest = file_digest(BLOCK_SIZE, [blake3_digest(BLOCK)])
    assert rig.code(Commit(opened.part, digest, MTIME)) == Code.INVALID
    assert isinstance(write_block(rig.session, opened.part, 0, BLOCK), Done)
    # A block being sent again counts as missing until it is whole again.
    writer = rig.session.begin_write(Write(opened.part, 0, BLOCK_SIZE))
    assert isinstance(writer, PartWriter)
    writer.write([memoryview(b"bad")], 0)
    assert rig.code(Commit(opened.part, digest, MTIME)) == Code.INVALID
    writer.abandon()
    writer.abandon()
    assert rig.code(Commit(opened.part, digest, MTIME)) == Code.INVALID
    assert isinstance(write_block(rig.session, opened.part, 0, BLOCK), Done)
    assert isinstance(rig.session.answer(Commit(opened.part, digest, MTIME)), Found)


def test_a_wrong_file_digest_removes_the_part(rig: Rig) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", BLOCK_SIZE, SOURCE)))
    write_block(rig.session, opened.part, 0, BLOCK)
    assert rig.code(Commit(opened.part, bytes(32), MTIME)) == Code.CORRUPT
    assert os.listdir(rig.rw) == []
    assert rig.code(Commit(opened.part, bytes(32), MTIME)) == Code.UNKNOWN_PART


@pytest.mark.parametrize(
    ("offset", "length"),
    [(1, BLOCK_SIZE), (0, BLOCK_SIZE - 1), (BLOCK_SIZE, BLOCK_SIZE), (2 * BLOCK_SIZE, 1), (FILE_SIZE_MAX, 1), (0, 0)],
)
def test_only_whole_blocks_are_taken(rig: Rig, offset: int, length: int) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", BLOCK_SIZE + 10, SOURCE)))
    assert rig.session.begin_write(Write(opened.part, offset, length)) == Failed(Code.INVALID)
    assert rig.session.begin_write(Write(opened.part + 1, 0, BLOCK_SIZE)) == Failed(Code.UNKNOWN_PART)


def test_records_out_of_order_too_many_or_too_few(rig: Rig) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", 10, SOURCE)))
    for views in ([(b"01234", 5)], [(b"0123456789x", 0)], [(b"01234", 0)], [(b"01234", 0), (b"01234", 0)]):
        writer = rig.session.begin_write(Write(opened.part, 0, 10))
        assert isinstance(writer, PartWriter)
        for data, at in views:
            writer.write([memoryview(data)], at)
        assert isinstance(writer.finish(blake3_digest(b"0123456789")), Failed)
    first = rig.session.begin_write(Write(opened.part, 0, 10))
    assert isinstance(first, PartWriter)
    assert rig.session.begin_write(Write(opened.part, 0, 10)) == Failed(Code.LIMIT)
    first.write([memoryview(b"0"), memoryview(b""), memoryview(b"123456789")], 0)
    assert first.finish(blake3_digest(b"0123456789")) == Done()
    assert first.finish(blake3_digest(b"0123456789")) == Failed(Code.CORRUPT)


def test_an_upload_goes_on_where_it_stopped(rig: Rig) -> None:
    content = os.urandom(5 * BLOCK_SIZE + 7)
    blocks = [content[start : start + BLOCK_SIZE] for start in range(0, len(content), BLOCK_SIZE)]
    opened = _opened(rig.session.answer(OpenPart("rw/file", len(content), SOURCE)))
    for index in (0, 1, 3, 5):
        assert isinstance(write_block(rig.session, opened.part, index, blocks[index]), Done)
    unfinished = rig.session.begin_write(Write(opened.part, 2 * BLOCK_SIZE, BLOCK_SIZE))
    assert isinstance(unfinished, PartWriter)
    unfinished.write([memoryview(blocks[2][:1000])], 0)
    rig.close()
    rig.service = make_service(rig.base)  # as after a restart
    rig.session = rig.service.open_session()
    again = _opened(rig.session.answer(OpenPart("rw/file", len(content), SOURCE)))
    assert [bool(digest) for digest in again.blocks] == [True, True, False, True, False, True]
    answer, sent = upload(rig.session, "rw/file", content)
    assert isinstance(answer, Found)
    assert sent == 2
    assert (rig.rw / "file").read_bytes() == content
    assert os.listdir(rig.rw) == ["file"]


class _Killed(BaseException):
    """Stands for SIGKILL: nothing after it is written any more, and closing writes nothing."""


SPARSE = b"a" * 100_000 + bytes(200_000) + b"b" * 70_000 + bytes(BLOCK_SIZE - 370_000)
WAYS = ["at once", "end with records", "end alone"]


def _pieces(content: bytes, start: int, end: int) -> list[Piece]:
    view = memoryview(content)
    return [Piece(view[at : min(at + 65536, end)], None, at) for at in range(start, end, 65536)]


def _send_block(rig: Rig, part: int, way: str, digest: bytes, *, sparse: bool = False) -> None:
    writer = rig.session.begin_write(Write(part, BLOCK_SIZE, BLOCK_SIZE, sparse))
    assert isinstance(writer, PartWriter)
    if sparse:
        first, rest = _pieces(SPARSE, 0, 100_000), _pieces(SPARSE, 300_000, 500_000)  # the last bytes sent are zeros
    else:
        first, rest = _pieces(BLOCK, 0, 40 * 65536), _pieces(BLOCK, 40 * 65536, BLOCK_SIZE)
    if way == "at once":
        writer.finish(digest, [*first, *rest])
    elif way == "end with records":
        writer.write_pieces(first)
        writer.finish(digest, rest)
    else:
        writer.write_pieces(first)
        writer.write_pieces([*rest, Piece(memoryview(b""), None, rest[-1].at + len(rest[-1].body))])
        writer.write_pieces([])
        writer.finish(digest)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_whoever_is_killed_goes_on_with_every_whole_block(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, way: str, sparse: bool
) -> None:
    """Killed behind any one write to the disk: a block counts exactly if all its bytes were written."""
    block = SPARSE if sparse else BLOCK
    request = OpenPart("rw/file", 3 * BLOCK_SIZE, SOURCE, data=((1, 2),) if sparse else None)
    untouched = [] if sparse else [False]  # of a sparse part only blocks of data are told
    outcomes = []
    for calls in range(1, 30):
        opened = _opened(rig.session.answer(request))
        assert isinstance(write_block(rig.session, opened.part, 2, BLOCK), Done)
        left = calls
        real: dict[str, Callable[..., int]] = {"pwrite": os.pwrite, "pwritev": os.pwritev}

        def writing(name: str, *arguments: object, real: dict[str, Callable[..., int]] = real) -> int:
            nonlocal left
            if left == 0:
                raise _Killed
            left -= 1
            count = real[name](*arguments)
            if left == 0:
                raise _Killed
            return count

        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, partial(writing, name))
            killed = False
            try:
                _send_block(rig, opened.part, way, blake3_digest(block), sparse=sparse)
            except _Killed:
                killed = True
            rig.close()
        (part,) = _parts(rig.rw)
        whole = (rig.rw / part).read_bytes()[BLOCK_SIZE : 2 * BLOCK_SIZE] == block
        rig.service = make_service(rig.base)  # as after a restart
        rig.session = rig.service.open_session()
        again = _opened(rig.session.answer(request))
        assert [bool(digest) for digest in again.blocks] == [*untouched, whole, True]
        outcomes.append(whole)
        rig.session.answer(Discard(again.part))
        if not killed:
            break
    assert not killed
    assert outcomes[0] is False
    assert outcomes[-2:] == [True, True]  # killed behind the last write, and not killed


def test_bytes_behind_the_kept_end_of_a_block_go_nowhere(rig: Rig) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", 2 * BLOCK_SIZE, SOURCE)))
    writer = rig.session.begin_write(Write(opened.part, 0, BLOCK_SIZE))
    assert isinstance(writer, PartWriter)
    writer.write([memoryview(BLOCK)], 0)
    nothing = Piece(memoryview(b""), None, 5 * BLOCK_SIZE)
    assert writer.finish(blake3_digest(BLOCK), [nothing]) == Done()
    (part,) = _parts(rig.rw)
    assert (rig.rw / part).read_bytes() == BLOCK


@pytest.mark.parametrize("way", WAYS)
def test_a_block_that_its_sender_denies_is_never_gone_on_with(rig: Rig, way: str) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", 2 * BLOCK_SIZE, SOURCE)))
    _send_block(rig, opened.part, way, bytes(32))
    rig.close()
    rig.service = make_service(rig.base)
    rig.session = rig.service.open_session()
    assert _opened(rig.session.answer(OpenPart("rw/file", 2 * BLOCK_SIZE, SOURCE))).blocks == []


def test_a_block_whose_end_never_came_is_not_whole_on_disk(rig: Rig) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", 2 * BLOCK_SIZE, SOURCE)))
    writer = rig.session.begin_write(Write(opened.part, 0, BLOCK_SIZE))
    assert isinstance(writer, PartWriter)
    writer.write([memoryview(BLOCK)], 0)
    (part,) = _parts(rig.rw)
    assert 0 < (rig.rw / part).stat().st_size < BLOCK_SIZE
    writer.abandon()
    rig.again()
    assert _opened(rig.session.answer(OpenPart("rw/file", 2 * BLOCK_SIZE, SOURCE))).blocks == []


def test_blocks_are_reported_in_portions(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from gimmal.share import part_opening

    monkeypatch.setattr(part_opening, "PART_BLOCKS_MAX", 2)
    opened = _opened(rig.session.answer(OpenPart("rw/file", 5 * BLOCK_SIZE, SOURCE)))
    for index in (0, 3):
        write_block(rig.session, opened.part, index, BLOCK)
    digest = blake3_digest(BLOCK)
    portions = [
        _opened(rig.session.answer(OpenPart("rw/file", 5 * BLOCK_SIZE, SOURCE, first=first))) for first in (0, 2, 4)
    ]
    assert [portion.blocks for portion in portions] == [[digest, b""], [b"", digest], []]
    assert {portion.part for portion in portions} == {opened.part}


def test_no_byte_of_a_part_file_is_trusted(rig: Rig) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", 3 * BLOCK_SIZE, SOURCE)))
    for index in range(3):
        write_block(rig.session, opened.part, index, BLOCK)
    rig.again()
    (part,) = _parts(rig.rw)
    with (rig.rw / part).open("r+b") as file:
        file.seek(BLOCK_SIZE + 17)
        file.write(b"!")
        file.truncate(2 * BLOCK_SIZE + 10)
    again = _opened(rig.session.answer(OpenPart("rw/file", 3 * BLOCK_SIZE, SOURCE)))
    assert [bool(digest) for digest in again.blocks] == [True]


@pytest.mark.parametrize("change", ["source", "size", "journal lost", "journal altered", "link", "hard link", "folder"])
def test_a_part_of_something_else_is_not_gone_on_with(rig: Rig, change: str) -> None:
    content = BLOCK + b"more"
    opened = _opened(rig.session.answer(OpenPart("rw/file", len(content), SOURCE)))
    write_block(rig.session, opened.part, 0, BLOCK)
    rig.again()
    (part,) = _parts(rig.rw)
    (journal,) = (rig.base / "journals").iterdir()
    secret = rig.base / "secret"
    secret.write_bytes(content)
    source = SOURCE
    if change == "source":
        source = b"fingerprint-0002"
    elif change == "size":
        content = BLOCK + b"other"
    elif change == "journal lost":
        journal.unlink()
    elif change == "journal altered":
        journal.write_bytes(os.urandom(200))
    else:
        (rig.rw / part).unlink()
        if change == "link":
            (rig.rw / part).symlink_to(secret)
        elif change == "hard link":
            os.link(secret, rig.rw / part)
        else:
            (rig.rw / part).mkdir()
            assert isinstance(rig.session.answer(OpenPart("rw/file", len(content), source)), Failed)
            return
    again = _opened(rig.session.answer(OpenPart("rw/file", len(content), source)))
    assert again.blocks == []
    assert isinstance(rig.upload("rw/file", content, source=source), Found)
    assert (rig.rw / "file").read_bytes() == content
    assert secret.read_bytes() == BLOCK + b"more"
    assert os.listdir(rig.rw) == ["file"]


def test_the_journal_is_noise_and_its_name_too(rig: Rig) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/holiday", BLOCK_SIZE, SOURCE)))
    write_block(rig.session, opened.part, 0, BLOCK)
    (journal,) = (rig.base / "journals").iterdir()
    data = journal.read_bytes()
    assert blake3_digest(BLOCK) not in data
    assert SOURCE not in data
    assert b"holiday" not in data + os.fsencode(journal.name)
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600


def test_only_one_session_writes_a_part(rig: Rig) -> None:
    other = rig.service.open_session()
    request = OpenPart("rw/file", BLOCK_SIZE, SOURCE)
    opened = _opened(rig.session.answer(request))
    assert other.answer(request) == Failed(Code.LIMIT)
    elsewhere = make_service(rig.base)  # another program of this computer
    assert elsewhere.open_session().answer(request) == Failed(Code.LIMIT)
    elsewhere.close()
    write_block(rig.session, opened.part, 0, BLOCK)
    rig.session.set_attached(False)  # its links are gone: the same peer, starting again, takes over
    taken = _opened(other.answer(request))
    assert taken.blocks == [blake3_digest(BLOCK)]
    assert rig.session.begin_write(Write(opened.part, 0, BLOCK_SIZE)) == Failed(Code.UNKNOWN_PART)
    assert rig.code(Commit(opened.part, bytes(32), MTIME)) == Code.UNKNOWN_PART
    rig.session.set_attached(True)
    assert rig.code(request) == Code.LIMIT
    assert isinstance(upload(other, "rw/file", BLOCK)[0], Found)
    other.close()


def test_a_session_whose_peer_is_dead_gives_way_though_its_links_stand(rig: Rig) -> None:
    other = rig.service.open_session()
    request = OpenPart("rw/file", BLOCK_SIZE, SOURCE)
    opened = _opened(rig.session.answer(request))
    write_block(rig.session, opened.part, 0, BLOCK)
    rig.session.set_answers(lambda: True)
    assert other.answer(request) == Failed(Code.LIMIT)
    rig.session.set_answers(lambda: False)
    assert _opened(other.answer(request)).blocks == [blake3_digest(BLOCK)]
    assert rig.session.begin_write(Write(opened.part, 0, BLOCK_SIZE)) == Failed(Code.UNKNOWN_PART)
    other.set_answers(lambda: True)
    rig.session.set_answers(lambda: False)
    assert rig.code(request) == Code.LIMIT, "and is asked itself when it wants it back"
    other.close()


@pytest.mark.parametrize("ended", [False, True], ids=["without links", "ended"])
def test_who_comes_back_waits_for_the_last_write_of_the_session_before(rig: Rig, ended: bool) -> None:
    """As when a link breaks in the midst of a write: the next session would else be told of a limit."""
    other = rig.service.open_session()
    request = OpenPart("rw/file", BLOCK_SIZE, SOURCE)
    opened = _opened(rig.session.answer(request))
    part = rig.session._state.parts.get(opened.part)
    rig.session.set_attached(False)
    with ThreadPoolExecutor(1) as threads:
        with part.using():
            if ended:
                rig.session.close()
            again = threads.submit(other.answer, request)
            with pytest.raises(TimeoutError):
                again.result(0.1)
        assert isinstance(again.result(PATIENCE), PartOpened)
    other.close()


def test_a_session_waits_for_its_own_last_write(rig: Rig) -> None:
    request = OpenPart("rw/file", BLOCK_SIZE, SOURCE)
    opened = _opened(rig.session.answer(request))
    part = rig.session._state.parts.get(opened.part)
    with ThreadPoolExecutor(1) as threads:
        with part.using():
            rig.session.answer(Discard(opened.part, remove=False))
            again = threads.submit(rig.session.answer, request)
            with pytest.raises(TimeoutError):
                again.result(0.1)
        assert isinstance(again.result(PATIENCE), PartOpened)


def test_a_write_that_does_not_end_is_waited_for_so_long(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gimmal.share.part_table.GIVE_WAY_SECONDS", 0.05)
    other = rig.service.open_session()
    request = OpenPart("rw/file", BLOCK_SIZE, SOURCE)
    part = rig.session._state.parts.get(_opened(rig.session.answer(request)).part)
    rig.session.set_attached(False)
    with part.using():
        assert other.answer(request) == Failed(Code.LIMIT)
    other.close()


def test_a_writer_whose_part_was_taken_over_writes_nothing(rig: Rig) -> None:
    other = rig.service.open_session()
    request = OpenPart("rw/file", BLOCK_SIZE, SOURCE)
    opened = _opened(rig.session.answer(request))
    writer = rig.session.begin_write(Write(opened.part, 0, BLOCK_SIZE))
    assert isinstance(writer, PartWriter)
    writer.write([memoryview(b"a" * 1000)], 0)
    rig.session.set_attached(False)
    assert isinstance(upload(other, "rw/file", BLOCK)[0], Found)
    writer.write([memoryview(b"EVIL")], 1000)
    assert writer.finish(bytes(32)) == Failed(Code.UNKNOWN_PART)
    assert (rig.rw / "file").read_bytes() == BLOCK
    other.close()


def test_discard(rig: Rig) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", BLOCK_SIZE, SOURCE)))
    write_block(rig.session, opened.part, 0, BLOCK)
    assert rig.session.answer(Discard(opened.part, remove=False)) == Done()
    assert len(_parts(rig.rw)) == 1
    again = _opened(rig.session.answer(OpenPart("rw/file", BLOCK_SIZE, SOURCE)))
    assert len(again.blocks) == 1
    assert rig.session.answer(Discard(again.part)) == Done()
    assert os.listdir(rig.rw) == os.listdir(rig.base / "journals") == []
    assert rig.code(Discard(again.part)) == Code.UNKNOWN_PART


def test_another_source_in_the_same_session_starts_anew(rig: Rig) -> None:
    first = _opened(rig.session.answer(OpenPart("rw/file", BLOCK_SIZE, SOURCE)))
    write_block(rig.session, first.part, 0, BLOCK)
    assert isinstance(rig.upload("rw/file", b"short", source=b"fingerprint-0002"), Found)
    assert rig.session.begin_write(Write(first.part, 0, BLOCK_SIZE)) == Failed(Code.UNKNOWN_PART)
    assert os.listdir(rig.rw) == ["file"]


def test_what_stands_there_already(rig: Rig) -> None:
    path = rig.rw / "file"
    path.write_bytes(b"old")
    path.chmod(0o640)
    (rig.rw / "folder").mkdir()
    (rig.rw / "link").symlink_to("file")
    assert rig.code(OpenPart("rw/file", 1, SOURCE)) == Code.EXISTS
    assert rig.code(OpenPart("rw/folder", 1, SOURCE, Replace.ALWAYS)) == Code.IS_A_DIRECTORY
    assert rig.code(OpenPart("rw/link", 1, SOURCE, Replace.ALWAYS)) == Code.LINK_REFUSED
    assert rig.code(OpenPart("rw/none/x", 1, SOURCE)) == Code.NOT_FOUND
    assert rig.code(OpenPart("rw/file/x", 1, SOURCE)) == Code.NOT_A_DIRECTORY
    assert isinstance(rig.upload("rw/file", b"new", replace=Replace.ALWAYS), Found)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)
    state = path.stat()
    version = Version(state.st_ino, state.st_size, state.st_mtime_ns)
    assert rig.code(OpenPart("rw/file", 1, SOURCE, Replace.EXPECTED)) == Code.INVALID
    assert rig.code(OpenPart("rw/file", 1, SOURCE, Replace.NEVER, version)) == Code.INVALID
    assert isinstance(rig.upload("rw/file", b"newer", replace=Replace.EXPECTED, expected=version), Found)
    assert rig.upload("rw/file", b"x", replace=Replace.EXPECTED, expected=version) == Failed(Code.CHANGED)
    assert rig.upload("rw/none", b"x", replace=Replace.EXPECTED, expected=version) == Failed(Code.CHANGED)
    assert path.read_bytes() == b"newer"


@pytest.mark.parametrize("replace", list(Replace))
def test_what_comes_between_opening_and_commit_is_not_overwritten(rig: Rig, replace: Replace) -> None:
    path = rig.rw / "file"
    expected = None
    if replace is Replace.EXPECTED:
        path.write_bytes(b"old")
        state = path.stat()
        expected = Version(state.st_ino, state.st_size, state.st_mtime_ns)
    opened = _opened(rig.session.answer(OpenPart("rw/file", 3, SOURCE, replace, expected)))
    write_block(rig.session, opened.part, 0, b"new")
    if replace is Replace.ALWAYS:
        path.mkdir()
    else:
        path.write_bytes(b"someone else's")
    commit = Commit(opened.part, file_digest(3, [blake3_digest(b"new")]), MTIME)
    codes = {Replace.NEVER: Code.EXISTS, Replace.ALWAYS: Code.IS_A_DIRECTORY, Replace.EXPECTED: Code.CHANGED}
    assert rig.code(commit) == codes[replace]
    if replace is Replace.ALWAYS:
        path.rmdir()
    else:
        assert path.read_bytes() == b"someone else's"
        path.unlink()
    if replace is Replace.EXPECTED:
        assert rig.code(commit) == Code.CHANGED
    else:
        assert isinstance(rig.session.answer(commit), Found)  # the part is still there for another try
        assert path.read_bytes() == b"new"


def test_a_part_whose_folder_was_moved_or_replaced(rig: Rig) -> None:
    (rig.rw / "a").mkdir()
    opened = _opened(rig.session.answer(OpenPart("rw/a/file", 3, SOURCE)))
    write_block(rig.session, opened.part, 0, b"new")
    outside = rig.base / "outside"
    os.rename(rig.rw / "a", outside)
    commit = Commit(opened.part, file_digest(3, [blake3_digest(b"new")]), MTIME)
    assert rig.code(commit) == Code.NOT_FOUND
    (rig.rw / "a").symlink_to(outside)
    assert rig.code(commit) == Code.LINK_REFUSED
    (rig.rw / "a").unlink()
    (rig.rw / "a").mkdir()
    assert rig.code(commit) == Code.UNKNOWN_PART
    assert os.listdir(rig.rw / "a") == []
    assert _parts(outside) == os.listdir(outside)


def test_huge_sizes_cost_nothing(rig: Rig) -> None:
    for size in (FILE_SIZE_MAX, 1 << 62):
        assert rig.code(OpenPart("rw/huge", size, SOURCE)) in (Code.NO_SPACE, Code.TOO_LARGE)
    assert os.listdir(rig.rw) == []


def test_parts_of_one_session_are_bounded(rig: Rig) -> None:
    for number in range(PARTS_MAX):
        _opened(rig.session.answer(OpenPart(f"rw/{number}", 1, SOURCE)))
    assert rig.code(OpenPart("rw/more", 1, SOURCE)) == Code.LIMIT
    before = len(os.listdir("/proc/self/fd"))
    rig.session.close()
    assert len(os.listdir("/proc/self/fd")) == before - 2 * PARTS_MAX
    again = rig.service.open_session()
    assert isinstance(again.answer(OpenPart("rw/1", 1, SOURCE)), PartOpened)
    again.close()


def test_extreme_times(rig: Rig) -> None:
    for number, mtime in enumerate((0, -1, 1, 1 << 62, -(1 << 63), (1 << 63) - 1)):
        opened = _opened(rig.session.answer(OpenPart(f"rw/{number}", 0, SOURCE)))
        answer = rig.session.answer(Commit(opened.part, file_digest(0, []), mtime))
        assert isinstance(answer, Found | Failed)


def test_removing_a_folder_that_holds_only_unseen_parts(rig: Rig) -> None:
    (rig.rw / "folder").mkdir()
    opened = _opened(rig.session.answer(OpenPart("rw/folder/file", 10, SOURCE)))
    assert rig.session.answer(RemoveMany(["rw/folder"])) == Results([Code.NOT_EMPTY])  # someone is at it
    rig.session.answer(Discard(opened.part, remove=False))
    assert rig.session.answer(RemoveMany(["rw/folder"])) == Results([0])


def test_blocks_from_many_threads(rig: Rig) -> None:
    content = os.urandom(12 * BLOCK_SIZE)
    opened = _opened(rig.session.answer(OpenPart("rw/file", len(content), SOURCE)))
    answers: list[object] = [None] * 12

    def send(first: int) -> None:
        for index in range(first, 12, 4):
            block = content[index * BLOCK_SIZE : (index + 1) * BLOCK_SIZE]
            answers[index] = write_block(rig.session, opened.part, index, block)

    threads = [threading.Thread(target=send, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [Done()] * 12
    assert isinstance(rig.upload("rw/file", content), Found)
    assert (rig.rw / "file").read_bytes() == content


def test_old_journals_are_swept(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = _opened(rig.session.answer(OpenPart("rw/file", 10, SOURCE)))
    assert opened.part
    (rig.base / "journals" / "notes").write_bytes(b"not ours")
    rig.close()
    make_service(rig.base).close()
    assert len(os.listdir(rig.base / "journals")) == 2
    month_later = time.time() + 31 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: month_later)
    make_service(rig.base).close()
    assert os.listdir(rig.base / "journals") == ["notes"]


def test_an_upload_without_room_for_notes(rig: Rig) -> None:
    (rig.base / "journals").write_bytes(b"a file in the way")
    assert isinstance(rig.upload("rw/file", BLOCK), Found)
    (rig.base / "journals").unlink()
