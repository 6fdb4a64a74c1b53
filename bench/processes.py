"""Time, processor and memory of processes, as the kernel counts them."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.02


class CommandFailed(Exception):
    """A measured command did not end with 0."""


@dataclass(frozen=True)
class Measured:
    """One run of a command.

    Attributes:
        seconds: from start to end.
        cpu_seconds: user and system time of the command and the children it waited for.
        peak_mib: most resident memory of the command itself, children not counted.
        first_seconds: from start to the first byte of output; 0 if there was none.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    first_seconds: float


def run_measured(command: Sequence[str], environment: Mapping[str, str], seconds: float = 600.0) -> Measured:
    """Run a command to its end.

    Raises:
        CommandFailed: it ended with another code than 0, or not within ``seconds``.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    peak = _Peak(process.pid)
    killer = threading.Timer(seconds, process.kill)
    killer.start()
    try:
        first_bytes = os.read(process.stdout.fileno(), 1)
        first = time.perf_counter() - started if first_bytes else 0.0
        printed = first_bytes + process.stdout.read()
        said = process.stderr.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        killer.cancel()
        peak.stop()
        process.stdout.close()
        process.stderr.close()
    if process.returncode:
        text = (printed[-500:] + said[-2000:]).decode(errors="replace")
        raise CommandFailed(f"{' '.join(command)} ended with {process.returncode}: {text}")
    return Measured(took, usage.ru_utime + usage.ru_stime, peak.mib, first)


class _Peak:
    """Looks at a process's own high-water mark again and again; after its end it cannot be read any more.

    The kernel's ru_maxrss is no use here: it begins with the memory of the process that started this one.
    """

    def __init__(self, process_id: int) -> None:
        self.mib = 0.0
        self._id = process_id
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.mib = max(self.mib, peak_mib(self._id))

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()


def peak_mib(process_id: int) -> float:
    """Most resident memory of a process since its start or ``forget_peak``; 0 where it is gone."""
    try:
        for line in Path(f"/proc/{process_id}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    return 0.0


def forget_peak(process_id: int) -> None:
    """Let the high-water mark of a process begin anew."""
    Path(f"/proc/{process_id}/clear_refs").write_text("5", encoding="ascii")


def cpu_seconds(process_id: int) -> float:
    """User and system time of a process and of the children it has waited for."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS
