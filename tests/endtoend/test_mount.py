"""``gimmal mount`` as a person meets it: what is shown, what it costs, and how it ends."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gimmal.base.own_mounts import own_mounts
from gimmal.protocol.limits import CALL_SECONDS
from tests.endtoend.conftest import Desk
from tests.endtoend.mounting import MISSING, mounted, take_away
from tests.endtoend.processes import Process
from tests.endtoend.wire import CutError, Flow, Tamper, Wire
from tests.endtoend.world import Plugged, content, until, write_file

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

LARGE = 16_000_003
ENDED_SECONDS = 1.0
"""From the half's pulling until nobody sees anything of the other side."""


@dataclass
class Line:
    """A line to the other side that counts what comes and can be cut."""

    wire: Wire
    fetched: int = 0
    held: bool = False
    flows: list[Flow] = field(default_factory=list)

    def tamper(self, flow: Flow) -> Tamper:
        def pass_on(data: bytes) -> bytes:
            if self.held:
                raise CutError
            if not flow.upward:
                self.fetched += len(data)
            return data

        return pass_on


@pytest.fixture
def line(plugged: Plugged) -> Iterator[Line]:
    wire = Wire(plugged.agent_a.port)
    made = Line(wire)
    wire.make_tamper = made.tamper
    yield made
    wire.close()


@pytest.fixture
def desk_mount(desk: Desk) -> Iterator[tuple[Path, Process]]:
    """The far folder of a desk, seen through a mount."""
    with mounted(desk.world, desk.world.b, name=f"mount-{desk.far.name}") as (folder, process):
        yield folder / "shared" / desk.far.name, process


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A file that is open; to close it fails where its mount is gone."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        with suppress(OSError):
            os.close(descriptor)


def is_gone(folder: Path) -> bool:
    return folder not in own_mounts()


# What is shown -------------------------------------------------------------------------------------------------------


def test_files_are_those_of_the_user_and_may_carry_nothing_but_programs(desk: Desk) -> None:
    (desk.far / "file").write_text("x")
    (desk.far / "file").chmod(0o640)
    with mounted(desk.world, desk.world.b, name="owner") as (folder, _process):
        state = os.stat(folder / "shared" / desk.far.name / "file")
        assert (state.st_uid, state.st_gid, state.st_mode & 0o7777) == (os.getuid(), os.getgid(), 0o640)
        flags = os.statvfs(folder).f_flag
        assert flags & os.ST_NOSUID
        assert flags & os.ST_NODEV
        assert os.statvfs(folder).f_blocks > 0
        shown = subprocess.run(["df", "--output=source", folder], capture_output=True, text=True, check=True).stdout
        assert shown.split()[1] == "gimmal:Home"


def test_a_file_that_is_mapped_to_memory(desk: Desk, desk_mount: tuple[Path, Process]) -> None:
    here, _process = desk_mount
    write_file(desk.far / "file", LARGE)
    until((here / "file").exists, "the file here")
    with (here / "file").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[5_000_000:5_000_100] == content(LARGE)[5_000_000:5_000_100]
        assert mapped[-10:] == content(LARGE)[-10:]
        assert len(mapped) == LARGE


def test_links_lead_where_they_say(desk: Desk, desk_mount: tuple[Path, Process]) -> None:
    here, _process = desk_mount
    (desk.far / "file").write_text("there")
    (desk.far / "link").symlink_to("file")
    until((here / "link").is_symlink, "the link here")
    assert os.readlink(here / "link") == "file"
    assert (here / "link").read_text() == "there"


def test_a_change_over_there_is_seen_while_a_file_is_open(desk: Desk, desk_mount: tuple[Path, Process]) -> None:
    here, _process = desk_mount
    (desk.far / "file").write_bytes(content(50_000))
    until((here / "file").exists, "the file here")
    with (here / "file").open("rb", buffering=0) as file:
        assert file.read(100) == content(50_000)[:100]
        with (desk.far / "file").open("ab") as more:
            more.write(b"more")
        until(lambda: os.fstat(file.fileno()).st_size == 50_004, "the new size")
        file.seek(49_999)
        assert file.read(10) == content(50_000)[-1:] + b"more"


def test_a_folder_that_is_worked_in_stays_when_the_line_comes_back(plugged: Plugged, line: Line) -> None:
    (plugged.shared / "folder").mkdir()
    (plugged.shared / "folder" / "file").write_text("x")
    with mounted(plugged.world, plugged.world.b, "--at", f"127.0.0.1:{line.wire.port}") as (folder, _process):
        script = "ls >/dev/null; read _; pwd -P; ls"
        shell = subprocess.Popen(
            ["sh", "-c", script],
            cwd=folder / "shared" / "folder",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line.held = True
        line.wire.cut()
        line.held = False
        (plugged.shared / "folder" / "new").write_text("y")
        until(lambda: "new" in os.listdir(folder / "shared" / "folder"), "the way is there again", 30)
        said, _none = shell.communicate("\n", timeout=30)
        assert said.split() == [os.path.realpath(folder / "shared" / "folder"), "file", "new"]


# What is documented --------------------------------------------------------------------------------------------------


def test_locks_hold_between_the_programs_of_this_computer(desk: Desk, desk_mount: tuple[Path, Process]) -> None:
    here, _process = desk_mount
    (here / "file").write_text("x")
    with (here / "file").open("r+") as one, (here / "file").open("r+") as other:
        fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        script = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        tried = subprocess.run([sys.executable, "-c", script, here / "file"], capture_output=True, check=False)
        assert b"BlockingIOError" in tried.stderr


def test_extended_attributes_are_set_and_shown(desk: Desk, desk_mount: tuple[Path, Process]) -> None:
    here, _process = desk_mount
    (here / "file").write_text("x")
    os.setxattr(here / "file", "user.note", b"value")
    assert os.listxattr(here / "file") == ["user.note"]
    assert os.getxattr(here / "file", "user.note") == os.getxattr(desk.far / "file", "user.note") == b"value"
    for name, number in (("user.none", errno.ENODATA), ("trusted.x", errno.ENODATA)):
        with pytest.raises(OSError) as failed:
            os.getxattr(here / "file", name)
        assert failed.value.errno == number
    for name in ("user.gimmal.stale", "trusted.x"):
        with pytest.raises(OSError) as failed:
            os.setxattr(here / "file", name, b"1")
        assert failed.value.errno == errno.EOPNOTSUPP


def test_what_is_not_kept_is_ignored_and_what_cannot_be_refused(desk: Desk, desk_mount: tuple[Path, Process]) -> None:
    here, _process = desk_mount
    (here / "file").write_text("x")
    (here / "other").write_text("y")
    os.symlink("file", here / "link")
    if os.getuid() == 0:
        os.chown(here / "file", 1234, 1234)
    assert os.stat(here / "file").st_uid == os.getuid()
    os.utime(here / "link", (1, 1), follow_symlinks=False)
    os.chmod(here / "file", 0o4600)
    assert os.stat(here / "file").st_mode & 0o7777 == os.stat(desk.far / "file").st_mode & 0o7777 == 0o600
    libc = ctypes.CDLL(None, use_errno=True)

    def rename(flags: int) -> int:
        names = os.fsencode(here / "file"), os.fsencode(here / "other")
        return ctypes.get_errno() if libc.renameat2(-100, names[0], -100, names[1], flags) else 0

    assert rename(1) == errno.EEXIST, "RENAME_NOREPLACE"
    assert rename(2) == errno.EINVAL, "RENAME_EXCHANGE"
    assert (desk.far / "other").read_text() == "y"
    for refused in (lambda: os.link(here / "file", here / "second"), lambda: os.mkfifo(here / "pipe")):
        with pytest.raises(PermissionError):
            refused()
    assert sorted(os.listdir(desk.far)) == ["file", "link", "other"]


def test_which_shares_there_are_is_not_for_the_mount_to_change(desk: Desk) -> None:
    with mounted(desk.world, desk.world.b, name="shares") as (folder, _process):
        file = folder / "shared" / desk.far.name / "file"
        file.write_text("x")
        for change in (
            lambda: os.mkdir(folder / "new"),
            lambda: (folder / "new").touch(),
            lambda: os.mknod(folder / "new"),
            lambda: os.symlink("shared", folder / "new"),
            lambda: os.rename(file, folder / "new"),
            lambda: os.rename(folder / "shared", folder / "new"),
            lambda: os.rmdir(folder / "shared"),
        ):
            with pytest.raises(PermissionError):
                change()  # type: ignore[no-untyped-call]
        assert os.stat(folder).st_mode & 0o777 == 0o555
        assert file.read_text() == "x"


def test_a_file_that_was_removed_and_is_open_can_be_used_on(desk: Desk, desk_mount: tuple[Path, Process]) -> None:
    here, _process = desk_mount
    with (here / "file").open("w+b", buffering=0) as file:
        file.write(b"held here")
        (here / "file").unlink()
        assert os.listdir(here) == os.listdir(desk.far) == []
        file.write(b", and more")
        file.seek(0)
        assert file.read() == b"held here, and more"
        assert os.fstat(file.fileno()).st_size == 19
    assert os.listdir(desk.far) == []


# What it costs -------------------------------------------------------------------------------------------------------


def test_a_small_read_fetches_little(plugged: Plugged, line: Line) -> None:
    """An icon, the head of a film: never the whole file."""
    write_file(plugged.shared / "large", LARGE)
    with mounted(plugged.world, plugged.world.b, "--at", f"127.0.0.1:{line.wire.port}") as (folder, _process):
        path = folder / "shared" / "large"
        assert os.stat(path).st_size == LARGE
        before = line.fetched
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
            for number, offset in enumerate((10_000_000, 3_000_000, 15_000_000, 12_000_000), start=1):
                assert os.pread(descriptor, 4096, offset) == content(LARGE)[offset : offset + 4096]
                assert line.fetched - before <= number * (16 << 10) + 2000, "16 KiB each, and its answers"
        finally:
            os.close(descriptor)


def test_what_was_listed_is_listed_again_without_asking(plugged: Plugged, line: Line) -> None:
    for number in range(200):
        write_file(plugged.shared / f"folder{number % 5}" / f"file{number}", 10)
    with mounted(plugged.world, plugged.world.b, "--at", f"127.0.0.1:{line.wire.port}") as (folder, _process):

        def walk() -> int:
            return sum(os.stat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names)

        assert walk() == 2000
        walk()
        before = line.fetched
        assert walk() == 2000
        assert line.fetched - before < 2000, "no listing, no attributes: signs of life at most"
        write_file(plugged.shared / "folder1" / "file1", 1000)
        until(lambda: walk() == 2990, "the change", 5)


# How it ends ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["INT", "TERM", "KILL"])
def test_however_the_command_ends_the_folder_is_free_again(desk: Desk, number: int) -> None:
    (desk.far / "file").write_text("x")
    with mounted(desk.world, desk.world.b, name=f"ends{number}") as (folder, process):
        with opened(folder / "shared" / desk.far.name / "file") as busy:
            assert os.read(busy, 1) == b"x"
            process.popen.send_signal(number)
            result = process.wait(30)
            assert result.code == (0 if number != signal.SIGKILL else -signal.SIGKILL)
            until(lambda: is_gone(folder), "the folder free", 10)
            with pytest.raises(OSError) as failed:
                os.fstat(busy)
            assert failed.value.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)
        assert os.listdir(folder) == []


def test_what_a_program_has_not_closed_is_saved_when_the_mount_is_ended(desk: Desk) -> None:
    with mounted(desk.world, desk.world.b, name="unsaved") as (folder, process):
        descriptor = os.open(folder / "shared" / desk.far.name / "file", os.O_CREAT | os.O_WRONLY)
        try:
            os.write(descriptor, content(100_000))
            process.popen.send_signal(signal.SIGTERM)
            assert process.wait(30).code == 0
        finally:
            with suppress(OSError):
                os.close(descriptor)
    assert (desk.far / "file").read_bytes() == content(100_000)


def test_unmount_ends_it_and_says_what_it_cannot(desk: Desk) -> None:
    with mounted(desk.world, desk.world.b, name="unmounted") as (folder, process), os.scandir(folder / "shared"):
        desk.run("unmount", folder)
        assert is_gone(folder)
        assert process.wait(30).code == 0, "who still uses it does not keep it"
    assert "has mounted nothing on" in desk.run("unmount", folder, code=2).error


def test_a_mount_ends_with_the_half_though_it_is_busy(plugged: Plugged) -> None:
    world = plugged.world
    write_file(plugged.shared / "file", LARGE)
    with mounted(world, world.b) as (folder, process), opened(folder / "shared" / "file") as busy:
        assert os.read(busy, 10) == content(LARGE)[:10]
        (world.b.half / "GIMMAL").rename(world.b.half / "elsewhere")
        took = until(lambda: is_gone(folder), "the folder free", 10, every=0.005)
        assert took <= ENDED_SECONDS, took
        result = process.wait(30)
        assert result.code == 5
        assert "the half was pulled out" in result.error
        with pytest.raises(OSError):
            os.pread(busy, 100, 15_000_000)


def test_a_mount_ends_with_the_agent_that_carries_it(plugged: Plugged) -> None:
    world = plugged.world
    (plugged.shared / "file").write_text("x")
    agent = world.up(world.b)
    agent.wait_connected()
    with mounted(world, world.b) as (folder, process):
        assert (folder / "shared" / "file").read_text() == "x"
        world.run(world.b, "unplug")
        until(lambda: is_gone(folder), "the folder free", 10)
        assert process.wait(30).code == 5


# Without a line ------------------------------------------------------------------------------------------------------


def test_what_is_known_is_shown_without_a_line_and_marked(plugged: Plugged, line: Line) -> None:
    (plugged.shared / "known").mkdir()
    (plugged.shared / "known" / "file").write_text("read before")
    (plugged.shared / "unknown").mkdir()
    with mounted(plugged.world, plugged.world.b, "--at", f"127.0.0.1:{line.wire.port}") as (folder, _process):
        known = folder / "shared" / "known"
        assert (known / "file").read_text() == "read before"
        assert os.listdir(known) == ["file"]
        with pytest.raises(OSError):
            os.getxattr(known, "user.gimmal.stale")
        line.held = True
        line.wire.cut()
        until(lambda: _is_marked(known), "marked stale", 20)
        assert os.listdir(known) == ["file"]
        assert (known / "file").stat().st_size == 11
        started = time.monotonic()
        with pytest.raises(OSError) as failed:
            os.listdir(folder / "shared" / "unknown")
        assert time.monotonic() - started <= CALL_SECONDS + 2
        assert failed.value.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EIO)
        line.held = False
        (plugged.shared / "known" / "new").write_text("n")
        until(lambda: sorted(os.listdir(known)) == ["file", "new"], "the way is there again", 60)
        until(lambda: not _is_marked(known), "marked no more", 20)


def _is_marked(folder: Path) -> bool:
    with suppress(OSError):
        return os.getxattr(folder, "user.gimmal.stale") == b"1"
    return False


# What is refused -----------------------------------------------------------------------------------------------------


def test_where_nothing_can_be_mounted(desk: Desk) -> None:
    (desk.near / "full").mkdir()
    (desk.near / "full" / "file").touch()
    assert "is not empty" in desk.run("mount", "full", code=2).error
    assert "is no folder" in desk.run("mount", "full/file", code=2).error
    assert "there is no folder" in desk.run("mount", "missing", code=2).error


def test_a_mount_in_what_is_shared_with_the_other_side_is_refused(plugged: Plugged) -> None:
    world = plugged.world
    world.up(world.b, plugged.mine).wait_connected()
    inside = plugged.mine / "deep" / "Home"
    inside.mkdir(parents=True)
    refused = world.run(world.b, "mount", inside, code=2)
    assert "which you share with the other side" in refused.error
    assert is_gone(inside)


def test_nothing_in_a_mount_is_shared_or_copied_again(desk: Desk) -> None:
    (desk.far / "file").write_text("x")
    b = desk.world.b
    with mounted(desk.world, b, name="refused") as (folder, _process):
        inside = folder / "shared" / desk.far.name
        assert (inside / "file").read_text() == "x"
        refusal = "lies in a mount of gimmal's"
        assert refusal in desk.run("cp", inside / "file", desk.at("copy"), code=2).error
        assert refusal in desk.run("cp", desk.at("file"), inside / "copy", code=2).error
        assert refusal in desk.run("cp", "-r", folder, desk.at("copy"), code=2).error
        assert refusal in desk.run("sync", inside, desk.at("copy"), code=2).error
        assert refusal in desk.run("sync", desk.at(), inside, code=2).error
        assert refusal in desk.run("shares", "add", inside, code=2).error
        assert refusal in desk.run("up", "--share", f"name={folder}", code=2).error
        holds = "holds a mount of gimmal's"
        assert holds in desk.run("cp", "-r", folder.parent, desk.at("copy"), code=2).error
        assert holds in desk.run("sync", desk.at(), folder.parent, code=2).error
        assert holds in desk.run("up", "--share", f"name={folder.parent}", code=2).error
        assert "is mounted already" in desk.run("mount", folder, code=2).error
        (desk.near / "way").symlink_to(inside)
        assert refusal in desk.run("cp", "way/file", desk.at("copy"), code=2).error
        take_away(folder)


def test_read_only(desk: Desk) -> None:
    (desk.far / "file").write_text("x")
    with mounted(desk.world, desk.world.b, "--read-only", name="read-only") as (folder, _process):
        here = folder / "shared" / desk.far.name
        assert (here / "file").read_text() == "x"
        for change in (lambda: (here / "file").write_text("y"), lambda: (here / "new").mkdir()):
            with pytest.raises(OSError) as failed:
                change()
            assert failed.value.errno == errno.EROFS
    assert (desk.far / "file").read_text() == "x"


# In the background ---------------------------------------------------------------------------------------------------


def test_in_the_background_the_terminal_is_free_and_unmount_ends_it(desk: Desk) -> None:
    (desk.far / "file").write_text("x")
    folder = desk.near / "background"
    folder.mkdir()
    try:
        result = desk.run("mount", "--background", "background")
        assert result.out == f"mounted: {folder}\n"
        assert (folder / "shared" / desk.far.name / "file").read_text() == "x"
        desk.run("unmount", "background")
        assert is_gone(folder)
    finally:
        take_away(folder)


def test_what_fails_in_the_background_is_said_in_front(desk: Desk) -> None:
    (desk.near / "nobody").mkdir()
    result = desk.run("mount", "--background", "--at", "127.0.0.1:9", "nobody", code=7)
    assert result.error
