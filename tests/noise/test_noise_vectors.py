"""The published Noise vectors, written and read by both sides."""

from __future__ import annotations

from typing import Any

import pytest

from gimmal.base.errors import AuthenticationFailed, ProtocolViolation
from gimmal.base.primitives import x25519_public
from gimmal.noise.cipher_state import CipherState
from gimmal.noise.handshake_state import HandshakeState
from gimmal.noise.patterns import handshake_pattern
from gimmal.noise.suite import AESGCM_SHA256
from tests.figures import figure
from tests.noise.suites import suite
from tests.vector_files import load

FILES = ("noise_cacophony_25519.json", "noise_snow_25519.json", "noise_noise-c_25519.json")
VECTORS = [(name, vector) for name in FILES for vector in load(name)["vectors"]]
KKPSK0 = next(v for _, v in VECTORS if v["protocol_name"] == "Noise_KKpsk0_25519_AESGCM_SHA256")


def side_of(vector: dict[str, Any], initiator: bool) -> HandshakeState:
    front = "init_" if initiator else "resp_"

    def key(name: str) -> bytes | None:
        text = vector.get(front + name)
        return bytes.fromhex(text) if text else None

    _, pattern, suite_name = vector["protocol_name"].split("_", 2)
    psks = vector.get(front + "psks") or []
    e = key("ephemeral")
    assert e is not None
    return HandshakeState(
        handshake_pattern(pattern),
        initiator,
        bytes.fromhex(vector[front + "prologue"]),
        s=key("static"),
        e=e,
        rs=key("remote_static"),
        psks=[bytes.fromhex(psk) for psk in psks],
        suite=suite(suite_name),
    )


def transport(state: HandshakeState, suite_name: str) -> tuple[CipherState, CipherState]:
    send_key, receive_key = state.split()
    sending, receiving = CipherState(suite(suite_name)), CipherState(suite(suite_name))
    sending.initialize_key(send_key)
    receiving.initialize_key(receive_key)
    return sending, receiving


def messages_equal(vector: dict[str, Any]) -> int:
    suite_name = vector["protocol_name"].split("_", 2)[2]
    sides = [side_of(vector, True), side_of(vector, False)]
    ciphers: list[tuple[CipherState, CipherState]] = []
    equal = 0
    for number, message in enumerate(vector["messages"]):
        payload, ciphertext = bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"])
        writer, reader = sides[number % 2], sides[1 - number % 2]
        if not writer.finished:
            written, read = writer.write_message(payload), reader.read_message(ciphertext)
        else:
            ciphers = ciphers or [transport(side, suite_name) for side in sides]
            written = ciphers[number % 2][0].encrypt_with_ad(b"", payload)
            read = ciphers[1 - number % 2][1].decrypt_with_ad(b"", ciphertext)
        equal += written == ciphertext and read == payload
    hashes = {side.get_handshake_hash().hex() for side in sides}
    assert len(hashes) == 1
    assert "handshake_hash" not in vector or hashes == {vector["handshake_hash"]}
    return equal


@pytest.mark.parametrize(
    "vector", [v for _, v in VECTORS], ids=[f"{n.split('_')[1]}-{v['protocol_name']}" for n, v in VECTORS]
)
def test_vector_is_written_and_read(vector: dict[str, Any]) -> None:
    assert messages_equal(vector) == len(vector["messages"])


def test_all_vectors_were_there() -> None:
    equal = sum(messages_equal(vector) for _, vector in VECTORS)
    figure("Noise vectors equal", f"{len(VECTORS)} vectors, {equal} messages", "76 vectors, 416 messages")
    assert (len(VECTORS), equal) == (76, 416)


def test_rekey_vectors() -> None:
    vectors = load("noise_rekey_aesgcm.json")["vectors"]
    equal = 0
    for vector in vectors:
        state = CipherState(AESGCM_SHA256)
        state.initialize_key(bytes.fromhex(vector["k"]))
        for rekeyed in vector["rekeyed"]:
            state.rekey()
            expected = CipherState(AESGCM_SHA256)
            expected.initialize_key(bytes.fromhex(rekeyed))
            equal += state.copy().encrypt_with_ad(b"ad", b"text") == expected.encrypt_with_ad(b"ad", b"text")
    figure("Noise rekey vectors equal", f"{equal}/{3 * len(vectors)}", "9/9")
    assert equal == 9


def test_every_flipped_handshake_byte_is_refused_and_leaves_the_state_as_it_was() -> None:
    messages = [bytes.fromhex(message["ciphertext"]) for message in KKPSK0["messages"][:2]]
    payloads = [bytes.fromhex(message["payload"]) for message in KKPSK0["messages"][:2]]
    initiator, responder = side_of(KKPSK0, True), side_of(KKPSK0, False)
    flips = accepted = 0
    for reader, writer, message, payload in (
        (responder, initiator, messages[0], payloads[0]),
        (initiator, responder, messages[1], payloads[1]),
    ):
        for place in range(len(message) * 8):
            bad = bytearray(message)
            bad[place // 8] ^= 1 << place % 8
            flips += 1
            try:
                reader.read_message(bytes(bad))
                accepted += 1
            except AuthenticationFailed:
                pass
        # X25519 ignores the top bit of a public key, but the hash over the message does not.
        assert writer.write_message(payload) == message
        assert reader.read_message(message) == payload
    figure("handshake bits flipped, accepted", f"{accepted} of {flips}", "0 of 1016 (127 bytes)")
    assert (flips, accepted) == (127 * 8, 0)


def test_a_handshake_message_cut_anywhere_is_refused() -> None:
    message = bytes.fromhex(KKPSK0["messages"][0]["ciphertext"])
    reader = side_of(KKPSK0, False)
    for size in range(len(message)):
        with pytest.raises((AuthenticationFailed, ProtocolViolation)):
            reader.read_message(message[:size])


def test_name_of_32_bytes_is_not_hashed() -> None:
    name = KKPSK0["protocol_name"].encode()
    assert len(name) == AESGCM_SHA256.hash_length == 32
    static = (
        x25519_public(bytes.fromhex(KKPSK0["init_static"])),
        x25519_public(bytes.fromhex(KKPSK0["resp_static"])),
    )
    h = name
    for data in (bytes.fromhex(KKPSK0["init_prologue"]), *static):
        h = AESGCM_SHA256.hash(h + data)
    assert side_of(KKPSK0, True).get_handshake_hash() == h
