"""The vectors of docs/spec/half.md; the good ones are also read by a second reader written from the spec."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gimmal.base import errors
from gimmal.half.disable_code import lock_of, parse_code, unlocks
from gimmal.half.format import decode_half
from gimmal.half.password import require_good_password
from gimmal.half.reading import open_half
from gimmal.half.state import choose_state
from tests.figures import figure
from tests.vector_files import load

GOOD, BAD, STATES = load("half/good.json"), load("half/bad.json"), load("half/state.json")


def unfold(short: dict[str, str]) -> bytes:
    return bytes.fromhex(short["head"]).ljust(4064, b"\0") + bytes.fromhex(short["checksum"])


def lay(directory: Path, half_json: bytes, states: tuple[bytes, bytes]) -> None:
    location = directory / "GIMMAL"
    location.mkdir()
    (location / "half.json").write_bytes(half_json)
    (location / "state-0").write_bytes(states[0])
    (location / "state-1").write_bytes(states[1])


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["note"])
def test_good_halves_open(vector: dict[str, Any], tmp_path: Path) -> None:
    lay(tmp_path, vector["half_json"].encode(), (unfold(vector["state_0"]), unfold(vector["state_1"])))
    opened = open_half(tmp_path, lambda: vector["password"])
    found: dict[str, Any] = {}
    for name in vector["expected"]:
        value = getattr(opened, name)
        found[name] = value.hex() if isinstance(value, bytes) else list(value) if isinstance(value, tuple) else value
    assert found == vector["expected"]


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["note"])
def test_a_second_reader_agrees(vector: dict[str, Any]) -> None:
    """Only the specification and the `cryptography` package: none of our code."""

    def expand(material: bytes, info: bytes, length: int) -> bytes:
        return HKDF(SHA256(), length, b"", info).derive(material)

    document = json.loads(vector["half_json"])
    header, protection = document["header"], document["header"]["protection"]
    salt = bytes.fromhex(protection["salt"])
    if protection["kind"] == "password":
        cost = {"iterations": protection["iterations"], "lanes": protection["lanes"]}
        derivation = Argon2id(salt=salt, length=32, memory_cost=protection["memory_kib"], **cost)
        output = derivation.derive(vector["password"].encode())
        assert expand(output, b"gimmal half check v1", 16).hex() == protection["check"]
        key = expand(output, b"gimmal half seal v1", 32)
    else:
        key = expand(salt, b"gimmal half plain v1", 32)
    canonical = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    sealed = bytes.fromhex(document["payload"])
    payload = json.loads(AESGCM(key).decrypt(sealed[:12], sealed[12:], b"gimmal half v1" + canonical))
    own = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(payload["sign_private"])).public_key().public_bytes_raw()
    peer = bytes.fromhex(payload["peer_sign_public"])
    signs = own + peer if header["side"] == "a" else peer + own
    pair_id = hashlib.sha256(b"gimmal pair v1" + bytes.fromhex(payload["lock"]) + signs).digest()[:16]
    assert pair_id.hex() == header["pair_id"] == vector["expected"]["pair_id"]
    state = unfold(vector["state_0"])
    assert hashlib.sha256(state[:4064]).digest() == state[4064:]
    slots = AESGCM(bytes.fromhex(payload["state_key"])).decrypt(state[40:52], state[52:852], state[:40])
    assert slots[16:48].hex() == vector["expected"]["root"]
    assert slots[8:16] == expand(slots[16:48], b"key id", 32)[:8]


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["note"])
def test_bad_halves_are_refused_by_name(vector: dict[str, Any], tmp_path: Path) -> None:
    data = b"".join(bytes.fromhex(piece) * times for piece, times in vector["half_json"])
    good = GOOD[0]
    lay(tmp_path, data, (unfold(good["state_0"]), unfold(good["state_1"])))
    given = (lambda: vector["password"]) if vector["password"] is not None else None
    with pytest.raises(errors.HalfError) as caught:
        open_half(tmp_path, given)
    assert type(caught.value).__name__ == vector["error"]


def test_bad_vectors_are_many() -> None:
    figure("bad half files refused by name", len(BAD), "all")
    assert len(BAD) > 60


@pytest.mark.parametrize("vector", STATES, ids=lambda vector: vector["note"])
def test_states(vector: dict[str, Any]) -> None:
    files = unfold(vector["state_0"]), unfold(vector["state_1"])
    key, pair_id = bytes.fromhex(vector["state_key"]), bytes.fromhex(vector["pair_id"])
    if "error" in vector:
        with pytest.raises(getattr(errors, vector["error"])):
            choose_state(files, key, pair_id, vector["generation"])
        return
    number, state = choose_state(files, key, pair_id, vector["generation"])
    assert (number, state.sequence, len(state.retired)) == (vector["file"], vector["sequence"], vector["retired"])
    assert state.current.root.hex() == vector["current"]
    assert (state.pending.root.hex() if state.pending else None) == vector["pending"]


@pytest.mark.parametrize("vector", load("half/disable_codes.json"), ids=lambda vector: vector["typed"][:32])
def test_disable_codes(vector: dict[str, Any]) -> None:
    if "error" in vector:
        with pytest.raises(errors.UsageError):
            parse_code(vector["typed"])
        return
    code = parse_code(vector["typed"])
    assert code == vector["code"]
    assert lock_of(code).hex() == vector["lock"]
    assert hashlib.sha256(b"gimmal lock v1" + code.encode()).hexdigest() == vector["lock"]
    assert unlocks(code, bytes.fromhex(vector["lock"]))
    assert not unlocks(code, bytes(32))


@pytest.mark.parametrize("vector", load("half/passwords.json"), ids=lambda vector: vector["password"][:24])
def test_rule_for_new_passwords(vector: dict[str, Any]) -> None:
    if vector["allowed"]:
        require_good_password(vector["password"], vector["pair_name"])
        return
    with pytest.raises(errors.UsageError) as caught:
        require_good_password(vector["password"], vector["pair_name"])
    if len(vector["password"]) > 5:
        assert vector["password"] not in caught.value.message + caught.value.hint


def test_no_vector_and_no_half_holds_the_output_of_argon2() -> None:
    """The PHC string contains the sealing key: neither it nor its hash part may stand in the file."""
    vector = GOOD[1]
    document = json.loads(vector["half_json"])
    protection = document["header"]["protection"]

    def derivation() -> Argon2id:
        cost = {"iterations": protection["iterations"], "lanes": protection["lanes"]}
        return Argon2id(salt=bytes.fromhex(protection["salt"]), length=32, memory_cost=protection["memory_kib"], **cost)

    phc = derivation().derive_phc_encoded(vector["password"].encode())
    output = derivation().derive(vector["password"].encode())
    for text in (phc, phc.rsplit("$", 1)[1], output.hex(), "$argon2"):
        assert text not in vector["half_json"]
    assert decode_half(vector["half_json"].encode()).header.protection
