"""This computer's addresses, asked of a Linux kernel: what `ip addr` shows, without a library to import for it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface

ANSWER_SECONDS = 1.0
BYTES_MAX = 1 << 20

_ROUTE, _GET_ADDRESS, _NEW_ADDRESS, _ERROR, _DONE = 0, 22, 20, 2, 3
_REQUEST_DUMP = 0x0301
_ADDRESS, _LOCAL = 1, 2
_NOT_YET, _NOT_ANY_MORE = 0x40, 0x08
"""Flags of IPv6 addresses that are still asked about, or that another computer has."""

_header = struct.Struct("=LHHLL")
_body = struct.Struct("=BBBBL")
_attribute = struct.Struct("=HH")


def read_addresses() -> list[tuple[int, IPv4Interface | IPv6Interface]]:
    """Number of the interface and address with its network, of each address; may block for a second.

    Raises:
        OSError: no Linux, or it does not say.
    """
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("no Linux")
    found: list[tuple[int, IPv4Interface | IPv6Interface]] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _ROUTE) as asking:
        asking.settimeout(ANSWER_SECONDS)
        size = _header.size + _body.size
        asking.sendall(_header.pack(size, _GET_ADDRESS, _REQUEST_DUMP, 1, 0) + _body.pack(0, 0, 0, 0, 0))
        left = BYTES_MAX
        while left > 0:
            received = asking.recv(1 << 16)
            left -= len(received)
            for kind, message in _pieces(received, _header):
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    raise OSError("the system does not tell its addresses")
                if kind == _NEW_ADDRESS and (one := _address(message)) is not None:
                    found.append(one)
    raise OSError("the system has too many addresses")


def _address(message: bytes) -> tuple[int, IPv4Interface | IPv6Interface] | None:
    if len(message) < _body.size:
        return None
    family, prefix, flags, _scope, index = _body.unpack_from(message)
    attributes = dict(_pieces(message[_body.size :], _attribute))
    packed = attributes.get(_LOCAL, attributes.get(_ADDRESS, b""))
    if family == socket.AF_INET and len(packed) == 4 and prefix <= 32:
        return index, IPv4Interface((packed, prefix))
    if family == socket.AF_INET6 and len(packed) == 16 and prefix <= 128 and not flags & (_NOT_YET | _NOT_ANY_MORE):
        return index, IPv6Interface((packed, prefix))
    return None


def _pieces(data: bytes, header: struct.Struct) -> Iterator[tuple[int, bytes]]:
    """Type and contents of messages or attributes one behind the other, each at a multiple of 4 bytes."""
    at = 0
    while at + header.size <= len(data):
        length, kind = header.unpack_from(data, at)[:2]
        if length < header.size or at + length > len(data):
            return
        yield kind, data[at + header.size : at + length]
        at += (length + 3) & ~3
