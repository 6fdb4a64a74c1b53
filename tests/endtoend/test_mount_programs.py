"""Other people's programs work in the mount as on a disk."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endtoend.conftest import Desk, desk_in
from tests.endtoend.fsx import Fsx
from tests.endtoend.mounting import MISSING, mounted
from tests.endtoend.world import FULL, Plugged, content, new_world, plug_in, snapshot, until, write_file
from tests.figures import figure

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.timeout(3600 if FULL else 600),
]

OPERATIONS = 100_000 if FULL else 2_000
KILLS = 30 if FULL else 3


@pytest.fixture(scope="module")
def mounted_world() -> Iterator[tuple[Plugged, Path]]:
    with new_world() as world:
        plugged = plug_in(world)
        with mounted(world, world.b) as (folder, _process):
            yield plugged, folder


@pytest.fixture
def place(mounted_world: tuple[Plugged, Path]) -> tuple[Desk, Path]:
    """A folder of the test's own, at home and here."""
    plugged, folder = mounted_world
    desk = desk_in(plugged)
    here = folder / "shared" / desk.far.name
    until(here.is_dir, "the folder here")
    return desk, here


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"not installed: {program}")


def run(*words: str | Path, cwd: Path, **more: str) -> str:
    """Run a program to its end, which must be a good one."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LC_ALL": "C.UTF-8"} | more
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


# Any program ---------------------------------------------------------------------------------------------------------


def test_random_operations_do_what_they_do_to_a_plain_file(place: tuple[Desk, Path]) -> None:
    desk, here = place
    seed = int.from_bytes(os.urandom(4), "big")
    tried = Fsx(here / "file", desk.near / "model", seed)
    try:
        tried.run(OPERATIONS)
    except BaseException as failure:
        failure.add_note(f"seed {seed}")
        raise
    finally:
        tried.close()
    assert (desk.far / "file").read_bytes() == (desk.near / "model").read_bytes()
    figure("random reads, writes, cuts and mappings of a file in the mount that differ from a plain one", 0, "0")


def test_a_tree_is_copied_in_and_out(place: tuple[Desk, Path]) -> None:
    desk, here = place
    tree = desk.near / "tree"
    for number in range(40):
        write_file(tree / f"folder {number % 4}" / "inner" / f"file{number}", number * 999, number, mtime=1e9 + number)
    write_file(tree / "large", 3_000_000, mode=0o600)
    (tree / "link").symlink_to("folder 0/inner")
    expected = snapshot(tree)
    run("cp", "-a", tree, here, cwd=desk.near)
    assert snapshot(here / "tree") == expected
    assert snapshot(desk.far / "tree") == expected
    run("cp", "-a", here / "tree", desk.near / "back", cwd=desk.near)
    assert snapshot(desk.near / "back") == expected
    run("mv", here / "tree", here / "moved", cwd=desk.near)
    run("tar", "-cf", "archive", "moved", cwd=here)
    run("rm", "-r", "moved", cwd=here)
    assert os.listdir(desk.far) == ["archive"]
    run("tar", "-xf", "archive", cwd=here)
    assert snapshot(desk.far / "moved", times=False) == snapshot(tree, times=False)


# git -----------------------------------------------------------------------------------------------------------------


@needs("git")
def test_git_works_in_the_mount(place: tuple[Desk, Path]) -> None:
    desk, here = place
    person = {f"GIT_{who}_{what}": "x@example.net" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    person |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    source, clone = desk.near / "source", here / "clone"
    for number in range(30):
        write_file(source / f"folder{number % 3}" / f"file{number}", 1500, number)

    def git(*words: str | Path, cwd: Path = clone) -> str:
        return run("git", *words, cwd=cwd, **person)

    git("init", "-q", cwd=source)
    git("add", "-A", cwd=source)
    git("commit", "-qm", "first", cwd=source)
    git("clone", "-q", source, clone, cwd=here)
    assert git("status", "--short") == ""
    write_file(clone / "folder0" / "file0", 900, 99)
    (clone / "new").write_text("new")
    assert git("status", "--short") == " M folder0/file0\n?? new\n"
    git("add", "-A")
    git("commit", "-qm", "second")
    git("fsck", "--full", "--strict")
    git("gc", "-q", "--prune=now")
    git("switch", "-qc", "branch")
    assert git("status", "--short") == ""
    assert len(git("log", "--oneline").splitlines()) == 2
    git("fsck", "--full", "--strict", cwd=desk.far / "clone")
    assert git("status", "--short", cwd=desk.far / "clone") == ""


# sqlite --------------------------------------------------------------------------------------------------------------

WRITER = """
import sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None)
base.execute("pragma journal_mode=delete")
base.execute("pragma synchronous=full")
base.execute("create table if not exists lines (number integer primary key, text)")
number = base.execute("select coalesce(max(number), 0) from lines").fetchone()[0]
while True:
    number += 1
    base.execute("begin immediate")
    base.execute("insert into lines values (?, ?)", (number, "x" * 3000))
    base.execute("update lines set text = text || 'y' where number % 7 = ?", (number % 7,))
    base.execute("commit")
    print(number, flush=True)
"""


def test_a_data_base_is_whole_though_its_writer_is_killed(place: tuple[Desk, Path]) -> None:
    desk, here = place
    path = here / "lines.db"
    lost = 0
    for kill in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        said = 0
        for _ in range(3 + kill % 5):
            said = int(writer.stdout.readline())
        time.sleep(0.001 * (kill % 10))
        writer.send_signal(signal.SIGKILL)
        said = max([said, *(int(line) for line in writer.stdout.read().split())])
        writer.wait(60)
        writer.stdout.close()
        base = sqlite3.connect(path)
        try:
            assert base.execute("pragma integrity_check").fetchall() == [("ok",)]
            lost += max(0, said - base.execute("select max(number) from lines").fetchone()[0])
        finally:
            base.close()
    home = sqlite3.connect(desk.far / "lines.db")
    try:
        assert home.execute("pragma integrity_check").fetchall() == [("ok",)]
    finally:
        home.close()
    figure("transactions of a data base in the mount that were done and are lost, its writer killed", lost, "0")
    assert not lost


# Editors -------------------------------------------------------------------------------------------------------------


@needs("vim")
@pytest.mark.parametrize("how", ["auto", "yes", "no"])
def test_vim_saves(place: tuple[Desk, Path], how: str) -> None:
    """As it likes, over the file itself, and by a new file with the old name."""
    desk, here = place
    (desk.far / "note").write_text("first line\n")
    until((here / "note").exists, "the file here")
    vim = ("vim", "-es", "-N", "-u", "NONE", "-i", "NONE")
    run(
        *vim,
        "-c",
        f"set backup backupskip= backupcopy={how}",
        "-c",
        "normal Osecond line",
        "-c",
        "wq",
        "note",
        cwd=here,
    )
    assert (desk.far / "note").read_text() == "second line\nfirst line\n"
    assert (desk.far / "note~").read_text() == "first line\n"
    assert sorted(os.listdir(desk.far)) == sorted(os.listdir(here)) == ["note", "note~"]


@needs("vim")
def test_what_vim_has_not_saved_is_in_its_swap_file(place: tuple[Desk, Path]) -> None:
    desk, here = place
    (desk.far / "note").write_text("first line\n")
    until((here / "note").exists, "the file here")
    commands = "normal Onever saved\nset updatecount=1\npreserve\nsleep 60\n"
    editor = subprocess.Popen(
        ["vim", "-e", "-s", "-N", "-u", "NONE", "-i", "NONE", "-c", "set swapfile directory=.", "note"],
        cwd=here,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert editor.stdin is not None
        editor.stdin.write(commands)
        editor.stdin.flush()
        until(lambda: b"never saved" in _content_of(desk.far / ".note.swp"), "the swap file at home")
    finally:
        editor.kill()
        editor.communicate(timeout=30)
    assert (desk.far / "note").read_text() == "first line\n"
    run("vim", "-es", "-N", "-u", "NONE", "-i", "NONE", "-r", "note", "-c", "w! saved", "-c", "q!", cwd=here)
    assert (desk.far / "saved").read_text() == "never saved\nfirst line\n"


def _content_of(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def test_a_save_by_rename_keeps_the_name_whole(place: tuple[Desk, Path]) -> None:
    """As most editors do: a new file beside the old one, made durable, then renamed over it."""
    desk, here = place
    for number in range(20):
        with (here / ".document.tmp").open("wb") as file:
            file.write(content(50_000 + number, number))
            file.flush()
            os.fsync(file.fileno())
        (here / ".document.tmp").rename(here / "document")
        folder = os.open(here, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
        assert (here / "document").read_bytes() == content(50_000 + number, number)
        assert (desk.far / "document").read_bytes() == content(50_000 + number, number)
    assert os.listdir(here) == os.listdir(desk.far) == ["document"]


@needs("soffice")
def test_office_converts_from_and_to_the_mount(place: tuple[Desk, Path]) -> None:
    """Only where it is there already: it is too large to be installed for a test."""
    desk, here = place
    (desk.far / "letter.txt").write_text("Dear other side,\n" * 200)
    until((here / "letter.txt").exists, "the file here")
    profile = f"-env:UserInstallation=file://{desk.near}/profile"
    for kind in ("odt", "pdf"):
        run("soffice", profile, "--headless", "--convert-to", kind, "letter.txt", cwd=here)
    run("soffice", profile, "--headless", "--convert-to", "txt:Text", "--outdir", "back", "letter.odt", cwd=here)
    assert (desk.far / "letter.pdf").read_bytes().startswith(b"%PDF")
    assert (desk.far / "back" / "letter.txt").read_text().count("Dear other side,") == 200
