"""base/persistence: what is durable, what a cut leaves, what is refused."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gimmal.base.disk import Disk, disk, replaced_disk
from gimmal.base.errors import LocalError
from gimmal.base.persistence import (
    FileMissingError,
    FileUnsuitableError,
    exists,
    fsync_directory,
    is_directory,
    make_directory,
    overwrite_and_remove,
    overwrite_in_place,
    overwrite_with_zeros,
    read_limited,
    remove_durably,
    restrict_directory,
    sync_file,
    write_atomic,
    write_new_durably,
)
from tests.half.simulated_disk import Killed, SimulatedDisk, fail_at, full_from, keeping, kill_at

OLD, NEW = b"old content " * 200, b"new content is longer " * 300


class TestAtomic:
    def test_replaces_and_creates(self, tmp_path: Path) -> None:
        target = tmp_path / "file"
        write_atomic(target, OLD)
        write_atomic(target, NEW)
        assert target.read_bytes() == NEW
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert [file.name for file in tmp_path.iterdir()] == ["file"]

    @pytest.mark.parametrize("existing", [False, True])
    def test_cut_anywhere_leaves_old_or_new(self, existing: bool) -> None:
        target = Path("/one/file")

        def run(step: int, seed: int | None, make: Callable[[int], object]) -> bool:
            simulated = SimulatedDisk()
            with replaced_disk(simulated):
                if existing:
                    write_atomic(target, OLD)
                simulated.begin(make(step))
                done = True
                try:
                    write_atomic(target, NEW)
                except (Killed, LocalError):
                    done = False
                simulated.begin()
                if seed is not None:
                    simulated.power_cut(keeping(seed))
                found = read_limited(target, 1 << 20) if exists(target) else b""
                assert found in ((NEW,) if done else (NEW, OLD if existing else b"")), (step, seed)
                write_atomic(target, NEW)
                assert read_limited(target, 1 << 20) == NEW
            return done

        for make in (kill_at, lambda step: fail_at(step, errno.EIO), full_from):
            for seed in (None, 0, 1, 2, 3, 4):
                step = 0
                while not run(step, seed, make):
                    step += 1
                assert step >= (2 if make is full_from else 5)

    def test_short_writes_are_continued(self) -> None:
        simulated = SimulatedDisk()
        simulated.halve_writes = True
        with replaced_disk(simulated):
            write_atomic(Path("/one/file"), NEW)
            assert read_limited(Path("/one/file"), 1 << 20) == NEW

    def test_a_write_that_takes_nothing_is_an_error(self, tmp_path: Path) -> None:
        class Stuck(Disk):
            def pwrite(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
                return 0

        with replaced_disk(Stuck()), pytest.raises(LocalError):
            write_new_durably(tmp_path / "file", b"x")
        assert not (tmp_path / "file").exists()

    def test_error_says_what_and_what_next(self, tmp_path: Path) -> None:
        with pytest.raises(LocalError) as caught:
            write_atomic(tmp_path / "absent\x1b" / "file", b"x")
        assert "cannot write" in caught.value.message
        assert "\x1b" not in caught.value.message
        assert caught.value.hint

        class Full(Disk):
            def pwrite(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

        with replaced_disk(Full()), pytest.raises(LocalError) as caught:
            write_atomic(tmp_path / "file", b"x")
        assert "no space left" in caught.value.message
        assert "free some space" in caught.value.hint
        assert list(tmp_path.iterdir()) == []


class TestNew:
    def test_never_overwrites(self, tmp_path: Path) -> None:
        write_new_durably(tmp_path / "file", OLD)
        with pytest.raises(LocalError):
            write_new_durably(tmp_path / "file", NEW)
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(LocalError):
            write_new_durably(tmp_path / "link", NEW)
        assert (tmp_path / "file").read_bytes() == OLD
        assert not (tmp_path / "elsewhere").exists()

    def test_survives_a_cut_after_return(self) -> None:
        simulated = SimulatedDisk()
        with replaced_disk(simulated):
            make_directory(Path("/one/folder"))
            write_new_durably(Path("/one/folder/file"), NEW)
            simulated.power_cut(keeping(0))
            assert read_limited(Path("/one/folder/file"), 1 << 20) == NEW


class TestInPlace:
    @pytest.mark.parametrize("data", [b"", b"short", NEW])
    def test_overwrites_and_cuts(self, tmp_path: Path, data: bytes) -> None:
        target = tmp_path / "file"
        target.write_bytes(OLD)
        number = target.stat().st_ino
        overwrite_in_place(target, data)
        assert target.read_bytes() == data
        assert target.stat().st_ino == number

    def test_survives_a_cut_after_return(self) -> None:
        simulated = SimulatedDisk()
        with replaced_disk(simulated):
            write_new_durably(Path("/one/file"), NEW)
            overwrite_in_place(Path("/one/file"), OLD)
            simulated.power_cut(keeping(0))
            assert read_limited(Path("/one/file"), 1 << 20) == OLD

    def test_only_regular_files_that_exist(self, tmp_path: Path) -> None:
        with pytest.raises(FileMissingError):
            overwrite_in_place(tmp_path / "absent", b"x")
        (tmp_path / "target").write_bytes(OLD)
        (tmp_path / "link").symlink_to("target")
        with pytest.raises(LocalError):
            overwrite_in_place(tmp_path / "link", b"x")
        assert (tmp_path / "target").read_bytes() == OLD


class TestReading:
    def test_limit_is_exact(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x" * 100_000)
        assert len(read_limited(tmp_path / "file", 100_000)) == 100_000
        with pytest.raises(FileUnsuitableError):
            read_limited(tmp_path / "file", 99_999)

    def test_a_file_that_grows_while_it_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x" * 10)
        asked: list[int] = []

        class Growing(Disk):
            def pread(self, descriptor: int, size: int, offset: int) -> bytes:
                asked.append(size)
                return b"x" * size

        with replaced_disk(Growing()), pytest.raises(FileUnsuitableError):
            read_limited(tmp_path / "file", 100_000)
        assert sum(asked) == 100_001

    def test_huge_sparse_file_is_not_read(self, tmp_path: Path) -> None:
        with open(tmp_path / "file", "wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(FileUnsuitableError):
            read_limited(tmp_path / "file", 4096)

    def test_no_links_fifos_devices_folders(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        (tmp_path / "link").symlink_to("file")
        os.mkfifo(tmp_path / "fifo")
        for path in (tmp_path / "link", tmp_path / "fifo", tmp_path, Path("/dev/zero")):
            with pytest.raises(FileUnsuitableError):
                read_limited(path, 4096)

    def test_missing_is_told_apart(self, tmp_path: Path) -> None:
        with pytest.raises(FileMissingError):
            read_limited(tmp_path / "absent", 1)
        assert not exists(tmp_path / "absent")
        assert not is_directory(tmp_path / "absent")
        assert is_directory(tmp_path)


class TestRemoving:
    def test_removed_stays_away(self) -> None:
        simulated = SimulatedDisk()
        with replaced_disk(simulated):
            write_new_durably(Path("/one/file"), OLD)
            remove_durably(Path("/one/file"))
            remove_durably(Path("/one/file"))
            simulated.power_cut(keeping(0))
            assert not exists(Path("/one/file"))

    def test_content_is_overwritten_before_the_name_goes(self) -> None:
        simulated = SimulatedDisk()
        with replaced_disk(simulated):
            write_new_durably(Path("/one/file"), OLD)
            simulated.begin(lambda number, call, path: (_ for _ in ()).throw(Killed()) if call == "unlink" else None)
            with pytest.raises(Killed):
                overwrite_and_remove(Path("/one/file"))
            simulated.power_cut(keeping(0))
            assert read_limited(Path("/one/file"), 1 << 20) == bytes(len(OLD))

    def test_best_effort(self, tmp_path: Path) -> None:
        assert overwrite_and_remove(tmp_path / "absent")
        (tmp_path / "folder").mkdir()
        assert not overwrite_and_remove(tmp_path / "folder")
        os.mkfifo(tmp_path / "fifo")
        assert overwrite_and_remove(tmp_path / "fifo")
        (tmp_path / "target").write_bytes(OLD)
        (tmp_path / "link").symlink_to("target")
        assert overwrite_and_remove(tmp_path / "link")
        assert (tmp_path / "target").read_bytes() == OLD

    def test_what_was_never_there_is_not_left_on_a_read_only_disk(self, tmp_path: Path) -> None:
        class ReadOnlyDisk(Disk):
            def unlink(self, path: str) -> None:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

        (tmp_path / "file").write_bytes(OLD)
        with replaced_disk(ReadOnlyDisk()):
            assert overwrite_and_remove(tmp_path / "absent")
            assert not overwrite_and_remove(tmp_path / "file")

    def test_zeros_keep_the_length(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(OLD)
        overwrite_with_zeros(tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == bytes(len(OLD))


class TestFolders:
    def test_made_once_and_only_where_nothing_else_is(self, tmp_path: Path) -> None:
        make_directory(tmp_path / "folder")
        make_directory(tmp_path / "folder")
        (tmp_path / "file").write_bytes(b"")
        (tmp_path / "link").symlink_to("folder")
        for name in ("file", "link"):
            with pytest.raises(LocalError):
                make_directory(tmp_path / name)

    def test_restricting(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir(mode=0o755)
        restrict_directory(tmp_path / "folder")
        assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700
        restrict_directory(tmp_path / "absent")

    def test_a_file_system_that_cannot_sync_folders(self, tmp_path: Path) -> None:
        synced: list[str] = []

        class Old(Disk):
            def fsync(self, descriptor: int) -> None:
                raise OSError(errno.EINVAL, "Invalid argument")

            def sync(self) -> None:
                synced.append("all")

        with replaced_disk(Old()):
            fsync_directory(tmp_path)
        assert synced == ["all"]

    def test_sync_of_a_file(self, tmp_path: Path) -> None:
        sync_file(tmp_path / "absent")
        simulated = SimulatedDisk()
        with replaced_disk(simulated):
            write_new_durably(Path("/one/file"), OLD)
            descriptor = simulated.open("/one/file", os.O_WRONLY)
            simulated.pwrite(descriptor, b"new", 0)
            sync_file(Path("/one/file"))
            simulated.power_cut(keeping(0))
            assert read_limited(Path("/one/file"), 1 << 20).startswith(b"new")


def test_the_real_calls_come_back() -> None:
    real = disk()
    with pytest.raises(ZeroDivisionError), replaced_disk(SimulatedDisk()):
        raise ZeroDivisionError
    assert disk() is real
