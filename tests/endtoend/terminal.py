"""A command at a terminal of its own, typed to and read as a person would."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.endtoend.processes import DEADLINE


class Terminal:
    """Runs a command with a pseudo terminal as its controlling one; use it as a context manager."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], directory: Path) -> None:
        self._changed = threading.Condition()
        self._shown = bytearray()
        self.process, self._master = pty.fork()
        if self.process == 0:
            os.chdir(directory)
            os.execvpe(command[0], list(command), environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                more = os.read(self._master, 65536)
            except OSError:  # the last program has closed its end
                more = b""
            with self._changed:
                self._shown += more
                self._changed.notify_all()
            if not more:
                return

    @property
    def shown(self) -> str:
        """All that came to the screen, with what moves its cursor."""
        with self._changed:
            return bytes(self._shown).decode("utf-8", "replace")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def wait_for(self, text: str, seconds: float = DEADLINE) -> None:
        """Wait until something was shown."""
        until = time.monotonic() + seconds
        while text not in self.shown:
            left = until - time.monotonic()
            assert left > 0, f"never shown: {text!r}\n{self.shown}"
            with self._changed:
                self._changed.wait(min(left, 0.2))

    def wait(self, seconds: float = DEADLINE) -> int:
        """Wait for the end; the exit code."""
        until = time.monotonic() + seconds
        pause = threading.Event()
        while True:
            done, status = os.waitpid(self.process, os.WNOHANG)
            if done:
                self.process = 0
                self._reader.join(DEADLINE)
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < until, f"it did not end\n{self.shown}"
            pause.wait(0.02)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            with suppress(ProcessLookupError, subprocess.SubprocessError):
                os.kill(self.process, 9)
                os.waitpid(self.process, 0)
        os.close(self._master)
