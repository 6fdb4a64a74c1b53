"""What a half that is plugged in waits for, in turns of the lines to the relay: none may be added unnoticed."""

from __future__ import annotations

import threading
from itertools import groupby, pairwise

import pytest

from gimmal.noise.records import OVERHEAD
from tests.endtoend.asking import control_socket, first_listing
from tests.endtoend.wire import Flow, Tamper, Wire
from tests.endtoend.world import World, new_world
from tests.figures import figure

CONTROL_TURNS = 3
"""TLS; its end and the challenge; the proof with what is asked for, and the relay's answers."""

LEG_TURNS = 2
"""The handshake between the halves; the question and its answer."""

TICKET_SIZE = 33
EMPTY_RECORD_SIZE = OVERHEAD
"""A record without a body: a sign of life that nobody waits for."""


class Heard:
    """Who spoke on each connection, in order: whether upward, and how many bytes."""

    def __init__(self) -> None:
        self.connections: list[list[tuple[bool, int]]] = []
        self._mine = threading.local()

    def tamper(self, flow: Flow) -> Tamper:
        """See Wire, which asks for both directions of a connection in one thread, the upward one first."""
        if flow.upward:
            self._mine.said = []
            self.connections.append(self._mine.said)
        said = self._mine.said

        def passing(data: bytes) -> bytes:
            said.append((flow.upward, len(data)))
            return data

        return passing


def turns(said: list[tuple[bool, int]]) -> int:
    """How often something that went up was answered."""
    ways = [upward for upward, _group in groupby(said, key=lambda one: one[0])]
    return sum(one and not two for one, two in pairwise(ways))


def is_asker(said: list[tuple[bool, int]]) -> bool:
    """Whether a leg belongs to who asked for the link: only that side speaks behind its ticket, unasked."""
    return next((up for up, group in groupby(said, key=lambda one: one[0]) if up), False) and (
        sum(size for upward, size in said[: _first_answer(said)] if upward) > TICKET_SIZE
    )


def _first_answer(said: list[tuple[bool, int]]) -> int:
    return next((index for index, (upward, _size) in enumerate(said) if not upward), len(said))


@pytest.mark.parametrize("guest", ["a", "b"])
def test_from_a_start_to_the_first_listing_through_a_relay(guest: str) -> None:
    with new_world() as world:
        heard = Heard()
        relay = world.start_relay()
        wire = Wire(relay.port, heard.tamper)
        try:
            world.pair("--relay", relay.url.replace(f":{relay.port}/", f":{wire.port}/"), relay=False)
            control, leg = _listed(world, heard, guest)
        finally:
            wire.close()
    figure("turns of the control until a half that was plugged in has listed", control, f"<= {CONTROL_TURNS}")
    figure("turns of its link until then", leg, f"<= {LEG_TURNS}")
    assert control <= CONTROL_TURNS
    assert leg <= LEG_TURNS


def _listed(world: World, heard: Heard, guest: str) -> tuple[int, int]:
    """Turns on the control and on the link of a guest that comes to a home that is there."""
    here, home = (world.a, world.b) if guest == "a" else (world.b, world.a)
    # A host name is no address to leave with the relay: only the relay is left.
    there = world.up(home, home.folder("shared"), listen="localhost:0")
    world.relay_sees(there, home)
    before = len(heard.connections)
    came = world.up(here, listen="localhost:0", ready=False)
    listing = first_listing(control_socket(here))
    said = [list(one) for one in heard.connections[before:]]
    assert listing.names == ["shared"]
    came.wait_connected()
    control, *legs = said
    assert len(legs) == 2, "one link, of two legs"
    (asker,) = [leg for leg in legs if is_asker(leg)]
    return turns(control), turns([one for one in asker if one[1] % EMPTY_RECORD_SIZE])
