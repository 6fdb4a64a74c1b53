"""What a side looks like from outside, and which places of the other one may be connected to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gimmal.protocol.places import Address, Place
from gimmal.transport.punching.places import Door, View, doors_of, may_connect
from gimmal.transport.punching.ports import own_addresses


class Seeing(Protocol):
    """A relay."""

    @property
    def view(self) -> View | None:
        """How it sees this side."""

    @property
    def second(self) -> Second:
        """The same by the other version of IP."""


class Second(Protocol):
    """See ``second_look.SecondLook``."""

    @property
    def view(self) -> View | None:
        """How the relay saw this side when that was looked at last."""

    def begin(self, version: int) -> asyncio.Task[None] | None:
        """Look, where it is time to; what to wait for."""


class Surroundings(Protocol):
    """The networks of this computer."""

    async def is_here(self, host: str) -> bool:
        """Whether an address is this computer's, or that of another one in one of them."""


class Looking:
    """One for each process.

    Args:
        views: how each relay sees this side now.
        is_here: whether an address is this computer's or lies in a network of it; None where that is not known.
        look_by: learns how relays see this side by a version of IP, where none said so yet; bounded. None where that
            cannot be.
    """

    def __init__(
        self,
        views: Callable[[], Sequence[View]],
        is_here: Callable[[str], Awaitable[bool]] | None = None,
        look_by: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self.views = views
        self._is_here = is_here
        self._look_by = look_by

    async def doors(self) -> list[Door]:
        """See ``places.doors_of``; where an address of this computer is translated unseen, relays are looked at first.

        That takes 2 s at most, and is done seldom: see ``second_look``.
        """
        own = own_addresses()
        for address in own:
            if self._look_by is not None and not address.is_global:
                await self._look_by(address.version)
        return doors_of(self.views(), own)

    async def allowed(self, places: Sequence[Place], doors: Sequence[Door]) -> list[Place]:
        """Those that may be connected to: never this computer, and what is near is left to ``lan`` and ``direct``.

        Inside of the router nothing keeps the other side's word from reaching what only the household may, whatever
        kind of address that has.
        """
        own = own_addresses()
        found = []
        for place in dict.fromkeys(places):
            address = place.address
            if may_connect(place, doors) and address not in own and not await self._is_in_reach(address):
                found.append(place)
        return found

    async def _is_in_reach(self, address: Address) -> bool:
        return self._is_here is not None and await self._is_here(str(address))


def looking_of(relays: Sequence[Seeing], local: Surroundings | None) -> Looking:
    """What a process with these relays, in this network, looks like."""

    def views() -> list[View]:
        found = (view for relay in relays for view in (relay.view, relay.second.view))
        return [view for view in found if view is not None]

    async def look_by(version: int) -> None:
        connected = [(relay, relay.view.own.address.version) for relay in relays if relay.view is not None]
        if all(used != version for _relay, used in connected):
            looks = [look for relay, _used in connected if (look := relay.second.begin(version)) is not None]
            if looks:
                await asyncio.wait(looks)

    return Looking(views, local.is_here if local is not None else None, look_by)
