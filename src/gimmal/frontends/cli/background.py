"""A command that goes on in the background once it does what it was asked: its terminal is free again."""

from __future__ import annotations

import os
from collections.abc import Callable

from gimmal.base.errors import ExitCode


def in_background(command: Callable[[Callable[[], None]], None]) -> int:
    """Run a command in a process of its own until it says that it is ready, or ends.

    Until then it has the terminal: it may ask for a password, and what it says is seen. To be called before any thread
    or event loop is begun.

    Args:
        command: is given what it has to call when it is ready.

    Returns:
        in the process that was called, the exit code: 0 once the command is ready, else its own.
    """
    heard, tells = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        command(lambda: _leave_terminal(tells))
        return ExitCode.OK
    os.close(tells)
    ready = os.read(heard, 1)
    os.close(heard)
    if ready:
        return ExitCode.OK
    _process, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else ExitCode.INTERNAL


def _leave_terminal(tells: int) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)
    os.chdir("/")  # the folder it was started in is not kept from being unmounted
    os.write(tells, b"1")
    os.close(tells)
