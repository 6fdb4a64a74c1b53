"""A connection to a D-Bus bus that neither hangs nor stays open; for worker threads."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jeepney.io.blocking import DBusConnection


@contextlib.contextmanager
def bus_connection(bus: str, seconds: float, *, descriptors: bool = False) -> Iterator[DBusConnection]:
    """A connection that is given up after some time, whatever is being waited for.

    Args:
        bus: ``SESSION`` or ``SYSTEM``.
        seconds: for all that is done with it.
        descriptors: whether descriptors may come over it.

    Raises:
        Exception: whatever the library raises where there is no such bus, or it is given up.
    """
    from jeepney.bus import get_bus
    from jeepney.io.blocking import DBusConnection, prep_socket

    stream = prep_socket(get_bus(bus), descriptors, timeout=seconds)
    # The library waits for ever for a bus that lets one in and then says nothing.
    patience = threading.Timer(seconds, _hang_up, (stream,))
    patience.daemon = True
    patience.start()
    try:
        with DBusConnection(stream, descriptors) as connection:
            yield connection
    finally:
        patience.cancel()
        stream.close()


def _hang_up(stream: socket.socket) -> None:
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)
