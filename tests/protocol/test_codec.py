"""Encoding and strict decoding: vectors, round trips, strictness, bounded memory."""

from __future__ import annotations

import contextlib
import os
import random
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol import messages
from gimmal.protocol.codec import (
    decode_answer,
    decode_bundle_items,
    decode_request,
    decode_struct,
    encode,
    split_bundle_files,
    split_bundle_items,
)
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import BundleItem, Close, Hello, Join, Notices, StreamEnd
from tests.figures import figure
from tests.protocol.strategies import ANSWERS, REQUESTS, answers, of, plain, requests
from tests.vector_files import load

GOOD = load("protocol/good.json")
EVOLVED = load("protocol/evolved.json")
BUNDLES = load("protocol/bundles.json")
BAD = load("protocol/bad.json")
BODIES: dict[str, type[msgspec.Struct]] = {
    "Hello": Hello,
    "Join": Join,
    "Close": Close,
    "StreamEnd": StreamEnd,
    "Notices": Notices,
}
FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"
EXTRA_MEMORY_MAX = 4 << 20


def decode(kind: str, body: bytes) -> Any:
    if kind == "request":
        return decode_request(body)
    if kind == "answer":
        return decode_answer(body)
    return decode_struct(BODIES[kind], body)


def name_of(vector: dict[str, Any]) -> str:
    return " ".join(filter(None, (vector["kind"], vector.get("name"), vector.get("note"))))


class TestVectors:
    @pytest.mark.parametrize("vector", GOOD, ids=name_of)
    def test_good_bytes_decode_to_their_fields_and_are_what_is_written(self, vector: dict[str, Any]) -> None:
        message = decode(vector["kind"], bytes.fromhex(vector["bytes"]))
        assert type(message).__name__ == vector["name"]
        assert plain(message) == vector["fields"]
        assert encode(message).hex() == vector["bytes"]

    @pytest.mark.parametrize("vector", EVOLVED, ids=name_of)
    def test_what_a_later_program_sends_is_understood(self, vector: dict[str, Any]) -> None:
        message = decode(vector["kind"], bytes.fromhex(vector["bytes"]))
        assert plain(message) == vector["fields"]

    @pytest.mark.parametrize("vector", BUNDLES, ids=name_of)
    def test_bundles_come_apart_without_a_copy(self, vector: dict[str, Any]) -> None:
        body = bytes.fromhex(vector["bytes"])
        split = split_bundle_items if vector["kind"] == "bundle_items" else split_bundle_files
        headers, contents = split(memoryview(body), vector["header_length"])
        assert plain(headers) == vector["headers"]
        assert plain(contents) == vector["contents"]
        assert all(content.obj is body for content in contents)
        assert encode(headers) == body[: vector["header_length"]]

    @pytest.mark.parametrize("vector", BAD, ids=name_of)
    def test_bad_bytes_fail_as_named(self, vector: dict[str, Any]) -> None:
        body = bytes.fromhex(vector["bytes"])
        if vector["failure"] == "UNSUPPORTED":
            assert decode_request(body) is None
            return
        assert vector["failure"] == "ProtocolViolation"
        with pytest.raises(ProtocolViolation):
            if vector["kind"] == "bundle_items":
                split_bundle_items(memoryview(body), vector["header_length"])
            elif vector["kind"] == "bundle_files":
                split_bundle_files(memoryview(body), vector["header_length"])
            else:
                decode(vector["kind"], body)

    def test_every_message_and_body_has_a_good_and_a_bad_vector(self) -> None:
        named = {vector["name"] for vector in GOOD}
        assert named == {kind.__name__ for kind in (*REQUESTS, *ANSWERS)} | set(BODIES)
        assert {vector["kind"] for vector in BAD} == {
            "request",
            "answer",
            "bundle_items",
            "bundle_files",
            *BODIES,
        }


class TestRoundTrip:
    @given(requests())
    def test_requests(self, request: Any) -> None:
        assert decode_request(encode(request)) == request

    @given(answers())
    def test_answers(self, answer: Any) -> None:
        assert decode_answer(encode(answer)) == answer

    @given(st.one_of(*(of(kind) for kind in BODIES.values())))
    def test_bodies(self, body: Any) -> None:
        assert decode_struct(type(body), encode(body)) == body

    @given(st.lists(st.tuples(of(BundleItem), st.binary(max_size=50)), max_size=6), of(messages.Attributes))
    def test_bundles(self, files: list[tuple[BundleItem, bytes]], attributes: messages.Attributes) -> None:
        items = [
            msgspec.structs.replace(item, code=0, size=len(content), digest=bytes(32), attributes=attributes)
            if content
            else BundleItem(item.code or 1)
            for item, content in files
        ]
        header = encode(items)
        body = header + b"".join(content for _item, content in files)
        headers, contents = split_bundle_items(memoryview(body), len(header))
        assert headers == items
        assert [bytes(content) for content in contents] == [content for _item, content in files]
        assert decode_bundle_items(header) == items

    @given(requests())
    def test_a_message_cut_anywhere_is_unsupported(self, request: Any) -> None:
        body = encode(request)
        assert all(decode_request(body[:at]) is None for at in range(len(body)))

    @given(answers())
    def test_an_answer_cut_anywhere_is_a_violation(self, answer: Any) -> None:
        body = encode(answer)
        for at in range(len(body)):
            with pytest.raises(ProtocolViolation):
                decode_answer(body[:at])

    def test_a_memoryview_into_a_buffer_is_read_where_it_lies(self) -> None:
        buffer = bytearray(b"xx" + encode(messages.Stat("a")) + b"yy")
        assert decode_request(memoryview(buffer)[2:-2]) == messages.Stat("a")


# Fuzz ----------------------------------------------------------------------------------------------------------------

Parser = Callable[[bytes], None]


def parse_request(body: bytes) -> None:
    request = decode_request(body)
    assert request is None or isinstance(request, REQUESTS)


def parse_answer(body: bytes) -> None:
    with contextlib.suppress(ProtocolViolation):
        assert isinstance(decode_answer(body), ANSWERS)


def parse_bodies(body: bytes) -> None:
    for kind in BODIES.values():
        with contextlib.suppress(ProtocolViolation):
            assert isinstance(decode_struct(kind, body), kind)


def parse_bundles(body: bytes) -> None:
    view, header_length = memoryview(body), body[0] if body else 0
    for split in (split_bundle_files, split_bundle_items):
        try:
            headers, contents = split(view, header_length)
            assert len(headers) == len(contents)
            assert header_length + sum(len(content) for content in contents) == len(body)
        except ProtocolViolation:
            pass


PARSERS = (parse_request, parse_answer, parse_bodies, parse_bundles)


def mutated(chance: random.Random, body: bytes) -> bytes:
    """A good message with some bytes changed, cut out, doubled, or a huge length put in."""
    damaged = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(damaged) + 1)
        match chance.randrange(5):
            case 0 if at < len(damaged):
                damaged[at] = chance.randrange(256)
            case 1:
                del damaged[at : at + chance.randint(1, 4)]
            case 2:
                damaged[at:at] = damaged[: chance.randint(0, 32)]
            case 3:
                lengths = (
                    b"\xdd\xff\xff\xff\xff",
                    b"\xc6\xff\xff\xff\xff",
                    b"\xdf\xff\xff\xff\xff",
                    b"\xdb\xff\xff\xff\xf0",
                )
                damaged[at:at] = chance.choice(lengths)
            case _:
                damaged[at:at] = chance.randbytes(chance.randint(1, 8))
    return bytes(damaged)


class TestFuzz:
    @settings(max_examples=300)
    @given(st.binary(max_size=300))
    def test_any_bytes_have_the_documented_outcome(self, body: bytes) -> None:
        for parse in PARSERS:
            parse(body)

    @pytest.mark.campaign
    def test_damaged_messages_have_the_documented_outcome_and_cost_little_memory(self) -> None:
        chance = random.Random(20)
        seeds = [bytes.fromhex(vector["bytes"]) for vector in (*GOOD, *BUNDLES, *BAD) if len(vector["bytes"]) < 1200]
        executions, worst = 0, 0
        tracemalloc.start()
        try:
            for _ in range(1_000_000 if FULL else 20_000):
                body = mutated(chance, chance.choice(seeds))
                before = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
                for parse in PARSERS:
                    parse(body)
                executions += len(PARSERS)
                worst = max(worst, tracemalloc.get_traced_memory()[1] - before)
        finally:
            tracemalloc.stop()
        figure("fuzz message parsers", f"{executions} executions, crashes 0", "crashes 0")
        figure("fuzz message parsers: extra memory", worst, f"<= {EXTRA_MEMORY_MAX}")
        assert worst <= EXTRA_MEMORY_MAX

    @pytest.mark.parametrize(
        ("front", "item", "behind"),
        [
            (b"\x93\x43", b"\x92\xa0\x95\x00\x00\x00\x00\x00", b"\x00"),  # Page of the smallest entries
            (b"\x94\x43\x90\x00", b"\x92\xa0\x01", b""),  # failures of a Page
            (b"\x92\x46", b"\x00", b""),  # Results
            (b"\x92\x47", b"\x00", b""),  # BundleWritten
            (b"\x93\x45\x01", b"\xc4\x01a", b""),  # PartOpened
            (b"\x93\x06\xa0", b"\xa1a", b""),  # ReadBundle
            (b"\x92\x10", b"\x92\xa0\x00", b""),  # SetAttributes
            (b"", b"\x91\x01", b""),  # items of a bundle
        ],
    )
    def test_a_record_full_of_the_smallest_items_becomes_few_objects(
        self, front: bytes, item: bytes, behind: bytes
    ) -> None:
        most = (BODY_MAX - 32) // len(item)
        for count in (most, 65_536, 24_576, 1024):
            body = front + b"\xdd" + struct.pack(">I", count) + item * count + behind
            tracemalloc.start()
            try:
                if front:
                    parse_request(body)
                    parse_answer(body)
                else:
                    with pytest.raises(ProtocolViolation):
                        split_bundle_items(memoryview(body), len(body) + (count <= 1024))
                extra = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert extra <= 16 << 20, (count, extra)
