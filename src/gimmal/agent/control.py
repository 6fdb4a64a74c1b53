"""The socket through which commands on this computer use the agent (docs/decisions/0042-control-socket.md).

Owner-only, in the user's runtime folder, one per half. A command sends one question; the answer to ``session`` is
followed by records in clear, a session between command and agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gimmal.base.display import displayable
from gimmal.base.errors import (
    ExitCode,
    GimmalError,
    LocalError,
    PeerSilent,
    ProtocolViolation,
    RelayError,
    UnreachableError,
)
from gimmal.base.primitives import sha256
from gimmal.base.side import Side
from gimmal.base.tasks import Tasks
from gimmal.half.lockfile import runtime_directory
from gimmal.protocol.codec import decode_struct

logger = logging.getLogger("gimmal.agent")

CONTROL_VERSION = 1
MESSAGE_MAX = 64 * 1024
QUESTION_SECONDS = 5.0
CLIENTS_MAX = 64
SOCKET_BUFFER = 4 << 20

_LENGTH = struct.Struct(">I")
_LABEL = b"gimmal control v1"


class Question(Struct, frozen=True):
    """What a command asks: ``session``, ``status``, ``unplug``, ``log`` (to be written now),
    ``reread`` (what is kept for the half has changed), or about the queue:
    ``queue``, ``transfers`` (queue.messages).
    """

    version: int
    verb: Annotated[str, Meta(max_length=16)]
    deadline: float = 10.0


class Refusal(Struct, frozen=True):
    """Why the agent cannot do it: an error for the command to raise.

    Attributes:
        message, hint, exit_code: of the error.
        may_pass: it may be otherwise later without anybody's doing, so that a transfer waits.
    """

    message: str
    hint: str
    exit_code: int
    may_pass: bool = False

    @classmethod
    def of(cls, error: GimmalError) -> Refusal:
        """The refusal for an error."""
        lasting = isinstance(error, PeerSilent) or (isinstance(error, RelayError) and error.hopeless)
        may_pass = isinstance(error, UnreachableError) and not lasting
        return cls(error.message, error.hint, int(error.exit_code), may_pass)

    def error(self) -> GimmalError:
        """The error for the command to raise."""
        error = UnreachableError(self.message, self.hint) if self.may_pass else GimmalError(self.message, self.hint)
        error.exit_code = ExitCode(self.exit_code)
        return error


class Reply(Struct, frozen=True):
    """The agent's answer.

    Attributes:
        refusal: set where it cannot be done.
        journal_key: for ``session`` and ``log``: seals what is kept on this computer.
        lineage: for the same: names the folder of it.
        path: for ``session``: how the session with the other side travels.
        features: for ``session``: what the other side offers (protocol.features).
        computer: for ``session``: the name that the other side's computer gives itself.
        way: for ``session``: where that path goes by a relay, what it travels in there.
        status: for ``status``: what is shown; for ``reread``: what came of it (live_settings.Reread).
        number: for ``queue``: of the new transfer.
        count: for ``transfers``: how many messages follow.
    """

    refusal: Refusal | None = None
    journal_key: bytes = b""
    lineage: bytes = b""
    path: str = ""
    features: int = 0
    status: dict[str, object] = msgspec.field(default_factory=dict)
    number: int = 0
    count: int = 0
    computer: str = ""
    way: str = ""

    def __repr__(self) -> str:
        return f"Reply(refusal={self.refusal!r})"


def socket_path(pair_id: bytes, side: Side) -> Path:
    """Where the agent of a half listens on this computer."""
    name = sha256(_LABEL, pair_id, side.value.encode())[:16].hex()
    return runtime_directory() / f"half-{name}.sock"


async def send_message(connection: socket.socket, message: Struct) -> None:
    """Send one question or reply."""
    await send_body(connection, msgspec.msgpack.encode(message))


async def send_body(connection: socket.socket, body: bytes) -> None:
    """Send one message that is encoded already."""
    await asyncio.get_running_loop().sock_sendall(connection, _LENGTH.pack(len(body)) + body)


async def receive_message(connection: socket.socket, limit: int = MESSAGE_MAX) -> bytes:
    """The body of one message, of at most ``limit`` bytes.

    Raises:
        ProtocolViolation: cut, or longer than is allowed.
    """
    length = _LENGTH.unpack(await _exactly(connection, _LENGTH.size))[0]
    if length > limit:
        raise ProtocolViolation("a program on this computer sent too long a message")
    return await _exactly(connection, length)


async def _exactly(connection: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = bytearray()
    while len(received) < size:
        more = await loop.sock_recv(connection, size - len(received))
        if not more:
            raise ProtocolViolation("the agent on this computer closed the connection", "run the command again")
        received += more
    return bytes(received)


class ControlServer:
    """Listens for commands.

    Args:
        path: of the socket; the caller holds the half's lock, so that what lies there is left over.
        answer: does one question; owns the connection from then on.
    """

    def __init__(self, path: Path, answer: Callable[[socket.socket, Question], Awaitable[None]]) -> None:
        self._path = path
        self._answer = answer
        self._tasks = Tasks()
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        try:
            # Not by the umask, which is that of threads, too, that make files for the other side meanwhile.
            with contextlib.suppress(OSError):
                os.fchmod(self._listener.fileno(), 0o600)  # Linux gives the file this mode from the first
            self._listener.bind(os.fspath(path))
            path.chmod(0o600)
            self._listener.listen(CLIENTS_MAX)
        except OSError as exc:
            self._listener.close()
            reason, hint = (exc.strerror or "").lower(), "check that folder"
            if not reason:  # Python itself refuses it
                reason, hint = "its path is too long", "set XDG_RUNTIME_DIR to a folder with a shorter path"
            raise LocalError(f"cannot make the socket {displayable(str(path))}: {reason}", hint) from exc
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _address = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        if len(self._tasks) >= CLIENTS_MAX or not _same_user(connection):
            connection.close()
            return
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
        self._tasks.start(self._serve(connection), "command")

    async def _serve(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                question = decode_struct(Question, await receive_message(connection))
        except (TimeoutError, ProtocolViolation, OSError):
            connection.close()
            return
        except asyncio.CancelledError:
            connection.close()
            raise
        await self._answer(connection, question)

    async def close(self) -> None:
        """Listen no more and remove the socket."""
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        await self._tasks.close(1.0)


def _same_user(connection: socket.socket) -> bool:
    """Whether the program at the other end runs as this user (or root); the socket's mode already sees to it."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _process, user, _group = struct.unpack("3i", credentials)
    return user in (os.getuid(), 0)
