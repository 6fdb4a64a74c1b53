"""Pulled out, nothing readable that gimmal wrote remains on a guest: not in files, not on the disk, not in memory."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from gimmal.base.own_mounts import own_mounts
from gimmal.frontends.edit.memory_folder import PREFIX
from tests.endtoend.guest import (
    LoopDisk,
    in_files,
    in_image,
    in_memory,
    loop_disk,
    mounted_image,
    processes_of,
)
from tests.endtoend.mounting import MISSING, take_away
from tests.endtoend.processes import Agent
from tests.endtoend.world import PATIENT_RUN, RUN, Computer, World, new_world, until
from tests.figures import figure
from tests.frontends.dav.drive import Client, login_of
from tests.frontends.dav.test_server import LOCK
from tests.patience import PATIENCE, within

MIB = 1 << 20
PULLED_SECONDS = 1.0


@dataclass
class Guest:
    """The other side's files hold markers; those of files that were copied are others.

    Attributes:
        disk: all that the guest has, but for the stick.
        stick: what the half lies on.
        secret: in names and contents that are only looked at.
        kept: in names and contents that the person copies.
    """

    world: World
    disk: LoopDisk
    stick: LoopDisk
    agent_a: Agent
    secret: bytes
    kept: bytes

    @property
    def computer(self) -> Computer:
        return self.world.b

    def found(self) -> dict[str, set[bytes]]:
        """Where markers lie that must not."""
        found = in_files(self.disk.folder, self.secret)
        for process in processes_of(self.computer.base):
            if hits := in_memory(process, self.secret, self.kept):
                found[f"memory of {process}"] = hits
        return found


@pytest.fixture
def guest() -> Iterator[Guest]:
    base = Path(tempfile.mkdtemp(prefix="gm-", dir="/tmp"))
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, base, ignore_errors=True)
        disk = undo.enter_context(loop_disk(base, "g", 96))
        stick = undo.enter_context(loop_disk(base, "s", 16))
        world = undo.enter_context(new_world())
        world.b = Computer(disk.folder / "b", "b")
        # Not at its top, where every service that runs here, of other tests too, would find and serve it.
        world.b.half = stick.folder / "keys"
        world.b.half.mkdir()
        secret, kept = (f"{word}{secrets.token_hex(8)}".encode() for word in ("secret", "kept"))
        world.start_relay()
        world.pair()
        shared = world.a.folder("shared")
        names = f"{secret.decode()}-folder/{secret.decode()}-file"
        plant(shared / names, secret, 3000)
        plant(shared / f"{secret.decode()}-large", secret, 64 * MIB)
        plant(shared / f"{kept.decode()}-large", kept, 64 * MIB)
        plant(shared / f"{kept.decode()}-small", kept, 3000)
        yield Guest(world, disk, stick, world.up(world.a, shared), secret, kept)


def plant(path: Path, marker: bytes, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Other bytes between, so that nothing hides by being packed.
    line = marker + b" " + os.urandom(96).hex().encode() + b"\n"
    path.write_bytes(line * (size // len(line) + 1))


def use_everything(guest: Guest) -> None:
    """Every command that shows something of the other side, by the agent and without."""
    world, b = guest.world, guest.computer
    secret, kept = guest.secret.decode(), guest.kept.decode()
    for more in ([], ["--path", "relayed"]):
        world.run(b, "ls", "-l", ":shared", *more)
        assert secret in world.run(b, "tree", ":shared", *more).out
        world.run(b, "stat", f":shared/{secret}-large", *more)
        assert secret in world.run(b, "cat", f":shared/{secret}-folder/{secret}-file", *more).out
        world.run(b, "df", ":shared", *more)
        world.run(b, "rm", f":shared/{secret}-absent", *more, code=4)
        world.run(b, "sync", "--dry-run", f":shared/{secret}-folder", "there", *more)
        world.run(b, "status", *more, code=None)
    world.run(b, "cp", f":shared/{kept}-small", ".")
    # What the other side does here names files of the guest that are gone by then.
    (world.b.folder("mine") / f"{secret}-removed").write_bytes(b"")
    world.run(world.a, "ls", ":mine")
    world.run(world.a, "rm", f":mine/{secret}-removed")
    assert f"{secret}-removed" in world.run(b, "log").out


def stuck(guest: Guest, *words: str) -> subprocess.Popen[bytes]:
    """A command whose output nobody reads: it waits, with what it was to print in its memory."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *words],
        env=guest.computer.environment,
        cwd=guest.computer.disk,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def pull(guest: Guest, how: str) -> float:
    """Take the half away; returns when that was."""
    if how == "renamed":
        (guest.computer.half / "GIMMAL").rename(guest.computer.half / "elsewhere")
    elif how == "unmounted":
        guest.stick.unmount_lazily()
    elif how == "broken":
        if not guest.stick.shut_down():
            pytest.skip("this ext4 cannot be made to break")
    elif how == "unplugged by command":
        guest.world.run(guest.computer, "unplug")
    else:
        os.truncate(guest.stick.image, 0)
    return time.monotonic()


@pytest.mark.parametrize("how", ["renamed", "unmounted", "truncated", "broken", "unplugged by command"])
def test_nothing_is_left_after_the_half_was_pulled(guest: Guest, how: str) -> None:
    world, b = guest.world, guest.computer
    secret, kept = guest.secret.decode(), guest.kept.decode()
    agent = world.up(b, b.folder("mine"), driver=PATIENT_RUN)
    agent.wait_connected()
    use_everything(guest)
    world.run(b, "cp", "--queue", "--no-compress", "--limit", "1M", f":shared/{kept}-large", "queued")
    copy = world.start(b, "cp", "--no-compress", "--limit", "1M", f":shared/{kept}-large", "copied")
    # With the half still there, a command that is held up waits for whoever reads it, without a key.
    ways = [] if how == "unplugged by command" else [[], ["--path", "relayed"]]
    waiting = [stuck(guest, "cat", f":shared/{secret}-large", *way) for way in ways]
    try:
        until(lambda: len(list(b.disk.glob(".gimmal-part-*"))) == 2, "copy and queued copy are under way")
        for process in waiting:
            # That the search finds something where there is something to find.
            until(lambda: in_memory(process.pid, guest.secret), "contents are in memory")  # noqa: B023
        sockets = [path for path in b.runtime.iterdir() if path.suffix == ".sock"]
        assert sockets
        pulled = pull(guest, how)
        ended = [process.wait(PATIENCE) for process in waiting]
        result, copied = agent.wait(), copy.wait()
        seconds = time.monotonic() - pulled
        guest.agent_a.wait_line("disconnected: the other half was unplugged")
    finally:
        for process in waiting:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()
            process.wait()
    assert within(seconds, PULLED_SECONDS, f"half pulled out ({how}) to every process of the guest ended")
    assert result.lines[-1].endswith("every connection is closed")
    # A disk that breaks may be met before the look at the half.
    codes = {5, 8, 9} if how == "broken" else {5, 8}
    assert copied.code in codes, str(copied)
    assert set(ended) <= codes
    assert not any(path.exists() for path in sockets)
    assert processes_of(b.base) == []
    found = guest.found()
    guest.disk.sync()
    left = len(found) + on_the_disk(guest)
    figure(f"markers left on the guest after the half was pulled out ({how})", left, "0")
    assert found == {}
    assert left == 0
    # What the person copied is the person's, and shows that the search finds what is there.
    assert in_files(b.disk, guest.kept)
    assert in_image(guest.disk.image, guest.kept)
    assert (b.disk / f"{kept}-small").read_bytes() == (world.a.disk / "shared" / f"{kept}-small").read_bytes()


def test_nothing_is_left_of_a_film_that_was_played(guest: Guest) -> None:
    plays = guest.world.start(guest.computer, "play", "--url-only", f":shared/{guest.secret.decode()}-large")
    with urlopen(plays.wait_line("play: "), timeout=PATIENCE) as film:
        assert guest.secret in film.read(MIB)
        assert in_memory(plays.pid, guest.secret)
        pulled = pull(guest, "renamed")
        result = plays.wait()
    assert within(time.monotonic() - pulled, PULLED_SECONDS, "half pulled out under a player to gimmal play ended")
    assert result.code == 5, str(result)
    assert processes_of(guest.computer.base) == []
    assert guest.found() == {}
    guest.disk.sync()
    assert not in_image(guest.disk.image, guest.secret)


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_nothing_is_left_of_what_programs_read_and_wrote_in_the_mount(guest: Guest) -> None:
    secret = guest.secret.decode()
    folder = guest.computer.folder("Home")
    mount = guest.world.start(guest.computer, "mount", folder)
    try:
        mount.wait_line("mounted: ")
        with (folder / "shared" / f"{secret}-large").open("rb") as file:
            assert guest.secret in file.read(MIB)
        (folder / "shared" / f"{secret}-written").write_bytes(guest.secret * 1000)
        assert in_memory(mount.pid, guest.secret)
        pulled = pull(guest, "renamed")
        result = mount.wait()
        until(lambda: folder not in own_mounts(), "the folder free")
    finally:
        take_away(folder)
    assert within(time.monotonic() - pulled, PULLED_SECONDS, "half pulled out under programs to gimmal mount ended")
    assert result.code == 5, str(result)
    until(lambda: processes_of(guest.computer.base) == [], "nothing runs")
    assert guest.found() == {}
    guest.disk.sync()
    assert not in_image(guest.disk.image, guest.secret)


def test_nothing_is_left_of_what_was_seen_in_a_network_drive(guest: Guest) -> None:
    serves = guest.world.start(guest.computer, "dav")
    client = Client(*login_of(serves))
    place = f"/shared/{guest.secret.decode()}-large"
    with closing(client):
        assert guest.secret in client.ask("PROPFIND", "/shared", depth="1").body
        assert guest.secret in client.ask("GET", place).body
        assert client.ask("PUT", f"{place}-new", guest.secret * 100_000).status == 201
        assert client.ask("LOCK", f"{place}-locked", LOCK).status == 201
        assert in_memory(serves.pid, guest.secret)
        pulled = pull(guest, "renamed")
        result = serves.wait()
    assert within(time.monotonic() - pulled, PULLED_SECONDS, "half pulled out under a network drive to its end")
    assert result.code == 5, str(result)
    assert processes_of(guest.computer.base) == []
    assert guest.found() == {}
    guest.disk.sync()
    assert not in_image(guest.disk.image, guest.secret)
    assert not in_image(guest.disk.image, client.login.password.encode())


@pytest.mark.skipif(shutil.which("vim") is None, reason="vim is missing: apt-get install vim")
def test_nothing_is_left_of_a_document_that_was_edited(guest: Guest) -> None:
    name = f"{guest.secret.decode()}-large"
    # It saves, and is there still when the half is pulled out, with a line that was not saved.
    vim = "vim -es -u NONE -c '1s/^/new/' -c 'set undofile' -c w -c '1s/^/unsaved/' -c 'sleep 600'"
    before = set(document_folders())
    edits = guest.world.start(guest.computer, "edit", "--program", vim, f":shared/{name}")
    edits.wait_line("saved ", of_err=True)
    (folder,) = set(document_folders()) - before
    assert (folder / name).stat().st_size > 64 * MIB
    assert guest.secret in (folder / name).read_bytes()[: 2 * MIB]
    pulled = pull(guest, "renamed")
    until(lambda: not folder.exists(), "the folder is gone")
    assert within(time.monotonic() - pulled, PULLED_SECONDS, "half pulled out to the folder of gimmal edit gone")
    result = edits.wait()
    assert within(time.monotonic() - pulled, PULLED_SECONDS, "half pulled out to gimmal edit ended")
    assert result.code == 5, str(result)
    assert processes_of(guest.computer.base) == []
    assert guest.found() == {}
    guest.disk.sync()
    assert not in_image(guest.disk.image, guest.secret)


def document_folders() -> list[Path]:
    return list(Path("/dev/shm").glob(f"{PREFIX}*"))


def on_the_disk(guest: Guest) -> int:
    """How often the raw disk holds the marker.

    The name of the guest's own file that was removed is no matter of gimmal's: it lies in the folder it was in.
    """
    data = guest.disk.image.read_bytes()
    return data.count(guest.secret) - data.count(guest.secret + b"-removed")


def test_nothing_is_left_after_everything_was_killed(guest: Guest) -> None:
    world, b = guest.world, guest.computer
    agent = world.up(b, b.folder("mine"))
    agent.wait_connected()
    use_everything(guest)
    waiting = stuck(guest, "cat", f":shared/{guest.secret.decode()}-large")
    try:
        until(lambda: in_memory(waiting.pid, guest.secret), "contents are in memory")
    finally:
        for process in processes_of(b.base):
            os.kill(process, signal.SIGKILL)
        waiting.wait()
        assert waiting.stdout is not None
        waiting.stdout.close()
    agent.may_fail = True
    agent.wait()
    pull(guest, "renamed")
    until(lambda: not processes_of(b.base), "everything has ended")
    found = guest.found()
    figure("markers left on the guest after everything was killed", len(found), "0")
    assert found == {}
    guest.disk.sync()
    assert on_the_disk(guest) == 0


def test_nothing_is_left_after_a_power_cut_and_the_log_goes_on(guest: Guest, tmp_path: Path) -> None:
    world, b = guest.world, guest.computer
    agent = world.up(b, b.folder("mine"))
    agent.wait_connected()
    use_everything(guest)
    # What has not reached the disk by now never will.
    image = tmp_path / "after"
    shutil.copyfile(guest.disk.image, image)
    for process in processes_of(b.base):
        os.kill(process, signal.SIGKILL)
    agent.may_fail = True
    agent.wait()
    with mounted_image(image, tmp_path / "mounted") as after:
        found = in_files(after.folder, guest.secret)
        figure("markers left on the guest after a power cut", len(found), "0")
        assert {name.rpartition("/")[2] for name in found} <= {f"{guest.secret.decode()}-removed"}
        # The half is there again: what the log said is there too.
        state = {"XDG_STATE_HOME": str(after.folder / "b" / "state")}
        assert f"{guest.secret.decode()}-removed" in world.run(b, "log", environment=state).out


def test_a_crash_dumps_no_memory_into_a_file(guest: Guest) -> None:
    agent = guest.world.up(guest.computer, guest.computer.folder("mine"))
    limits = Path(f"/proc/{agent.pid}/limits").read_text().splitlines()
    (core,) = [line for line in limits if line.startswith("Max core file size")]
    assert core.split()[4] == "0"
