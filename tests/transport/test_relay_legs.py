"""What a side that only answers learns of the way its legs take."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.relay_legs import LegDialler
from gimmal.transport.relay_ways import LegWay, LegWays

NOW = 0.0


def test_the_way_of_a_leg_in_which_the_relay_has_answered_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = socket.socketpair()

    async def opened(_self: LegDialler, ticket: bytes) -> socket.socket:
        assert ticket == b"ticket"
        return near

    monkeypatch.setattr(LegDialler, "open", opened)
    ways = LegWays(only_web=True)
    legs = LegDialler(RelayUrl.parse("gimmal-relay://relay.example:443/"), ("192.0.2.1", 443), None, ways)
    with near, far:
        assert ways.known(NOW) is None
        assert asyncio.run(legs.answer(b"ticket")) is near
        assert ways.known(NOW) is LegWay.WEB
