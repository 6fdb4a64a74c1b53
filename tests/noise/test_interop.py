"""gimmal against an independent implementation of Noise (the `noiseprotocol` package), in both roles."""

from __future__ import annotations

import os

from noise.connection import Keypair, NoiseConnection

from gimmal.base.primitives import hmac_sha256
from gimmal.noise.gate import build_hello
from gimmal.noise.link_cipher import LinkCipher
from tests.figures import figure
from tests.noise.pairs import Party, open_record, parties

COUNT = 200


def prologue(version: int, pair_id: bytes, initiator_side: bytes, key_id: bytes) -> bytes:
    """Written from docs/spec/channel.md, not from the code."""
    return b"gimmal channel" + bytes([version]) + pair_id + initiator_side + key_id


def independent(party: Party, initiator: bool, initiator_side: bytes) -> NoiseConnection:
    connection = NoiseConnection.from_name(b"Noise_KKpsk0_25519_AESGCM_SHA256")
    if initiator:
        connection.set_as_initiator()
    else:
        connection.set_as_responder()
    connection.set_psks(psk=party.keys.psk)
    connection.set_prologue(prologue(1, party.pair_id, initiator_side, party.keys.key_id))
    connection.set_keypair_from_private_bytes(Keypair.STATIC, party.static_private)
    connection.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, party.peer_static_public)
    connection.start_handshake()
    return connection


def seal(connection: NoiseConnection, plaintext: bytes) -> bytes:
    """A record, by the package's own cipher state (its nonces and ours are the same)."""
    length = (len(plaintext) + 16).to_bytes(4, "big")
    return length + connection.noise_protocol.cipher_state_encrypt.encrypt_with_ad(length, plaintext)


def open_(connection: NoiseConnection, record: bytes) -> bytes:
    opened: bytes = connection.noise_protocol.cipher_state_decrypt.decrypt_with_ad(record[:4], record[4:])
    return opened


def exchange(ours: LinkCipher, theirs: NoiseConnection) -> bool:
    """Whether records pass both ways."""
    good = True
    for number in range(3):
        body = os.urandom(number * 100)
        good &= open_(theirs, ours.seal(5, 1, number, body)) == (b"\x05\0\0\0\x01" + number.to_bytes(8, "big") + body)
        plaintext = b"\x04\0\0\0\x02" + bytes(8) + body
        good &= open_record(ours, seal(theirs, plaintext)) == (4, 2, 0, body)
    return good


def test_gimmal_dials_an_independent_listener() -> None:
    equal = 0
    for number in range(COUNT):
        pair = parties()
        dialler, listener = pair if number % 2 else reversed(pair)
        initiator = dialler.dial()
        other = independent(listener, initiator=False, initiator_side=dialler.side.encode())
        hello = initiator.hello
        assert hello[25:41] == hmac_sha256(listener.keys.gate_key, hello[:25], hello[41:])[:16]
        assert other.read_message(hello[41:]) == b""
        secrets = initiator.receive(b"\x01" + other.write_message())
        equal += secrets.handshake_hash == other.get_handshake_hash() and exchange(LinkCipher(secrets), other)
    figure("interop with noiseprotocol, gimmal as initiator", f"{equal} of {COUNT}", "200")
    assert equal == COUNT


def test_an_independent_dialler_reaches_gimmal() -> None:
    equal = 0
    for number in range(COUNT):
        pair = parties()
        dialler, listener = pair if number % 2 else reversed(pair)
        other = independent(dialler, initiator=True, initiator_side=dialler.side.encode())
        noise = bytes(other.write_message())
        hello = build_hello(1, dialler.pair_id, dialler.keys.key_id, dialler.keys.gate_key, noise)
        answer, secrets = listener.respond(hello)
        assert answer[0] == 1 and other.read_message(answer[1:]) == b""
        equal += secrets.handshake_hash == other.get_handshake_hash() and exchange(LinkCipher(secrets), other)
    figure("interop with noiseprotocol, gimmal as responder", f"{equal} of {COUNT}", "200")
    assert equal == COUNT


def test_rekey_agrees_with_the_independent_cipher() -> None:
    dialler, listener = parties()
    initiator = dialler.dial()
    other = independent(listener, initiator=False, initiator_side=b"a")
    other.read_message(initiator.hello[41:])
    ours = LinkCipher(initiator.receive(b"\x01" + other.write_message()))
    for _ in range(65_536):
        open_(other, ours.seal(5, 0, 0, b""))
    other.noise_protocol.cipher_state_decrypt.rekey()
    assert open_(other, ours.seal(5, 0, 0, b"after")).endswith(b"after")
