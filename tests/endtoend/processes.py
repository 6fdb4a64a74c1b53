"""Real processes of a world, whose lines are waited for with a deadline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE

DEADLINE = PATIENCE
"""Seconds for anything that is expected to come at once."""


ON_THE_WAY = ("start", "progress", "failed", "waiting")


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    arguments: tuple[str, ...]
    code: int
    out_bytes: bytes
    err_bytes: bytes
    seconds: float

    @property
    def out(self) -> str:
        return self.out_bytes.decode("utf-8", "surrogateescape")

    @property
    def err(self) -> str:
        return self.err_bytes.decode("utf-8", "surrogateescape")

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Stdout as JSON, an object a line; without the events that a copy prints on its way."""
        return [value for value in self.events if value.get("event") not in ON_THE_WAY]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Stdout as JSON, an object a line, all of them."""
        return [json.loads(line) for line in self.out.split("\n") if line]

    @property
    def object(self) -> dict[str, Any]:
        (one,) = self.objects
        return one

    @property
    def error(self) -> str:
        """The line that begins with ``error:``; exactly one is allowed."""
        (line,) = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return line.removeprefix("error: ")

    def __str__(self) -> str:
        return (
            f"gimmal {' '.join(self.arguments)}\nexit {self.code} after {self.seconds:.2f} s"
            f"\n-- stdout\n{self.out[-4000:]}\n-- stderr\n{self.err[-4000:]}"
        )


class Process:
    """A process whose lines are collected as they come."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: dict[str, str],
        name: str,
        *,
        directory: Path,
        stdin: int | bytes = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.arguments = tuple(arguments)
        self.started = time.monotonic()
        self.ended_at = 0.0
        self.may_fail = False
        """Set by tests that kill it or break it on purpose."""
        self._changed = threading.Condition()
        self._out = bytearray()
        self._err = bytearray()
        self.popen = subprocess.Popen(
            arguments,
            env=environment,
            cwd=directory,
            stdin=subprocess.PIPE if isinstance(stdin, bytes) else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
        assert self.popen.stdout is not None
        assert self.popen.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(self.popen.stdout.fileno(), self._out), daemon=True),
            threading.Thread(target=self._read, args=(self.popen.stderr.fileno(), self._err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        if isinstance(stdin, bytes):
            assert self.popen.stdin is not None
            with suppress(BrokenPipeError):
                self.popen.stdin.write(stdin)
                self.popen.stdin.close()

    @property
    def pid(self) -> int:
        return self.popen.pid

    def _read(self, descriptor: int, into: bytearray) -> None:
        while True:
            more = os.read(descriptor, 65536)
            with self._changed:
                into += more
                self._changed.notify_all()
            if not more:
                return

    @property
    def out(self) -> str:
        with self._changed:
            return bytes(self._out).decode("utf-8", "surrogateescape")

    @property
    def err(self) -> str:
        with self._changed:
            return bytes(self._err).decode("utf-8", "surrogateescape")

    def wait_line(self, begins: str, seconds: float = DEADLINE, *, of_err: bool = False, after: int = 0) -> str:
        """The first whole line that begins so, behind the first ``after`` such lines; without the beginning."""
        until = time.monotonic() + seconds
        while True:
            with self._changed:
                text = bytes(self._err if of_err else self._out).decode("utf-8", "surrogateescape")
                found = [line for line in text.split("\n")[:-1] if line.startswith(begins)]
                if len(found) > after:
                    return found[after].removeprefix(begins)
                left = until - time.monotonic()
                running = self.popen.poll() is None or any(reader.is_alive() for reader in self._readers)
                if left <= 0 or not running:
                    raise AssertionError(f"{self.name} never said {begins!r}\n-- out\n{self.out}\n-- err\n{self.err}")
                self._changed.wait(min(left, 0.2))

    def count_lines(self, begins: str) -> int:
        return sum(line.startswith(begins) for line in self.out.split("\n"))

    def wait(self, seconds: float = DEADLINE) -> Result:
        """Wait for its end."""
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.name} did not end within {seconds:g} s: {' '.join(self.arguments)}"
                f"\n-- out\n{self.out[-3000:]}\n-- err\n{self.err[-3000:]}"
            ) from None
        self.ended_at = self.ended_at or time.monotonic()
        for reader in self._readers:
            reader.join(DEADLINE)
        shown = self.arguments[3:] if self.arguments[1] == "-c" else self.arguments
        return Result(tuple(shown), code, bytes(self._out), bytes(self._err), self.ended_at - self.started)

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self.popen.send_signal(number)

    def kill(self) -> None:
        """As a crash: no time for a last word."""
        self.may_fail = True
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self, seconds: float = DEADLINE) -> Result:
        """As a person stops it."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def peak_memory(self) -> int:
        """Most resident bytes so far."""
        return self._status("VmHWM")

    def memory(self) -> int:
        return self._status("VmRSS")

    def _status(self, key: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {key}")

    def dispose(self) -> str:
        """End it whatever it does; says what was wrong."""
        wrong = ""
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.popen.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                wrong = f"{self.name} did not end on SIGTERM within {DEADLINE:g} s"
                self.popen.kill()
        self.popen.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        for stream in (self.popen.stdout, self.popen.stderr):
            assert stream is not None
            stream.close()
        if "Traceback" in self.err:
            wrong = f"{self.name} printed a traceback:\n{self.err[-6000:]}"
        elif self.popen.returncode == 1 and not self.may_fail:
            wrong = f"{self.name} ended by a mistake of its own:\n{self.err[-6000:]}"
        return wrong


def note_ends(processes: Sequence[Process]) -> None:
    """Wait for all; each notes when it ended, in whatever order that was. One that does not end fails elsewhere."""

    def wait(process: Process) -> None:
        with suppress(AssertionError):
            process.wait()

    threads = [threading.Thread(target=wait, args=(process,)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Agent(Process):
    """``gimmal up``."""

    address: str = "-"

    def wait_ready(self, seconds: float = DEADLINE) -> None:
        words = self.wait_line("ready: ", seconds).split()
        self.address = words[-1]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def wait_connected(self, seconds: float = DEADLINE, after: int = 0) -> str:
        """How it reached the other side's agent."""
        return self.wait_line("connected: the other side", seconds, after=after).rpartition(", ")[2]


class Relay(Process):
    """``gimmal relay``."""

    url: str = ""

    def wait_ready(self, seconds: float = DEADLINE) -> None:
        self.url = self.wait_line("relay: ", seconds)

    @property
    def port(self) -> int:
        return int(self.url.partition("//")[2].partition("/")[0].partition("?")[0].partition("#")[0].rpartition(":")[2])
