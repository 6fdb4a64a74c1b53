"""One agent as a process of its own: `gimmal up` for one half, which ends with the half and with the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gimmal.agent.service.templated import MayRunError, Template, TemplatedProcess
from gimmal.base.display import displayable
from gimmal.base.tasks import Tasks

logger = logging.getLogger("gimmal.agent")

LINE_MAX = 64 * 1024
"""Bytes of a line that an agent says; one that says more is ended."""

TAIL_BYTES = 4096
"""What is kept of the last words on its error output, in memory only: a computer must not keep names in its log."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an agent ended.

    Attributes:
        code: its exit code; negative for a signal.
        message, hint: its error as it said it, displayable; may be empty.
        last_words: the end of its error output, displayable.
    """

    code: int
    message: str = ""
    hint: str = ""
    last_words: str = ""


class Child:
    """A running agent; made by ``start``."""

    def __init__(self, process: asyncio.subprocess.Process | TemplatedProcess, lifeline: int) -> None:
        self._process = process
        self._lifeline = lifeline
        self._descriptor = -1
        if isinstance(process, TemplatedProcess):
            self._descriptor = process.watched
        else:
            with contextlib.suppress(OSError, AttributeError):  # it has ended, or the system knows no such thing
                self._descriptor = os.pidfd_open(process.pid)
        self._message = ""
        self._hint = ""
        self._tail = b""

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        location: str,
        password: int | None,
        environment: dict[str, str],
        template: Template | None = None,
    ) -> Child:
        """Start an agent, by the template where there is one that lives.

        Args:
            command: words that run gimmal.
            location: folder of the half.
            password: descriptor from which the agent reads its password, or None; the caller closes it.
            environment: of the process.
            template: see Template; its agents have its environment.

        Raises:
            OSError: there is no room for a process.
        """
        reading, lifeline = os.pipe()
        process: asyncio.subprocess.Process | TemplatedProcess
        try:
            if template is not None and template.alive:
                try:
                    process = await template.spawn(location, reading, password, LINE_MAX)
                except MayRunError:
                    if password is not None:
                        raise  # it may have read its password
                    os.close(lifeline)
                    os.close(reading)
                    reading, lifeline = os.pipe()
                except OSError as exc:
                    logger.debug("the template starts no agent: %s", exc)
                else:
                    return cls(process, lifeline)
            process = await cls._execute(command, location, reading, password, environment)
        except BaseException:
            # Also where nobody waits for it any more: a process that was begun ends with this.
            os.close(lifeline)
            raise
        finally:
            os.close(reading)
        return cls(process, lifeline)

    @staticmethod
    async def _execute(
        command: Sequence[str], location: str, reading: int, password: int | None, environment: dict[str, str]
    ) -> asyncio.subprocess.Process:
        words = [*command, "up", "--half", location, "--json", "--until-closed", str(reading)]
        passed = [reading]
        if password is not None:
            words += ["--password-fd", str(password)]
            passed.append(password)
        return await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=passed,
            env=environment,
            cwd="/",  # a working folder on the stick would keep it from being unmounted
            process_group=0,  # Ctrl-C is for the supervisor, which ends its agents itself
            limit=LINE_MAX,
        )

    async def follow(self, on_event: Callable[[str, str], None]) -> Ended:
        """Hand on what it says, as event and text, until it has ended.

        Args:
            on_event: called for each line.
        """
        readers = Tasks()
        try:
            tail = readers.start(self._keep_tail(), "last words of an agent")
            await self._listen(on_event)
            code = await self._process.wait()
            with contextlib.suppress(TimeoutError):
                # Something that it started may hold the pipe open.
                async with asyncio.timeout(1.0):
                    await tail
        finally:
            readers.cancel()
            self.let_go()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
        return Ended(code, self._message, self._hint, displayable(self._tail, TAIL_BYTES))

    async def _listen(self, on_event: Callable[[str, str], None]) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        while True:
            try:
                line = await stdout.readline()
            except ValueError:
                logger.error("an agent said too long a line, and is ended")
                self.kill()
                return
            if not line:
                return
            event, text = self._taken_apart(line)
            if event:
                on_event(event, text)

    def _taken_apart(self, line: bytes) -> tuple[str, str]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return "", ""
        if not isinstance(value, dict):
            return "", ""
        if isinstance(error := value.get("error"), str):
            hint = value.get("hint")
            # Our own program says it, escaped already.
            self._message, self._hint = error, hint if isinstance(hint, str) else ""
        event, text = value.get("event"), value.get("text")
        if isinstance(event, str) and isinstance(text, str):
            return event, text
        return "", ""

    async def _keep_tail(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while more := await stderr.read(TAIL_BYTES):
            self._tail = (self._tail + more)[-TAIL_BYTES:]

    def let_go(self) -> None:
        """Tell it that the supervisor leaves, which ends it; a second call does nothing."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def stop(self) -> None:
        """Tell it to stop."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without asking."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        # Not through the process object, which would take its exit code away from whoever waits for it.
        with contextlib.suppress(ProcessLookupError):
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, number)
            elif self._process.returncode is None:
                os.kill(self._process.pid, number)
