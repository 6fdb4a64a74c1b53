"""A descriptor handed from one program to another over a Unix socket: a password goes so, read by nobody on the way."""

from __future__ import annotations

import asyncio
import os
import socket
import stat

from gimmal.base.errors import ProtocolViolation

_MARK = b"d"
_DESCRIPTORS_MAX = 4


def send_descriptor(connection: socket.socket, descriptor: int) -> None:
    """Send one descriptor over a blocking socket; the sender still closes its own."""
    socket.send_fds(connection, [_MARK], [descriptor])


async def receive_pipe(connection: socket.socket) -> int:
    """The reading end of a pipe, sent by ``send_descriptor``; the caller closes it and bounds the wait.

    Raises:
        ProtocolViolation: something else came.
    """
    while True:
        try:
            data, descriptors, _flags, _address = socket.recv_fds(connection, len(_MARK), _DESCRIPTORS_MAX)
            break
        except BlockingIOError:
            await _readable(connection)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    if data == _MARK and len(descriptors) == 1 and stat.S_ISFIFO(os.fstat(descriptors[0]).st_mode):
        return descriptors[0]
    for descriptor in descriptors:
        os.close(descriptor)
    raise ProtocolViolation("a program on this computer sent something else than a pipe")


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(connection.fileno(), there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(connection.fileno())
