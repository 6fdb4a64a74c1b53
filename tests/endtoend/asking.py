"""Asking an agent for the other side's shares, as a program does that waits for both of them."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from gimmal.agent.control import CONTROL_VERSION, Question, Reply, receive_message, send_message, socket_path
from gimmal.agent.local_commands import local_session
from gimmal.half.reading import read_header
from gimmal.protocol.codec import decode_struct
from gimmal.protocol.messages import CloseReason
from gimmal.remote.remote_files import RemoteFiles
from gimmal.transport.buffers import BufferPool
from tests.endtoend.world import Computer
from tests.patience import PATIENCE

_TRY_SECONDS = 0.002


@dataclass(frozen=True)
class Listing:
    """The other side's shares.

    Attributes:
        names: of them.
        asked: second of the monotonic clock at which there was an agent to ask.
        answered: the same, when the answer was there.
    """

    names: list[str]
    asked: float
    answered: float


def control_socket(computer: Computer) -> Path:
    """Where the agent of the half in a computer is asked, whether or not it runs."""
    header = read_header(computer.half / "GIMMAL")
    return computer.runtime / socket_path(header.pair_id, header.side).name


def first_listing(path: Path) -> Listing:
    """Ask the agent at ``path`` for the other side's shares as soon as there is one."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(_first_listing(path))


async def _first_listing(path: Path) -> Listing:
    async with asyncio.timeout(PATIENCE):
        while (connection := _connected(path)) is None:
            await asyncio.sleep(_TRY_SECONDS)
        asked = time.monotonic()
        await send_message(connection, Question(CONTROL_VERSION, "session", PATIENCE))
        reply = decode_struct(Reply, await receive_message(connection))
        assert reply.refusal is None, reply.refusal
        session = local_session(connection, BufferPool(), None, opener=True, features=reply.features)
        names = [entry.name async for page in RemoteFiles(session).entries("") for entry in page]
        answered = time.monotonic()
        session.close(CloseReason.DONE)
        await session.finished()
        return Listing(names, asked, answered)


def _connected(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        connection.connect(os.fspath(path))
    except OSError:
        connection.close()
        return None
    return connection
