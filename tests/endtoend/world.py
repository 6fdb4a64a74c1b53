"""Two computers, a relay and real processes, for tests that do what a person would do.

A *computer* is a home of its own (``HOME``, ``XDG_RUNTIME_DIR``, ``XDG_STATE_HOME``) with one half plugged in. A world
starts processes, waits for their lines with a deadline, and on ``close`` stops all it started and fails where one
was left, ended by a mistake of its own, or printed a traceback.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from gimmal.agent.control import CONTROL_VERSION, Question, Reply
from gimmal.protocol.codec import decode_struct

DEADLINE = 20.0
"""Seconds for anything that is expected to come at once; long, for a busy machine."""

FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"

RUN = "from gimmal.frontends.cli.main import run; run()"
PASSWORD = "tram violet kettle orbit"


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
        """Stdout as JSON, an object a line."""
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
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                wrong = f"{self.name} did not end on SIGTERM within 10 s"
                self.popen.kill()
        self.popen.wait(10)
        for reader in self._readers:
            reader.join(10)
        for stream in (self.popen.stdout, self.popen.stderr):
            assert stream is not None
            stream.close()
        if "Traceback" in self.err:
            wrong = f"{self.name} printed a traceback:\n{self.err[-6000:]}"
        elif self.popen.returncode == 1 and not self.may_fail:
            wrong = f"{self.name} ended by a mistake of its own:\n{self.err[-6000:]}"
        return wrong


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
        return self.wait_line("connected: the other side, ", seconds, after=after)


class Relay(Process):
    """``gimmal relay``."""

    url: str = ""

    def wait_ready(self, seconds: float = DEADLINE) -> None:
        self.url = self.wait_line("relay: ", seconds)

    @property
    def port(self) -> int:
        return int(self.url.partition("//")[2].partition("/")[0].partition("?")[0].partition("#")[0].rpartition(":")[2])


@dataclass
class Computer:
    """One computer, with the stick in it."""

    base: Path
    side: str
    half: Path = field(init=False)
    disk: Path = field(init=False)

    def __post_init__(self) -> None:
        for name in ("home", "run", "state", "stick", "disk"):
            (self.base / name).mkdir(parents=True, mode=0o700)
        self.half = self.base / "stick"
        self.disk = self.base / "disk"

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def runtime(self) -> Path:
        return self.base / "run" / "gimmal"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        return kept | {
            "HOME": str(self.base / "home"),
            "XDG_RUNTIME_DIR": str(self.base / "run"),
            "XDG_STATE_HOME": str(self.state),
            "GIMMAL_HALF": str(self.half),
            "TMPDIR": str(self.base / "home"),
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
        }

    def folder(self, name: str) -> Path:
        """A folder on this computer's disk, made."""
        made = self.disk / name
        made.mkdir(parents=True, exist_ok=True)
        return made


class World:
    """Computers ``a`` and ``b``; ``b`` carries the travelling half."""

    def __init__(self) -> None:
        # Unix sockets have names of at most 107 bytes; pytest's folders are too deep.
        self.base = Path(tempfile.mkdtemp(prefix="gm-", dir="/tmp"))
        self.a = Computer(self.base / "a", "a")
        self.b = Computer(self.base / "b", "b")
        self.processes: list[Process] = []
        self.relay: Relay | None = None
        self._starts = 0

    # Commands --------------------------------------------------------------------------------------------------------

    def start(
        self,
        computer: Computer,
        *arguments: str | Path,
        driver: str = RUN,
        stdin: int | bytes = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
        environment: dict[str, str] | None = None,
        directory: Path | None = None,
        kind: type[Process] = Process,
    ) -> Any:
        """Begin a command; ``driver`` is Python that ends in running the command line."""
        words = [sys.executable, "-c", driver, *(os.fspath(argument) for argument in arguments)]
        self._starts += 1
        process = kind(
            words,
            computer.environment | (environment or {}),
            f"{computer.side}{self._starts}: gimmal {' '.join(words[3:])[:100]}",
            directory=directory or computer.disk,
            stdin=stdin,
            pass_fds=pass_fds,
        )
        self.processes.append(process)
        return process

    def run(
        self, computer: Computer, *arguments: str | Path, code: int | None = 0, seconds: float = 60.0, **more: Any
    ) -> Result:
        """Run a command to its end, which must be of exit code ``code`` (any where None)."""
        process: Process = self.start(computer, *arguments, **more)
        result = process.wait(seconds)
        if "Traceback" not in result.err:
            process.dispose()
            self.processes.remove(process)
        assert code is None or result.code == code, str(result)
        return result

    def json(self, computer: Computer, *arguments: str | Path, **more: Any) -> list[dict[str, Any]]:
        """Run a command with ``--json``."""
        return self.run(computer, *arguments, "--json", **more).objects

    # The things of a world -------------------------------------------------------------------------------------------

    def start_relay(self, *more: str, port: int = 0, state: str = "relay") -> Relay:
        """Start a relay, and wait until it is ready."""
        relay: Relay = self.start(
            self.a, "relay", "--listen", f"127.0.0.1:{port}", "--state", self.base / state, *more, kind=Relay
        )
        relay.wait_ready()
        self.relay = relay
        return relay

    def restart_relay(self, *more: str) -> Relay:
        """Start the relay again where it was; the caller has ended it."""
        assert self.relay is not None
        return self.start_relay(*more, port=self.relay.port)

    def pair(self, *more: str | Path, relay: bool = True, name: str = "Home") -> Result:
        """Join the halves of the two computers."""
        urls = ["--relay", self.relay.url] if relay and self.relay is not None else []
        password = [] if "--password-file" in more or "--password-fd" in more else ["--no-password"]
        return self.run(self.a, "pair", self.a.half, self.b.half, "--name", name, *urls, *password, *more)

    def up(
        self,
        computer: Computer,
        *shares: str | Path,
        more: Sequence[str | Path] = (),
        listen: str | None = "127.0.0.1:0",
        ready: bool = True,
        **options: Any,
    ) -> Agent:
        """Plug in: start an agent and wait until it is ready."""
        words: list[str | Path] = ["up"]
        for share in shares:
            words += ["--share", share]
        if listen is not None:
            words += ["--listen", listen]
        agent: Agent = self.start(computer, *words, *more, kind=Agent, **options)
        if ready:
            agent.wait_ready()
        return agent

    def relay_sees(self, agent: Agent, computer: Computer) -> None:
        """Wait until an agent is connected to its relay."""
        until(lambda: any(one["connected"] for one in self.agent_status(computer)["relays"]), "connected relay")
        assert agent.running

    def status(self, computer: Computer) -> dict[str, Any]:
        """``gimmal status --json``, whether or not the other side answers."""
        return self.run(computer, "status", "--json", code=None).objects[0]

    def agent_status(self, computer: Computer) -> dict[str, Any]:
        """What the agent of a computer says of itself, without asking the other side."""
        (path,) = [file for file in computer.runtime.iterdir() if file.suffix == ".sock"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(str(path))
            reply = ask_agent(connection, Question(CONTROL_VERSION, "status"))
        assert reply.refusal is None
        return reply.status

    def _left_behind(self) -> list[str]:
        """End what our processes started and did not end; says what it was.

        Found by the folders in its environment: numbers of processes and groups are given anew to others.
        """
        mark = f"{self.base}/".encode()
        wrong = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                with suppress(OSError):
                    if mark in (folder / "environ").read_bytes():
                        wrong.append(f"left behind: {(folder / 'cmdline').read_bytes()[:300]!r}")
                        os.kill(int(folder.name), signal.SIGKILL)
        return wrong

    def close(self) -> None:
        """Stop everything; fails where something was wrong with it."""
        wrong = [said for process in reversed(self.processes) if (said := process.dispose())]
        self.processes.clear()
        wrong += self._left_behind()
        shutil.rmtree(self.base, ignore_errors=True)
        assert not wrong, "\n".join(wrong)


def ask_agent(connection: socket.socket, question: Question) -> Reply:
    """Put one question to an agent's control socket."""
    body = msgspec.msgpack.encode(question)
    connection.sendall(len(body).to_bytes(4, "big") + body)
    size = int.from_bytes(_exactly(connection, 4), "big")
    return decode_struct(Reply, _exactly(connection, size))


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        more = connection.recv(size - len(received))
        assert more, "the agent closed the connection"
        received += more
    return received


@contextmanager
def new_world() -> Iterator[World]:
    world = World()
    try:
        yield world
    except BaseException:
        # The test's own failure says more than what it left behind.
        with suppress(AssertionError):
            world.close()
        raise
    world.close()


@dataclass
class Plugged:
    """A world where both sides are plugged in and share folders."""

    world: World
    agent_a: Agent
    agent_b: Agent | None
    shared: Path
    """Folder that computer a shares as ``shared``."""
    mine: Path
    """Folder that computer b shares as ``mine``, and works in."""


def plug_in(world: World, *, relay: bool = True, both: bool = False) -> Plugged:
    """Join, start relay and agent of a (and of b)."""
    if relay:
        world.start_relay()
    world.pair()
    shared, mine = world.a.folder("shared"), world.b.folder("mine")
    agent_a = world.up(world.a, shared)
    agent_b = world.up(world.b, mine) if both else None
    if agent_b is not None and relay:
        agent_b.wait_connected()
        agent_a.wait_connected()
    return Plugged(world, agent_a, agent_b, shared, mine)


def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE, every: float = 0.02) -> float:
    """Look again and again until ``condition`` holds; returns the seconds it took."""
    started = time.monotonic()
    pause = threading.Event()
    while not condition():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        pause.wait(every)
    return time.monotonic() - started


def content(size: int, seed: int = 0) -> bytes:
    """Bytes that no compression and no repetition hides in, the same for the same seed."""
    from hashlib import shake_128

    return shake_128(f"gimmal {seed}".encode()).digest(size)


def write_file(path: Path, size: int, seed: int = 0, mtime: float | None = None, mode: int | None = None) -> Path:
    """Make a file of ``size`` bytes of ``content`` (repeated per 16 MiB with a counter for large ones)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        piece = 16 << 20
        base = content(min(size, piece), seed)
        for at in range(0, size, piece):
            part = base[: min(piece, size - at)]
            stamp = at.to_bytes(8, "big") * 512
            file.write((stamp[: len(part)] + part[len(stamp) :]) if at else part)
    if mode is not None:
        path.chmod(mode)
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file, by a hash gimmal does not use for files."""
    from hashlib import file_digest

    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def snapshot(root: Path, *, times: bool = True) -> dict[str, tuple[Any, ...]]:
    """Everything below a folder: kind, mode, time and digest by relative name."""
    found: dict[str, tuple[Any, ...]] = {}
    for folder, folders, names in os.walk(os.fsencode(root)):
        for name in folders + names:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, os.fsencode(root)).decode("utf-8", "surrogateescape")
            state = os.lstat(path)
            if os.path.islink(path):
                found[relative] = ("link", os.readlink(path))
            elif os.path.isdir(path):
                found[relative] = ("folder", state.st_mode & 0o777, state.st_mtime_ns if times else 0)
            elif os.path.isfile(path):
                one = digest(Path(os.fsdecode(path)))
                found[relative] = ("file", state.st_mode & 0o777, state.st_mtime_ns if times else 0, one)
            else:
                found[relative] = ("other",)
    return found


def part_files(root: Path) -> list[Path]:
    """Unfinished part files below a folder."""
    return [path for path in root.rglob(".*") if path.is_file() and "gimmal" in path.name]
