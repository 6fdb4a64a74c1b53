"""Networks of the tests' own: namespaces, cables between them, routers. Needs root; leaves nothing, also when killed.

A namespace lives as long as a small process in it, which ends when its stdin does: whatever ends the tests ends that,
and with it the namespace, its cables and its rules. No name of it is written anywhere. Programs in it are started with
``Namespace.start`` and end with it, or carry the mark of ``tests/reaper.py`` and end with the run.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

_numbers = itertools.count()

NEEDED = ("ip", "nft", "unshare", "nsenter")


class Namespace:
    """One computer's network: a loopback, and whatever is plugged into it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._started: list[subprocess.Popen[bytes]] = []
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"ready\n":
            self._holder.kill()
            pytest.skip(f"no network namespace can be made: {self._holder.communicate()[1].decode()[-200:]}")
        self.run("ip", "link", "set", "lo", "up")

    @property
    def path(self) -> str:
        """The file by which a program enters."""
        return f"/proc/{self._holder.pid}/ns/net"

    @property
    def number(self) -> int:
        """The process that holds it, by which ``ip`` names it."""
        return self._holder.pid

    def words(self, *command: str) -> list[str]:
        """``command`` run in here."""
        return ["nsenter", f"--net={self.path}", *command]

    def run(self, *command: str, stdin: str = "") -> str:
        """Run a command to its end; its stdout. Raises CalledProcessError, with what it said."""
        done = subprocess.run(
            self.words(*command), input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode:
            raise AssertionError(f"{self.name}: {' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout

    def start(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a program that is ended with the namespace."""
        process = subprocess.Popen(self.words(*command), **options)
        self._started.append(process)
        return process

    def driver(self, run: str) -> str:
        """Python that enters and goes on with ``run``: for commands of a ``World``."""
        enter = (
            "import ctypes, os\n"
            f"network = os.open({self.path!r}, os.O_RDONLY)\n"
            "assert ctypes.CDLL(None, use_errno=True).setns(network, 0) == 0, 'cannot enter the namespace'\n"
            "os.close(network)\n"
        )
        return enter + run

    def forward(self) -> None:
        """Let packets through: it is a router."""
        self.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def close(self) -> None:
        """End what was started in here, and itself."""
        for process in self._started:
            process.kill()
            process.wait(PATIENCE)
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait(PATIENCE)
        for stream in (self._holder.stdout, self._holder.stderr):
            if stream is not None:
                stream.close()


def plug(one: Namespace, one_device: str, one_address: str, other: Namespace, device: str, address: str) -> None:
    """A cable between two namespaces; addresses with their length, as ``192.168.7.1/24``."""
    number = next(_numbers)
    names = f"gl{os.getpid() % 100_000}a{number}", f"gl{os.getpid() % 100_000}b{number}"
    _run("ip", "link", "add", names[0], "type", "veth", "peer", "name", names[1])
    ends = ((one, names[0], one_device, one_address), (other, names[1], device, address))
    for namespace, name, final, given in ends:
        _run("ip", "link", "set", name, "netns", str(namespace.number), "name", final)
        namespace.run("ip", "address", "add", given, "dev", final)
        namespace.run("ip", "link", "set", final, "up")


@contextmanager
def namespaces(*names: str, also: Sequence[str] = ()) -> Iterator[list[Namespace]]:
    """Namespaces by these names; skips the test, with the reason, where there can be none.

    Args:
        names: for messages.
        also: programs that the test needs besides.
    """
    missing = [program for program in (*NEEDED, *also) if not find_program(program)]
    if os.geteuid():
        pytest.skip("network namespaces need root")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (scripts/lab.sh installs them)")
    with ExitStack() as undo:
        made = []
        for name in names:
            namespace = Namespace(name)
            undo.callback(namespace.close)
            made.append(namespace)
        yield made


def find_program(name: str) -> str | None:
    """Where a program is, also one of the administrator's."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert not done.returncode, f"{' '.join(command)}: {done.stderr}"


def leftovers() -> list[str]:
    """Devices of this process that are still in the network the tests run in: there should be none."""
    mine = f"gl{os.getpid() % 100_000}"
    return [path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith(mine)]
