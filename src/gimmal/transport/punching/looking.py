"""What a side looks like from outside, and which places of the other one may be connected to."""

from __future__ import annotations

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


class Surroundings(Protocol):
    """The networks of this computer."""

    async def is_near(self, host: str) -> bool:
        """Whether an address is that of another computer in one of them."""


class Looking:
    """One for each process.

    Args:
        views: how each relay sees this side now.
        is_near: whether an address lies in a network of this computer; None where that is not known.
    """

    def __init__(
        self, views: Callable[[], Sequence[View]], is_near: Callable[[str], Awaitable[bool]] | None = None
    ) -> None:
        self.views = views
        self._is_near = is_near

    async def doors(self) -> list[Door]:
        """See ``places.doors_of``."""
        return doors_of(self.views(), own_addresses())

    async def allowed(self, places: Sequence[Place], doors: Sequence[Door]) -> list[Place]:
        """Those that may be connected to; what is near and not of the internet is left to the path ``lan``."""
        found = []
        for place in dict.fromkeys(places):
            if may_connect(place, doors) and not await self._is_private_near(place.address):
                found.append(place)
        return found

    async def _is_private_near(self, address: Address) -> bool:
        return not address.is_global and self._is_near is not None and await self._is_near(str(address))


def looking_of(relays: Sequence[Seeing], local: Surroundings | None) -> Looking:
    """What a process with these relays, in this network, looks like."""

    def views() -> list[View]:
        return [view for relay in relays if (view := relay.view) is not None]

    return Looking(views, local.is_near if local is not None else None)
