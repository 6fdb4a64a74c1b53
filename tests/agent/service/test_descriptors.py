"""A pipe is handed from one program to another; anything else is refused and closed."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from gimmal.agent.service.descriptors import receive_pipe, send_descriptor
from gimmal.base.errors import ProtocolViolation


def receive(*messages: tuple[bytes, list[int]]) -> int:
    async def main() -> int:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs:
            ours.setblocking(False)
            waiting = asyncio.get_running_loop().create_task(receive_pipe(ours))
            await asyncio.sleep(0)
            for data, descriptors in messages:
                socket.send_fds(theirs, [data], descriptors)
            theirs.shutdown(socket.SHUT_WR)
            return await waiting

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(main())


def test_a_pipe_arrives_and_is_not_inherited() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"secret")
    got = receive((b"d", [reading]))
    assert os.read(got, 10) == b"secret"
    assert not os.get_inheritable(got)
    for descriptor in (reading, writing, got):
        os.close(descriptor)


def test_send_descriptor_is_what_receive_pipe_takes() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        reading, writing = os.pipe()
        with ours, theirs:
            ours.setblocking(False)
            send_descriptor(theirs, reading)
            got = await receive_pipe(ours)
            os.close(writing)
            assert os.read(got, 1) == b""
            os.close(got)
        os.close(reading)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


def test_anything_else_is_refused_and_nothing_stays_open(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with (tmp_path / "file").open("w") as file:
        for data, descriptors in [
            (b"x", [reading]),
            (b"d", [reading, writing]),
            (b"d", [file.fileno()]),
            (b"d", []),
        ]:
            before = set(os.listdir("/proc/self/fd"))
            with pytest.raises(ProtocolViolation):
                receive((data, descriptors))
            assert len(os.listdir("/proc/self/fd")) == len(before)
        with pytest.raises(ProtocolViolation):
            receive()
    os.close(reading)
    os.close(writing)
