"""Peers that accept and never answer, and agents that freeze: nothing hangs for ever, and what thaws goes on."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.endtoend.test_interruptions import MIB, reaches
from tests.endtoend.world import Plugged, World, digest, write_file
from tests.patience import within

CALL_SECONDS = 10.0


@contextmanager
def listener(behave: object) -> Iterator[int]:
    """A port whose connections are each given to ``behave``."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _address = server.accept()
                    held.append(connection)
                    with suppress(OSError):
                        behave(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in held:
            connection.close()


def silent(_connection: socket.socket) -> None:
    pass


def leaves(connection: socket.socket) -> None:
    connection.close()


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def garbage(connection: socket.socket) -> None:
    connection.sendall(os.urandom(4096))


def huge(connection: socket.socket) -> None:
    connection.sendall(b"\xff" * 4096)


def one_byte(connection: socket.socket) -> None:
    connection.sendall(b"\x01")


def web_server(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.fixture(scope="module")
def pair() -> Iterator[World]:
    from tests.endtoend.world import new_world

    with new_world() as world:
        world.pair(relay=False)
        yield world


@pytest.mark.parametrize(
    ("behave", "code", "most"),
    [
        (silent, 7, CALL_SECONDS + 2),
        (leaves, 7, 5),
        (resets, 7, 5),
        (garbage, 10, 5),
        (huge, 10, 5),
        (one_byte, 7, CALL_SECONDS + 2),
        (web_server, 10, 5),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_something_else_listens_where_the_other_side_should(
    pair: World, behave: object, code: int, most: float
) -> None:
    with listener(behave) as port:
        result = pair.run(pair.b, "ls", "--at", f"127.0.0.1:{port}", code=None)
    assert result.code in (7, 10), str(result)
    assert result.error
    assert within(result.seconds, most), str(result)
    assert ("did not answer in time" in result.error) == (most > CALL_SECONDS), str(result)


def test_nobody_listens(pair: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    result = pair.run(pair.b, "ls", "--at", f"127.0.0.1:{port}", code=7)
    assert "refused" in result.error
    assert within(result.seconds, 5)
    result = pair.run(pair.b, "ls", "--at", "no-such-host.invalid:4100", code=7)
    assert "no-such-host.invalid" in result.error


def test_a_relay_that_accepts_and_never_answers(world: World) -> None:
    relay = world.start_relay()
    world.pair()
    port = relay.port
    assert relay.stop().code == 0
    with socket.create_server(("127.0.0.1", port)):
        result = world.run(world.b, "ls", code=7)
    assert within(result.seconds, CALL_SECONDS + 2)
    assert str(port) in result.error


def test_a_frozen_agent_ends_a_listing_in_time_and_a_copy_goes_on_when_it_thaws(plugged: Plugged) -> None:
    world = plugged.world
    write_file(plugged.shared / "large", 200 * MIB)
    copy = world.start(world.b, "cp", ":shared/large", plugged.mine)
    assert reaches(plugged.mine, 40 * MIB, copy)
    plugged.agent_a.signal(signal.SIGSTOP)
    try:
        result = world.run(world.b, "ls", code=7)
        assert "did not answer" in result.error, str(result)
        assert within(result.seconds, CALL_SECONDS + 2)
        assert copy.running
    finally:
        plugged.agent_a.signal(signal.SIGCONT)
    assert copy.wait().code == 0
    assert digest(plugged.mine / "large") == digest(plugged.shared / "large")


def test_an_agent_that_freezes_in_the_midst_of_a_session(plugged: Plugged) -> None:
    """The session is there already, through the command's own agent; then the other side freezes."""
    world = plugged.world
    world.up(world.b).wait_connected()
    assert world.run(world.b, "ls").lines == ["shared/"]
    plugged.agent_a.signal(signal.SIGSTOP)
    try:
        result = world.run(world.b, "ls", code=7)
        assert "10 s" in result.error, str(result)
        assert within(result.seconds, CALL_SECONDS + 2)
    finally:
        plugged.agent_a.signal(signal.SIGCONT)
    assert world.run(world.b, "ls").lines == ["shared/"]


def test_an_own_agent_that_is_frozen_is_named(plugged: Plugged) -> None:
    world = plugged.world
    own = world.up(world.b)
    own.wait_connected()
    own.signal(signal.SIGSTOP)
    try:
        result = world.run(world.b, "ls", code=7)
        assert "agent on this computer" in result.error
        assert within(result.seconds, CALL_SECONDS + 4)
    finally:
        own.signal(signal.SIGCONT)
    assert world.run(world.b, "ls").lines == ["shared/"]
