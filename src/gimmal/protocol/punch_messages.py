"""Request and answer by which both sides agree to connect at the same time (docs/spec/paths.md, section 7)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import PUNCH_PLACES_MAX
from gimmal.protocol.parts import Counter
from gimmal.protocol.places import PLACE_SIZE

PlaceBytes = Annotated[bytes, Meta(min_length=PLACE_SIZE, max_length=PLACE_SIZE)]
"""See ``places.pack_place``."""

Places = Annotated[list[PlaceBytes], Meta(max_length=PUNCH_PLACES_MAX)]


class Punch(Struct, array_like=True, frozen=True, tag=48):
    """Connect to these places from those of the answer, at the same time as the asker. Answer: PunchPlaces."""

    places: Places
    """Of the asker, as they are outside of its router."""
    round_trip: Counter = 0
    """Microseconds that the asker measured on the link of this request; 0 where it does not know."""


class PunchPlaces(Struct, array_like=True, frozen=True, tag=100):
    """Places of the answerer, which begins to connect half a round trip after this; none where it does not."""

    places: Places
    changes_ports: bool = False
    """There are none, or none of IPv4, because its router gives connections other ports."""
