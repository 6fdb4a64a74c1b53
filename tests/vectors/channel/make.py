"""Write good.json and bad.json of the channel, by an independent implementation.

Uses the `noiseprotocol` package and the standard library after docs/spec/channel.md, and no code of gimmal.
Run from the project's root: .venv/bin/python tests/vectors/channel/make.py
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from noise.connection import Keypair, NoiseConnection

HERE = Path(__file__).parent
PROTOCOL = b"Noise_KKpsk0_25519_AESGCM_SHA256"
Vector = dict[str, Any]


def fixed(label: str) -> bytes:
    return hashlib.sha256(b"gimmal channel vectors: " + label.encode()).digest()


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def hkdf(salt: bytes, ikm: bytes, info: bytes) -> bytes:
    pseudo_random_key = hmac.digest(salt or bytes(32), ikm, "sha256")
    return hmac.digest(pseudo_random_key, info + b"\x01", "sha256")


ROOT, OTHER_ROOT = fixed("root"), fixed("other root")
PAIR_ID = fixed("pair id")[:16]
STATIC = {"a": fixed("static a"), "b": fixed("static b")}
OTHER_STATIC = fixed("other static")
RANDOM_INITIATOR, RANDOM_RESPONDER = fixed("random initiator"), fixed("random responder")


def other(side: str) -> str:
    return "b" if side == "a" else "a"


def root_keys(root: bytes) -> tuple[bytes, bytes, bytes]:
    return hkdf(b"", root, b"noise psk"), hkdf(b"", root, b"gate"), hkdf(b"", root, b"key id")[:8]


class Exchange:
    """One handshake with fixed keys; what differs from the right one is given by name."""

    def __init__(self, side: str, prologue: bytes, psk: bytes, label: str, static: bytes | None = None) -> None:
        self.ephemerals = fixed(f"{label} ephemeral initiator"), fixed(f"{label} ephemeral responder")
        self.initiator = self._connection(True, side, prologue, psk, static)
        self.responder = self._connection(False, other(side), prologue, psk, None)
        self.message_1 = bytes(self.initiator.write_message())

    def _connection(
        self, initiator: bool, side: str, prologue: bytes, psk: bytes, static: bytes | None
    ) -> NoiseConnection:
        connection = NoiseConnection.from_name(PROTOCOL)
        (connection.set_as_initiator if initiator else connection.set_as_responder)()
        connection.set_psks(psk=psk)
        connection.set_prologue(prologue)
        connection.set_keypair_from_private_bytes(Keypair.STATIC, static or STATIC[side])
        connection.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, public(STATIC[other(side)]))
        connection.set_keypair_from_private_bytes(Keypair.EPHEMERAL, self.ephemerals[0 if initiator else 1])
        connection.start_handshake()
        return connection

    def finish(self) -> None:
        self.responder.read_message(self.message_1)
        self.message_2 = bytes(self.responder.write_message())
        self.initiator.read_message(self.message_2)
        self.hash = self.initiator.get_handshake_hash()
        self.keys = tuple(
            bytes(side.noise_protocol.cipher_state_encrypt.k) for side in (self.initiator, self.responder)
        )


def channel_prologue(version: int, initiator_side: str, key_id: bytes, pair_id: bytes = PAIR_ID) -> bytes:
    return b"gimmal channel" + bytes([version]) + pair_id + initiator_side.encode() + key_id


def renewal_prologue(version: int, initiator_side: str, key_id: bytes, link_hash: bytes) -> bytes:
    return b"gimmal renewal" + bytes([version]) + PAIR_ID + initiator_side.encode() + key_id + link_hash


def hello(version: int, key_id: bytes, gate_key: bytes, noise: bytes, pair_id: bytes = PAIR_ID) -> bytes:
    front = bytes([version]) + pair_id + key_id
    return front + hmac.digest(gate_key, front + noise, "sha256")[:16] + noise


def notice(version: int, gate_key: bytes, message: bytes) -> bytes:
    data = b"gimmal version notice v1" + bytes([version]) + message
    return bytes([version]) + hmac.digest(gate_key, data, "sha256")[:16]


def record(key: bytes, counter: int, kind: int, stream: int, offset: int, body: bytes) -> bytes:
    for _ in range(counter // 65_536):
        key = AESGCM(key).encrypt(bytes(4) + b"\xff" * 8, bytes(32), b"")[:32]
    plaintext = struct.pack(">BIQ", kind, stream, offset) + body
    length = struct.pack(">I", len(plaintext) + 16)
    return length + AESGCM(key).encrypt(struct.pack(">4xQ", counter), plaintext, length)


def record_vector(key: bytes, counter: int, kind: int, stream: int, offset: int, body: bytes) -> Vector:
    sealed = record(key, counter, kind, stream, offset, body)
    fields = {"counter": counter, "kind": kind, "stream": stream, "offset": offset}
    return {**fields, "body": body, "record": sealed}


def good_handshake(side: str) -> tuple[Vector, Exchange]:
    psk, gate_key, key_id = root_keys(ROOT)
    label = f"handshake of {side}"
    exchange = Exchange(side, channel_prologue(1, side, key_id), psk, label)
    exchange.finish()
    ours = hello(1, key_id, gate_key, exchange.message_1)
    randoms = RANDOM_INITIATOR + RANDOM_RESPONDER
    return {
        "name": f"side {side} dials",
        "version": 1,
        "pair_id": PAIR_ID,
        "initiator_side": side,
        "initiator_static": STATIC[side],
        "responder_static": STATIC[other(side)],
        "initiator_ephemeral": exchange.ephemerals[0],
        "responder_ephemeral": exchange.ephemerals[1],
        "root": ROOT,
        "prologue": channel_prologue(1, side, key_id),
        "hello": ours,
        "answer": b"\x01" + exchange.message_2,
        "handshake_hash": exchange.hash,
        "initiator_key": exchange.keys[0],
        "responder_key": exchange.keys[1],
        "random_initiator": RANDOM_INITIATOR,
        "random_responder": RANDOM_RESPONDER,
        "session_root": hkdf(exchange.hash, ROOT + randoms, b"gimmal session v1"),
        "notice_of_version_2": notice(2, gate_key, ours),
        "initiator_records": [
            record_vector(exchange.keys[0], 0, 0x01, 0, 0, b"first record of the initiator"),
            record_vector(exchange.keys[0], 1, 0x03, 7, 3, b""),
            record_vector(exchange.keys[0], 2, 0x05, 2**32 - 1, 2**64 - 1, bytes(range(64))),
        ],
        "responder_records": [
            record_vector(exchange.keys[1], 0, 0x01, 0, 0, b"first record of the responder"),
            record_vector(exchange.keys[1], 1, 0x04, 7, 0, b"answer"),
        ],
    }, exchange


def good_renewal(side: str, link: Vector) -> Vector:
    psk, _, key_id = root_keys(link["session_root"])
    prologue = renewal_prologue(1, side, key_id, link["handshake_hash"])
    exchange = Exchange(side, prologue, psk, f"renewal of {side}")
    exchange.finish()
    return {
        "name": f"side {side} renews a link dialled by side {link['initiator_side']}",
        "version": 1,
        "pair_id": PAIR_ID,
        "initiator_side": side,
        "initiator_static": STATIC[side],
        "responder_static": STATIC[other(side)],
        "initiator_ephemeral": exchange.ephemerals[0],
        "responder_ephemeral": exchange.ephemerals[1],
        "session_root": link["session_root"],
        "link_handshake_hash": link["handshake_hash"],
        "prologue": prologue,
        "renew_body": exchange.message_1,
        "renew_answer_body": exchange.message_2,
        "handshake_hash": exchange.hash,
        "initiator_key": exchange.keys[0],
        "responder_key": exchange.keys[1],
    }


def good() -> Vector:
    handshakes = [good_handshake(side)[0] for side in "ab"]
    key = fixed("record key")
    roots = []
    for root in (ROOT, OTHER_ROOT):
        psk, gate_key, key_id = root_keys(root)
        roots.append({"root": root, "psk": psk, "gate_key": gate_key, "key_id": key_id})
    return {
        "roots": roots,
        "handshakes": handshakes,
        "renewals": [good_renewal("a", handshakes[0]), good_renewal("b", handshakes[0])],
        "rekey": {
            "key": key,
            "note": "the records with these counters; those between them are sealed alike",
            "records": [record_vector(key, n, 0x05, 0, 0, b"") for n in (0, 65_535, 65_536, 131_072)],
        },
    }


def bad_hellos() -> list[Vector]:
    psk, gate_key, key_id = root_keys(ROOT)
    other_psk, other_gate, other_id = root_keys(OTHER_ROOT)

    def noise(**changes: Any) -> bytes:
        prologue = changes.get("prologue", channel_prologue(1, "a", key_id))
        exchange = Exchange("a", prologue, changes.get("psk", psk), "bad hello", changes.get("static"))
        return exchange.message_1

    right = hello(1, key_id, gate_key, noise())
    flipped_tag = bytearray(right)
    flipped_tag[25] ^= 1
    flipped_noise = bytearray(noise())
    flipped_noise[-1] ^= 1
    zero = bytes(32) + noise()[32:]
    foreign = fixed("other pair id")[:16]
    cases = [
        ("one byte short", right[:-1], "ProtocolViolation"),
        ("one byte long", right + b"\0", "ProtocolViolation"),
        ("empty", b"", "ProtocolViolation"),
        ("gate tag flipped", bytes(flipped_tag), "AuthenticationFailed"),
        ("gate key of another root", hello(1, key_id, other_gate, noise()), "AuthenticationFailed"),
        ("key id of another root", hello(1, other_id, gate_key, noise()), "AuthenticationFailed"),
        ("another pair id", hello(1, key_id, gate_key, noise(), foreign), "AuthenticationFailed"),
        ("version 2 with a right tag", hello(2, key_id, gate_key, noise()), "VersionMismatch"),
        ("version 0 with a right tag", hello(0, key_id, gate_key, noise()), "VersionMismatch"),
        ("version 2 with a wrong tag", b"\x02" + right[1:], "AuthenticationFailed"),
        (
            "right tag over a damaged Noise message",
            hello(1, key_id, gate_key, bytes(flipped_noise)),
            "AuthenticationFailed",
        ),
        ("right tag over an all-zero ephemeral", hello(1, key_id, gate_key, zero), "AuthenticationFailed"),
        ("PSK of another root", hello(1, key_id, gate_key, noise(psk=other_psk)), "AuthenticationFailed"),
        ("another static key", hello(1, key_id, gate_key, noise(static=OTHER_STATIC)), "AuthenticationFailed"),
    ]
    for what, prologue in (
        ("side", channel_prologue(1, "b", key_id)),
        ("version", channel_prologue(2, "a", key_id)),
        ("key id", channel_prologue(1, "a", other_id)),
        ("pair id", channel_prologue(1, "a", key_id, foreign)),
        ("label", b"gimmal renewal" + channel_prologue(1, "a", key_id)[14:]),
    ):
        message = hello(1, key_id, gate_key, noise(prologue=prologue))
        cases.append((f"another {what} in the prologue", message, "AuthenticationFailed"))
    return [{"name": name, "hello": message, "error": error} for name, message, error in cases]


def bad_answers() -> list[Vector]:
    vector, _ = good_handshake("a")
    answer, right_notice = vector["answer"], vector["notice_of_version_2"]
    flipped = bytearray(answer)
    flipped[-1] ^= 1
    wrong_notice = bytearray(right_notice)
    wrong_notice[-1] ^= 1
    foreign = notice(2, root_keys(ROOT)[1], bytes(89))
    cases = [
        ("empty", b"", "ProtocolViolation"),
        ("one byte short", answer[:-1], "ProtocolViolation"),
        ("one byte long", answer + b"\0", "ProtocolViolation"),
        ("damaged", bytes(flipped), "AuthenticationFailed"),
        ("all-zero ephemeral", b"\x01" + bytes(32) + answer[33:], "AuthenticationFailed"),
        ("the hello's own Noise message", b"\x01" + vector["hello"][41:], "AuthenticationFailed"),
        ("a right notice of version 2", right_notice, "VersionMismatch"),
        ("a notice with a wrong tag", bytes(wrong_notice), "AuthenticationFailed"),
        ("a notice for another hello", foreign, "AuthenticationFailed"),
        ("a notice whose version was altered", b"\x03" + right_notice[1:], "AuthenticationFailed"),
        ("message 2 under another version", b"\x02" + answer[1:], "ProtocolViolation"),
    ]
    return [{"name": name, "answer": message, "error": error} for name, message, error in cases]


def bad_records() -> list[Vector]:
    key = fixed("record key")
    first, second = record(key, 0, 5, 0, 0, b"first"), record(key, 1, 5, 0, 0, b"second")
    flipped = bytearray(first)
    flipped[-1] ^= 1
    stale = record(key, 0, 5, 0, 0, b"")
    plaintext = struct.pack(">BIQ", 5, 0, 0)
    stale = stale[:4] + AESGCM(key).encrypt(struct.pack(">4xQ", 65_536), plaintext, stale[:4])
    no_length = first[:4] + AESGCM(key).encrypt(bytes(12), plaintext + b"first", b"")
    little = first[:4] + AESGCM(key).encrypt(bytes(4) + struct.pack("<Q", 1), plaintext + b"first", first[:4])
    cases = [
        ("length 28", 0, b"\0\0\0\x1c" + bytes(28), 0, "ProtocolViolation"),
        ("length 1,048,606", 0, struct.pack(">I", 1_048_606), 0, "ProtocolViolation"),
        ("length 0", 0, bytes(4), 0, "ProtocolViolation"),
        ("length 4,294,967,295", 0, b"\xff" * 4, 0, "ProtocolViolation"),
        ("damaged", 0, bytes(flipped), 0, "AuthenticationFailed"),
        ("repeated", 0, first + first, 1, "AuthenticationFailed"),
        ("exchanged", 0, second + first, 0, "AuthenticationFailed"),
        ("first one missing", 0, second, 0, "AuthenticationFailed"),
        ("length not in the associated data", 0, no_length, 0, "AuthenticationFailed"),
        ("record 1 with a little-endian counter", 1, little, 0, "AuthenticationFailed"),
        ("record 65,536 without rekey", 65_536, stale, 0, "AuthenticationFailed"),
    ]
    return [
        {"name": name, "key": key, "after": after, "wire": wire, "opened": opened, "error": error}
        for name, after, wire, opened, error in cases
    ]


def bad_renewals() -> list[Vector]:
    link, _ = good_handshake("a")
    psk, _, key_id = root_keys(link["session_root"])
    half_psk, _, half_id = root_keys(ROOT)
    link_hash = link["handshake_hash"]

    def body(prologue: bytes, key: bytes = psk, static: bytes | None = None) -> bytes:
        return Exchange("a", prologue, key, "bad renewal", static).message_1

    right = renewal_prologue(1, "a", key_id, link_hash)
    cases = [
        ("one byte short", body(right)[:-1], "ProtocolViolation"),
        ("one byte long", body(right) + b"\0", "ProtocolViolation"),
        ("of another link", body(renewal_prologue(1, "a", key_id, fixed("other"))), "AuthenticationFailed"),
        ("another side", body(renewal_prologue(1, "b", key_id, link_hash)), "AuthenticationFailed"),
        ("prologue of a link", body(channel_prologue(1, "a", key_id)), "AuthenticationFailed"),
        ("the half's root", body(renewal_prologue(1, "a", half_id, link_hash), half_psk), "AuthenticationFailed"),
        ("another static key", body(right, static=OTHER_STATIC), "AuthenticationFailed"),
    ]
    front = {"session_root": link["session_root"], "link_handshake_hash": link_hash}
    return [{"name": name, **front, "renew_body": data, "error": error} for name, data, error in cases]


def bad() -> Vector:
    return {
        "note": "hellos are sent by side a to side b, answers to the hello of good.json's first handshake, "
        "records follow `after` good empty records of type 5, renewals are RENEW of side a on that handshake's link",
        "hellos": bad_hellos(),
        "answers": bad_answers(),
        "records": bad_records(),
        "renewals": bad_renewals(),
    }


def hexed(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: hexed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hexed(item) for item in value]
    return value


if __name__ == "__main__":
    for name, document in (("good.json", good()), ("bad.json", bad())):
        (HERE / name).write_text(json.dumps(hexed(document), indent=1) + "\n", "utf-8")
