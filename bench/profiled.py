"""Runs gimmal with clocks around what costs time in a copy, for ``bench.profiling``.

    python -m bench.profiled OUT ARGUMENT...

Nothing is sampled: each call of the functions below is timed, by wall clock and by the thread's own processor clock,
and told apart by thread (the event loop, or a worker). The first SIGUSR1 begins anew, the second one ends; without
signals the whole run counts. What was counted is written to OUT as JSON at the end.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

_OWN = threading.local()
_tables: list[tuple[str, dict[str, list[float]]]] = []
_lock = threading.Lock()


def _table() -> dict[str, list[float]]:
    table: dict[str, list[float]] | None = getattr(_OWN, "table", None)
    if table is None:
        table = _OWN.table = {}
        kind = "loop" if threading.current_thread() is threading.main_thread() else "workers"
        with _lock:
            _tables.append((kind, table))
    return table


def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its calls, wall seconds and processor seconds counted under a name."""

    def call(*arguments: Any, **named: Any) -> Any:
        wall, processor = time.perf_counter(), time.thread_time()
        try:
            return function(*arguments, **named)
        finally:
            row = _table().setdefault(name, [0, 0.0, 0.0])
            row[0] += 1
            row[1] += time.perf_counter() - wall
            row[2] += time.thread_time() - processor

    return call


class _Window:
    """What is counted: from one moment to another."""

    def __init__(self) -> None:
        self.result: dict[str, Any] | None = None
        self.signalled = False
        self._began = self._now()

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.thread_time(), time.process_time()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Begin anew, or end."""
        if self.signalled:
            self.end()
            return
        self.signalled = True
        with _lock:
            for _kind, table in _tables:
                table.clear()
        self._began = self._now()

    def end(self) -> None:
        """Keep what was counted so far."""
        if self.result is not None:
            return
        wall, loop, process = (now - then for now, then in zip(self._now(), self._began, strict=True))
        kinds: dict[str, dict[str, list[float]]] = {"loop": {}, "workers": {}}
        with _lock:
            for kind, table in _tables:
                for name, row in list(table.items()):
                    total = kinds[kind].setdefault(name, [0, 0.0, 0.0])
                    kinds[kind][name] = [before + more for before, more in zip(total, row, strict=True)]
        self.result = {"wall": wall, "loop_cpu": loop, "process_cpu": process, **kinds}


def _wrap_all() -> None:
    from gimmal.base import primitives

    for name in ("recv_into", "send", "sendmsg", "recv"):
        setattr(
            socket.socket, name, timed("receive" if name.startswith("recv") else "send", getattr(socket.socket, name))
        )
    for name, what in {
        "preadv": "read file",
        "pread": "read file",
        "read": "read file",
        "pwritev": "write file",
        "pwrite": "write file",
        "write": "write file",
        "fsync": "sync file",
        "posix_fallocate": "allocate",
        "ftruncate": "allocate",
    }.items():
        if hasattr(os, name):
            setattr(os, name, timed(what, getattr(os, name)))
    for name, what in (("seal_into", "seal"), ("seal", "seal"), ("open_into", "open"), ("open", "open")):
        setattr(primitives.Aead, name, timed(what, getattr(primitives.Aead, name)))
    real = vars(primitives)["blake3"]

    class TimedHasher:
        def __init__(self, *data: Any) -> None:
            hasher = timed("hash", real)(*data)
            self.update = timed("hash", hasher.update)
            self.digest = hasher.digest

    setattr(primitives, "blake3", TimedHasher)  # noqa: B010 - not a type to the checker
    selector: Any = selectors.DefaultSelector
    selector.select = timed("wait for events", selector.select)


def main() -> None:
    """Run gimmal with the rest of the command line."""
    out, arguments = sys.argv[1], sys.argv[2:]
    window = _Window()
    signal.signal(signal.SIGUSR1, window.on_signal)
    really_exit = os._exit

    def leave(code: int) -> None:
        window.end()
        with open(out, "w", encoding="utf-8") as file:
            json.dump(window.result, file)
        really_exit(code)

    os._exit = leave
    from gimmal.frontends.cli.main import run

    _wrap_all()
    run(arguments)


if __name__ == "__main__":
    main()
