"""A process that has imported all that an agent needs, and has a copy of itself become one for each half.

To start a program anew takes most of the time from plugging a half in to reaching the other side; a copy is there in
milliseconds and shares the memory of what was imported. The template itself opens no half, holds no key, has one
thread and no event loop, and only ever reads orders of its supervisor. See docs/decisions/0078-from-plug-to-listing.md.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable

import msgspec

from gimmal.agent.service.manager import VARIABLE
from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.codec import decode_struct

MESSAGE_MAX = 16 * 1024
"""Bytes of an order or of what is told: the longest path, and more."""

DESCRIPTORS_MAX = 4

Run = Callable[[list[str]], None]
"""Runs one gimmal command in this process, which it ends."""


class StartOrder(msgspec.Struct, frozen=True, tag="start"):
    """Become an agent. With it come stdout, stderr, lifeline and, where there is one, the pipe of the password.

    Attributes:
        number: of the agent.
        location: folder of the half, as the system names it.
    """

    number: int
    location: bytes


class Told(msgspec.Struct, frozen=True, tag="told"):
    """What became of an order.

    Attributes:
        number: of the agent.
        process: it runs as this process, of which a descriptor comes with it; 0 where it does not run.
        code: its exit code, negative for a signal, once it has ended.
        error: number of the system's error for which it could not be started.
    """

    number: int
    process: int = 0
    code: int | None = None
    error: int = 0


def start_template(run: Run) -> tuple[int, socket.socket] | None:
    """Split off the template from this process, which has imported what it is to share and has one thread.

    Args:
        run: by which copies become agents.

    Returns:
        Number of the process, and the socket to it; None where the system has not what it takes.
    """
    if sys.platform != "linux":
        return None  # elsewhere the system's own libraries do not stand a copy
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError:
        return None
    # What is there now stays for ever: were it looked through for garbage, every copy would have pages of its own.
    gc.collect()
    gc.freeze()
    _flush()
    try:
        process = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        return None
    if process:
        theirs.close()
        ours.setblocking(False)
        return process, ours
    try:
        ours.close()
        _name("gimmal template")
        os.setpgid(0, 0)  # Ctrl-C is for the supervisor, with which this ends
        os.environ.pop(VARIABLE, None)  # the supervisor alone speaks to the system's manager
        os.chdir("/")
        _Template(theirs, run).serve()
    finally:
        os._exit(0)


class _Template:
    def __init__(self, connection: socket.socket, run: Run) -> None:
        self._connection = connection
        self._run = run
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._children: dict[int, tuple[int, int]] = {}
        """Number of agent and process by the descriptor that tells of its end."""

    def serve(self) -> None:
        """Until the supervisor has gone."""
        while True:
            for descriptor, _events in self._poll.poll():
                if descriptor in self._children:
                    self._reap(descriptor)
                elif not self._take_order():
                    return

    def _take_order(self) -> bool:
        data, descriptors, _flags, _address = socket.recv_fds(self._connection, MESSAGE_MAX, DESCRIPTORS_MAX)
        if not data:
            return False
        try:
            self._start(decode_struct(StartOrder, data), descriptors)
        except ProtocolViolation:
            return False
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _start(self, order: StartOrder, descriptors: list[int]) -> None:
        try:
            process = os.fork()
        except OSError as exc:
            self._tell(Told(order.number, error=exc.errno or 0))
            return
        if not process:
            try:
                _become_agent(self._run, order, descriptors)
            except Exception:  # noqa: BLE001 - a mistake of ours, which must not become a second template
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(1)
        try:
            watched = os.pidfd_open(process)
        except OSError as exc:
            # Nobody would hear of its end.
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            self._tell(Told(order.number, error=exc.errno or 0))
            return
        self._children[watched] = (order.number, process)
        self._poll.register(watched, select.POLLIN)
        self._tell(Told(order.number, process), watched)

    def _reap(self, watched: int) -> None:
        number, process = self._children.pop(watched)
        self._poll.unregister(watched)
        os.close(watched)
        _process, status = os.waitpid(process, 0)
        self._tell(Told(number, process, os.waitstatus_to_exitcode(status)))

    def _tell(self, told: Told, *descriptors: int) -> None:
        with contextlib.suppress(OSError):  # the supervisor has gone: the next read says so
            socket.send_fds(self._connection, [msgspec.msgpack.encode(told)], descriptors)


def _become_agent(run: Run, order: StartOrder, descriptors: list[int]) -> None:
    stdout, stderr, lifeline, *password = descriptors
    _name("gimmal up")
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
    kept = [lifeline, *password]
    for descriptor in kept:
        os.set_inheritable(descriptor, False)
    _close_all_but(kept)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    words = ["up", "--half", os.fsdecode(order.location), "--json", "--until-closed", str(lifeline)]
    if password:
        words += ["--password-fd", str(password[0])]
    run(words)


def _close_all_but(kept: list[int]) -> None:
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def _flush() -> None:
    """What is printed but not written yet must not be written by copies too."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _name(name: str) -> None:
    """What lists of processes call this one; at most 15 bytes of it are shown."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as file:
        file.write(name)
