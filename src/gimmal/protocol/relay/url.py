"""A relay's URL (docs/spec/relay.md, section 1)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from gimmal.base.errors import UsageError

_URL = re.compile(
    r"gimmal-relay://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,253}):(?P<port>[1-9][0-9]{0,4})/"
    r"(?:\?token=(?P<token>[0-9A-Za-z_-]{1,128}))?(?:#(?P<pin>[0-9A-Za-z_-]{43}))?"
)
_LABEL = re.compile(r"[0-9a-z](?:[0-9a-z-]{0,61}[0-9a-z])?")
_URL_MAX = 512
_HINT = "a relay URL looks like gimmal-relay://relay.example.org:7117/#PIN; copy the line that the relay prints"


@dataclass(frozen=True, slots=True)
class RelayUrl:
    """Where a relay is and which key it must show.

    Args:
        host: DNS name, IPv4 or IPv6 address, lower case, without brackets.
        port: 1 to 65535.
        pin: SHA-256 of the relay's SubjectPublicKeyInfo; None means web PKI.
        token: reserved for admission.
    """

    host: str
    port: int
    pin: bytes | None = None
    token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> RelayUrl:
        """Read a URL, strictly.

        Raises:
            UsageError: it is no relay URL; the message does not repeat it, it may hold a token.
        """
        match = _URL.fullmatch(text) if len(text) <= _URL_MAX else None
        if match is None:
            raise UsageError("this is not a relay URL", _HINT)
        port = int(match["port"])
        if port > 65_535:
            raise UsageError("the relay URL has a port above 65535", _HINT)
        return cls(_host(match["host"].lower()), port, _pin(match["pin"]) if match["pin"] else None, match["token"])

    def __str__(self) -> str:
        """The URL in its one written form, token included."""
        token = f"?token={self.token}" if self.token else ""
        pin = f"#{encode_pin(self.pin)}" if self.pin else ""
        return f"gimmal-relay://{self.address}/{token}{pin}"

    @property
    def address(self) -> str:
        """HOST:PORT, for messages to a person."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def encode_pin(pin: bytes) -> str:
    """The 43 characters of a pin."""
    return base64.urlsafe_b64encode(pin).decode().rstrip("=")


def _pin(text: str) -> bytes:
    pin = base64.urlsafe_b64decode(text + "=")
    if encode_pin(pin) != text:
        raise UsageError("the pin of the relay URL is damaged", _HINT)
    return pin


def _host(text: str) -> str:
    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        if text.replace(".", "").isdigit():
            return str(IPv4Address(text))
    except AddressValueError:
        raise UsageError("the relay URL has an address that does not exist", _HINT) from None
    if not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise UsageError("the relay URL has a host name that cannot exist", _HINT)
    return text
