"""Nothing outside a root is reached, whatever stands below it and whoever renames meanwhile."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gimmal.base import beneath, system_calls
from gimmal.base.beneath import NotAFileError, Root
from gimmal.base.errors import BadName
from tests.figures import figure
from tests.patience import within

FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"


@pytest.fixture(params=["walk", "openat2"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Root]:
    inside = tmp_path / "root"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "file").write_bytes(b"content")
    (inside / "a" / "b" / "deep").write_bytes(b"deep")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"secret")
    (inside / "up").symlink_to("..")
    (inside / "out").symlink_to("../outside")
    (inside / "absolute").symlink_to("/etc")
    (inside / "to-file").symlink_to("file")
    (inside / "to-a").symlink_to("a")
    (inside / "magic").symlink_to("/proc/self/cwd")
    root = Root(inside, kernel_walk=request.param == "openat2")
    if request.param == "openat2" and not root.kernel_walk:
        pytest.skip("this kernel has no openat2")
    yield root
    root.close()


def test_the_walk_is_what_runs_by_default(tmp_path: Path) -> None:
    with Root(tmp_path) as root:
        assert not root.kernel_walk


def test_what_is_there_is_reached(root: Root) -> None:
    descriptor, state = root.open_file([b"a", b"b", b"deep"])
    assert os.pread(descriptor, 10, 0) == b"deep"
    assert state.st_size == 4
    os.close(descriptor)
    with root.directory([b"a"]) as folder:
        assert os.listdir(folder) == ["b"]
    with root.directory([]) as folder:
        assert "file" in os.listdir(folder)
    assert stat.S_ISDIR(root.stat([]).st_mode)
    assert stat.S_ISLNK(root.stat([b"out"]).st_mode)
    assert root.read_link([b"out"]) == b"../outside"


@pytest.mark.parametrize(
    "names",
    [
        [b"out", b"file"],
        [b"up", b"outside", b"file"],
        [b"absolute", b"passwd"],
        [b"to-file"],
        [b"to-a", b"b", b"deep"],
        [b"a", b"b", b"link", b"x"],
        [b"magic", b"file"],
    ],
)
def test_no_link_is_followed(root: Root, names: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "root/a/b/link").symlink_to("/")
    for act in (
        lambda: root.open_file(names),
        lambda: root.open_directory(names),
        lambda: root.open_directory(names, reading=False),
        lambda: root.create_file([*names, b"new"]),
        lambda: root.make_directory([*names, b"new"]),
        lambda: root.rename([b"file"], [*names, b"new"]),
        lambda: root.rename([*names, b"file"], [b"new"]),
        lambda: root.unlink([*names, b"file"]),
        lambda: root.remove_directory([*names, b"file"]),
        lambda: root.set_attributes(names, 0, 0o777),
    ):
        with pytest.raises(OSError, match=r".+") as caught:
            act()
        assert caught.value.errno == errno.ELOOP
    assert (tmp_path / "outside/file").read_bytes() == b"secret"


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"../outside", b"/etc", b"a\0b"])
def test_no_name_is_more_than_a_name(root: Root, name: bytes) -> None:
    for act in (
        lambda: root.open_file([name]),
        lambda: root.open_file([b"a", name]),
        lambda: root.open_directory([name]),
        lambda: root.open_directory([name, b"b"]),
        lambda: root.create_file([name]),
        lambda: root.stat([name]),
        lambda: root.make_directory([b"a", name]),
        lambda: root.rename([b"file"], [name]),
        lambda: root.unlink([name]),
        lambda: root.set_attributes([name], 0, None),
    ):
        with pytest.raises(BadName):
            act()


def test_the_root_itself_is_not_renamed_or_removed(root: Root) -> None:
    for act in (
        lambda: root.unlink([]),
        lambda: root.remove_directory([]),
        lambda: root.rename([], [b"x"]),
        lambda: root.open_file([]),
    ):
        with pytest.raises(BadName):
            act()


def test_special_files_are_refused_without_waiting(root: Root, tmp_path: Path) -> None:
    inside = tmp_path / "root"
    os.mkfifo(inside / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    here = os.open(inside, os.O_RDONLY)
    listener.bind(f"/proc/self/fd/{here}/socket")
    names = [b"pipe", b"socket"]
    with suppress(PermissionError):
        os.mknod(inside / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        names.append(b"device")
    begun = time.monotonic()
    for name in names:
        for act in (lambda: root.open_file([name]), lambda: root.set_attributes([name], 0, None)):  # noqa: B023 - called in this round
            with pytest.raises(NotAFileError) as caught:
                act()
            assert caught.value.errno == errno.ENXIO
        with pytest.raises(NotADirectoryError):
            root.open_directory([name])
    assert within(time.monotonic() - begun, 1)
    with pytest.raises(NotAFileError) as caught:
        root.open_file([b"a"])
    assert caught.value.errno == errno.EISDIR
    listener.close()
    os.close(here)


def test_create_rename_remove(root: Root, tmp_path: Path) -> None:
    descriptor = root.create_file([b"a", b"new"])
    assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
    os.close(descriptor)
    with pytest.raises(FileExistsError):
        root.create_file([b"a", b"new"])
    with pytest.raises(FileExistsError):
        root.rename([b"file"], [b"a", b"new"])
    with pytest.raises(FileExistsError):
        root.rename([b"file"], [b"out"])
    root.rename([b"file"], [b"a", b"new"], replace=True)
    assert (tmp_path / "root/a/new").read_bytes() == b"content"
    root.set_attributes([b"a", b"new"], 123_456_789_012, 0o640)
    state = root.stat([b"a", b"new"])
    assert (state.st_mtime_ns, stat.S_IMODE(state.st_mode)) == (123_456_789_012, 0o640)
    root.unlink([b"a", b"new"])
    root.make_directory([b"a", b"folder"])
    root.remove_directory([b"a", b"folder"])
    assert not (tmp_path / "root/a/folder").exists()
    root.unlink([b"out"])
    assert (tmp_path / "outside/file").exists()
    with pytest.raises(FileNotFoundError):
        root.stat([b"a", b"new"])


def test_renaming_without_replacing_where_the_file_system_cannot(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_calls, "_libc", None)
    with pytest.raises(FileExistsError):
        root.rename([b"file"], [b"out"])
    root.rename([b"file"], [b"linked"])
    assert (tmp_path / "root/linked").read_bytes() == b"content"
    assert not (tmp_path / "root/file").exists()

    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(FileExistsError):
        root.rename([b"linked"], [b"a"])
    root.rename([b"linked"], [b"file"])
    assert (tmp_path / "root/file").read_bytes() == b"content"


def test_no_descriptor_is_left_open(root: Root) -> None:
    root.make_directory([b"a", b"b", b"c"])
    root.make_directory([b"a", b"b", b"c", b"d"])
    before = len(os.listdir("/proc/self/fd"))
    with root.directory([b"a", b"b", b"c", b"d"]), root.parent([b"a", b"b", b"c", b"d", b"e"]):
        assert len(os.listdir("/proc/self/fd")) == before + 2
    for names in (
        [b"a", b"b", b"c", b"d", b"none", b"none"],
        [b"a", b"b", b"deep", b"x", b"y"],
        [b"a", b"b"],
        [b"out", b"x"],
        [b"no", b"no"],
        [b"file", b"x"],
        [b"a", b""],
    ):
        for act in (root.open_file, root.stat, root.unlink, root.make_directory):
            with suppress(OSError, BadName):
                act(names)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_swapped_in_between_looking_and_opening_is_refused(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "root"
    os.mkfifo(inside / "pipe")
    regular = (inside / "file").stat()
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "stat", lambda *_, **__: regular)
    with pytest.raises(NotAFileError):
        root.open_file([b"pipe"])  # neither waits nor is taken for a file
    with pytest.raises(NotAFileError):
        root.open_file([b"a"])
    with pytest.raises(OSError, match=r".+") as caught:
        root.open_file([b"to-file"])
    assert caught.value.errno == errno.ELOOP
    assert len(os.listdir("/proc/self/fd")) == before


def test_descriptors_do_not_reach_other_programs(root: Root) -> None:
    opened = [root.open_file([b"file"])[0], root.open_directory([b"a"]), root.create_file([b"new"])]
    assert not any(os.get_inheritable(descriptor) for descriptor in opened)
    for descriptor in opened:
        os.close(descriptor)


def test_a_closed_root_reaches_nothing(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    root = Root(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    root.close()
    root.close()
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(OSError, match=r".+"):
        root.stat([])


def test_the_end_of_the_block_closes_the_root(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for kernel_walk in (False, True):
        with Root(tmp_path, kernel_walk=kernel_walk):
            assert len(os.listdir("/proc/self/fd")) == before + 1
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_kernel_walks_where_it_can_and_only_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        os.close(system_calls.open_beneath(here, b".", os.O_RDONLY))
        can = True
    except OSError:
        can = False
    finally:
        os.close(here)
    with Root(tmp_path, kernel_walk=True) as root:
        assert root.kernel_walk is can

    def absent(*_: object) -> int:
        raise OSError(errno.ENOSYS, "no such call")

    monkeypatch.setattr(beneath, "open_beneath", absent)
    with Root(tmp_path, kernel_walk=True) as root:
        assert root.kernel_walk is False


def test_a_folder_is_opened_for_reading_unless_it_is_only_passed(root: Root) -> None:
    for names in ([], [b"a"], [b"a", b"b"]):
        for reading in (True, False):
            with root.directory(names, reading=reading) as folder:
                assert bool(fcntl.fcntl(folder, fcntl.F_GETFL) & os.O_PATH) is not reading
        descriptor = root.open_directory(names)
        assert os.listdir(descriptor)
        os.close(descriptor)
    with root.parent([b"a", b"b", b"deep"]) as (folder, name):
        assert fcntl.fcntl(folder, fcntl.F_GETFL) & os.O_PATH
        assert name == b"deep"


def test_modes_of_what_is_made(root: Root, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        root.make_directory([b"open"])
        root.make_directory([b"closed"], 0o700)
        os.close(root.create_file([b"made"], 0o644))
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / "root" / name).stat().st_mode) for name in ("open", "closed", "made")]
    assert modes == [0o777, 0o700, 0o644]


def test_setting_attributes_leaves_no_descriptor_open(root: Root) -> None:
    before = len(os.listdir("/proc/self/fd"))
    root.set_attributes([b"file"], 1, 0o600)
    with suppress(OSError):
        root.set_attributes([b"to-file"], 1, 0o600)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_way_of_walking_is_the_one_chosen(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(beneath, "open_beneath", lambda *_: asked.append(1) or (_ for _ in ()).throw(BlockingIOError))
    with root.directory([b"a", b"b"]) as folder:  # refused just then, the walk does it
        assert os.listdir(folder) == ["deep"]
    assert bool(asked) == root.kernel_walk


def test_attributes_of_the_root_and_each_alone(root: Root, tmp_path: Path) -> None:
    root.set_attributes([], 5_000_000_000, None)
    state = (tmp_path / "root").stat()
    assert state.st_mtime_ns == 5_000_000_000
    root.set_attributes([b"a"], None, 0o700)
    mtime = (tmp_path / "root/a").stat().st_mtime_ns
    root.set_attributes([b"a"], None, 0o755)
    assert (tmp_path / "root/a").stat().st_mtime_ns == mtime
    root.set_attributes([b"a"], 7, None)
    assert stat.S_IMODE((tmp_path / "root/a").stat().st_mode) == 0o755


def test_what_else_is_set_comes_first_and_on_the_entry_in_hand(root: Root, tmp_path: Path) -> None:
    seen: list[tuple[bytes, int, int]] = []

    def before(entry: str, state: os.stat_result) -> None:
        seen.append((Path(entry).read_bytes(), state.st_ino, Path(entry).stat().st_mtime_ns))

    file = tmp_path / "root" / "file"
    os.utime(file, ns=(1, 1))
    root.set_attributes([b"file"], 7, 0o600, before)
    assert seen == [(b"content", file.stat().st_ino, 1)]
    assert file.stat().st_mtime_ns == 7
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        root.set_attributes([b"to-file"], 8, None, before)
    assert len(seen) == 1


def test_the_root_is_a_folder_that_is_only_passed(root: Root, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        Root(tmp_path / "root" / "file")
    with root.parent([b"file"]) as (folder, _name):
        assert fcntl.fcntl(folder, fcntl.F_GETFL) & os.O_PATH


def test_what_lies_in_the_root_takes_no_descriptor(root: Root) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with root.parent([b"file"]):
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("target", ["../outside", "../outside/file", "../outside/none", "/dev/null", "/"])
def test_a_link_tells_nothing_of_what_it_points_to(root: Root, tmp_path: Path, target: str) -> None:
    """What is there, and whether anything is, would be an answer about the world outside."""
    (tmp_path / "root" / "link").symlink_to(target)
    with pytest.raises(OSError, match=r".+") as caught:
        root.open_file([b"link"])
    assert (type(caught.value), caught.value.errno) == (OSError, errno.ELOOP)


def test_a_root_with_descriptor_0_is_closed_too(tmp_path: Path) -> None:
    aside = os.dup(0)
    try:
        os.close(0)
        root = Root(tmp_path)
        with root.parent([b"x"]) as (folder, _name):
            assert folder == 0
        root.close()
        with pytest.raises(OSError, match=r".+"):
            os.fstat(0)
    finally:
        os.dup2(aside, 0)
        os.close(aside)


SWAPPER = """
import os, sys
one, other = sys.argv[1:]
spare = one + "-spare"
print(flush=True)
while True:
    os.rename(one, spare)
    os.rename(other, one)
    os.rename(one, other)
    os.rename(spare, one)
"""


@contextmanager
def swapping(one: Path, other: Path) -> Iterator[None]:
    """Another process exchanges two names as fast as it can."""
    command = [sys.executable, "-I", "-c", SWAPPER, str(one), str(other)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as swapper:
        assert swapper.stdout is not None
        swapper.stdout.readline()
        try:
            yield
        finally:
            swapper.kill()


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_links_swapped_in_while_we_walk_lead_nowhere(root: Root, tmp_path: Path) -> None:
    inside, outside = tmp_path / "root", tmp_path / "outside"
    (inside / "a/b/file").write_bytes(b"inside")
    (outside / "b").mkdir()
    (outside / "b/file").write_bytes(b"secret")
    (inside / "trap").symlink_to(outside)
    tries = 100_000 if FULL else 2_000
    escapes = reached = 0
    before = sorted(str(path) for path in outside.rglob("*"))
    with swapping(inside / "a", inside / "trap"):
        for number in range(tries):
            new = b"new%d" % number
            for act in ("read", "create", "folder", "move"):
                with suppress(OSError):
                    if act == "read":
                        descriptor, _ = root.open_file([b"a", b"b", b"file"])
                        escapes += os.pread(descriptor, 10, 0) != b"inside"
                        os.close(descriptor)
                        reached += 1
                    elif act == "create":
                        os.close(root.create_file([b"a", b"b", new]))
                        root.unlink([b"a", b"b", new])
                    elif act == "folder":
                        root.make_directory([b"a", b"b", new])
                        root.remove_directory([b"a", b"b", new])
                    else:
                        root.rename([b"a", b"b", b"file"], [b"a", b"b", b"moved"])
                        root.rename([b"a", b"b", b"moved"], [b"a", b"b", b"file"])
            # A move that was met half way leaves the file under the other name, where nothing more is read.
            if not number % 5:
                with suppress(OSError):
                    root.rename([b"a", b"b", b"moved"], [b"a", b"b", b"file"])
    after = sorted(str(path) for path in outside.rglob("*"))
    way = "openat2" if root.kernel_walk else "walk"
    figure(f"symlink swapper, {way}: escapes of {tries} tries", escapes + (before != after), "0")
    assert reached > 0
    assert escapes == 0
    assert before == after
    assert (outside / "b/file").read_bytes() == b"secret"


def test_a_root_that_was_removed_is_the_folder_made_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "root"
    path.mkdir()
    with Root(path) as root:
        number, first = root._descriptor, path.stat().st_ino
        path.rename(tmp_path / "moved")
        path.mkdir()
        root.renew(path)
        assert os.fstat(number).st_ino == first, "it is still there, under another name"
        (tmp_path / "moved").rmdir()
        root.renew(path)
        assert root._descriptor == number
        assert os.fstat(number).st_ino == path.stat().st_ino
        assert not os.get_inheritable(number)
        assert fcntl.fcntl(number, fcntl.F_GETFL) & os.O_PATH
        path.rmdir()
        (tmp_path / "elsewhere").mkdir()
        path.symlink_to("elsewhere")
        root.renew(path)
        assert os.fstat(number).st_nlink == 0, "no link leads to another folder"


def test_a_folder_below_a_descriptor_is_one_name(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        below = beneath.open_folder(b"a", folder)
        try:
            assert os.fstat(below).st_ino == (tmp_path / "a").stat().st_ino
            assert fcntl.fcntl(below, fcntl.F_GETFL) & os.O_PATH
        finally:
            os.close(below)
        for name in (b"..", b".", b"", b"a/b", b"a\0"):
            with pytest.raises(BadName):
                beneath.open_folder(name, folder)
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            beneath.open_folder(b"link", folder)
    finally:
        os.close(folder)
