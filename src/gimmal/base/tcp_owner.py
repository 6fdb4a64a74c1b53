"""Whose program is at the other end of a TCP connection within this computer."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MAPPED = bytes(10) + b"\xff\xff"
"""What stands before an IPv4 address in an IPv6 one."""


def owners_known() -> bool:
    """Whether this system tells who owns a connection."""
    return os.access(_TABLES[0], os.R_OK)


def owner_of(near: tuple[str, int], far: tuple[str, int]) -> int | None:
    """The user whose program holds the end ``near`` of a connection; blocks for a moment.

    Args:
        near: IPv4 address and port of the end that is asked about.
        far: of the other one.

    Returns:
        the user's number, None where no program on this computer holds that end, or the system does not tell.
    """
    wanted = [(_shown(near, mapped=mapped), _shown(far, mapped=mapped)) for mapped in (False, True)]
    for table, (local, remote) in zip(_TABLES, wanted, strict=True):
        try:
            text = table.read_text("ascii")
        except (OSError, ValueError):
            continue
        for line in text.splitlines()[1:]:
            words = line.split()
            # A connection that its program has closed has no owner, and shows number 0; its inode is 0 too.
            if len(words) > 9 and words[1] == local and words[2] == remote and words[9] != "0":
                return int(words[7])
    return None


def _shown(end: tuple[str, int], *, mapped: bool) -> str:
    """An address as the table has it: words of 32 bits in this computer's order."""
    address = socket.inet_aton(end[0])
    if mapped:
        address = _MAPPED + address
    words = struct.unpack(f"={len(address) // 4}I", address)
    return "".join(f"{word:08X}" for word in words) + f":{end[1]:04X}"
