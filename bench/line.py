"""Two network namespaces of the bench's own, and between them a line of given delay, rate, loss and queue.

Nothing of this machine's network is touched: packets stay between the two namespaces. See ``line_emulator.c``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.processes import cpu_seconds
from bench.ssh_rig import Missing

SIDES = ("a", "b")
CONGESTIONS = ("cubic", "bbr")
_PREFIX = "gimmal-bench-"
_DEVICE = "line0"
_MTU = 1500
_TRANSMIT_QUEUE = 20_000
"""Packets in front of the emulator: never the narrow place."""
_SECONDS = 20.0
_SOURCE = Path(__file__).with_name("line_emulator.c")
_BUFFERS = ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")
_numbers = itertools.count()


@dataclass(frozen=True)
class Counters:
    """What passed in one direction since the line's start.

    Attributes:
        frames: as the kernel handed them over, up to 64 KiB each.
        segments: packets of at most 1500 bytes that they stand for.
        wire_bytes: of IP packets that the wire carried, lost ones too.
        full: segments that found the queue full.
        lost: segments lost at random.
        overrun, failed: frames that the emulator itself had no room for or could not deliver; 0 in a good run.
    """

    frames: int
    segments: int
    wire_bytes: int
    full: int
    lost: int
    overrun: int
    delivered: int
    failed: int


@dataclass(frozen=True)
class Line:
    """A line that is up.

    Attributes:
        delay_seconds: of each direction; a round trip takes twice as long.
        rate_bits: bits of IP packets a second, in each direction.
        loss: part of the segments that is lost at random, in each direction.
        queue_bytes: of each direction.
        congestion: how TCP decides its rate, in both namespaces.
        buffers: TCP's buffer sizes in both, as the machine has them.
    """

    delay_seconds: float
    rate_bits: float
    loss: float
    queue_bytes: int
    congestion: str
    buffers: str
    _names: dict[str, str]
    _emulator: subprocess.Popen[str]

    def address(self, side: str) -> str:
        """The address of a side."""
        return f"10.87.0.{SIDES.index(side) + 1}"

    def in_namespace(self, side: str, command: Sequence[str]) -> list[str]:
        """The command line that runs a command on a side."""
        return ["ip", "netns", "exec", self._names[side], *command]

    def in_network(self, side: str, command: Sequence[str]) -> list[str]:
        """The same, but what it mounts is mounted for everyone: only the network is the side's own."""
        return ["nsenter", f"--net=/run/netns/{self._names[side]}", *command]

    def counters(self) -> dict[str, Counters]:
        """What passed from each side to the other one.

        Raises:
            RuntimeError: the emulator has ended.
        """
        assert self._emulator.stdin is not None
        assert self._emulator.stdout is not None
        print(file=self._emulator.stdin, flush=True)
        numbers = [int(word) for word in self._emulator.stdout.readline().split()]
        if len(numbers) != 16:
            raise RuntimeError("the line's emulator has ended")
        return {"a": Counters(*numbers[:8]), "b": Counters(*numbers[8:])}

    def cpu_seconds(self) -> float:
        """Processor time of the emulator; TCP's work for what it delivers is counted to it by the kernel."""
        return cpu_seconds(self._emulator.pid)

    def text(self) -> str:
        """As tables show it."""
        lost = f", {self.loss:.2%} loss" if self.loss else ""
        return f"{2000 * self.delay_seconds:g} ms, {self.rate_bits / 1e6:g} Mbit/s{lost}, {self.congestion}"


@contextlib.contextmanager
def line(
    delay_seconds: float, rate_bits: float, loss: float, queue_bytes: int, congestion: str = "cubic", seed: int = 1
) -> Iterator[Line]:
    """Lay a line; namespaces, devices and the emulator are gone at the end.

    Args:
        delay_seconds: of each direction, half of a round trip.
        rate_bits: of IP packets, a second, in each direction.
        loss: 0 to 1, in each direction.
        queue_bytes: a segment that finds more than this waiting is dropped.
        congestion: ``cubic`` or ``bbr``, for all TCP in both namespaces.
        seed: of the losses.

    Raises:
        Missing: this machine cannot do it; the message says what for.
    """
    check_line()
    _remove_left_over()
    names = {side: f"{_PREFIX}{os.getpid()}-{next(_numbers)}-{side}" for side in SIDES}
    with contextlib.ExitStack() as stack:
        program = compile_emulator(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gimmal-line-"))))
        for name in names.values():
            _run("ip", "netns", "add", name)
            stack.callback(_run, "ip", "netns", "del", name)
        figures = [delay_seconds * 1e9, rate_bits, loss * 1e9, queue_bytes, seed]
        emulator = stack.enter_context(
            run_emulator([program, *names.values(), _DEVICE, *(f"{int(n)}" for n in figures)])
        )
        made = Line(delay_seconds, rate_bits, loss, queue_bytes, congestion, _machines_buffers(), names, emulator)
        for side in SIDES:
            _configure(made, side)
        yield made


@contextlib.contextmanager
def run_emulator(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The emulator as long as it is wanted; its devices are there.

    Args:
        command: the program, and its arguments as its source has them.

    Raises:
        Missing: it says that this machine cannot do it.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise Missing(f"no line can be laid on this machine: {_said(process.stderr)}")
        yield process
    finally:
        process.kill()
        process.wait(_SECONDS)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _said(pipe: IO[str] | None) -> str:
    return pipe.read().strip() if pipe else ""


def _configure(made: Line, side: str) -> None:
    def run(*command: str) -> None:
        _run(*made.in_namespace(side, command))

    # Without it each device greets the other one before that one is up.
    quiet = "/proc/sys/net/ipv6/conf/all/disable_ipv6"
    run("sh", "-ec", f"[ ! -e {quiet} ] || echo 1 >{quiet}")
    run("ip", "link", "set", "lo", "up")
    run("ip", "addr", "add", f"{made.address(side)}/30", "dev", _DEVICE)
    run("ip", "link", "set", _DEVICE, "mtu", str(_MTU), "txqueuelen", str(_TRANSMIT_QUEUE), "up")
    _choose_congestion(made, side)
    settings = {
        # What one connection found out does not help or hinder the next one: each copy starts alike.
        "net.ipv4.tcp_no_metrics_save": "1",
        **{name: _setting(name) for name in _BUFFERS},
    }
    writes = "; ".join(f"echo '{value}' >/proc/sys/{name.replace('.', '/')}" for name, value in settings.items())
    run("sh", "-ec", writes)


def _choose_congestion(made: Line, side: str) -> None:
    """Make the line's congestion control what TCP takes by itself in a namespace.

    Some kernels refuse to make a namespace's default of one that is not their own (cubic, where theirs is bbr). There
    the route says it, which differs in one way: a socket that wants another one says so after connecting.
    """
    setting = "/proc/sys/net/ipv4/tcp_congestion_control"
    command = made.in_namespace(side, ["sh", "-c", f"echo {made.congestion} >{setting}; cat {setting}"])
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    if done.stdout.strip() != made.congestion:
        route = ["10.87.0.0/30", "dev", _DEVICE, "congctl", made.congestion]
        _run(*made.in_namespace(side, ["ip", "route", "change", *route, "src", made.address(side)]))


def _setting(name: str) -> str:
    return " ".join(Path("/proc/sys", *name.split(".")).read_text(encoding="ascii").split())


def _machines_buffers() -> str:
    return ", ".join(f"{name.rpartition('.')[2]} {_setting(name)}" for name in _BUFFERS)


def check_line() -> None:
    """Raise Missing where no line can be laid between namespaces."""
    if os.getuid():
        raise Missing("only root can lay a line between network namespaces")
    for program, package in (("gcc", "gcc and libc6-dev"), ("ip", "iproute2")):
        if shutil.which(program) is None:
            raise Missing(f"{program} is missing and no line can be laid: apt-get install {package}")
    if not os.path.exists("/dev/net/tun"):
        raise Missing("this machine has no /dev/net/tun and no line can be laid")


def _remove_left_over() -> None:
    """Remove namespaces of a bench that was killed before it could do so itself."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/run/netns"):
            maker = name.removeprefix(_PREFIX).partition("-")[0]
            if name.startswith(_PREFIX) and maker.isdigit() and not os.path.exists(f"/proc/{maker}"):
                _run("ip", "netns", "del", name)


def compile_emulator(folder: Path) -> str:
    """The path of the emulator, compiled into ``folder``; raises Missing where that cannot be done."""
    program = str(folder / "line_emulator")
    _run("gcc", "-O2", "-o", program, str(_SOURCE))
    return program


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    if done.returncode:
        raise Missing(f"no line can be laid on this machine: {' '.join(command)}: {done.stderr.strip()}")
