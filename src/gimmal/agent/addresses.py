"""The addresses of this computer that the other side may dial."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from gimmal.protocol.candidates import ADDRESSES_MAX


def own_addresses(host: str, port: int) -> list[tuple[str, int]]:
    """Address and port of each place a listener can be reached at, IPv4 first.

    Args:
        host: what was listened on; empty for all addresses.
        port: of the listener.
    """
    if host and host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        return [(host, port)] if _is_address(host) else []
    import psutil

    found: list[str] = []
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family in (socket.AF_INET, socket.AF_INET6):
                text = address.address.partition("%")[0]
                parsed = ip_address(text)
                if not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified):
                    found.append(text)
    found.sort(key=lambda text: ":" in text)
    return [(text, port) for text in found[:ADDRESSES_MAX]]


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
