"""Bodies of packed records: vectors, round trips, and what a hostile one costs."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.packed import PACK_MIN, pack, packed_size, shrinks, unpack
from tests.figures import figure
from tests.vector_files import load

PACKED = load("protocol/packed.json")
GOOD = [vector for vector in PACKED if "failure" not in vector]
BAD = [vector for vector in PACKED if "failure" in vector]
FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"
EXTRA_MEMORY_MAX = 4 << 20
TEXT = b"".join(b"2026-11-26 11:%02d:%02d service %d answered\n" % (i % 60, i % 59, i) for i in range(30_000))


def body_of(vector: dict[str, Any]) -> memoryview:
    return memoryview(bytes.fromhex(vector["bytes"]))


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


class TestVectors:
    @pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
    def test_good_ones_are_what_they_stand_for(self, vector: dict[str, Any]) -> None:
        assert packed_size(body_of(vector)) == vector["size"]
        assert blake3(unpack(body_of(vector))).hexdigest() == vector["digest"]

    @pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])
    def test_bad_ones_are_violations(self, vector: dict[str, Any]) -> None:
        with pytest.raises(ProtocolViolation):
            unpack(body_of(vector))


class TestPacking:
    @given(st.binary(max_size=400), st.integers(1, 3000), st.integers(0, 3000))
    def test_what_is_packed_is_unpacked(self, piece: bytes, times: int, rest: int) -> None:
        content = (piece * times + noise(rest))[:BODY_MAX]
        body = pack(memoryview(content))
        if body is None:
            return
        assert len(body) <= len(content) - len(content) // 16
        assert packed_size(memoryview(body)) == len(content)
        assert unpack(memoryview(body)) == content

    @pytest.mark.parametrize("size", [PACK_MIN, 70_000, BODY_MAX])
    def test_text_of_any_size_shrinks(self, size: int) -> None:
        content = memoryview(TEXT)[:size]
        body = pack(content)
        assert body is not None
        assert unpack(memoryview(body)) == content
        assert shrinks([content])

    @pytest.mark.parametrize("content", [b"", b"x" * (PACK_MIN - 1), noise(PACK_MIN), noise(BODY_MAX)], ids=len)
    def test_what_is_small_or_dense_is_left(self, content: bytes) -> None:
        assert pack(memoryview(content)) is None
        assert not shrinks([memoryview(content)])

    def test_a_sample_is_of_all_of_it(self) -> None:
        """A head that shrinks does not speak for what follows, nor a dense one against it."""
        dense, text = memoryview(noise(BODY_MAX)), memoryview(TEXT)[:BODY_MAX]
        assert not shrinks([text[:65_536], dense, dense, dense])
        assert shrinks([dense[:65_536], text, text, text])
        assert shrinks([dense[:1000]] * 3 + [text])

    def test_a_sample_of_many_views_is_no_larger(self) -> None:
        assert shrinks([memoryview(TEXT)[at : at + 100] for at in range(0, 1 << 20, 100)])


def altered(good: bytes, chance: random.Random) -> bytes:
    body = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(body))
        match chance.randrange(4):
            case 0:
                body[at] = chance.randrange(256)
            case 1:
                del body[at : at + chance.randint(1, 50)]
            case 2:
                body[at:at] = chance.randbytes(chance.randint(1, 20))
            case _:
                body[at:at] = body[chance.randrange(len(body)) :][:60]
        if not body:
            return b"\0"
    return bytes(body)


def read_hostile(count: int) -> int:
    """Read altered and bad bodies; the bytes of memory that took at most, beyond what was in use before."""
    chance = random.Random(7)
    goods = [bytes(body_of(vector)) for vector in GOOD]
    for content in (TEXT[:BODY_MAX], TEXT[:5000], noise(40_000) + bytes(60_000)):
        body = pack(memoryview(content))
        assert body is not None
        goods.append(body)
    with contextlib.suppress(ProtocolViolation):
        unpack(memoryview(goods[0]))
    with open("/proc/self/clear_refs", "w", encoding="ascii") as peak:
        peak.write("5")
    before = memory_most()
    for number in range(count):
        body = bytes(body_of(BAD[number // 8 % len(BAD)])) if number % 8 == 0 else altered(chance.choice(goods), chance)
        # A size that is always said to be large lets a frame do its worst.
        if number % 3 == 0 and len(body) > 4:
            body = BODY_MAX.to_bytes(4, "big") + body[4:]
        try:
            content = unpack(memoryview(body))
        except ProtocolViolation:
            continue
        assert len(content) == packed_size(memoryview(body))
    return memory_most() - before


def memory_most() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))


@pytest.mark.campaign
def test_hostile_bodies_cost_little_memory() -> None:
    """In a process of its own: most of that memory is not Python's, and is seen only in what the system gave."""
    count = 100_000 if FULL else 4000
    code = f"from tests.protocol.test_packed import read_hostile; print(read_hostile({count}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    figure("packed records: extra memory in MiB", round(int(done.stdout) / (1 << 20), 2), "<= 4")
    assert int(done.stdout) <= EXTRA_MEMORY_MAX


@settings(max_examples=20_000 if FULL else 300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(ProtocolViolation):
        assert len(unpack(memoryview(body))) == packed_size(memoryview(body))
