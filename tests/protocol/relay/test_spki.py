"""The key in a certificate, found without a certificate library."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.base.errors import ProtocolViolation
from gimmal.base.primitives import sha256
from gimmal.protocol.relay.spki import pin_of_certificate


def certificate_for(key: object, names: int = 1) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"name {number}") for number in range(names)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(2**150 + 1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(9999, 1, 1, tzinfo=UTC))
    )
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
    return builder.sign(key, algorithm)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["p256", "ed25519", "rsa"],
)
@pytest.mark.parametrize("names", [1, 12])
def test_pin_is_that_of_the_certificate_library(key: object, names: int) -> None:
    certificate = certificate_for(key, names)
    expected = sha256(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    assert pin_of_certificate(certificate.public_bytes(Encoding.DER)) == expected


DER = certificate_for(ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.DER)


def test_cut_certificates_are_refused() -> None:
    for cut in range(len(DER)):
        with pytest.raises(ProtocolViolation):
            pin_of_certificate(DER[:cut])


@pytest.mark.parametrize(
    "head", [b"", b"\x30\x80", b"\x30\x81\x01", b"\x30\x84\x00\x00\x00\x01", b"\x30\x82\x00\x01", b"\x31\x03"]
)
def test_other_encodings_are_refused(head: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        pin_of_certificate(head + DER[4:])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_bytes_raise_anything_else(data: st.DataObject) -> None:
    junk = bytearray(DER[: data.draw(st.integers(0, len(DER)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if junk:
            junk[data.draw(st.integers(0, min(120, len(junk) - 1)))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolViolation):
        assert len(pin_of_certificate(bytes(junk))) == 32
