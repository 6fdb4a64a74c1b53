"""How a command asks the supervisor of this user: one question on a blocking socket, each wait bounded."""

from __future__ import annotations

import os
import socket
import struct
from typing import Self

import msgspec

from gimmal.agent.control import CONTROL_VERSION, Question, Reply
from gimmal.agent.service.descriptors import send_descriptor
from gimmal.agent.service.messages import OUTCOME_SECONDS, RESTART, HalfNamed, service_socket
from gimmal.base.errors import LocalError, WrongPassword
from gimmal.protocol.codec import decode_struct

_LENGTH = struct.Struct(">I")
_SECONDS = 10.0
_REPLY_MAX = 1024 * 1024
"""Bytes of a reply: the halves with the last words of their agents."""

_HINT = "begin it with gimmal service install, or serve the half with gimmal up"


class NoServiceError(LocalError):
    """No supervisor runs for this user."""

    def __init__(self) -> None:
        super().__init__("no service runs for this user", _HINT)


def service_status() -> dict[str, object]:
    """What the supervisor serves.

    Raises:
        NoServiceError: none runs.
        LocalError: it does not answer.
    """
    with _Asking("status") as asking:
        return asking.reply().status


def served_halves() -> set[str]:
    """Places of the halves that are served now; raises as ``service_status``."""
    halves = service_status().get("halves")
    assert isinstance(halves, list)
    return {half["half"] for half in halves if half["state"] == "serving"}


def put_away(half: HalfNamed) -> None:
    """Have the supervisor leave a half alone until it was pulled out or is unlocked, where it looks after it.

    Raises:
        NoServiceError, LocalError: see ``service_status``.
    """
    with _Asking("put-away", half) as asking:
        asking.reply()


def unlock(half: HalfNamed, password: str | None) -> None:
    """Have the supervisor start the agent of a half; returns when that is ready.

    The password goes through a pipe that the agent reads; the supervisor passes the pipe on and does not read it.

    Args:
        password: of the half, or None where it has none.

    Raises:
        NoServiceError, LocalError: see ``service_status``.
        WrongPassword: it has one, and none is given.
        GimmalError: why the agent cannot start, with its exit code.
    """
    with _Asking("unlock", half) as asking:
        reply = asking.reply()
        if reply.status.get("password") is not True:
            return
        if password is None:
            raise WrongPassword("this half has a password", "run the command on a terminal, or give --password-file")
        reading, writing = os.pipe()
        try:
            # It fits into the pipe: nobody need read it for this to return.
            os.write(writing, password.encode())
            os.close(writing)
            writing = -1
            asking.send_descriptor(reading)
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)
        asking.reply(OUTCOME_SECONDS + _SECONDS)


class _Asking:
    def __init__(self, verb: str, half: HalfNamed | None = None) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(_SECONDS)
        try:
            self._connection.connect(os.fspath(service_socket()))
            self._send(Question(CONTROL_VERSION, verb))
            if half is not None:
                self._send(half)
        except (FileNotFoundError, ConnectionRefusedError):
            self._connection.close()
            raise NoServiceError from None
        except OSError as exc:
            self._connection.close()
            if exc.errno is None and not isinstance(exc, TimeoutError):
                # Python itself refuses so long a path; no service can listen there either.
                raise NoServiceError from None
            raise _silent(exc) from exc

    def _send(self, message: msgspec.Struct) -> None:
        body = msgspec.msgpack.encode(message)
        self._connection.sendall(_LENGTH.pack(len(body)) + body)

    def send_descriptor(self, descriptor: int) -> None:
        try:
            send_descriptor(self._connection, descriptor)
        except OSError as exc:
            raise _silent(exc) from exc

    def reply(self, seconds: float = _SECONDS) -> Reply:
        self._connection.settimeout(seconds)
        try:
            size = _LENGTH.unpack(self._exactly(_LENGTH.size))[0]
            if size > _REPLY_MAX:
                raise _silent(None)
            reply = decode_struct(Reply, self._exactly(size))
        except OSError as exc:
            raise _silent(exc) from exc
        if reply.refusal is not None:
            raise reply.refusal.error()
        return reply

    def _exactly(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            more = self._connection.recv(size - len(received))
            if not more:
                raise _silent(None)
            received += more
        return bytes(received)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _silent(error: OSError | None) -> LocalError:
    slow = isinstance(error, TimeoutError)
    return LocalError(
        "the service on this computer did not answer" if slow else "the service on this computer closed the connection",
        RESTART,
    )
