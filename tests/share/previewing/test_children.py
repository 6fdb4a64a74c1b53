"""Processes that take too much, too long, or write too much are ended, and leave nothing."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.protocol.codes import Code
from gimmal.share.previewing.child import UNCONFINED
from gimmal.share.previewing.children import Children, Limits, UnwantedError
from gimmal.share.refused import RefusedError
from tests.confined import needs_confinement
from tests.patience import PATIENCE

pytestmark = needs_confinement

LIMITS = Limits(memory=1 << 30, processor=int(PATIENCE), seconds=PATIENCE, output=100)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(b"0123456789")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    made.close()


def sh(script: str) -> list[str]:
    return ["run", "/bin/sh", "-c", script]


def test_what_it_wrote_is_the_answer(children: Children, file: int) -> None:
    for _ in range(2):  # from the beginning each time
        assert children.run(sh("read x; echo $x"), file, LIMITS) == b"0123456789\n"


def test_it_may_read_its_file_again_by_its_number_and_nothing_else(
    children: Children, file: int, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    assert children.run(sh("cat /dev/fd/0"), file, LIMITS) == b"0123456789"
    assert children.run(sh(f"cat {tmp_path}/secret"), file, LIMITS) is None
    assert children.run(sh(f"ls {tmp_path}"), file, LIMITS) is None
    assert children.run(sh(f": > {tmp_path}/new"), file, LIMITS) is None


@pytest.mark.parametrize(
    ("script", "limits"),
    [
        ("exit 1", LIMITS),
        ("kill -9 $$", LIMITS),
        ("head -c 101 /dev/zero", LIMITS),
        ("while :; do :; done", Limits(1 << 30, 1, PATIENCE, 100)),
        ("exec >&-; exec sleep 600", Limits(1 << 30, 10, PATIENCE, 100)),
    ],
    ids=["fails", "dies", "writes too much", "computes too long", "ends without ending"],
)
def test_it_comes_to_nothing(children: Children, file: int, script: str, limits: Limits) -> None:
    with contextlib.suppress(RefusedError):  # where the machine is so busy that its time was over first
        assert children.run(sh(f"dd if=/dev/fd/0 2>/dev/null; {script}"), file, limits) is None
    assert children.running == 0


def test_what_takes_too_long_is_refused_for_this_time(children: Children, file: int) -> None:
    with pytest.raises(RefusedError) as caught:
        children.run(sh("exec sleep 600"), file, Limits(1 << 30, 10, 0.1, 100))
    assert caught.value.code == Code.LIMIT
    assert children.running == 0


def test_what_nobody_wants_is_ended(children: Children, file: int) -> None:
    unwanted = threading.Event()
    unwanted.set()
    with pytest.raises(UnwantedError):
        children.run(sh("exec sleep 600"), file, LIMITS, unwanted)
    assert children.running == 0


def test_one_with_too_little_memory_comes_to_nothing(children: Children, file: int) -> None:
    assert children.run(sh("echo x"), file, Limits(1 << 20, 10, PATIENCE, 100)) is None


def test_closing_ends_what_runs_and_nothing_more_is_started(children: Children, file: int) -> None:
    found: list[bytes | None] = [b"?"]
    thread = threading.Thread(target=lambda: found.__setitem__(0, children.run(sh("exec sleep 600"), file, LIMITS)))
    thread.start()
    while children.running == 0:
        os.sched_yield()
    children.close()
    thread.join(PATIENCE)
    assert found == [None]
    assert children.run(sh("echo x"), file, LIMITS) is None


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """A half that is pulled ends its agent at once: nobody is left then to end what it had started."""
    script = (
        "import os, sys, threading\n"
        "from gimmal.share.previewing.children import Children, Limits\n"
        "children = Children()\n"
        "words = ['run', '/bin/sh', '-c', 'echo $$; exec sleep 600']\n"
        "limits = Limits(1 << 30, 10, 600.0, 1 << 20)\n"
        "read = children._read\n"
        "def told(process, *more):\n"
        "    sys.stdout.write(process.stdout.readline().decode()); sys.stdout.flush()\n"
        "    return read(process, *more)\n"
        "children._read = told\n"
        "threading.Thread(target=lambda: children.run(words, 0, limits), daemon=True).start()\n"
        "sys.stdin.buffer.read(0)\n"
        "import signal; signal.pause()\n"
    )
    with (tmp_path / "file").open("w+b") as stdin:
        process = subprocess.Popen([sys.executable, "-c", script], stdin=stdin, stdout=subprocess.PIPE)
        assert process.stdout is not None
        child = int(process.stdout.readline())
        watched = os.pidfd_open(child)
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()
        assert select.select([watched], [], [], PATIENCE)[0], "it lives on"
        os.close(watched)


def test_a_computer_that_cannot_confine_runs_nothing(file: int) -> None:
    code = "from gimmal.base import confinement; confinement._libc = None\n"
    code += "import sys, os; from gimmal.share.previewing import child; child.end_with_parent = lambda parent: None\n"
    code += "os._exit(child.main(sys.argv[1:]))\n"
    for words in (["picture", "64", "1000"], ["run", "/bin/echo", "x"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "1", str(1 << 30), "10", *words], stdin=file, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout) == (UNCONFINED, b""), done.stderr
