"""The two "computers" of the demo: a folder, an environment and a half each, and nothing else in common."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from demo_output import Output
from demo_process import SIGNALS, DemoFailure, Finished, Running, plain, run_command

COMMAND_SECONDS = 60.0
COPY_SECONDS = 1800.0
PROGRESS_SECONDS = 2.0
_BAR = re.compile("[━╸╺╶╴─-]{3,} *")
_FOLDERS = {"XDG_RUNTIME_DIR": "runtime", "XDG_STATE_HOME": "state", "XDG_CACHE_HOME": "cache", "HOME": "user"}


def gimmal_program() -> str:
    """The command of this checkout; raises DemoFailure where ``make setup`` has not made it."""
    program = Path(__file__).resolve().parent.parent / ".venv" / "bin" / "gimmal"
    if not program.exists():
        raise DemoFailure(f"there is no {program}: run `make setup` first")
    return str(program)


class Computer:
    """A place where gimmal runs as on a computer of its own.

    Args:
        name: shown before its commands.
        folder: what the person there works in; made.
        private: folder for what programs keep there, with a short path, for sockets lie in it; made.
        output: where commands and answers are shown.
        running: where programs that stay are noted, for the caller to stop.
    """

    def __init__(self, name: str, folder: Path, private: Path, output: Output, running: list[Running]) -> None:
        self.name = name
        self._running = running
        self.folder = folder
        self._output = output
        self._program = gimmal_program()
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("GIMMAL_")}
        folder.mkdir()
        for variable, kept in _FOLDERS.items():
            (private / kept).mkdir(parents=True, mode=0o700)
            self.environment[variable] = str(private / kept)
        self.environment["GIMMAL_NO_LAN"] = "1"  # the demo stays inside this computer

    def start(self, *arguments: str) -> Running:
        """Start a program that stays, for instance ``up``."""
        self._output.command(self.name, ["gimmal", *arguments])
        name = f"gimmal {arguments[0]} on {self.name}"
        with SIGNALS.waiting():
            started = Running(name, [self._program, *arguments], self.environment, self.folder)
            self._running.append(started)
        return started

    def run(self, *arguments: str, expect: int | None = 0) -> Finished:
        """Run a command and show what it prints; DemoFailure where it ends with another code than ``expect``."""
        self._output.command(self.name, ["gimmal", *arguments])
        finished = run_command([self._program, *arguments], self.environment, self.folder, COMMAND_SECONDS)
        if expect is not None and finished.code != expect:
            raise _unexpected(arguments, finished, expect)
        return finished

    def copy(self, *arguments: str) -> Finished:
        """Run ``gimmal cp`` with its progress on the terminal, or as lines where there is none."""
        self._output.command(self.name, ["gimmal", "cp", *arguments])
        talk = _Progress(self._output)
        command = [self._program, "cp", *arguments]
        finished = run_command(command, self.environment, self.folder, COPY_SECONDS, talk.hear)
        talk.end(finished.said)
        if finished.code:
            raise _unexpected(["cp", *arguments], finished, 0)
        return finished


def _unexpected(arguments: Sequence[str], finished: Finished, expect: int) -> DemoFailure:
    said = "\n".join(part.strip() for part in (finished.printed, finished.said) if part.strip())
    return DemoFailure(f"gimmal {' '.join(arguments)} ended with {finished.code}, not {expect}:\n{said}")


class _Progress:
    """Passes a command's bar on to the terminal; elsewhere it is a line every few seconds."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._text = ""
        self._last = time.monotonic()

    def hear(self, text: str) -> None:
        """See run_command."""
        if self._output.terminal:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        self._text = (self._text + text)[-4096:]
        if time.monotonic() - self._last >= PROGRESS_SECONDS:
            shown = [line for line in plain(self._text).splitlines() if "files" in line]
            if shown:
                self._last = time.monotonic()
                self._output.said(_BAR.sub("", shown[-1]).strip())

    def end(self, said: str) -> None:
        """Show the command's last word where the terminal has not."""
        if not self._output.terminal:
            self._output.said("\n".join(line for line in said.splitlines() if line.startswith("copied")))
