"""What PCP, NAT-PMP and UPnP have in common for whoever wants a port mapped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gimmal.transport.port_mapping.failures import NoMapping

LIFETIME = 3600
"""Seconds asked for: what a computer that lost its power leaves behind is gone after an hour."""

_LIFETIME_MOST = 24 * 3600


class By(StrEnum):
    """The protocol of a mapping, the one to prefer first."""

    PCP = "pcp"
    NAT_PMP = "nat-pmp"
    UPNP = "upnp"


@dataclass(frozen=True, slots=True)
class Mapping:
    """A port of the router that leads here.

    Attributes:
        address: IP address outside.
        port: outside.
        lifetime: seconds it holds from when it was given.
        by: the protocol.
    """

    address: str
    port: int
    lifetime: int
    by: By

    @property
    def shown(self) -> str:
        """HOST:PORT, for a person."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Way(Protocol):
    """One protocol towards one router. Every deadline is in seconds."""

    by: By

    async def find(self, deadline: float) -> None:
        """Whether it may lead to a mapping; changes nothing at the router.

        Raises:
            NoMapping: it leads to none.
        """

    async def map(self, deadline: float) -> Mapping:
        """A mapping, or the same for longer.

        Raises:
            NoMapping: the router gives none.
        """

    async def stands(self, deadline: float) -> bool:
        """Whether, by all that can be asked, the mapping is still there and still leads here."""

    async def close(self, deadline: float) -> None:
        """End the mapping, if there is one, and the way."""


def lifetime_of(seconds: int) -> int:
    """Seconds to reckon with of those that a router gave.

    Raises:
        NoMapping: it gave none.
    """
    if seconds <= 0:
        raise NoMapping("the router ended the port mapping at once")
    return min(seconds, _LIFETIME_MOST)
