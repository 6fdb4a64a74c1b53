"""The SubjectPublicKeyInfo of an X.509 certificate, without loading a certificate library.

Strict DER: definite, shortest lengths only, so that no certificate has its key at two places.
"""

from __future__ import annotations

from gimmal.base.errors import ProtocolViolation
from gimmal.base.primitives import sha256

_SEQUENCE = 0x30
_INTEGER = 0x02
_VERSION = 0xA0


def pin_of_certificate(certificate: bytes) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo of a DER certificate.

    Raises:
        ProtocolViolation: this is no DER certificate.
    """
    start, end = _element(certificate, 0, len(certificate), _SEQUENCE)
    start, end = _element(certificate, start, end, _SEQUENCE)
    if start < end and certificate[start] == _VERSION:
        start = _element(certificate, start, end, _VERSION)[1]
    # serial number, signature algorithm, issuer, validity, subject
    for tag in (_INTEGER, _SEQUENCE, _SEQUENCE, _SEQUENCE, _SEQUENCE):
        start = _element(certificate, start, end, tag)[1]
    return sha256(certificate[start : _element(certificate, start, end, _SEQUENCE)[1]])


def _element(data: bytes, position: int, limit: int, tag: int) -> tuple[int, int]:
    """Start and end of the content of the element at `position`: it carries `tag`, ends before `limit`."""
    if position + 2 > limit or data[position] != tag:
        raise _not_der()
    length = data[position + 1]
    start = position + 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 3 or start + size > limit:
            raise _not_der()
        length = int.from_bytes(data[start : start + size], "big")
        if length < 0x80 or length >> (8 * (size - 1)) == 0:
            raise _not_der()
        start += size
    if start + length > limit:
        raise _not_der()
    return start, start + length


def _not_der() -> ProtocolViolation:
    return ProtocolViolation("the relay's certificate cannot be read")
