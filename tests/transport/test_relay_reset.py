"""A relay that resets a connection in the instant it was made."""

from __future__ import annotations

import socket
import struct

import pytest

from gimmal.transport.tcp_connect import address_of


def test_a_connection_reset_at_once_is_an_error_of_the_path() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dialled = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        assert address_of(dialled) == listener.getsockname()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        # On loopback the reset is there when close returns.
        with pytest.raises(OSError, match="not connected"):
            address_of(dialled)
        assert dialled.fileno() == -1
