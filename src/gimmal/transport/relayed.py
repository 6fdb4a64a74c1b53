"""One attempt at a link through a relay, by as many ways as it takes (docs/spec/relay.md, section 12.3)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol

from gimmal.base.errors import GimmalError, PeerAbsent
from gimmal.transport.opening import DIAL_SECONDS, PreparedLink
from gimmal.transport.relay_ways import LegWays

logger = logging.getLogger("gimmal.transport")

UNPROVEN_SECONDS = 3.0
"""For the other side's answer over a way that has not brought one yet."""


class LegSource(Protocol):
    """What of a relay is needed here; see dial.RelaySource."""

    async def link(self, deadline: float) -> socket.socket:
        """A connected data leg; raises PeerAbsent or RelayError."""

    @property
    def leg_ways(self) -> LegWays | None:
        """The ways of its legs, once a link was given."""


async def prepare_relayed(
    relay: LegSource, deadline: float, prepare: Callable[[socket.socket, float], Awaitable[PreparedLink]]
) -> PreparedLink:
    """A link through a relay whose handshake is through; a second one where the first was raw and led nowhere.

    Args:
        relay: gives links.
        deadline: seconds for it to give one.
        prepare: runs the handshake on a socket, within seconds.

    Raises:
        GimmalError: of the relay, or of the first link.
    """
    now = asyncio.get_running_loop().time
    connection = await relay.link(deadline)
    ways = relay.leg_ways
    if ways is None:
        # The connection to the relay was lost meanwhile, and with it what is known of the network.
        return await prepare(connection, DIAL_SECONDS)
    way = ways.current(now())
    if not ways.is_doubtful(way):
        prepared = await prepare(connection, DIAL_SECONDS)
        ways.worked(way, now())
        return prepared
    try:
        prepared = await prepare(connection, UNPROVEN_SECONDS)
    except PeerAbsent as exc:
        logger.debug("no answer by a raw leg: %s", exc)
        ways.failed(way, now())
        try:
            prepared = await prepare(await relay.link(deadline), DIAL_SECONDS)
        except GimmalError:
            ways.begin_anew()
            raise exc from None
        except asyncio.CancelledError:
            ways.begin_anew()
            raise
        way = ways.current(now())
    ways.worked(way, now())
    return prepared
