"""A bus of a test's own with a stand-in for logind: it gives locks and knows which are still held."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.agent.service.desktop import session_bus
from tests.patience import PATIENCE

NAME = "org.freedesktop.login1"


class Logind(threading.Thread):
    """Answers Inhibit as logind does, by the writing end of a pipe.

    Args:
        address: of the bus.
    """

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._ready = threading.Event()
        self._over = False
        self._locks: list[int] = []
        self.asked: list[tuple[Any, ...]] = []
        self.refuses = False
        """Whether it says no, as where a policy forbids it."""
        self.gives: tuple[str, tuple[Any, ...]] | None = None
        """Something else than a lock that it answers."""

    def begin(self) -> None:
        """Start it; returns when calls reach it."""
        self.start()
        assert self._ready.wait(PATIENCE)

    def end(self) -> None:
        """Leave the bus."""
        self._over = True
        self.join(PATIENCE)

    @property
    def held(self) -> int:
        """Locks that somebody still holds."""
        poll = select.poll()
        for lock in self._locks:
            poll.register(lock, 0)
        return len(self._locks) - sum(1 for _lock, events in poll.poll(0) if events & select.POLLHUP)

    def drop_all(self) -> None:
        """End every lock from this side."""
        for lock in self._locks:
            os.close(lock)
        self._locks.clear()

    def until_held(self, count: int) -> None:
        """Wait until so many locks are held."""
        deadline = time.monotonic() + PATIENCE
        while self.held != count:
            assert time.monotonic() < deadline, f"{self.held} locks are held"
            time.sleep(0.005)

    def run(self) -> None:
        from jeepney import MessageType, message_bus, new_error, new_method_return
        from jeepney.io.blocking import open_dbus_connection

        with open_dbus_connection(bus=self._address, enable_fds=True) as connection:
            connection.send_and_get_reply(message_bus.RequestName(NAME))
            self._ready.set()
            while not self._over:
                try:
                    message = connection.receive(timeout=0.05)
                except TimeoutError:
                    continue
                if message.header.message_type is not MessageType.method_call:
                    continue
                self.asked.append(message.body)
                if self.refuses:
                    text = "Permission denied\x1b[31m"
                    answer = new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "s", (text,))
                    connection.send(answer)
                elif self.gives is not None:
                    connection.send(new_method_return(message, *self.gives))
                else:
                    reading, writing = os.pipe()
                    self._locks.append(reading)
                    connection.send(new_method_return(message, "h", (writing,)))
                    os.close(writing)


@contextmanager
def system_bus(folder: Path) -> Iterator[tuple[str, Logind]]:
    """Address of a bus and the logind on it."""
    with session_bus(folder) as address:
        logind = Logind(address)
        logind.begin()
        try:
            yield address, logind
        finally:
            logind.end()
            logind.drop_all()
