"""Data legs inside TLS or WebSocket: forwarding sees a socket like any other (docs/spec/relay.md, section 12)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from gimmal.base.carrier import Carrier, socket_pair
from gimmal.base.socket_stream import Stream


class WrappedLegs:
    """All that are open.

    Args:
        redeem: takes a leg's ticket and its socket, which is the callee's from then on; False where the ticket is
            not good.
    """

    def __init__(self, redeem: Callable[[bytes, socket.socket], bool]) -> None:
        self._redeem = redeem
        self._carriers: dict[Carrier, None] = {}

    def __len__(self) -> int:
        return len(self._carriers)

    def take(self, stream: Stream, ticket: bytes, first: bytes) -> bool:
        """Join a stream to the link of its ticket.

        Args:
            stream: paused; owned from here on.
            ticket: as shown.
            first: bytes of the link that came behind it.

        Returns:
            False if the ticket is not good.
        """
        try:
            near, far = socket_pair()
        except OSError:
            # Out of descriptors; the asker tries again by itself.
            stream.abort()
            return True
        carrier = Carrier(stream, near, self._closed)
        self._carriers[carrier] = None
        if not self._redeem(ticket, far):
            carrier.close()
            return False
        carrier.start(first)
        return True

    def close(self) -> None:
        """End all at once."""
        for carrier in list(self._carriers):
            carrier.close()

    def _closed(self, carrier: Carrier) -> None:
        with contextlib.suppress(KeyError):
            del self._carriers[carrier]
