"""The addresses that an agent leaves, sealed, with its relays."""

from __future__ import annotations

from collections.abc import Sequence

from gimmal.agent.plugged import PROGRAM
from gimmal.base.primitives import random_bytes
from gimmal.half.opened import OpenedHalf
from gimmal.protocol.candidates import ADDRESSES_MAX, Candidates, candidate_key, seal_candidates
from gimmal.protocol.limits import PROTOCOL_VERSION
from gimmal.transport.relay_keeper import RelayKeeper


class PublishedAddresses:
    """This computer's own addresses, and those of its routers that lead to it.

    Args:
        half: under whose candidate key they are sealed.
        own: of this computer, best first.
    """

    def __init__(self, half: OpenedHalf, own: Sequence[tuple[str, int]]) -> None:
        self._half = half
        self._key = candidate_key(half.discovery_secret)
        self._own = list(own)
        self._mapped: list[tuple[str, int]] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """All of them, each once; of too many the mapped ones are kept, for they work from everywhere."""
        mapped = [address for address in self._mapped if address not in self._own][:ADDRESSES_MAX]
        return self._own[: ADDRESSES_MAX - len(mapped)] + mapped

    def sealed(self) -> bytes:
        """What is left with a relay."""
        candidates = Candidates(PROTOCOL_VERSION, PROGRAM, self.addresses)
        return seal_candidates(self._key, self._half.pair_id, self._half.side.value, candidates, random_bytes(12))

    def set_own(self, own: Sequence[tuple[str, int]], relays: Sequence[RelayKeeper]) -> None:
        """Leave other addresses of this computer with the relays."""
        self._set(list(own), self._mapped, relays)

    def set_mapped(self, mapped: Sequence[tuple[str, int]], relays: Sequence[RelayKeeper]) -> None:
        """Leave other mapped addresses with the relays."""
        self._set(self._own, list(mapped), relays)

    def _set(self, own: list[tuple[str, int]], mapped: list[tuple[str, int]], relays: Sequence[RelayKeeper]) -> None:
        before = self.addresses
        self._own, self._mapped = own, mapped
        if self.addresses != before:
            sealed = self.sealed()
            for keeper in relays:
                keeper.set_candidates(sealed)
