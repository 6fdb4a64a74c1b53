"""What a process can still do once it is confined."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gimmal.base import confinement
from gimmal.base.confinement import confine

SCRIPT = """
import errno, os, socket, sys
from gimmal.base.confinement import confine
folder, port, readable = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
here = os.open(folder, os.O_RDONLY)
confine([os.open(place, os.O_PATH) for place in readable])
def tried(what, act):
    try:
        act()
    except OSError as error:
        print(what, errno.errorcode[error.errno])
    else:
        print(what, "done")
def connect(kind):
    with socket.socket(socket.AF_INET, kind) as made:
        made.connect(("127.0.0.1", port))
        made.send(b"x")
tried("read", lambda: open(folder + "/secret").read())
tried("beneath", lambda: os.open("secret", os.O_RDONLY, dir_fd=here))
tried("list", lambda: os.listdir(folder))
tried("write", lambda: open(folder + "/new", "w"))
tried("remove", lambda: os.unlink(folder + "/secret"))
tried("tcp", lambda: connect(socket.SOCK_STREAM))
tried("udp", lambda: connect(socket.SOCK_DGRAM))
tried("unix", lambda: socket.socket(socket.AF_UNIX))
tried("input", lambda: os.read(0, 10))
tried("run", lambda: os.execv("/bin/true", ["true"]))
"""


def confined(folder: Path, port: int, *readable: Path) -> dict[str, str]:
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, folder, str(port), *readable],
            capture_output=True,
            text=True,
            check=True,
            input="x",
        )
    except subprocess.CalledProcessError as exc:
        if "Function not implemented" in exc.stderr or "Operation not supported" in exc.stderr:
            pytest.skip("this kernel has no Landlock")
        raise AssertionError(exc.stderr) from None
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("x")
    return tmp_path


def test_only_what_is_open_can_be_read(folder: Path) -> None:
    found = confined(folder, 9)
    assert found == {
        "read": "EACCES",
        "beneath": "EACCES",
        "list": "EACCES",
        "write": "EACCES",
        "remove": "EACCES",
        "tcp": "EACCES",
        "udp": "EACCES",
        "unix": "EACCES",
        "input": "done",
        "run": "EACCES",
    }
    assert (folder / "secret").exists()


def test_what_is_named_can_be_read_and_not_changed(folder: Path) -> None:
    found = confined(folder, 9, folder)
    assert (found["read"], found["list"], found["write"], found["remove"]) == ("done", "done", "EACCES", "EACCES")
    assert confined(folder, 9, folder / "secret")["read"] == "done"


def test_on_another_machine_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement.platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="not implemented"):
        confine()


def test_where_it_cannot_be_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "_libc", None)
    with pytest.raises(OSError, match="not implemented"):
        confine()
