"""Notices that this computer has another network, or slept (docs/spec/paths.md, section 6)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Hashable

from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.transport.netlink import DATAGRAM_MAX, GROUPS, Change, changes, is_offered

logger = logging.getLogger("gimmal.transport")

SETTLE_SECONDS = 0.3
"""A change comes in many messages: after the first, so long is waited for the rest."""

LOOK_SECONDS = 2.0
"""Between two looks at the clocks."""

POLL_SECONDS = 5.0
"""Between two looks at the addresses, where the system does not tell of changes by itself."""

SLEPT_SECONDS = 2.0
"""Time that only the clock of the computer knows of, above which it slept."""

DATAGRAMS_AT_ONCE = 64


class SleepSense:
    """Tells from two clocks that a computer slept: one stands still meanwhile, the other goes on.

    Args:
        monotonic, boottime: seconds of each now.
    """

    def __init__(self, monotonic: float, boottime: float) -> None:
        self._apart = boottime - monotonic

    def slept(self, monotonic: float, boottime: float) -> bool:
        """Whether it slept since the last call."""
        before, self._apart = self._apart, boottime - monotonic
        return self._apart - before > SLEPT_SECONDS


class NetworkWatch:
    """Watches from ``start`` to ``close``.

    Args:
        workers: threads; asking for the addresses may block.
        on_change: called on the event loop after each change.
    """

    def __init__(self, workers: Workers, on_change: Callable[[], None]) -> None:
        self._workers = workers
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._socket: socket.socket | None = None
        self._told: set[Change] = set()
        self._something = asyncio.Event()

    def start(self) -> None:
        """Begin; where the system does not tell of changes they are looked for."""
        self._socket = _open_socket()
        if self._socket is not None:
            self._loop.add_reader(self._socket.fileno(), self._on_readable)
        self._tasks.start(self._watch(), "watch the network")

    def close(self) -> None:
        """Watch no more."""
        self._tasks.cancel()
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _on_readable(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(BlockingIOError):
            for _ in range(DATAGRAMS_AT_ONCE):
                try:
                    datagram, sender = self._socket.recvfrom(DATAGRAM_MAX)
                except BlockingIOError:
                    break
                except OSError:
                    # More happened than the socket holds.
                    self._told |= {Change.ADDRESS, Change.DEFAULT_ROUTE}
                    break
                if sender[0] == 0:  # the kernel; any program may write to this socket
                    self._told |= changes(datagram)
        if self._told:
            self._something.set()

    async def _watch(self) -> None:
        sense = SleepSense(*_clocks())
        before = await self._state()
        pause = POLL_SECONDS if self._socket is None else LOOK_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._something.wait()
            if sense.slept(*_clocks()):
                logger.debug("this computer slept")
                self._on_change()
            if not self._something.is_set() and self._socket is not None:
                continue
            if self._something.is_set():
                await asyncio.sleep(SETTLE_SECONDS)
            self._something.clear()
            told, self._told = self._told, set()
            state = await self._state()
            # An address that lives on and a signal that grew weaker are told of, too.
            if state != before or Change.DEFAULT_ROUTE in told:
                logger.debug("the network changed")
                self._on_change()
            before = state

    async def _state(self) -> Hashable:
        return await self._workers.call(_network_state)


def _open_socket() -> socket.socket | None:
    if not is_offered():
        return None
    try:
        opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    except OSError:
        return None
    try:
        opened.bind((0, GROUPS))
    except OSError:
        opened.close()
        return None
    return opened


def _network_state() -> Hashable:
    """The addresses of the interfaces that are up."""
    import psutil

    try:
        up = {name for name, state in psutil.net_if_stats().items() if state.isup}
        return frozenset(
            (name, address.family, address.address)
            for name, addresses in psutil.net_if_addrs().items()
            if name in up
            for address in addresses
        )
    except OSError:
        return frozenset()


def _clocks() -> tuple[float, float]:
    monotonic = time.clock_gettime(time.CLOCK_MONOTONIC)
    # Where a system has no clock that goes on in its sleep, sleep shows in the wall clock, and so does setting that.
    boottime = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.time()
    return monotonic, boottime
