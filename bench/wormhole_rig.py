"""magic-wormhole with a mailbox and a transit relay of the bench's own, in an environment of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ssh_rig import Missing

PACKAGES = ("magic-wormhole==0.24.0", "magic-wormhole-mailbox-server==0.8.0", "magic-wormhole-transit-relay==0.5.0")
_INSTALL_SECONDS = 300
_START_SECONDS = 20.0
_MAILBOX_PORT, _TRANSIT_PORT = 4870, 4871
_numbers = itertools.count()


@dataclass(frozen=True)
class Wormhole:
    """Both servers run.

    Attributes:
        id: process id of the mailbox, which answers.
        program: the command, with where its servers are.
    """

    id: int
    program: list[str]

    def send(self, source: Path, code: str) -> list[str]:
        """The sender's command line."""
        return [*self.program, "send", "--hide-progress", "--no-qr", "--code", code, str(source)]

    def receive(self, target: Path, code: str) -> list[str]:
        """The receiver's command line; ``target`` is a folder that is there."""
        return [*self.program, "receive", "--hide-progress", "--accept-file", "-o", str(target), code]


def new_code() -> str:
    """A code that was not used yet."""
    return f"{next(_numbers) + 1}-purple-sausages"


@contextlib.contextmanager
def wormhole(host: str, inside: Callable[[Sequence[str]], list[str]], log_folder: Path) -> Iterator[Wormhole]:
    """Start both servers.

    Args:
        host: address that both sides reach.
        inside: turns a command line into one that runs where the servers are.
        log_folder: for what they say and keep.

    Raises:
        Missing: it cannot be installed, or does not start.
    """
    folder = _installed()
    ports = (_MAILBOX_PORT, _TRANSIT_PORT) if host != "127.0.0.1" else (_free_port(), _free_port())
    twist = [str(folder / "bin" / "twist"), "--log-level=error"]
    mailbox = [*twist, "wormhole-mailbox", "--port", f"tcp:{ports[0]}:interface={host}"]
    mailbox += ["--channel-db", str(log_folder / "mailbox.sqlite")]
    transit = [*twist, "transitrelay", "--port", f"tcp:{ports[1]}:interface={host}"]
    program = [str(folder / "bin" / "wormhole"), "--relay-url", f"ws://{host}:{ports[0]}/v1"]
    program += ["--transit-helper", f"tcp:{host}:{ports[1]}"]
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(_server(inside(command), log_folder)) for command in (mailbox, transit)]
        for port in ports:
            _wait(inside, host, port)
        yield Wormhole(started[0].pid, program)


def _installed() -> Path:
    """The environment with PACKAGES, made where it is not there; kept for later runs in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = (
        cache
        / "gimmal-bench"
        / f"wormhole-{PACKAGES[0].rpartition('=')[2]}-{sys.version_info[0]}.{sys.version_info[1]}"
    )
    if (folder / "whole").exists():
        return folder
    try:
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(folder / "bin" / "pip"), "install", "-q", *PACKAGES],
        ):
            subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError) as exc:
        raise Missing(f"magic-wormhole cannot be installed ({' '.join(PACKAGES)}) and is not compared") from exc
    (folder / "whole").touch()
    return folder


@contextlib.contextmanager
def _server(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10)


def _wait(inside: Callable[[Sequence[str]], list[str]], host: str, port: int) -> None:
    code = f"import socket; socket.create_connection(({host!r}, {port}), 2)"
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if subprocess.run(inside([sys.executable, "-c", code]), capture_output=True, timeout=10).returncode == 0:
            return
        time.sleep(0.2)
    raise Missing("magic-wormhole's servers do not start, and it is not compared")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
