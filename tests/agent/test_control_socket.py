"""The socket through which commands use the agent: owner-only, bounded, and not upset by rubbish."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from gimmal.agent.control import CONTROL_VERSION, MESSAGE_MAX, ControlServer, Question
from tests.endtoend.processes import Agent
from tests.endtoend.world import World, ask_agent, new_world, until
from tests.patience import PATIENCE

LENGTH = struct.Struct(">I")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with new_world() as made:
        made.pair(relay=False)
        yield made


@pytest.fixture(scope="module")
def agent(world: World) -> Agent:
    return world.up(world.a, world.a.folder("shared"))


def socket_of(world: World) -> Path:
    (path,) = [file for file in world.a.runtime.iterdir() if file.suffix == ".sock"]
    return path


def connect(world: World) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE)
    path = str(socket_of(world))

    def connected() -> bool:
        with suppress(BlockingIOError):
            connection.connect(path)
            return True
        return False

    until(connected, "room in the queue")
    return connection


def test_the_socket_is_its_owners_alone_from_the_first_and_no_thread_makes_other_files_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    bind = socket.socket.bind

    class Watched(socket.socket):
        def bind(self, address: object) -> None:
            bind(self, address)  # type: ignore[arg-type]
            modes.append(stat.S_IMODE(Path(str(address)).stat().st_mode))
            (tmp_path / "made meanwhile").mkdir()

    async def answer(connection: socket.socket, _question: Question) -> None:
        connection.close()

    async def main() -> None:
        server = ControlServer(tmp_path / "s", answer)
        modes.append(stat.S_IMODE((tmp_path / "s").stat().st_mode))
        await server.close()

    before = os.umask(0o022)
    try:
        monkeypatch.setattr("gimmal.agent.control.socket.socket", Watched)
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(main())
    finally:
        os.umask(before)
    assert modes == [0o600, 0o600]
    assert stat.S_IMODE((tmp_path / "made meanwhile").stat().st_mode) == 0o755


def test_status_is_answered(world: World, agent: Agent) -> None:
    with connect(world) as connection:
        reply = ask_agent(connection, Question(CONTROL_VERSION, "status"))
        assert connection.recv(1) == b""
    assert reply.refusal is None
    assert reply.status["connected"] is False
    assert reply.status["shares"] == [{"name": "shared", "path": str(world.a.disk / "shared"), "rights": "rw"}]
    assert reply.journal_key == b"", "keys are for sessions only"
    assert agent.running


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (Question(CONTROL_VERSION + 1, "status"), "another version"),
        (Question(CONTROL_VERSION, "destroy"), "does not know"),
        (Question(CONTROL_VERSION, "session", 0.5), "not connected"),
    ],
)
def test_what_cannot_be_done_is_refused_with_words(world: World, agent: Agent, question: Question, says: str) -> None:
    with connect(world) as connection:
        reply = ask_agent(connection, question)
        assert reply.refusal is not None
        assert says in reply.refusal.message
        assert reply.refusal.hint
        assert connection.recv(1) == b""
    assert agent.running


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\n\r\n" * 10,
        LENGTH.pack(MESSAGE_MAX + 1),
        LENGTH.pack(0xFFFFFFFF),
        LENGTH.pack(0),
        LENGTH.pack(10) + b"\xff" * 10,
        LENGTH.pack(1) + b"\x90",
        LENGTH.pack(4) + msgspec.msgpack.encode([1, 2, 3]),
    ],
)
def test_rubbish_ends_its_own_connection_only(world: World, agent: Agent, junk: bytes) -> None:
    with connect(world) as connection:
        connection.sendall(junk)
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    with connect(world) as connection:
        assert ask_agent(connection, Question(CONTROL_VERSION, "status")).refusal is None
    assert agent.running
    assert agent.err == ""


def test_one_who_says_nothing_is_closed(world: World, agent: Agent) -> None:
    with connect(world) as connection:
        connection.sendall(b"\0")
        assert connection.recv(1) == b""
    assert agent.running


def test_a_crowd_does_not_shut_out_for_long(world: World, agent: Agent) -> None:
    crowd = [connect(world) for _ in range(100)]
    during = world.run(world.a, "ls", code=None)
    assert during.code in (7, 10), str(during)
    assert "agent on this computer" in during.error
    for connection in crowd:
        connection.close()
    assert "has not connected yet" in world.run(world.a, "ls", code=7).error


def test_many_commands_at_the_same_instant(world: World, agent: Agent) -> None:
    processes = [world.start(world.a, "ls") for _ in range(20)]
    assert {process.wait().error for process in processes} == {"the other side has not connected yet"}
    assert agent.running


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_another_user_cannot_connect(world: World, agent: Agent) -> None:
    path = socket_of(world)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    # Even where the folder is open to all by mistake.
    for folder in (path.parent, path.parent.parent, world.a.base, world.base):
        folder.chmod(0o755)
    try:
        program = (
            "import os, socket, sys\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "connection = socket.socket(socket.AF_UNIX)\n"
            "try: connection.connect(sys.argv[1])\n"
            "except PermissionError: sys.exit(42)\n"
        )
        done = subprocess.run([sys.executable, "-c", program, str(path)], check=False, capture_output=True)
        assert done.returncode == 42, done
    finally:
        path.parent.chmod(0o700)


def test_a_socket_left_by_a_killed_agent_is_no_obstacle(world: World) -> None:
    with new_world() as other:
        other.pair(relay=False)
        first = other.up(other.a, other.a.folder("shared"))
        left = socket_of(other)
        first.kill()
        assert left.exists()
        result = other.run(other.a, "ls", code=2)
        assert "no relay" in result.error
        other.up(other.a, other.a.folder("shared"))
        assert other.run(other.a, "status", code=7).lines
    assert world is not other
