"""Hostile bytes against the parsers of the channel: nothing but a PeerError, and no memory to speak of."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
from collections.abc import Callable

import pytest

from gimmal.base.errors import PeerError
from gimmal.noise.channel import parse_hello, respond
from gimmal.noise.gate import build_hello
from gimmal.noise.records import RecordOpener, RecordSealer
from tests.figures import figure
from tests.noise.pairs import parties

COUNT = 200_000 if os.environ.get("GIMMAL_CAMPAIGN") == "full" else 5_000
KEY = bytes(32)
A, B = parties("fuzz")


def damaged(good: bytes, chance: random.Random) -> bytes:
    """Flip, cut, insert or repeat something; never return `good` itself."""
    bad = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(bad) + 1)
        match chance.randrange(4):
            case 0 if place < len(bad):
                bad[place] ^= 1 << chance.randrange(8)
            case 1:
                del bad[place : place + chance.randint(1, 8)]
            case 2:
                bad[place:place] = chance.randbytes(chance.randint(1, 8))
            case _:
                bad[place:place] = bad[: chance.randint(1, 16)]
    return bytes(bad) if bad != good else good + b"\0"


def fuzz_hello(chance: random.Random) -> None:
    good = A.dial(chance.randbytes(32)).hello
    match chance.randrange(3):
        case 0:
            message = chance.randbytes(chance.randrange(256))
        case 1:
            message = damaged(good, chance)
        case _:
            # A friend gone mad: the gate opens and the Noise message is rubbish.
            keys = A.keys
            message = build_hello(1, A.pair_id, keys.key_id, keys.gate_key, chance.randbytes(48))
    hello = parse_hello(message)
    respond(hello, 1, B.pair_id, "b", B.static_private, B.peer_static_public, B.keys, chance.randbytes(32))


def fuzz_answer(chance: random.Random) -> None:
    initiator = A.dial(chance.randbytes(32))
    good, _ = B.respond(initiator.hello, chance.randbytes(32))
    initiator.receive(chance.choice([damaged(good, chance), chance.randbytes(chance.randrange(64))]))


def fuzz_record(chance: random.Random) -> None:
    good = RecordSealer(KEY).seal(5, 6, 7, chance.randbytes(chance.randrange(64)))
    wire = chance.choice(
        [
            damaged(good, chance),
            chance.randbytes(chance.randrange(80)),
            struct.pack(">I", chance.getrandbits(32)) + good[4:],
        ]
    )
    opener = RecordOpener(KEY)
    view = memoryview(wire.ljust(4, b"\0"))
    length = opener.check_length(view[:4])
    ciphertext = view[4 : 4 + length]
    if len(ciphertext) == length and bytes(view[: 4 + length]) == good:
        # The damage lies behind the record: what follows is judged as a record of its own.
        opener.open_into(view[:4], ciphertext, memoryview(bytearray(length)))
        view = memoryview(bytes(view[4 + length :]).ljust(45, b"\0"))
        length = opener.check_length(view[:4])
        ciphertext = view[4 : 4 + length]
    opener.open_into(view[:4], ciphertext, memoryview(bytearray(max(0, len(ciphertext) - 16))))


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("target", "count"), [(fuzz_hello, COUNT // 10), (fuzz_answer, COUNT // 10), (fuzz_record, COUNT)]
)
def test_fuzz(target: Callable[[random.Random], None], count: int) -> None:
    chance = random.Random(20)
    accepted = 0
    tracemalloc.start()
    try:
        for _ in range(count):
            try:
                target(chance)
                accepted += 1
            except PeerError:
                pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    name = f"fuzz of the channel, {target.__name__}"
    figure(name, f"{count} executions, {accepted} accepted, {peak} bytes", "0 accepted, at most 4 MiB")
    assert accepted == 0
    assert peak <= 4 << 20
