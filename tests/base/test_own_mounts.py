"""Which folders are mounts of gimmal's, by the system's table."""

from __future__ import annotations

from pathlib import Path

import pytest

from gimmal.base import own_mounts
from gimmal.base.errors import UsageError
from gimmal.base.own_mounts import refuse_own_mount

TABLE = rb"""22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw
41 28 0:42 / %s/a\040folder\011\134x rw,nosuid,nodev shared:3 - fuse.gimmal gimmal rw,user_id=0,group_id=0
42 28 0:43 / %s/other rw shared:3 - fuse.sshfs gimmal rw,user_id=0
43 28 0:44 / %s/plain rw - ext4 fuse.gimmal rw
bad line
44 28 0:45 / %s/second rw,nosuid - fuse.gimmal gimmal rw
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_bytes(TABLE.replace(b"%s", str(tmp_path).encode()))
    return path


def test_only_what_gimmal_mounted_counts(table: Path, tmp_path: Path) -> None:
    assert own_mounts.own_mounts(table) == [tmp_path / "a folder\t\\x", tmp_path / "second"]
    assert own_mounts.own_mounts(tmp_path / "missing") == []


def test_a_place_in_a_mount_is_refused_also_through_links(table: Path, tmp_path: Path) -> None:
    mount = tmp_path / "second"
    mount.mkdir()
    (tmp_path / "second sight").mkdir()
    (tmp_path / "way").symlink_to("second")
    for place in (mount, mount / "deep" / "file", tmp_path / "way" / "file"):
        with pytest.raises(UsageError, match="lies in a mount of gimmal's"):
            refuse_own_mount(place, str(place), table=table)
    for place in (mount / ".." / "elsewhere", tmp_path / "second sight", tmp_path / "other", tmp_path):
        refuse_own_mount(place, str(place), table=table)
    with pytest.raises(UsageError, match=r"second/\\x1bfile lies"):
        refuse_own_mount(mount / "\x1bfile", "second/\x1bfile", table=table)


def test_what_is_no_place_is_left_to_others(table: Path, tmp_path: Path) -> None:
    refuse_own_mount(tmp_path / "nul\0byte", "nul", below=True, table=table)
    (tmp_path / "loop").symlink_to("loop")
    refuse_own_mount(tmp_path / "loop" / "file", "loop", below=True, table=table)


def test_a_place_that_holds_a_mount_is_refused_where_all_in_it_counts(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds a mount of gimmal's"):
        refuse_own_mount(tmp_path, "~", below=True, table=table)
    (tmp_path / "second sight").mkdir()
    refuse_own_mount(tmp_path / "second sight", "sight", below=True, table=table)
    refuse_own_mount(tmp_path, "~", below=True, table=tmp_path / "missing")
