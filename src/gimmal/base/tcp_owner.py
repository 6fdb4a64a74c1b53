"""Whose program is at the other end of a TCP connection within this computer.

Linux is asked for that one connection (sock_diag(7)). Where its kernel does not answer that, the table of all is read,
which takes the longer the more connections there are.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

End = tuple[str, int]
"""IPv4 address and port."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MAPPED = bytes(10) + b"\xff\xff"
"""What stands before an IPv4 address in an IPv6 one."""

_SOCK_DIAG = 4
_BY_FAMILY, _REQUEST, _ERROR = 20, 1, 2
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBxI")
_NAMES = struct.Struct(">HH4s12x4s12x")
_ANY_DEVICE_AND_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_UID_AND_INODE = struct.Struct("=II")
_UID_AT = _HEADER.size + 4 + _NAMES.size + len(_ANY_DEVICE_AND_COOKIE) + 12


def owners_known() -> bool:
    """Whether this system tells who owns a connection."""
    return os.access(_TABLES[0], os.R_OK)


def owner_of(near: End, far: End) -> int | None:
    """The user whose program holds the end ``near`` of a connection; blocks for a moment.

    Args:
        near: the end that is asked about.
        far: the other one.

    Returns:
        the user's number, None where no program on this computer holds that end, or the system does not tell.
    """
    try:
        return _asked(near, far)
    except OSError:
        return _looked_up(near, far)


def _asked(near: End, far: End) -> int | None:
    """The kernel's answer; raises OSError where it has none."""
    names = _NAMES.pack(near[1], far[1], socket.inet_aton(near[0]), socket.inet_aton(far[0]))
    body = _QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + names + _ANY_DEVICE_AND_COOKIE
    header = _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.settimeout(1.0)
        kernel.send(header + body)
        answer = kernel.recv(4096)
    kind = _HEADER.unpack_from(answer)[1]
    if kind == _ERROR:
        # No such connection, or a kernel without this part: the table settles it.
        raise OSError("the kernel does not tell")
    if kind != _BY_FAMILY or len(answer) < _UID_AT + _UID_AND_INODE.size:
        raise OSError("the kernel answered something else")
    user, inode = _UID_AND_INODE.unpack_from(answer, _UID_AT)
    # A connection that its program has closed has no owner, and shows number 0.
    return int(user) if inode else None


def _looked_up(near: End, far: End) -> int | None:
    wanted = [(_shown(near, mapped=mapped), _shown(far, mapped=mapped)) for mapped in (False, True)]
    for table, (local, remote) in zip(_TABLES, wanted, strict=True):
        try:
            text = table.read_text("ascii")
        except (OSError, ValueError):
            continue
        for line in text.splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[1] == local and words[2] == remote and words[9] != "0":
                return int(words[7])
    return None


def _shown(end: End, *, mapped: bool) -> str:
    """An address as the table has it: words of 32 bits in this computer's order."""
    address = socket.inet_aton(end[0])
    if mapped:
        address = _MAPPED + address
    words = struct.unpack(f"={len(address) // 4}I", address)
    return "".join(f"{word:08X}" for word in words) + f":{end[1]:04X}"
