"""Starting the processes of ``child.py``, and ending them: when they are done, take too long, or the half is gone."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from gimmal.protocol.codes import Code
from gimmal.share.refused import RefusedError

_PIECE = 1 << 16
_CHILD = "gimmal.share.previewing.child"
_LOOK_SECONDS = 0.25

_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may take.

    Attributes:
        memory: bytes of address space.
        processor: seconds of processor time, of all its threads together.
        seconds: until it is killed.
        output: bytes that it may write.
    """

    memory: int
    processor: int
    seconds: float
    output: int


class UnwantedError(Exception):
    """Nobody wants what was being made."""


class Children:
    """The processes of one side. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.closed = False
        """Nothing is started any more."""

    @property
    def running(self) -> int:
        """How many run."""
        return len(self._running)

    def run(
        self, words: list[str], descriptor: int, limits: Limits, unwanted: threading.Event | None = None
    ) -> bytes | None:
        """Run one to its end; blocks.

        Args:
            words: what it is to do, as ``child.py`` says.
            descriptor: the file that it reads, from its beginning; stays open.
            limits: what it may take.
            unwanted: set where nobody wants it any more.

        Returns:
            what it wrote; None where it failed, was killed, or wrote more than it may.

        Raises:
            RefusedError: LIMIT, it took too long and was killed.
            UnwantedError: it was killed because nobody wants it.
        """
        command = [sys.executable, "-I", "-m", _CHILD]
        command += [str(os.getpid()), str(limits.memory), str(limits.processor), *words]
        os.lseek(descriptor, 0, os.SEEK_SET)
        with self._lock:
            if self.closed:
                return None
            try:
                process = subprocess.Popen(  # noqa: S603 - words of gimmal's own
                    command,
                    stdin=descriptor,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env=_ENVIRONMENT,
                    start_new_session=True,
                )
            except OSError:
                return None
            self._running.add(process)
        try:
            written = self._read(process, limits, unwanted or threading.Event())
            return written if written is not None and _ended_well(process) else None
        finally:
            with self._lock:
                _kill(process)
                self._running.discard(process)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def close(self) -> None:
        """Kill what runs, and start nothing more."""
        with self._lock:
            self.closed = True
            for process in self._running:
                _kill(process)

    def _read(self, process: subprocess.Popen[bytes], limits: Limits, unwanted: threading.Event) -> bytes | None:
        assert process.stdout is not None
        number = process.stdout.fileno()
        waiting = select.poll()
        waiting.register(number, select.POLLIN)
        until = time.monotonic() + limits.seconds
        written = bytearray()
        while len(written) <= limits.output:
            if unwanted.is_set():
                raise UnwantedError
            left = until - time.monotonic()
            if left <= 0:
                raise RefusedError(Code.LIMIT)  # another time the computer may be less busy
            if not waiting.poll(1000 * min(left, _LOOK_SECONDS)):
                continue
            piece = os.read(number, _PIECE)
            if not piece:
                return bytes(written)
            written += piece
        return None


def _ended_well(process: subprocess.Popen[bytes]) -> bool:
    """Whether one that wrote all it had ended with 0; one that goes on without writing is none of those."""
    try:
        return process.wait(1.0) == 0
    except subprocess.TimeoutExpired:
        return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill one with whatever it started; the lock is held, so that its number is still its own."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
