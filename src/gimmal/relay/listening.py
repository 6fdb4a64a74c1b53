"""Where the relay listens, and the address it tells."""

from __future__ import annotations

import contextlib
import socket

from gimmal.base.errors import LocalError, UsageError

_BACKLOG = 1024


def parse_listen(text: str) -> tuple[str, int]:
    """HOST and PORT of ``HOST:PORT`` or ``[IPV6]:PORT``; the port may be 0.

    Raises:
        UsageError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise UsageError("--listen wants HOST:PORT", "for instance --listen 0.0.0.0:7117")
    return host, int(port)


def listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on every address of `host`, all with one port.

    Raises:
        LocalError: the address is not of this computer, or the port is taken.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            listener = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # "::" means both families; a name that gives both gets a socket for each.
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
            chosen = sockets[0].getsockname()[1] if port == 0 and len(sockets) > 1 else port
            listener.bind((address[0], chosen, *address[2:]))
            listener.listen(_BACKLOG)
    except OSError as exc:
        for listener in sockets:
            listener.close()
        raise LocalError(
            f"cannot listen on {host}:{port}: {(exc.strerror or str(exc)).lower()}",
            "choose a free port and an address of this computer with --listen",
        ) from exc
    return sockets


def told_host(host: str) -> str:
    """The host for the relay's URL when it listens on `host`: for "all addresses", one of this computer."""
    if host not in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return host
    # Connecting a datagram socket sends nothing; it only asks which address the route would use.
    for family, anywhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((anywhere, 9))
            return str(probe.getsockname()[0])
    return "127.0.0.1"
