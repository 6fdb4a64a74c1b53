"""The relay's long-lived key and the certificate over it. The one file here that knows the certificate library."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gimmal.base.display import displayable
from gimmal.base.errors import LocalError
from gimmal.base.persistence import exists, read_limited, write_atomic
from gimmal.protocol.relay.messages import HTTP_PROTOCOL
from gimmal.protocol.relay.spki import pin_of_certificate

_FILE_MAX = 64 * 1024
_FROM = datetime(2000, 1, 1, tzinfo=UTC)
# RFC 5280, 4.1.2.5: the date that means "no end". Diallers with a pin look at no dates.
_UNTIL = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def load_or_make_certificate(state: Path) -> tuple[Path, Path]:
    """The files of the relay's certificate and key, made at the first start.

    Args:
        state: the relay's folder.

    Raises:
        LocalError: they cannot be read or written.
    """
    key_file, certificate_file = state / "relay-key.pem", state / "relay-certificate.pem"
    # The key alone decides the pin: it is made first and never twice, the certificate follows from it.
    if not exists(key_file):
        key = ec.generate_private_key(ec.SECP256R1())
        write_atomic(key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    if not exists(certificate_file):
        write_atomic(certificate_file, _certificate(read_limited(key_file, _FILE_MAX)))
    return certificate_file, key_file


def server_context(certificate_file: Path, key_file: Path) -> tuple[ssl.SSLContext, bytes]:
    """A TLS 1.3 server context and the pin of its key.

    Raises:
        LocalError: the files are damaged or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    # Whoever offers it speaks first: a leg inside TLS, or a WebSocket.
    context.set_alpn_protocols([HTTP_PROTOCOL])
    try:
        context.load_cert_chain(certificate_file, key_file)
        certificate = x509.load_pem_x509_certificate(read_limited(certificate_file, _FILE_MAX))
    except (ssl.SSLError, OSError, ValueError) as exc:
        raise LocalError(
            f"the relay's certificate or key cannot be used: {displayable(str(certificate_file))}",
            "see that both files are there, in PEM, and belong together; the relay's own are restored from a copy, "
            "for another key has another pin and every pair needs the new URL",
        ) from exc
    return context, pin_of_certificate(certificate.public_bytes(Encoding.DER))


def _certificate(key_pem: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(key_pem, None)
    except ValueError as exc:
        raise LocalError(
            "the relay's key file is damaged", "restore relay-key.pem from a copy; a new key has another pin"
        ) from exc
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gimmal relay")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
