"""Packets of the local network: vectors, anything at all, and another program's reading of them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
import zeroconf
from hypothesis import example, given
from hypothesis import strategies as st

from gimmal.protocol.lan_packets import (
    ADDRESSES_MAX,
    PACKET_MAX,
    Place,
    encode_answer,
    encode_question,
    host_name,
    read_answer,
    read_question,
    service_name,
)
from tests.vector_files import load

PACKETS = load("lan/packets.json")
NAME = service_name(PACKETS["service"])
PROOF = PACKETS["answers"][0]["places"][0]["proof"]
labels = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=26, max_size=26)


def sixteen(address: str) -> bytes:
    ip = ipaddress.ip_address(address)
    return bytes(10) + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed


def places_of(case: dict[str, Any]) -> set[Place]:
    return {Place(host_name(place["proof"]), sixteen(place["address"]), place["port"]) for place in case["places"]}


def title(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", PACKETS["questions"], ids=title)
def test_questions(case: dict[str, Any]) -> None:
    question = read_question(bytes.fromhex(case["bytes"]))
    assert question is not None
    assert question.id == case["id"]
    assert not question.names or question.unicast is case["unicast"]
    assert question.names == tuple(service_name(label) for label in case["labels"])


@pytest.mark.parametrize("case", PACKETS["not_questions"], ids=title)
def test_what_is_no_question(case: dict[str, Any]) -> None:
    assert read_question(bytes.fromhex(case["bytes"])) is None


@pytest.mark.parametrize("case", PACKETS["answers"], ids=title)
def test_answers(case: dict[str, Any]) -> None:
    assert set(read_answer(bytes.fromhex(case["bytes"]), NAME)) == places_of(case)


@pytest.mark.parametrize("case", PACKETS["not_answers"], ids=title)
def test_what_is_no_answer(case: dict[str, Any]) -> None:
    assert read_answer(bytes.fromhex(case["bytes"]), NAME) == ()


def test_what_is_sent_is_what_the_vectors_say() -> None:
    for unicast, case in zip((True, False), PACKETS["questions"], strict=False):
        assert encode_question(NAME, unicast=unicast).hex() == case["bytes"]
    for case in PACKETS["answers"][:2]:
        (place,) = places_of(case)
        assert encode_answer(0, NAME, place).hex() == case["bytes"]


@given(labels, labels, st.binary(min_size=16, max_size=16), st.integers(0, 65535), st.integers(0, 65535))
def test_what_is_written_is_read(label: str, proof: str, address: bytes, port: int, number: int) -> None:
    name, place = service_name(label), Place(host_name(proof), address, port)
    assert read_answer(encode_answer(number, name, place), name) == (place,)
    assert read_question(encode_answer(number, name, place)) is None
    question = read_question(encode_question(name, unicast=False))
    assert question is not None
    assert question.names == (name,)
    assert read_answer(encode_question(name, unicast=False), name) == ()


@given(st.binary(max_size=PACKET_MAX + 10))
@example(bytes.fromhex(PACKETS["answers"][2]["bytes"]))
def test_anything_may_come(packet: bytes) -> None:
    question = read_question(packet)
    assert question is None or len(question.names) <= 16
    assert len(read_answer(packet, NAME)) <= ADDRESSES_MAX


@given(st.sampled_from(PACKETS["answers"] + PACKETS["questions"]), st.data())
def test_packets_that_were_cut_or_changed(case: dict[str, Any], data: st.DataObject) -> None:
    packet = bytearray.fromhex(case["bytes"])
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(packet[: data.draw(st.integers(0, len(packet)))])
    read_question(cut)
    assert len(read_answer(cut, NAME)) <= ADDRESSES_MAX


def test_a_thousand_addresses_are_not_for_us() -> None:
    place = Place(host_name(PROOF), sixteen("10.0.0.1"), 1)
    whole = encode_answer(0, NAME, place)
    head, record = whole[:10], whole[-(34 + 10 + 4) :]
    for count in (1000, 33):
        assert read_answer(head + count.to_bytes(2, "big") + whole[12:] + record * (count - 1), NAME) == ()


class TestAnotherProgram:
    """python-zeroconf reads what we send, and we read what it sends."""

    def test_reads_a_question(self) -> None:
        read = zeroconf.DNSIncoming(encode_question(NAME, unicast=False))
        assert read.valid
        (question,) = read.questions
        assert (question.name, question.type, question.class_) == (f"{PACKETS['service']}._gimmal._tcp.local.", 33, 1)

    def test_reads_an_answer(self) -> None:
        read = zeroconf.DNSIncoming(encode_answer(5, NAME, Place(host_name(PROOF), sixteen("192.168.1.20"), 45129)))
        assert read.valid
        service, address = read.answers()
        assert (service.port, service.server, service.ttl) == (45129, f"{PROOF}.local.", 10)
        assert (address.name, address.address) == (f"{PROOF}.local.", bytes([192, 168, 1, 20]))

    def test_is_read(self) -> None:
        info = zeroconf.ServiceInfo(
            "_gimmal._tcp.local.",
            f"{PACKETS['service']}._gimmal._tcp.local.",
            port=45129,
            server=f"{PROOF}.local.",
            parsed_addresses=["192.168.1.20", "fe80::1"],
        )
        sent = zeroconf.DNSOutgoing(0x8400)
        sent.add_answer_at_time(info.dns_service(), 0)
        for record in info.dns_addresses():
            sent.add_additional_answer(record)
        (packet,) = sent.packets()
        found = {(place.address, place.port) for place in read_answer(packet, NAME)}
        assert found == {(sixteen("192.168.1.20"), 45129), (sixteen("fe80::1"), 45129)}
