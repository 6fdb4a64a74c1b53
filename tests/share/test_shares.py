"""Shares as written on the command line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gimmal.base.errors import UsageError
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Commit, Failed, Found, List, OpenPart, Page, PartOpened, Stat
from gimmal.share.service import ShareService
from gimmal.share.shares import Rights, Share, ShareTable, parse_share
from tests.share.rig import SOURCE, Rig


@pytest.mark.parametrize(
    ("suffix", "rights"),
    [("", Rights.READ_WRITE), (":rw", Rights.READ_WRITE), (":ro", Rights.READ_ONLY), (":drop", Rights.DROP)],
)
def test_path_and_mode(tmp_path: Path, suffix: str, rights: Rights) -> None:
    folder = tmp_path / "Documents"
    folder.mkdir()
    assert parse_share(f"{folder}{suffix}") == Share("Documents", folder, rights)
    assert parse_share(f"Papers={folder}{suffix}") == Share("Papers", folder, rights)


def test_the_name_is_that_of_the_real_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert parse_share(str(tmp_path / "link")).name == "real"
    monkeypatch.chdir(tmp_path / "real")
    assert parse_share(".:ro") == Share("real", tmp_path / "real", Rights.READ_ONLY)


def test_odd_paths_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a=b", "10:30", "xy:ro"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse_share("./a=b").name == "a=b"
    assert parse_share("10:30").name == "10:30"
    assert parse_share("xy:ro:drop") == Share("xy:ro", tmp_path / "xy:ro", Rights.DROP)


@pytest.mark.parametrize(
    "argument",
    ["", ":ro", "name=", "name=:ro", "no-such", "no-such:ro", "file", "/", "a/b=folder", "..=folder", "=folder",
     "a\nb=folder", "a\\b=folder", "C:=folder", "folder:readonly", "nul\0byte", "\uee41=folder"],
)  # fmt: skip
def test_what_cannot_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        parse_share(argument)
    assert caught.value.hint
    assert caught.value.message.isprintable()


def test_a_folder_that_is_not_there_can_be_made_or_was_written_wrongly(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or directory") as refused:
        parse_share(f"{tmp_path / 'missing'}:r")
    assert "mkdir" in refused.value.hint
    assert "PATH:ro" in refused.value.hint


def test_a_folder_whose_name_cannot_travel_needs_another(tmp_path: Path) -> None:
    folder = tmp_path / "a\nb"
    folder.mkdir()
    with pytest.raises(UsageError):
        parse_share(str(folder))
    assert parse_share(f"ab={folder}").name == "ab"


def test_a_half_is_not_shared(tmp_path: Path) -> None:
    (tmp_path / "GIMMAL").mkdir()
    parse_share(str(tmp_path / "GIMMAL"))
    (tmp_path / "GIMMAL" / "half.json").write_bytes(b"{}")
    with pytest.raises(UsageError):
        parse_share(f"keys={tmp_path / 'GIMMAL'}:ro")


@pytest.mark.parametrize(("one", "other"), [("a", "a"), ("README", "readme"), ("\u00e9", "e\u0301"), ("a", "a.")])
def test_equal_names_are_refused(tmp_path: Path, one: str, other: str) -> None:
    with pytest.raises(UsageError):
        ShareTable([Share(one, tmp_path, Rights.READ_ONLY), Share(other, tmp_path, Rights.DROP)])


def test_order_is_that_of_the_bytes(tmp_path: Path) -> None:
    table = ShareTable([Share(name, tmp_path, Rights.DROP) for name in ("b", "é", "Z", "a")])
    assert [share.name for share in table] == ["Z", "a", "b", "é"]
    assert len(table) == 4


class TestAShareRemovedAndMadeAgain:
    def test_its_new_files_are_there(self, rig: Rig) -> None:
        (rig.rw / "old").write_bytes(b"old")
        opened = rig.session.answer(OpenPart("rw/upload", 5, SOURCE))
        assert isinstance(opened, PartOpened)
        shutil.rmtree(rig.rw)
        assert rig.code(Stat("rw/old")) == Code.NOT_FOUND
        rig.rw.mkdir()
        (rig.rw / "new").write_bytes(b"new")
        assert isinstance(rig.session.answer(Stat("rw/new")), Found)
        assert rig.upload("rw/more", b"more") != Failed(Code.NOT_FOUND)
        assert (rig.rw / "more").read_bytes() == b"more"
        assert rig.code(Commit(opened.part, bytes(32), 0)) != 0, "what was begun in the old one is not in the new"
        assert not (rig.rw / "upload").exists()

    def test_the_list_of_shares_shows_it(self, rig: Rig) -> None:
        rig.ro.rmdir()
        rig.ro.mkdir()
        page = rig.session.answer(List(""))
        assert isinstance(page, Page)
        identity = {entry.name: entry.attributes.identity for entry in page.entries}
        assert identity["ro"] == rig.ro.stat().st_ino

    def test_a_link_in_its_place_is_not_followed(self, rig: Rig, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(b"secret")
        rig.rw.rmdir()
        rig.rw.symlink_to(outside)
        assert rig.code(Stat("rw/secret")) == Code.NOT_FOUND

    def test_a_link_above_its_place_is_not_followed(self, tmp_path: Path) -> None:
        """As a peer could make one that may write to a share around this one."""
        outside, around = tmp_path / "outside", tmp_path / "around"
        for folder in (outside / "inner", around / "inner"):
            folder.mkdir(parents=True)
        (outside / "inner" / "secret").write_bytes(b"secret")
        table = ShareTable([Share("inner", around / "inner", Rights.READ_WRITE)])
        service = ShareService(table, tmp_path / "journals", bytes(32))
        session = service.open_session()
        shutil.rmtree(around)
        around.symlink_to(outside)
        assert session.answer(Stat("inner/secret")) == Failed(Code.NOT_FOUND)
        session.close()
        service.close()

    def test_no_descriptor_is_left_open(self, rig: Rig) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            rig.ro.rmdir()
            rig.ro.mkdir()
            assert isinstance(rig.session.answer(Stat("ro")), Found)
        assert len(os.listdir("/proc/self/fd")) == before
