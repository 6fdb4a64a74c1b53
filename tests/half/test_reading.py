"""Reading one half alone, presence, locks, and finding plugged halves."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from gimmal.base.errors import (
    HalfDamaged,
    HalfGone,
    HalfInUse,
    HalfMissing,
    LocalError,
    PairRefused,
    UsageError,
    WrongPassword,
)
from gimmal.base.side import Side
from gimmal.half import lockfile
from gimmal.half.lockfile import HalfLock, held_folder, runtime_directory
from gimmal.half.plugged import choose_half, find_plugged
from gimmal.half.presence import Presence
from gimmal.half.reading import exposure, open_half, read_header
from gimmal.half.resealing import change_passwords
from gimmal.half.roots import key_id_of
from gimmal.noise.keys import RootKeys
from tests.half.helpers import CHEAP, GOOD_PASSWORD, folders, join


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    made = folders(tmp_path, "one", "two")
    join(*made, "home")
    return made


class TestReading:
    def test_header_needs_no_password_and_opening_asks_once(self, tmp_path: Path) -> None:
        one, two = folders(tmp_path, "one", "two")
        join(one, two, "home", passwords={Side.B: GOOD_PASSWORD})
        assert read_header(two).has_password
        asked: list[int] = []

        def password() -> str:
            asked.append(1)
            return GOOD_PASSWORD

        assert open_half(two, password).has_password
        assert asked == [1]
        open_half(one, password)
        assert asked == [1]
        with pytest.raises(WrongPassword):
            open_half(two, lambda: GOOD_PASSWORD + " ")
        with pytest.raises(WrongPassword):
            open_half(two, None)

    def test_a_password_is_composed_before_use(self, tmp_path: Path) -> None:
        one, two = folders(tmp_path, "one", "two")
        join(one, two, "home", passwords={Side.B: "Zoe\u0308 violet kettle"})
        assert open_half(two, lambda: "Zoë violet kettle").side is Side.B

    def test_empty_folder_and_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "GIMMAL").mkdir()
        for place in (tmp_path, tmp_path / "GIMMAL", tmp_path / "absent", tmp_path / "GIMMAL" / "x"):
            with pytest.raises(HalfMissing):
                open_half(place, None)

    @pytest.mark.parametrize("name", ["half.json", "state-0"])
    def test_links_fifos_and_folders_are_not_followed(self, two: list[Path], name: str) -> None:
        file = two[0] / "GIMMAL" / name
        other = two[0] / "GIMMAL/state-1"
        for make in (lambda: file.symlink_to(two[1] / "GIMMAL" / name), lambda: os.mkfifo(file), file.mkdir):
            file.rename(two[0] / "kept")
            make()
            if name == "half.json":
                with pytest.raises(HalfDamaged):
                    open_half(two[0], None)
            else:
                # The other state file still counts; without it there is none.
                open_half(two[0], None)
                other.rename(two[0] / "other")
                with pytest.raises(HalfDamaged):
                    open_half(two[0], None)
                (two[0] / "other").rename(other)
            file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
            (two[0] / "kept").rename(file)

    def test_a_half_is_read_from_a_read_only_folder(self, two: list[Path]) -> None:
        before = {file: file.stat().st_mtime_ns for file in (two[0] / "GIMMAL").iterdir()}
        open_half(two[0], None)
        assert {file: file.stat().st_mtime_ns for file in (two[0] / "GIMMAL").iterdir()} == before

    def test_state_of_the_other_half_does_not_fit(self, two: list[Path]) -> None:
        for name in ("state-0", "state-1"):
            shutil.copy(two[1] / "GIMMAL" / name, two[0] / "GIMMAL" / name)
        with pytest.raises(HalfDamaged, match="state"):
            open_half(two[0], None)

    def test_exposure_is_a_warning(self, two: list[Path]) -> None:
        location = two[0] / "GIMMAL"
        assert exposure(location) is None
        location.chmod(0o755)
        assert exposure(location) is None
        (location / "half.json").chmod(0o644)
        assert "other users" in (exposure(location) or "")
        open_half(two[0], None)

    def test_exposure_while_it_is_joined_goes_by_the_new_keys(self, two: list[Path]) -> None:
        location = two[0] / "GIMMAL"
        location.chmod(0o755)
        (location / "half.json").rename(location / "half.new")
        assert exposure(location) is None
        (location / "half.new").chmod(0o644)
        assert "other users" in (exposure(location) or "")

    def test_key_id_is_the_one_of_the_channel(self, two: list[Path]) -> None:
        half = open_half(two[0], None)
        assert key_id_of(half.root) == half.key_id == RootKeys.from_root(half.root).key_id


class TestPresence:
    def test_there_until_it_is_removed(self, two: list[Path]) -> None:
        presence = Presence(two[0] / "GIMMAL")
        assert presence.present()
        shutil.rmtree(two[0] / "GIMMAL")
        assert not presence.present()

    def test_the_same_content_in_another_folder_is_not_the_half(self, two: list[Path]) -> None:
        location = two[0] / "GIMMAL"
        presence = Presence(location)
        shutil.copytree(location, two[0] / "copy")
        location.rename(two[0] / "away")
        assert not presence.present()
        (two[0] / "copy").rename(location)
        assert not presence.present()

    def test_put_back_it_is_there_again(self, two: list[Path]) -> None:
        location = two[0] / "GIMMAL"
        presence = Presence(location)
        location.rename(two[0] / "away")
        assert not presence.present()
        (two[0] / "away").rename(location)
        assert presence.present()

    def test_a_half_joined_again_is_another(self, two: list[Path]) -> None:
        presence = Presence(two[0] / "GIMMAL")
        join(*two)
        assert not presence.present()

    def test_a_half_being_joined_is_not_present(self, two: list[Path]) -> None:
        presence = Presence(two[0] / "GIMMAL")
        (two[0] / "GIMMAL/joining").touch()
        assert not presence.present()

    def test_nothing_stays_open(self, two: list[Path]) -> None:
        before = set(os.listdir("/proc/self/fd"))
        presence = Presence(two[0] / "GIMMAL")
        for _ in range(100):
            assert presence.present()
        assert set(os.listdir("/proc/self/fd")) == before

    def test_cheap_enough_for_four_times_a_second(self, two: list[Path]) -> None:
        presence = Presence(two[0] / "GIMMAL")
        begin = time.thread_time()  # what it costs, however long others keep the processor
        for _ in range(20):
            presence.present()
        assert (time.thread_time() - begin) / 20 < 0.05

    def test_without_direct_reading(self, two: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "O_DIRECT")
        presence = Presence(two[0] / "GIMMAL")
        assert presence.present()
        (two[0] / "GIMMAL/half.json").unlink()
        assert not presence.present()

    def test_gone_before_it_began(self, tmp_path: Path) -> None:
        with pytest.raises(HalfGone):
            Presence(tmp_path / "GIMMAL")


class TestLocks:
    def test_second_holder_is_refused_until_release(self) -> None:
        lock = HalfLock(bytes(16), Side.A)
        HalfLock(bytes(16), Side.B).release()
        with pytest.raises(HalfInUse):
            HalfLock(bytes(16), Side.A)
        lock.release()
        lock.release()
        HalfLock(bytes(16), Side.A).release()

    def test_a_holder_that_was_killed_does_not_block(self) -> None:
        script = (
            "import os, sys\nfrom gimmal.base.side import Side\nfrom gimmal.half.lockfile import HalfLock\n"
            "lock = HalfLock(bytes(16), Side.A)\nprint('held', flush=True)\nsys.stdin.read()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(HalfInUse, match=f"process {holder.pid}"):
                HalfLock(bytes(16), Side.A)
            holder.kill()
            holder.wait()
        HalfLock(bytes(16), Side.A).release()

    def test_folder_lock(self, two: list[Path]) -> None:
        with held_folder(two[0] / "GIMMAL"), pytest.raises(HalfInUse), held_folder(two[0] / "GIMMAL"):
            raise AssertionError
        with held_folder(two[0] / "GIMMAL"):
            pass

    def test_programs_meet_in_one_folder_whatever_they_were_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert lockfile._TEMPORARY == "/tmp"
        monkeypatch.setattr(lockfile, "_TEMPORARY", str(tmp_path))
        monkeypatch.setattr(lockfile, "_is_ours", lambda _folder: False)  # neither XDG_RUNTIME_DIR nor /run/user/UID
        monkeypatch.setenv("TMPDIR", str(tmp_path / "elsewhere"))
        assert runtime_directory() == tmp_path / f"gimmal-{os.getuid()}"
        assert stat.S_IMODE(runtime_directory().stat().st_mode) == 0o700

    def test_runtime_folder_open_to_others_is_refused(self, own_runtime_directory: Path) -> None:
        runtime_directory().chmod(0o777)
        with pytest.raises(LocalError, match="not this user's alone") as caught:
            HalfLock(bytes(16), Side.A)
        assert "XDG_RUNTIME_DIR" in caught.value.hint

    def test_a_link_in_place_of_the_runtime_folder_is_refused(
        self, own_runtime_directory: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        (own_runtime_directory / "gimmal").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(LocalError, match="not this user's alone"):
            HalfLock(bytes(16), Side.A)
        assert not list((tmp_path / "elsewhere").iterdir())


class TestPlugged:
    def plug(self, monkeypatch: pytest.MonkeyPatch, *places: Path) -> None:
        mounts = [SimpleNamespace(mountpoint=str(place)) for place in places]
        monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)  # noqa: A006 - psutil's own word

    def test_named_environment_then_plugged(self, two: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        self.plug(monkeypatch, two[1], two[1].parent)
        assert find_plugged() == [two[1] / "GIMMAL"]
        assert choose_half(None) == two[1] / "GIMMAL"
        monkeypatch.setenv("GIMMAL_HALF", str(two[0]))
        assert choose_half(None) == two[0] / "GIMMAL"
        assert choose_half(two[1]) == two[1] / "GIMMAL"

    def test_none_or_several(self, two: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        self.plug(monkeypatch)
        with pytest.raises(HalfMissing):
            choose_half(None)
        self.plug(monkeypatch, *two)
        with pytest.raises(UsageError, match="several"):
            choose_half(None)

    def test_a_disk_at_two_places_is_one_half(self, two: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        again = two[0].parent / "again"
        again.symlink_to(two[0])  # to whoever looks at it as to a bind mount: the same file of the same disk
        self.plug(monkeypatch, two[0], again, two[1])
        assert find_plugged() == sorted([two[0] / "GIMMAL", two[1] / "GIMMAL"])
        self.plug(monkeypatch, again, two[0])
        assert find_plugged() == [again / "GIMMAL"], "where it was mounted first"
        self.plug(monkeypatch, two[0])
        assert choose_half(None) == two[0] / "GIMMAL"

    def test_real_mounts_can_be_looked_at(self) -> None:
        assert all((found / "half.json").exists() for found in find_plugged())


class TestPasswordChange:
    def test_set_change_and_clear(self, two: list[Path]) -> None:
        before = [open_half(place, None) for place in two]
        second = "another fine set of words"

        def never(_: object) -> str:
            raise AssertionError

        assert change_passwords((two[0], two[1]), {Side.B: GOOD_PASSWORD}, never, CHEAP) == (Side.B,)
        assert open_half(two[1], lambda: GOOD_PASSWORD).root == before[1].root
        with pytest.raises(WrongPassword):
            change_passwords((two[0], two[1]), {Side.B: second}, lambda _: "wrong", CHEAP)
        assert change_passwords((two[1], two[0]), {Side.B: second}, lambda _: GOOD_PASSWORD, CHEAP) == (Side.B,)
        with pytest.raises(WrongPassword):
            open_half(two[1], lambda: GOOD_PASSWORD)
        assert change_passwords((two[0], two[1]), {Side.B: None}, lambda _: second, CHEAP) == ()
        assert [open_half(place, None) for place in two] == before
        assert {file.name for file in (two[1] / "GIMMAL").iterdir()} == {"half.json", "state-0", "state-1"}

    def test_weak_password_changes_nothing(self, two: list[Path]) -> None:
        with pytest.raises(UsageError):
            change_passwords((two[0], two[1]), {Side.A: GOOD_PASSWORD, Side.B: "weak"}, lambda _: "", CHEAP)
        assert not read_header(two[0]).has_password

    def test_halves_of_two_pairs(self, two: list[Path], tmp_path: Path) -> None:
        others = folders(tmp_path, "three", "four")
        join(*others, "work")
        for places in ((two[0], others[1]), (two[0], two[0])):
            with pytest.raises(PairRefused):
                change_passwords(places, {Side.B: GOOD_PASSWORD}, lambda _: "", CHEAP)

    def test_while_it_is_served(self, two: list[Path]) -> None:
        half = open_half(two[0], None)
        with HalfLock(half.pair_id, half.side), pytest.raises(HalfInUse):
            change_passwords((two[0], two[1]), {Side.B: GOOD_PASSWORD}, lambda _: "", CHEAP)
