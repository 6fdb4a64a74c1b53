"""The supervisor's end of the template: agents started by it, watched as those that were started otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from functools import partial

import msgspec

from gimmal.agent.service.template import DESCRIPTORS_MAX, MESSAGE_MAX, Run, StartOrder, Told, start_template
from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.codec import decode_struct

START_SECONDS = 5.0
"""What the template has to start an agent."""

UNKNOWN_CODE = 255
"""Exit code of an agent whose template ended before it."""

_END_SECONDS = 1.0


class MayRunError(OSError):
    """Nothing was heard of an agent that may run all the same; closing its lifeline ends it."""


class TemplatedProcess:
    """An agent that the template started; what is used of ``asyncio.subprocess.Process``.

    Attributes:
        pid: its number.
        watched: descriptor that tells of its end; the user closes it.
        stdout, stderr: what it says.
    """

    def __init__(self, pid: int, watched: int, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self.pid = pid
        self.watched = watched
        self.stdout = stdout
        self.stderr = stderr
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self.ended.result() if self.ended.done() else None

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self.ended)


class Template:
    """The template of one supervisor.

    Args:
        process: its number.
        connection: to it.

    Made by ``start`` before there is an event loop, then used on one.
    """

    def __init__(self, process: int, connection: socket.socket) -> None:
        self._process = process
        self._connection = connection
        self._numbers = 0
        self._watching = False
        self.alive = True
        """Whether it can be used."""
        self._begun: dict[int, asyncio.Future[tuple[int, int]]] = {}
        self._running: dict[int, TemplatedProcess] = {}
        self._codes: dict[int, int] = {}
        """Of agents that ended before whoever started them took them over."""

    @classmethod
    def start(cls, run: Run) -> Template | None:
        """Split the template off from this process; None where the system has not what it takes.

        Args:
            run: see template.Run.
        """
        made = start_template(run)
        return cls(*made) if made is not None else None

    async def spawn(self, location: str, lifeline: int, password: int | None, line_max: int) -> TemplatedProcess:
        """Start an agent.

        Args:
            location: folder of the half.
            lifeline: reading end of the pipe whose end is the agent's; the caller closes it.
            password: reading end of the pipe with its password, or None; the same.
            line_max: bytes of a line of it.

        Raises:
            MayRunError: the template does not answer, or has ended.
            OSError: it cannot be started.
        """
        loop = asyncio.get_running_loop()
        if not self._watching:
            self._watching = True
            loop.add_reader(self._connection, self._readable)
        self._numbers += 1
        number = self._numbers
        readers, theirs = await _pipes(line_max)
        begun = self._begun[number] = loop.create_future()
        try:
            order = msgspec.msgpack.encode(StartOrder(number, os.fsencode(location)))
            handed = [*theirs, lifeline, *([] if password is None else [password])]
            socket.send_fds(self._connection, [order], handed)
            async with asyncio.timeout(START_SECONDS):
                pid, watched = await asyncio.shield(begun)
        except TimeoutError as exc:
            raise MayRunError(errno.ETIMEDOUT, "the template does not answer") from exc
        except asyncio.CancelledError:
            # It may run: the caller closes its lifeline.
            begun.add_done_callback(_forget)
            begun.cancel()
            raise
        finally:
            del self._begun[number]
            for descriptor in theirs:
                os.close(descriptor)
        process = TemplatedProcess(pid, watched, *readers)
        if number in self._codes:
            process.ended.set_result(self._codes.pop(number))
        elif not self.alive:
            self._watch_orphan(process)
        else:
            self._running[number] = process
        return process

    def _readable(self) -> None:
        try:
            data, descriptors, _flags, _address = socket.recv_fds(self._connection, MESSAGE_MAX, DESCRIPTORS_MAX)
            told = decode_struct(Told, data) if data else None
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, ProtocolViolation):
            told, descriptors = None, []
        if told is None:
            self._lose()
        elif told.code is not None:
            self._ended(told.number, told.code)
        elif (begun := self._begun.get(told.number)) is not None and not begun.done():
            if told.process and len(descriptors) == 1:
                begun.set_result((told.process, descriptors.pop()))
            else:
                begun.set_exception(OSError(told.error, os.strerror(told.error)))
        for descriptor in descriptors:
            os.close(descriptor)

    def _ended(self, number: int, code: int) -> None:
        process = self._running.pop(number, None)
        if process is not None:
            process.ended.set_result(code)
        elif number in self._begun:
            self._codes[number] = code

    def _lose(self) -> None:
        """The template has ended; its agents live on, and tell of their end themselves."""
        self.alive = False
        asyncio.get_running_loop().remove_reader(self._connection)
        for begun in self._begun.values():
            if not begun.done():
                begun.set_exception(MayRunError(errno.EPIPE, "the template has ended"))
        for process in self._running.values():
            self._watch_orphan(process)
        self._running.clear()

    @staticmethod
    def _watch_orphan(process: TemplatedProcess) -> None:
        loop = asyncio.get_running_loop()
        watched = os.dup(process.watched)

        def over() -> None:
            loop.remove_reader(watched)
            os.close(watched)
            process.ended.set_result(UNKNOWN_CODE)

        loop.add_reader(watched, over)

    async def close(self) -> None:
        """End it; agents that still run are left to their lifelines."""
        if self._watching and self.alive:
            asyncio.get_running_loop().remove_reader(self._connection)
        self.alive = False
        self._connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._gone()

    async def _gone(self) -> None:
        loop = asyncio.get_running_loop()
        watched = os.pidfd_open(self._process)
        ended = asyncio.Event()
        loop.add_reader(watched, ended.set)
        try:
            await ended.wait()
            os.waitpid(self._process, os.WNOHANG)  # noqa: ASYNC222 - it has ended
        finally:
            loop.remove_reader(watched)
            os.close(watched)


def _forget(begun: asyncio.Future[tuple[int, int]]) -> None:
    if not begun.cancelled() and begun.exception() is None:
        os.close(begun.result()[1])


async def _pipes(line_max: int) -> tuple[list[asyncio.StreamReader], list[int]]:
    """Two pipes: readers for this end, and the writing ends, which the caller closes."""
    loop = asyncio.get_running_loop()
    readers, theirs = [], []
    for _ in range(2):
        ours, writing = os.pipe()
        theirs.append(writing)
        reader = asyncio.StreamReader(limit=line_max)
        await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), os.fdopen(ours, "rb", 0))
        readers.append(reader)
    return readers, theirs
