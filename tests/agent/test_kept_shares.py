"""Shares that a computer keeps for a pair: sealed, checked, never half written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gimmal.agent.kept_shares import SHARES_MAX, KeptShare, KeptShares, refuse_odd_places
from gimmal.agent.plugged import state_directory
from gimmal.base.errors import LocalError, UsageError
from gimmal.half.opened import OpenedHalf
from gimmal.half.reading import open_half
from gimmal.share.shares import Rights, Share
from tests.half.helpers import folders, join


@pytest.fixture
def halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[OpenedHalf, OpenedHalf]:
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "XDG_RUNTIME_DIR"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "XDG_STATE_HOME"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    return open_half(one, None), open_half(two, None)


def kept(path: Path, name: str = "Docs", rights: Rights = Rights.READ_ONLY) -> KeptShare:
    path.mkdir(exist_ok=True)
    return KeptShare(name, path, rights)


def test_they_are_read_back_sorted_and_over_joinings(tmp_path: Path, halves: tuple[OpenedHalf, OpenedHalf]) -> None:
    a, b = halves
    assert KeptShares(a).read() == []
    pictures, docs = kept(tmp_path / "pictures", "Pictures"), kept(tmp_path / "docs\udcff", "Docs", Rights.DROP)
    KeptShares(a).change(lambda before: [*before, pictures])
    KeptShares(a).change(lambda before: [*before, docs])
    assert KeptShares(a).read() == [docs, pictures]
    assert KeptShares(b).read() == [], "each half has its own"
    join(tmp_path / "one", tmp_path / "two")
    again = open_half(tmp_path / "one", None)
    assert again.pair_id != a.pair_id
    assert KeptShares(again).read() == [docs, pictures]
    KeptShares(again).change(lambda _before: [])
    assert KeptShares(again).read() == []


def test_on_the_disk_they_are_noise_for_the_owner_alone(tmp_path: Path, halves: tuple[OpenedHalf, OpenedHalf]) -> None:
    KeptShares(halves[0]).change(lambda _before: [kept(tmp_path / "marker-of-a-folder", "marker-of-a-share")])
    folder = state_directory(halves[0].lineage_id) / "settings"
    files = [path for path in folder.iterdir() if path.suffix != ".lock"]
    assert len(files) == 1
    assert b"marker" not in files[0].read_bytes()
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "marker" not in path.name
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_altered_file_is_said_to_be_so(tmp_path: Path, halves: tuple[OpenedHalf, OpenedHalf]) -> None:
    shares = KeptShares(halves[0])
    shares.change(lambda _before: [kept(tmp_path / "docs")])
    (path,) = [one for one in (state_directory(halves[0].lineage_id) / "settings").iterdir() if one.suffix != ".lock"]
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:20], b"", whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], b"x" * (3 << 20)):
        path.write_bytes(damaged)
        with pytest.raises(LocalError) as caught:
            shares.read()
        assert caught.value.hint
    path.write_bytes(whole)
    assert len(shares.read()) == 1


def test_two_names_that_look_alike_are_refused_and_nothing_changes(
    tmp_path: Path, halves: tuple[OpenedHalf, OpenedHalf]
) -> None:
    shares = KeptShares(halves[0])
    shares.change(lambda _before: [kept(tmp_path / "docs")])
    with pytest.raises(UsageError):
        shares.change(lambda before: [*before, kept(tmp_path / "other", "docs")])
    many = [kept(tmp_path / "docs", f"n{index}") for index in range(SHARES_MAX + 1)]
    with pytest.raises(UsageError):
        shares.change(lambda _before: many)
    assert [one.name for one in shares.read()] == ["Docs"]
    shares.change(lambda _before: many[1:])
    assert len(shares.read()) == SHARES_MAX


def test_two_programs_do_not_change_them_at_once(tmp_path: Path, halves: tuple[OpenedHalf, OpenedHalf]) -> None:
    def meanwhile(before: list[KeptShare]) -> list[KeptShare]:
        with pytest.raises(LocalError, match="just now"):
            KeptShares(halves[0]).change(lambda other: other)
        return [*before, kept(tmp_path / "docs")]

    KeptShares(halves[0]).change(meanwhile)
    assert len(KeptShares(halves[0]).read()) == 1


def test_a_folder_that_is_gone_or_became_a_link_is_not_shared(tmp_path: Path) -> None:
    share = kept(tmp_path / "docs")
    assert share.opened() == Share("Docs", tmp_path / "docs", Rights.READ_ONLY)
    (tmp_path / "docs").rmdir()
    with pytest.raises(UsageError, match="no such file"):
        share.opened()
    (tmp_path / "secret").mkdir()
    (tmp_path / "docs").symlink_to("secret")
    with pytest.raises(UsageError, match="a link lies there now"):
        share.opened()


def test_odd_places_are_refused(tmp_path: Path, halves: tuple[OpenedHalf, OpenedHalf]) -> None:
    home = Path(os.environ["HOME"])
    stick = tmp_path / "one"
    (stick / "photos").mkdir()

    def refuse(path: Path, *, whole_home: bool = False) -> None:
        refuse_odd_places(Share("x", path, Rights.READ_ONLY), [stick / "GIMMAL"], whole_home=whole_home)

    refuse(tmp_path / "two")
    refuse(home / "docs")
    for path in (stick, stick / "photos"):
        with pytest.raises(UsageError, match="on the stick"):
            refuse(path)
    for path in (home, tmp_path, Path("/")):
        with pytest.raises(UsageError, match="home folder"):
            refuse(path)
        refuse(path, whole_home=True)
    # A half at the top of the very disk that the home folder is on does not make all of that disk a stick.
    share = Share("x", home / "docs", Rights.READ_ONLY)
    refuse_odd_places(share, [tmp_path / "GIMMAL"], whole_home=False)
