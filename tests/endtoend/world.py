"""Two computers, a relay and real processes, for tests that do what a person would do.

A *computer* is a home of its own (``HOME``, ``XDG_RUNTIME_DIR``, ``XDG_STATE_HOME``) with one half plugged in. A world
starts processes, waits for their lines with a deadline, and on ``close`` stops all it started and fails where one
was left, ended by a mistake of its own, or printed a traceback.
"""

from __future__ import annotations

import os
import random
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
from tests.endtoend.processes import DEADLINE, Agent, Process, Relay, Result
from tests.reaper import MARK

FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"

_LASTING_PORTS = range(20_000, 32_000)
"""Below those that the system gives to whoever asks for any: nobody gets one of a relay that is just not running."""

RUN = "from gimmal.frontends.cli.main import run; run()"
PATIENT_RUN = f"from gimmal.agent import local_commands; local_commands.TOLD_SECONDS = {DEADLINE}\n{RUN}"
"""An agent that, when it is unplugged, waits for commands to take that in on however busy a machine."""

PASSWORD = "tram violet kettle orbit"


@dataclass
class Computer:
    """One computer, with the stick in it."""

    base: Path
    side: str
    lan: bool = False
    """Whether it may ask and answer in the local network."""
    inside: tuple[str, ...] = ()
    """In front of every command: what makes it run somewhere else, for instance in a network namespace."""
    half: Path = field(init=False)
    disk: Path = field(init=False)
    prefix: list[str] = field(default_factory=list)
    """Words before each command: what puts it into a network of its own."""

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
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH", MARK) if name in os.environ}
        return kept | {
            "HOME": str(self.base / "home"),
            "XDG_RUNTIME_DIR": str(self.base / "run"),
            "XDG_STATE_HOME": str(self.state),
            "GIMMAL_HALF": str(self.half),
            **({} if self.lan else {"GIMMAL_NO_LAN": "1"}),
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
        typed = [os.fspath(argument) for argument in arguments]
        words = [*computer.inside, sys.executable, "-c", driver, *typed]
        self._starts += 1
        process = kind(
            [*computer.prefix, *words],
            computer.environment | (environment or {}),
            f"{computer.side}{self._starts}: gimmal {' '.join(typed)[:100]}",
            directory=directory or computer.disk,
            stdin=stdin,
            pass_fds=pass_fds,
        )
        self.processes.append(process)
        return process

    def run(
        self, computer: Computer, *arguments: str | Path, code: int | None = 0, seconds: float = DEADLINE, **more: Any
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

    def start_relay(self, *more: str, port: int = 0, state: str = "relay", **options: Any) -> Relay:
        """Start a relay, and wait until it is ready; one that may be started again keeps its port meanwhile."""
        port = port or _port_for_good()
        relay: Relay = self.start(
            self.a,
            *("relay", "--listen", f"127.0.0.1:{port}", "--state", self.base / state, *more),
            kind=Relay,
            **options,
        )
        relay.wait_ready()
        self.relay = relay
        return relay

    def restart_relay(self, *more: str, **options: Any) -> Relay:
        """Start the relay again where it was; the caller has ended it."""
        assert self.relay is not None
        return self.start_relay(*more, port=self.relay.port, **options)

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


def _port_for_good() -> int:
    while True:
        port = random.SystemRandom().choice(_LASTING_PORTS)
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port
