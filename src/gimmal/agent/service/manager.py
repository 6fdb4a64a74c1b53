"""Telling the system's service manager how the supervisor is (the protocol of sd_notify)."""

from __future__ import annotations

import contextlib
import os
import socket

VARIABLE = "NOTIFY_SOCKET"


def tell_manager(state: str) -> None:
    """Send one state, for instance ``READY=1``; nothing where no manager listens. Never raises, never waits."""
    address = os.environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")) or len(address) < 2:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.setblocking(False)
        connection.sendto(state.encode(), address)
