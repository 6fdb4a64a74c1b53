"""TLS towards a relay: the pinned key, or the web PKI (docs/spec/relay.md, section 1)."""

from __future__ import annotations

import ssl

from gimmal.base.display import displayable
from gimmal.base.errors import ProtocolViolation, RelayError
from gimmal.base.primitives import equal
from gimmal.protocol.relay.messages import HTTP_PROTOCOL
from gimmal.protocol.relay.spki import pin_of_certificate
from gimmal.protocol.relay.url import RelayUrl


def client_context(url: RelayUrl, *, speaks_first: bool = False) -> ssl.SSLContext:
    """A TLS 1.3 context for a relay; with a pin it trusts any certificate and ``check_key`` decides.

    Args:
        url: of the relay.
        speaks_first: this side does, so what follows is a leg or a WebSocket; the relay is told by ALPN.
    """
    if url.pin is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if speaks_first:
        context.set_alpn_protocols([HTTP_PROTOCOL])
    return context


def check_key(url: RelayUrl, certificate: bytes) -> bytes:
    """The pin of the key that the relay showed.

    Args:
        url: of the relay.
        certificate: DER, after a finished handshake.

    Raises:
        RelayError: it is not the pinned key.
    """
    try:
        pin = pin_of_certificate(certificate)
    except ProtocolViolation as exc:
        raise RelayError(
            f"the relay {url.address} shows a certificate that cannot be read", "check the relay's URL"
        ) from exc
    if url.pin is not None and not equal(pin, url.pin):
        raise RelayError(
            f"the relay {url.address} shows another key than its URL names",
            "someone may stand between you and the relay, or it was set up anew: ask its operator for the URL",
            hopeless=True,
        )
    return pin


def tls_failure(url: RelayUrl, failure: Exception | None) -> RelayError:
    """What to tell when a connection to a relay broke before its first message."""
    if isinstance(failure, RelayError):
        return failure
    if isinstance(failure, ProtocolViolation):
        return RelayError(
            f"what answers at {url.address} is no relay: {failure.message}",
            "see that the relay runs there; a reverse proxy must pass on WebSocket for /gimmal/",
        )
    if isinstance(failure, ssl.SSLCertVerificationError):
        return RelayError(
            f"the certificate of the relay {url.address} is not valid: {displayable(failure.verify_message)}",
            "use a relay URL with a pin (#...), or ask the relay's operator to renew the certificate",
            hopeless=True,
        )
    if isinstance(failure, ssl.SSLError):
        return RelayError(
            f"what answers at {url.address} is no gimmal relay",
            "check the host and port of the relay's URL",
            hopeless=True,
        )
    return RelayError(
        f"the relay {url.address} closed the connection",
        "try again in a moment; it may be stopping, full, or shutting out this address for a while",
    )
