"""How a relay sees this side by the version of IP that its control does not use (docs/spec/paths.md, section 7.2)."""

from __future__ import annotations

import asyncio
import logging
import math
import socket

from gimmal.base.errors import RelayError
from gimmal.base.tasks import Tasks
from gimmal.protocol.relay.messages import Role
from gimmal.protocol.relay.proof import RelayIdentity
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.punching.places import View
from gimmal.transport.relay_client import RelayClient

_log = logging.getLogger("gimmal.transport")

LOOK_SECONDS = 2.0
"""For one look, from the name of the relay to its welcome."""

AGAIN_SECONDS = 300.0
"""Between two looks, however often somebody asks: a router may have another address by then."""

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class SecondLook:
    """One more control connection to a relay, which ends with its welcome; only when it is wanted, and seldom.

    Args:
        url: of the relay.
        identity: this half.
        instance: 16 random bytes of this program run.
        program: version of this program.
    """

    def __init__(self, url: RelayUrl, identity: RelayIdentity, instance: bytes, program: str) -> None:
        self._url = url
        self._identity = identity
        self._instance = instance
        self._program = program
        self._tasks = Tasks()
        self._looking: asyncio.Task[None] | None = None
        self._not_before = -math.inf
        self._closed = False
        self.view: View | None = None
        """What the last one that came through has shown."""

    def begin(self, version: int) -> asyncio.Task[None] | None:
        """Look, unless that was done a moment ago; whoever comes meanwhile gets the same look.

        Args:
            version: of IP, 4 or 6: the one that the control connection does not use.

        Returns:
            To wait for, LOOK_SECONDS and a moment at most; it fails never. None where nothing is to be waited for.
        """
        now = asyncio.get_running_loop().time()
        if self._looking is None and now >= self._not_before and not self._closed:
            self._not_before = now + AGAIN_SECONDS
            self._looking = self._tasks.start(self._look(FAMILIES[version]), "second look at a relay")
            self._looking.add_done_callback(self._ended)
        return self._looking

    def forget(self) -> None:
        """The network changed: what was seen says nothing any more, and may be looked for at once."""
        self.view, self._not_before = None, -math.inf
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def close(self) -> None:
        """Look no more."""
        self._closed = True
        await self._tasks.close()

    async def _look(self, family: socket.AddressFamily) -> None:
        # It has no part in what the connection beside it has learned of the way, and is told nothing of the other side.
        client = RelayClient(self._url, self._identity, Role.ASKS, self._instance, self._program, family=family)
        try:
            await client.connect(LOOK_SECONDS)
            self.view = client.view
        except RelayError as exc:
            _log.debug("no second look: %s", exc)
        finally:
            await client.close()

    def _ended(self, look: asyncio.Task[None]) -> None:
        if self._looking is look:
            self._looking = None
