"""The addresses that an agent leaves with its relays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from gimmal.agent.published import PublishedAddresses
from gimmal.half.opened import OpenedHalf
from gimmal.half.reading import open_half
from gimmal.protocol.candidates import ADDRESSES_MAX, candidate_key, open_candidates
from tests.endtoend.world import new_world

OWN = [("192.168.1.20", 4100), ("2001:db8::5", 4100)]
MAPPED = ("11.22.33.44", 40_000)


@pytest.fixture(scope="module")
def half() -> OpenedHalf:
    with new_world() as world:
        world.pair()
        return open_half(world.b.half / "GIMMAL", None)


@dataclass
class Relay:
    """What a relay would be left."""

    left: list[bytes] = field(default_factory=list)

    def set_candidates(self, sealed: bytes) -> None:
        self.left.append(sealed)


def opened(half: OpenedHalf, sealed: bytes) -> list[tuple[str, int]]:
    key = candidate_key(half.discovery_secret)
    return open_candidates(key, half.pair_id, half.side.value, sealed).addresses


def test_a_mapped_address_is_left_with_every_relay_and_taken_back(half: OpenedHalf) -> None:
    published = PublishedAddresses(half, OWN)
    relays: list[Any] = [Relay(), Relay()]
    assert opened(half, published.sealed()) == OWN
    published.set_mapped([MAPPED], relays)
    published.set_mapped([MAPPED], relays)
    assert [[opened(half, one) for one in relay.left] for relay in relays] == [[[*OWN, MAPPED]]] * 2
    published.set_mapped([], relays)
    assert [opened(half, relay.left[-1]) for relay in relays] == [OWN] * 2


def test_an_own_address_that_the_router_opens_is_there_once(half: OpenedHalf) -> None:
    published = PublishedAddresses(half, OWN)
    relay: Any = Relay()
    published.set_mapped([OWN[1]], [relay])
    assert published.addresses == OWN
    assert not relay.left


def test_of_too_many_the_mapped_ones_are_kept(half: OpenedHalf) -> None:
    own = [(f"192.168.1.{number}", 4100) for number in range(30)]
    published = PublishedAddresses(half, own)
    published.set_mapped([MAPPED], [])
    assert published.addresses == [*own[: ADDRESSES_MAX - 1], MAPPED]
    assert len(opened(half, published.sealed())) == ADDRESSES_MAX
