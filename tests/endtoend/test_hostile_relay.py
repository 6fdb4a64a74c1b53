"""A relay that flips, drops, repeats, reorders, truncates or splices: a clean error, never a wrong byte."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.endtoend.conftest import desk_in
from tests.endtoend.wire import Flow, Tamper, Tampering, Wire
from tests.endtoend.world import FULL, Plugged, digest, new_world, until, write_file
from tests.figures import figure

KINDS = ("flip", "drop", "repeat", "reorder", "truncate", "splice")
CASES = 300 if FULL else 3
LEGS = 2
"""How many legs of a copy are tampered with; a relay that tampers with all lets nothing through."""

# A link on which nothing comes is pinged sooner, so that bytes which were left out are missed sooner.
QUICK = """
from gimmal.protocol import limits
from gimmal.transport import session
limits.PING_SECONDS, limits.SILENCE_SECONDS, session.TICK_SECONDS = 1.0, 4.0, 0.5
from gimmal.frontends.cli.main import run; run()
"""
TICKET = 64
"""Bytes at the beginning of a leg that belong to the relay, and a little more."""


@dataclass
class Middle:
    """A world whose relay is reached over a wire that the test holds."""

    plugged: Plugged
    wire: Wire


@pytest.fixture(scope="module")
def middle() -> Iterator[Middle]:
    with new_world() as world:
        relay = world.start_relay()
        wire = Wire(relay.port, spread=True)
        try:
            relay.url = relay.url.replace(f":{relay.port}/", f":{wire.port}/")
            world.pair()
            shared, mine = world.a.folder("shared"), world.b.folder("mine")
            agent = world.up(world.a, shared, listen=None, driver=QUICK)
            yield Middle(Plugged(world, agent, None, shared, mine), wire)
            agent.stop()
        finally:
            wire.close()


def honest(_flow: Flow) -> Tamper | None:
    return None


@pytest.mark.campaign
@pytest.mark.timeout(3600 if FULL else 600)
@pytest.mark.parametrize("kind", KINDS)
def test_a_tampering_relay_never_delivers_a_wrong_byte(middle: Middle, kind: str) -> None:
    wire = middle.wire
    drawn = random.Random(f"hostile {kind}")
    wrong = unreported = tampered = 0
    outcomes: dict[int, int] = {}
    for index in range(CASES):
        desk = desk_in(middle.plugged)
        down = bool(index % 2)
        source, target = (desk.far, desk.near) if down else (desk.near, desk.far)
        size = 6 << 20
        write_file(source / "tree" / "large", size, index)
        for number in range(10):
            write_file(source / "tree" / f"{number}", 3000, number)
        # In the handshake and the greetings, in the first small records, in the midst of the bulk.
        at = TICKET + int(2 ** drawn.uniform(*((0, 9), (9, 16), (16, 22.4))[index % 3]))
        made: list[Tampering] = []
        streams: list[bytes] = []

        def make(
            flow: Flow, at: int = at, made: list[Tampering] = made, streams: list[bytes] = streams
        ) -> Tamper | None:
            if not flow.leg or not flow.upward or len(made) >= LEGS:
                return None
            one = Tampering(kind, at, drawn, lambda: streams[0] if streams else b"")
            made.append(one)

            def tamper(data: bytes) -> bytes:
                if len(streams) < 4:
                    streams.insert(0, data)
                return one(data)

            return tamper

        wire.make_tamper = make
        words = ["-r", desk.at("tree"), "."] if down else ["-r", "tree", desk.at()]
        result = desk.run("cp", "--wait", "1", "--path", "relayed", *words, code=None, driver=QUICK)
        wire.make_tamper = honest
        happened = any(one.done for one in made)
        tampered += happened
        outcomes[result.code] = outcomes.get(result.code, 0) + 1
        for path in (target / "tree").rglob("*") if (target / "tree").exists() else ():
            if path.is_file() and not path.name.startswith(".gimmal-part-"):
                wrong += digest(path) != digest(source / "tree" / path.name)
        if result.code == 0:
            unreported += len(list((target / "tree").iterdir())) != 11
        else:
            assert result.code in (7, 8, 10), str(result)
            assert result.error
            assert "hint: " in result.err, str(result)
        # The session's failure is not the agent's: an honest relay is as good as before.
        assert middle.plugged.agent_a.running
    desk = desk_in(middle.plugged)
    write_file(desk.far / "x", 5 << 20)
    desk.run("cp", "--path", "relayed", desk.at("x"), ".")
    assert digest(desk.near / "x") == digest(desk.far / "x")
    figure(f"copies through a relay that alters the stream ({kind}): tampered", tampered, f"of {CASES}")
    figure(f"wrong bytes ({kind})", wrong, "0")
    figure(f"unreported cuts ({kind})", unreported, "0")
    figure(f"exit codes ({kind})", str(outcomes), "reported")
    assert wrong == 0
    assert unreported == 0
    assert tampered > CASES // 2


@pytest.mark.parametrize("kind", ["flip", "drop", "truncate"])
def test_a_relay_that_alters_the_control_connection(middle: Middle, kind: str) -> None:
    """What runs over TLS: the connection breaks, and the command says so."""
    world = middle.plugged.world
    drawn = random.Random(kind)
    for at in (3, 700):

        def make(flow: Flow, at: int = at) -> Tamper | None:
            return None if flow.leg or flow.upward else Tampering(kind, at, drawn)

        middle.wire.make_tamper = make
        result = world.run(world.b, "ls", "--path", "relayed", code=None)
        middle.wire.make_tamper = honest
        assert result.code in (0, 7), str(result)
        assert (result.lines == ["shared/"]) == (result.code == 0)
    until(lambda: world.run(world.b, "ls", "--path", "relayed", code=None).lines == ["shared/"], "all is well again")


def test_legs_joined_crosswise_by_the_relay(middle: Middle) -> None:
    """Two commands at once whose legs the relay swaps: neither gets the other's answers."""
    # The relay cannot be told to swap; a wire that passes the bytes of one leg into another is the same.
    world = middle.plugged.world
    first: list[bytes] = []

    def make(flow: Flow) -> Tamper | None:
        if not flow.leg or flow.upward:
            return None
        mine: list[bytes] = []

        def tamper(data: bytes) -> bytes:
            if not first:
                first.append(data)
            elif first[0] is not (mine[0] if mine else None):
                mine.append(data)
                return first[0]
            return data

        return tamper

    middle.wire.make_tamper = make
    results = [
        process.wait() for process in [world.start(world.b, "ls", "--path", "relayed", ":shared") for _ in range(3)]
    ]
    middle.wire.make_tamper = honest
    assert any(result.code for result in results)
    for result in results:
        assert result.code in (0, 7, 8, 10), str(result)
