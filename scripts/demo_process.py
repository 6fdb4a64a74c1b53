"""Processes of the demo: each is watched line by line, has a deadline, and is stopped in every case."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

STOP_SECONDS = 5.0
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class DemoFailure(Exception):
    """Something the demo shows does not work; the message says what."""


class Stopped(BaseException):
    """The demo was told to stop by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Signals:
    """Signals that stop the demo: the first one counts, and it waits while a program is being started."""

    def __init__(self) -> None:
        self._waiting: int | None = None
        self._raised = False
        self._depth = 0

    def watch(self) -> None:
        """Begin; SIGINT, SIGTERM and SIGHUP raise Stopped from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._waiting = number
        self._raise()

    def _raise(self) -> None:
        if self._waiting is not None and not self._depth and not self._raised:
            self._raised = True
            raise Stopped(self._waiting)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Inside, no signal interrupts: what is started is also noted."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self._raise()


SIGNALS = _Signals()


class Running:
    """A program that runs until it is stopped; its output is kept with the time of each line.

    Args:
        name: for messages.
        arguments: the command line.
        environment: of the program.
        folder: where it runs.
    """

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._lines: list[tuple[float, str]] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            arguments,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append((time.monotonic(), line.rstrip("\n")))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, start: str, seconds: float) -> tuple[float, str]:
        """When the first line that begins with ``start`` came, and the line; raises DemoFailure if none comes."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for when, line in self._lines:
                    if line.startswith(start):
                        return when, line
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    why = f"within {seconds:g} s" if left <= 0 else "before it ended"
                    raise DemoFailure(f'{self.name} did not say "{start}" {why}; it said:\n{self.output()}')
                self._changed.wait(min(left, 0.2))

    def output(self) -> str:
        """Everything it has printed."""
        return "\n".join(line for _when, line in self._lines)

    def wait_end(self, seconds: float) -> tuple[float, int]:
        """When it ended by itself, and its exit code; raises DemoFailure if it goes on."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise DemoFailure(f"{self.name} still runs after {seconds:g} s") from None
        return time.monotonic(), code

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after five seconds."""
        stop_process(self._process)
        self._reader.join(1.0)


def stop_process(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """End a process that leads its own session: SIGTERM, and SIGKILL to all of it after five seconds."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True)
class Finished:
    """How a command ended: exit code, what it printed, what it said, and how long it took."""

    code: int
    printed: str
    said: str
    seconds: float
    first_seconds: float
    """From the start of the command to the first byte it printed; all of its time if it printed none."""


def run_command(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    seconds: float,
    on_talk: Callable[[str], None] | None = None,
) -> Finished:
    """Run a command to its end; one that does not end in time is killed.

    Args:
        seconds: its deadline.
        on_talk: told what the command writes to stderr, as it comes; stderr is then a terminal to it, so that it
            shows its progress.
    """
    ours, theirs = _terminal() if on_talk is not None else os.pipe()
    started = time.monotonic()
    process: subprocess.Popen[bytes] | None = None
    printed, said = bytearray(), bytearray()
    first = 0.0
    try:
        with SIGNALS.waiting():
            process = subprocess.Popen(  # noqa: S603 - our own program
                arguments,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=theirs,
                start_new_session=True,
            )
            os.close(theirs)
        assert process.stdout is not None
        sources = {process.stdout.fileno(): printed, ours: said}
        while sources:
            left = started + seconds - time.monotonic()
            if left <= 0:
                raise DemoFailure(f"{' '.join(arguments)} did not end within {seconds:g} s")
            for descriptor in select.select(list(sources), [], [], left)[0]:
                try:
                    piece = os.read(descriptor, 65536)
                except OSError:  # a terminal whose other end has gone
                    piece = b""
                if not piece:
                    del sources[descriptor]
                    continue
                sources[descriptor] += piece
                if descriptor != ours:
                    first = first or time.monotonic() - started
                elif on_talk is not None:
                    on_talk(piece.decode(errors="replace"))
        code = process.wait(max(0.1, started + seconds - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise DemoFailure(f"{' '.join(arguments)} did not end within {seconds:g} s") from None
    finally:
        took = time.monotonic() - started
        if process is not None:
            stop_process(process)
            assert process.stdout is not None
            process.stdout.close()
        os.close(ours)
    return Finished(code, printed.decode(errors="replace"), plain(said.decode(errors="replace")), took, first or took)


def _terminal() -> tuple[int, int]:
    try:
        ours, theirs = os.openpty()
    except OSError:  # none left, or no /dev/pts here: the command then shows no progress
        return os.pipe()
    columns, lines = shutil.get_terminal_size((100, 25))
    with contextlib.suppress(OSError):
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    return ours, theirs


def plain(text: str) -> str:
    """Text without escape sequences; of what was drawn over again, the last."""
    lines = _ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2].rstrip() for line in lines)
