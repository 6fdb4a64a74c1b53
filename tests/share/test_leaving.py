"""Shares that change while sessions run: at once for what is asked next, and nothing stays open of what left."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gimmal.base.beneath import Root
from gimmal.base.errors import LocalError
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Commit, Found, List, OpenPart, Page, PartOpened, Stat, Tree
from gimmal.share.leaving import Leaving
from gimmal.share.shares import ShareTable, parse_share
from tests.patience import PATIENCE
from tests.share.rig import MTIME, SOURCE, Rig, code_of, read_range, write_block


def table(rig: Rig, *arguments: str) -> ShareTable:
    return ShareTable([parse_share(argument.replace("@", str(rig.base))) for argument in arguments])


def opened_below(folder: Path) -> list[str]:
    """What this process has open at or below a folder."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            place = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if place == str(folder) or place.startswith(f"{folder}/"):
            found.append(place)
    return found


def begin_part(rig: Rig, path: str, size: int) -> int:
    answer = rig.session.answer(OpenPart(path, size, SOURCE))
    assert isinstance(answer, PartOpened), answer
    return answer.part


def test_what_is_shared_anew_is_there_and_what_is_not_any_more_is_refused(rig: Rig) -> None:
    (rig.rw / "file").write_bytes(b"x")
    (rig.base / "new").mkdir()
    assert rig.names("") == ["drop", "ro", "rw"]
    rig.service.set_shares(table(rig, "ro=@/ro:ro", "new=@/new:rw"))
    assert rig.names("") == ["new", "ro"]
    assert code_of(rig.session.answer(Stat("rw/file"))) == Code.NOT_FOUND
    assert read_range(rig.session, "rw/file", 0, 1, None) == Code.NOT_FOUND
    assert isinstance(rig.upload("new/file", b"y"), Found)
    assert opened_below(rig.rw) == []
    assert opened_below(rig.drop) == []


def test_what_stays_shared_is_not_disturbed(rig: Rig) -> None:
    content = os.urandom(BLOCK_SIZE + 1)
    part = begin_part(rig, "rw/file", len(content))
    write_block(rig.session, part, 0, content[:BLOCK_SIZE])
    rig.service.set_shares(table(rig, "rw=@/rw:rw"))
    write_block(rig.session, part, 1, content[BLOCK_SIZE:])
    assert (rig.rw / "file").exists() is False
    rig.service.set_shares(table(rig, "ro=@/ro:ro", "rw=@/rw:rw"))
    assert isinstance(rig.session.answer(Commit(part, whole_digest(content), MTIME)), Found)
    assert (rig.rw / "file").read_bytes() == content


def whole_digest(content: bytes) -> bytes:
    from gimmal.base.primitives import blake3_digest
    from gimmal.protocol.digest import file_digest

    blocks = [blake3_digest(content[at : at + BLOCK_SIZE]) for at in range(0, len(content), BLOCK_SIZE)]
    return file_digest(len(content), blocks)


@pytest.mark.parametrize("left", [[], ["rw=@/rw:ro"]], ids=["removed", "rights taken away"])
def test_an_upload_under_way_is_refused_and_its_file_let_go_of(rig: Rig, left: list[str]) -> None:
    content = os.urandom(BLOCK_SIZE + 1)
    part = begin_part(rig, "rw/file", len(content))
    write_block(rig.session, part, 0, content[:BLOCK_SIZE])
    assert opened_below(rig.rw)
    rig.service.set_shares(table(rig, *left))
    assert [place for place in opened_below(rig.rw) if place != str(rig.rw)] == []
    assert len(opened_below(rig.rw)) == len(left)
    assert code_of(rig.session.answer(Commit(part, whole_digest(content), MTIME))) == Code.UNKNOWN_PART
    assert not (rig.rw / "file").exists()
    # Nothing that had come is lost: where the share comes back, the upload goes on.
    rig.service.set_shares(table(rig, "rw=@/rw:rw"))
    again = rig.session.answer(OpenPart("rw/file", len(content), SOURCE))
    assert isinstance(again, PartOpened)
    write_block(rig.session, again.part, 1, content[BLOCK_SIZE:])
    assert isinstance(rig.session.answer(Commit(again.part, whole_digest(content), MTIME)), Found)


def test_a_listing_under_way_is_not_gone_on_with(rig: Rig) -> None:
    for number in range(3000):
        (rig.ro / f"{number:04}-{'x' * 200}").touch()
    one = rig.session.answer(List("ro"))
    all_of_them = rig.session.answer(Tree(""))
    assert isinstance(one, Page) and one.cursor
    assert isinstance(all_of_them, Page) and all_of_them.cursor
    rig.service.set_shares(table(rig))
    assert code_of(rig.session.answer(List("ro", one.cursor))) == Code.NOT_FOUND
    assert code_of(rig.session.answer(Tree("", all_of_them.cursor))) == Code.UNKNOWN_CURSOR
    rig.service.set_shares(table(rig, "ro=@/rw:ro"))
    assert code_of(rig.session.answer(List("ro", one.cursor))) == Code.UNKNOWN_CURSOR
    assert rig.names("ro") == []


def test_a_share_that_cannot_be_opened_changes_nothing(rig: Rig) -> None:
    (rig.base / "new").mkdir()
    shares = table(rig, "a=@/drop:ro", "new=@/new")
    (rig.base / "new").rmdir()
    before = len(opened_below(rig.base))
    with pytest.raises(LocalError, match="no such file"):
        rig.service.set_shares(shares)
    assert rig.names("") == ["drop", "ro", "rw"]
    assert len(opened_below(rig.base)) == before


def test_a_folder_stays_open_for_whoever_was_in_it_and_no_longer(tmp_path: Path) -> None:
    leaving = Leaving()
    roots = []
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
        roots.append(Root(tmp_path / name))
    inside, leave, left = threading.Event(), threading.Event(), threading.Event()

    def at_work() -> None:
        with leaving.inside():
            inside.set()
            leave.wait(PATIENCE)
        left.set()

    worker = threading.Thread(target=at_work)
    worker.start()
    assert inside.wait(PATIENCE)
    leaving.close_later(roots[0])
    with leaving.inside():
        leaving.close_later(roots[1])
    assert len(opened_below(tmp_path)) == 3, "somebody who began before may still be in there"
    leave.set()
    assert left.wait(PATIENCE)
    worker.join(PATIENCE)
    assert opened_below(tmp_path) == [str(tmp_path / "third")]
    leaving.close_later(roots[2])
    assert opened_below(tmp_path) == []
