"""A wire between two sides that counts what passes and can be cut."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

_PIECE = 1 << 18
_RESET = struct.pack("ii", 1, 0)
"""Closing then sends a reset, as a computer that went away and came back does."""


class Wire:
    """Listens on a port of its own of 127.0.0.1 and passes each connection on.

    Args:
        target: port on 127.0.0.1.

    Attributes:
        target: where to.
        up, down: bytes that came from whoever dialled, and that went to them.
    """

    def __init__(self, target: int) -> None:
        self.up = self.down = 0
        self.target = target
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._whole = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def passed(self) -> int:
        """Bytes both ways."""
        return self.up + self.down

    def cut(self) -> None:
        """Reset every connection, and each new one until ``mend``."""
        with self._lock:
            self._whole = False
            for connection in self._open:
                _reset(connection)

    def mend(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._whole = True

    def close(self) -> None:
        """End everything."""
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target), 5)
                far.settimeout(None)
            except OSError:
                _reset(near)
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
                if not self._whole:
                    _reset(near)
                    _reset(far)
            ways = [
                threading.Thread(target=self._pass, args=(near, far, True), daemon=True),
                threading.Thread(target=self._pass, args=(far, near, False), daemon=True),
            ]
            for way in ways:
                way.start()
            threading.Thread(target=self._forget, args=(near, far, ways), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        room = memoryview(bytearray(_PIECE))
        try:
            while count := source.recv_into(room):
                # Counted first: who has received it may look at once.
                with self._lock:
                    if up:
                        self.up += count
                    else:
                        self.down += count
                target.sendall(room[:count])
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, target):
                _reset(end)

    def _forget(self, near: socket.socket, far: socket.socket, ways: list[threading.Thread]) -> None:
        for way in ways:
            way.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()


def _reset(connection: socket.socket) -> None:
    """Wake whoever waits for it, and let its end be a reset."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.shutdown(socket.SHUT_RDWR)
