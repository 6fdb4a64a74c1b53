"""A relay as a command uses it: connected when first asked, for links and for what the other side left there."""

from __future__ import annotations

import socket
from collections.abc import Callable

from gimmal.transport.punching.places import View
from gimmal.transport.relay_client import RelayClient
from gimmal.transport.relay_ways import LegWays
from gimmal.transport.second_look import SecondLook

CONNECT_SECONDS = 8.0


class AskingRelay:
    """See dial.RelaySource.

    Args:
        make_client: makes a client in the role ``asks``, not yet connected.
        second: see dial.RelaySource; of the same relay.
    """

    def __init__(self, make_client: Callable[[], RelayClient], second: SecondLook) -> None:
        self._make_client = make_client
        self.second = second
        self._client: RelayClient | None = None

    async def link(self, deadline: float) -> socket.socket:
        """See dial.RelaySource."""
        client = self._client
        if client is not None and not client.closed.done():
            return await client.request_link(deadline)
        client = self._new_client()
        return await client.dial_link(deadline)

    async def candidates(self) -> bytes:
        """See dial.RelaySource."""
        client = self._client
        if client is None or client.closed.done():
            client = self._new_client()
            await client.connect(CONNECT_SECONDS)
        await client.welcomed()
        return client.peer_candidates

    def check(self) -> None:
        """See dial.RelaySource."""
        if self._client is not None:
            self._client.check()

    @property
    def leg_ways(self) -> LegWays | None:
        """See dial.RelaySource."""
        return self._client.leg_ways if self._client is not None else None

    @property
    def view(self) -> View | None:
        """See dial.RelaySource."""
        return self._client.view if self._client is not None else None

    async def close(self) -> None:
        """Leave the relay; links live on."""
        await self.second.close()
        if self._client is not None:
            await self._client.close()

    def _new_client(self) -> RelayClient:
        """In the place of one that was lost, where there was one: as a rule the network is another one now."""
        if self._client is not None:
            self.second.forget()
        self._client = self._make_client()
        return self._client
