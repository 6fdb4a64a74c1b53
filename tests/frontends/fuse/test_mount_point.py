"""Which folder may be mounted on, and what is said where nothing can be."""

from __future__ import annotations

import builtins
import os
import shutil
from pathlib import Path

import pytest

from gimmal.base.errors import LocalError, UsageError
from gimmal.frontends.fuse import mount_point
from gimmal.frontends.fuse.mount_point import check_fuse, check_mount_point, options, unmount


def test_an_empty_folder_may_be_mounted_on(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "way").symlink_to("folder")
    assert check_mount_point(str(tmp_path / "way")) == tmp_path / "folder"


def test_what_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "mounted").mkdir()
    for name, said, hint in (
        (".", "is not empty", "name an empty folder"),
        ("file", "is no folder", "name an empty folder"),
        ("missing", "there is no folder", "mkdir"),
    ):
        with pytest.raises(UsageError, match=said) as refused:
            check_mount_point(str(tmp_path / name))
        assert hint in refused.value.hint
    monkeypatch.setattr(mount_point, "own_mounts", lambda: [tmp_path / "mounted"])
    with pytest.raises(UsageError, match="mounted already"):
        check_mount_point(str(tmp_path / "mounted"))


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: object) -> object:
        if name == "pyfuse3":
            raise ImportError(name)
        return real(name, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", without)
        with pytest.raises(LocalError, match="pyfuse3") as failed:
            check_fuse()
        assert "gimmal[mount]" in failed.value.hint
    pytest.importorskip("pyfuse3")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "which", lambda _name: None)
        with pytest.raises(LocalError, match="fusermount3"):
            check_fuse()
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(LocalError, match="/dev/fuse"):
        check_fuse()


def test_the_source_names_the_pair_by_plain_characters() -> None:
    assert "fsname=gimmal:garden-2" in options("garden-2", read_only=False)
    assert "fsname=gimmal:G_rten__dev__" in options("Gärten,\\dev #", read_only=False)
    assert options("garden", read_only=True) - options("garden", read_only=False) == {"ro"}


def test_nothing_mounted_is_nothing_to_unmount(tmp_path: Path) -> None:
    assert not unmount(tmp_path)
