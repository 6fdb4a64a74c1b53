"""Asking the agent of a world about its queue, without a process for each question."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

import msgspec

from gimmal.agent.control import CONTROL_VERSION, Question, Reply
from gimmal.agent.queue.messages import TransfersQuestion, TransferView
from gimmal.protocol.codec import decode_struct
from tests.endtoend.world import Computer, World, until
from tests.patience import PATIENCE

LENGTH = struct.Struct(">I")


def connect(world: World, computer: Computer) -> socket.socket:
    """A connection to the agent of a computer; waits for room in its queue."""
    (path,) = [file for file in computer.runtime.iterdir() if file.suffix == ".sock"]
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE)

    def connected() -> bool:
        with suppress(BlockingIOError):
            connection.connect(str(path))
            return True
        return False

    until(connected, "room in the queue")
    return connection


def framed(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


def receive(connection: socket.socket) -> bytes:
    """One message; empty where the agent closed the connection."""
    received = b""
    size = LENGTH.size
    while len(received) < size:
        more = connection.recv(size - len(received))
        if not more:
            return b""
        received += more
        if size == LENGTH.size == len(received):
            size += LENGTH.unpack(received)[0]
    return received[LENGTH.size :]


def ask_transfers(connection: socket.socket, question: TransfersQuestion) -> list[TransferView]:
    """Ask about transfers; what the agent tells."""
    connection.sendall(framed(msgspec.msgpack.encode(Question(CONTROL_VERSION, "transfers"))))
    connection.sendall(framed(msgspec.msgpack.encode(question)))
    reply = decode_struct(Reply, receive(connection))
    assert reply.refusal is None, reply
    return [decode_struct(TransferView, receive(connection)) for _ in range(reply.count)]
