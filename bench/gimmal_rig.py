"""A pair, a relay and agents as processes of the installed command, for the benches."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

START_SECONDS = 30.0
GIMMAL = str(Path(sys.executable).parent / "gimmal")

Inside = Callable[[str, Sequence[str]], list[str]]
"""Turns a command line of a side into one that runs where that side is."""


def here(_side: str, command: Sequence[str]) -> list[str]:
    """Both sides are this machine."""
    return list(command)


class Service:
    """A process that stays: its lines come with the time at which they were written."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._lines: queue.Queue[tuple[float, str]] = queue.Queue()
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.id = self.process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put((time.perf_counter(), line.rstrip("\n")))

    def wait_for(self, start: str, seconds: float = START_SECONDS) -> tuple[float, str]:
        """The next line that begins with ``start`` and when it came; lines before it are dropped.

        Raises:
            TimeoutError: there is none.
        """
        deadline = time.perf_counter() + seconds
        heard = []
        while (left := deadline - time.perf_counter()) > 0:
            with contextlib.suppress(queue.Empty):
                when, line = self._lines.get(timeout=left)
                if line.startswith(start):
                    return when, line
                heard.append(line)
        raise TimeoutError(f"no line that begins with {start!r}, only {heard}")

    def stop(self) -> None:
        """End it; bounded."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Rig:
    """A relay and two halves; commands and agents of each side have an environment of their own.

    Args:
        folder: for everything; the caller removes it.
        host: address of side ``a``, where relay and agents listen.
        inside: where each side's programs run.
        seen_as: what the halves are told of the relay's URL, given it: something may stand before the relay.
    """

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        inside: Inside = here,
        seen_as: Callable[[str], str] = lambda url: url,
    ) -> None:
        self.folder = folder
        self.host = host
        self.inside = inside
        self._services: list[Service] = []
        self._private = Path(tempfile.mkdtemp(prefix="gimmal-bench-"))
        for side in "ab":
            (folder / side).mkdir()
        self.relay, url = self.start_relay()
        pair = [
            GIMMAL,
            "pair",
            str(folder / "a"),
            str(folder / "b"),
            "--name",
            "bench",
            "--relay",
            seen_as(url),
            "--no-password",
        ]
        subprocess.run(pair, check=True, capture_output=True, timeout=60, env=self.environment("a"))

    def environment(self, side: str) -> dict[str, str]:
        """The environment of the computer with one half."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIMMAL_")}
        # It makes every start-up slower than it is for a person, who has compiled files.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HOME"):
            path = self._private / side / name[-4:].strip("_").lower()
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            environment[name] = str(path)
        # What is measured is the path that a row names.
        environment["GIMMAL_NO_LAN"] = "1"
        return environment

    def half(self, side: str) -> str:
        """The folder that holds the half of a side."""
        return str(self.folder / side)

    def start(self, side: str, *arguments: str, program: Sequence[str] = (GIMMAL,)) -> Service:
        """Start a program that stays until ``stop`` or the rig's end."""
        service = Service(self.inside(side, [*program, *arguments]), self.environment(side))
        self._services.append(service)
        return service

    def start_relay(self, port: int = 0) -> tuple[Service, str]:
        """Start the relay, again with the state it had; returns it and its URL."""
        service = self.start("a", "relay", "--listen", f"{self.host}:{port}", "--state", str(self.folder / "relay"))
        return service, service.wait_for("relay: ")[1].removeprefix("relay: ")

    def agent(
        self, side: str, *shares: str, listen: str = "", program: Sequence[str] = (GIMMAL,)
    ) -> tuple[Service, str]:
        """Start an agent; returns it and the address it says it can be dialled at."""
        arguments = [word for share in shares for word in ("--share", share)]
        service = self.start(
            side, "up", "--half", self.half(side), *arguments, "--listen", listen or f"{self.host}:0", program=program
        )
        return service, service.wait_for("ready: ")[1].rpartition(" ")[2]

    def stop(self, service: Service) -> None:
        """Stop one program."""
        self._services.remove(service)
        service.stop()

    def kill(self, service: Service) -> None:
        """End one program as a crash does."""
        self._services.remove(service)
        service.process.kill()
        service.process.wait()

    def close(self) -> None:
        """Stop everything."""
        for service in reversed(self._services):
            service.stop()
        shutil.rmtree(self._private, ignore_errors=True)


@contextlib.contextmanager
def rig(
    parent: Path, host: str = "127.0.0.1", inside: Inside = here, seen_as: Callable[[str], str] = lambda url: url
) -> Iterator[Rig]:
    """A rig in a folder of its own below ``parent``, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="gimmal-bench-", dir=parent) as folder:
        made = Rig(Path(folder), host, inside, seen_as)
        try:
            yield made
        finally:
            made.close()
