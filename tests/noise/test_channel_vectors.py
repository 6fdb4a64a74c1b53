"""gimmal's own vectors of the channel, made by an implementation that shares no code with it."""

from __future__ import annotations

from typing import Any

import pytest

from gimmal.base import errors
from gimmal.base.primitives import x25519_public
from gimmal.noise.channel import (
    ChannelInitiator,
    ChannelSecrets,
    RootKeys,
    parse_hello,
    respond,
    session_root,
    version_notice,
)
from gimmal.noise.link_cipher import RENEW, LinkCipher
from gimmal.noise.records import RecordOpener, RecordSealer
from gimmal.noise.renewal import Renewal, RenewalMaterial
from tests.figures import figure
from tests.noise.pairs import open_record
from tests.noise.test_records import open_all
from tests.vector_files import load

GOOD, BAD = load("channel/good.json"), load("channel/bad.json")
FIRST = GOOD["handshakes"][0]
BAD_FAMILIES = ("hellos", "answers", "records", "renewals")


def by_name(vectors: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


def unhex(vector: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(vector[name]) for name in names]


def initiator_of(vector: dict[str, Any]) -> ChannelInitiator:
    pair_id, static, peer, ephemeral, root = unhex(
        vector, "pair_id", "initiator_static", "responder_static", "initiator_ephemeral", "root"
    )
    peer_public, keys = x25519_public(peer), RootKeys.from_root(root)
    return ChannelInitiator(1, pair_id, vector["initiator_side"], static, peer_public, keys, ephemeral)


def answer_to(vector: dict[str, Any], hello: bytes) -> tuple[bytes, ChannelSecrets]:
    pair_id, static, peer, ephemeral, root = unhex(
        vector, "pair_id", "responder_static", "initiator_static", "responder_ephemeral", "root"
    )
    side = "b" if vector["initiator_side"] == "a" else "a"
    keys = RootKeys.from_root(root)
    return respond(parse_hello(hello), 1, pair_id, side, static, x25519_public(peer), keys, ephemeral)


def material_of(vector: dict[str, Any], role: str, peer: str) -> RenewalMaterial:
    static, peer_static, ephemeral = unhex(vector, f"{role}_static", f"{peer}_static", f"{role}_ephemeral")
    return RenewalMaterial(static, x25519_public(peer_static), ephemeral)


class TestGood:
    @pytest.mark.parametrize("vector", GOOD["roots"])
    def test_roots(self, vector: dict[str, Any]) -> None:
        keys = RootKeys.from_root(bytes.fromhex(vector["root"]))
        assert [keys.psk, keys.gate_key, keys.key_id] == unhex(vector, "psk", "gate_key", "key_id")

    @by_name(GOOD["handshakes"])
    def test_handshakes(self, vector: dict[str, Any]) -> None:
        hello, answer, h, send, receive = unhex(
            vector, "hello", "answer", "handshake_hash", "initiator_key", "responder_key"
        )
        initiator = initiator_of(vector)
        assert initiator.hello == hello
        written, theirs = answer_to(vector, hello)
        assert written == answer
        assert initiator.receive(answer) == ChannelSecrets(send, receive, h)
        assert theirs == ChannelSecrets(receive, send, h)
        root, random_i, random_r, session = unhex(
            vector, "root", "random_initiator", "random_responder", "session_root"
        )
        assert session_root(h, root, random_i, random_r) == session
        gate_key = RootKeys.from_root(root).gate_key
        assert version_notice(parse_hello(hello), gate_key, 2).hex() == vector["notice_of_version_2"]

    @by_name(GOOD["handshakes"])
    @pytest.mark.parametrize("direction", ["initiator", "responder"])
    def test_records(self, vector: dict[str, Any], direction: str) -> None:
        sealer, opener = (cls(bytes.fromhex(vector[direction + "_key"])) for cls in (RecordSealer, RecordOpener))
        for record in vector[direction + "_records"]:
            fields = record["kind"], record["stream"], record["offset"], bytes.fromhex(record["body"])
            assert sealer.counter == record["counter"]
            assert sealer.seal(*fields).hex() == record["record"]
            assert open_all(opener, bytes.fromhex(record["record"])) == [fields]

    def test_rekey(self) -> None:
        key = bytes.fromhex(GOOD["rekey"]["key"])
        expected = {record["counter"]: record["record"] for record in GOOD["rekey"]["records"]}
        sealer, opener, equal = RecordSealer(key), RecordOpener(key), 0
        for counter in range(max(expected) + 1):
            record = sealer.seal(0x05, 0, 0, b"")
            equal += expected.get(counter) == record.hex()
            assert open_all(opener, record) == [(0x05, 0, 0, b"")]
        assert equal == len(expected) == 4

    @by_name(GOOD["renewals"])
    def test_renewals(self, vector: dict[str, Any]) -> None:
        pair_id, root, link_hash, h, send, receive = unhex(
            vector,
            "pair_id",
            "session_root",
            "link_handshake_hash",
            "handshake_hash",
            "initiator_key",
            "responder_key",
        )
        side = vector["initiator_side"]
        other = "b" if side == "a" else "a"
        ours, theirs = (Renewal(1, pair_id, each, RootKeys.from_root(root), link_hash, 0.0) for each in (side, other))
        assert ours.start(material_of(vector, "initiator", "responder")).hex() == vector["renew_body"]
        theirs.receive_renew(bytes.fromhex(vector["renew_body"]))
        body, secrets = theirs.answer(material_of(vector, "responder", "initiator"), 0.0)
        assert body.hex() == vector["renew_answer_body"]
        assert secrets == ChannelSecrets(receive, send, h)
        assert ours.receive_answer(body) == ChannelSecrets(send, receive, h)


class TestBad:
    @by_name(BAD["hellos"])
    def test_hellos(self, vector: dict[str, Any]) -> None:
        with pytest.raises(errors.PeerError) as raised:
            answer_to(FIRST, bytes.fromhex(vector["hello"]))
        assert type(raised.value).__name__ == vector["error"]

    @by_name(BAD["answers"])
    def test_answers(self, vector: dict[str, Any]) -> None:
        initiator = initiator_of(FIRST)
        with pytest.raises(errors.PeerError) as raised:
            initiator.receive(bytes.fromhex(vector["answer"]))
        assert type(raised.value).__name__ == vector["error"]

    @by_name(BAD["records"])
    def test_records(self, vector: dict[str, Any]) -> None:
        key, wire = unhex(vector, "key", "wire")
        sealer, opener = RecordSealer(key), RecordOpener(key)
        for _ in range(vector["after"]):
            open_all(opener, sealer.seal(0x05, 0, 0, b""))
        with pytest.raises(errors.PeerError) as raised:
            open_all(opener, wire)
        assert type(raised.value).__name__ == vector["error"]
        assert opener.closed and opener.counter == vector["after"] + vector["opened"]

    @by_name(BAD["renewals"])
    def test_renewals(self, vector: dict[str, Any]) -> None:
        root, link_hash, body, pair_id = unhex(
            {**vector, "pair_id": FIRST["pair_id"]}, "session_root", "link_handshake_hash", "renew_body", "pair_id"
        )
        opening = LinkCipher(ChannelSecrets(bytes(32), b"k" * 32, link_hash))
        opening.enable_renewal(1, pair_id, "b", RootKeys.from_root(root), 0.0)
        with pytest.raises(errors.PeerError) as raised:
            open_record(opening, RecordSealer(b"k" * 32).seal(RENEW, 0, 0, body))
            opening.answer_renewal(material_of(GOOD["renewals"][0], "responder", "initiator"), 0.0)
        assert type(raised.value).__name__ == vector["error"]

    def test_each_family_is_there(self) -> None:
        counts = {family: len(BAD[family]) for family in BAD_FAMILIES}
        figure("bad channel vectors refused by name", str(counts), "all")
        assert counts == {"hellos": 19, "answers": 11, "records": 11, "renewals": 7}
