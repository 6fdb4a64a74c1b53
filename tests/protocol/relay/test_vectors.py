"""The relay's vector files, read as a second implementation would."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gimmal.base.errors import ProtocolViolation, UsageError
from gimmal.base.primitives import sha256
from gimmal.protocol.relay.frames import encode_frame, frames_from_half, frames_from_relay
from gimmal.protocol.relay.messages import Prove, RequestLink
from gimmal.protocol.relay.proof import check_proof
from gimmal.protocol.relay.url import RelayUrl
from tests.vector_files import load

URLS, PROOF, FRAMES = load("relay/urls.json"), load("relay/proof.json"), load("relay/frames.json")


@pytest.mark.parametrize("case", URLS["good"], ids=lambda case: case["url"])
def test_good_url(case: dict[str, object]) -> None:
    url = RelayUrl.parse(str(case["url"]))
    assert (url.host, url.port, url.pin and url.pin.hex(), url.token) == (
        case["host"],
        case["port"],
        case["pin"],
        case["token"],
    )
    assert str(url) == case["url"]


@pytest.mark.parametrize("text", URLS["bad"], ids=repr)
def test_bad_url(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        RelayUrl.parse(text)
    assert not text.strip() or text not in caught.value.message


def test_host_is_lowered_and_token_hidden() -> None:
    url = RelayUrl.parse("gimmal-relay://Relay.EXAMPLE.org:7117/?token=Geheim")
    assert url.host == "relay.example.org"
    assert "Geheim" not in repr(url)


@pytest.mark.parametrize("case", PROOF["cases"], ids=lambda case: f"{case['side']} {case['role']}")
def test_proof(case: dict[str, str]) -> None:
    # Written out from the specification, with another library's signing.
    private = bytes.fromhex(PROOF[f"private_{case['side']}"])
    publics = [
        Ed25519PrivateKey.from_private_bytes(bytes.fromhex(PROOF[f"private_{side}"])).public_key().public_bytes_raw()
        for side in "ab"
    ]
    lock, nonce, pin = (bytes.fromhex(PROOF[name]) for name in ("lock", "nonce", "pin"))
    pair_id = sha256(b"gimmal pair v1", lock, *publics)[:16]
    assert pair_id.hex() == PROOF["pair_id"]
    role = b"\x01" if case["role"] == "answers" else b"\x02"
    signed = (
        b"gimmal relay proof v1"
        + pin
        + nonce
        + pair_id
        + case["side"].encode()
        + role
        + bytes.fromhex(PROOF["instance"])
    )
    assert signed.hex() == case["signed"]
    signature = Ed25519PrivateKey.from_private_bytes(private).sign(signed)
    assert signature.hex() == case["signature"]
    body = [32, 1, pair_id, case["side"], case["role"], bytes.fromhex(PROOF["instance"]), lock, *publics]
    body += [signature, PROOF["program"], bytes.fromhex(PROOF["candidates"])]
    packed = msgspec.msgpack.encode(body)
    assert (len(packed).to_bytes(2, "big") + packed).hex() == case["frame"]
    buffer = frames_from_half()
    buffer.feed(bytes.fromhex(case["frame"]))
    proof = buffer.next_message()
    assert isinstance(proof, Prove)
    check_proof(proof, pin, nonce)


@pytest.mark.parametrize("direction", ["from_relay", "from_half"])
def test_good_frames_read_and_encode_identically(direction: str) -> None:
    for case in FRAMES[direction]:
        buffer = frames_from_relay() if direction == "from_relay" else frames_from_half()
        buffer.feed(bytes.fromhex(case["frame"]))
        message = buffer.next_message()
        assert type(message).__name__ == case["name"]
        assert encode_frame(message).hex() == case["frame"]
        assert buffer.next_message() is None and len(buffer) == 0


def test_later_fields_are_ignored() -> None:
    buffer = frames_from_half()
    buffer.feed(bytes.fromhex(FRAMES["from_half_with_a_later_field"]))
    assert buffer.next_message() == RequestLink(7)


@pytest.mark.parametrize("case", FRAMES["bad_from_half"], ids=lambda case: case["why"])
def test_bad_frames_are_refused(case: dict[str, str]) -> None:
    buffer = frames_from_half()
    buffer.feed(bytes.fromhex(case["frame"]))
    with pytest.raises(ProtocolViolation):
        buffer.next_message()
