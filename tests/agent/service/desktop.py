"""A session bus of a test's own, and on it a desktop that takes one notice."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE


@contextmanager
def session_bus(folder: Path) -> Iterator[str]:
    """Address of a bus of the test's own; skips the test where dbus-daemon is not here."""
    program = shutil.which("dbus-daemon")
    if program is None:
        pytest.skip("needs dbus-daemon")
    address = f"unix:path={folder}/bus"
    words = [program, "--session", "--nofork", "--nopidfile", f"--address={address}", "--print-address=1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as daemon:
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline().decode().startswith("unix:path=")
            yield address
        finally:
            daemon.terminate()


class Desktop(threading.Thread):
    """A notification service: takes the first notice and answers it.

    Args:
        address: of the bus.
    """

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._ready = threading.Event()
        self.taken: tuple[Any, ...] = ()

    def begin(self) -> None:
        """Start it; returns when notices reach it."""
        self.start()
        assert self._ready.wait(PATIENCE)

    def run(self) -> None:
        from jeepney import MessageType, message_bus, new_method_return
        from jeepney.io.blocking import open_dbus_connection

        with open_dbus_connection(bus=self._address) as connection:
            connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.Notifications"))
            self._ready.set()
            while not self.taken:
                message = connection.receive(timeout=PATIENCE)
                if message.header.message_type is MessageType.method_call:
                    self.taken = message.body
                    connection.send(new_method_return(message, "u", (7,)))
