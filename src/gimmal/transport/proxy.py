"""The HTTP proxy that this computer's settings name, and tunnels through it (docs/spec/relay.md, section 12.3)."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from gimmal.base.display import displayable
from gimmal.base.errors import ProtocolViolation, RelayError
from gimmal.protocol.relay.http_connect import ConnectAnswer, connect_request
from gimmal.transport.tcp_connect import connect_tcp, reason_of

ANSWER_SECONDS = 5.0
"""For a proxy to be connected, and to answer."""

_READ = 4096
_NAMES = ("https_proxy", "all_proxy")
_HINT = "set HTTPS_PROXY to http://HOST:PORT or http://NAME:PASSWORD@HOST:PORT, or NO_PROXY to the relay's host"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Args:
        host: name or address without brackets.
        port: 1 to 65535.
        name: for Basic authentication, or None.
        password: for it.
    """

    host: str
    port: int
    name: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """HOST:PORT, displayable; neither name nor password."""
        host = displayable(self.host)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class ProxyRefusedError(RelayError):
    """The proxy understood, and said no.

    Args:
        message: what it said.
        hint: what to do.
        hopeless: see RelayError.
        credentials: it is the name and password that it does not take. Each try may count against an account.
    """

    def __init__(self, message: str, hint: str, *, hopeless: bool = False, credentials: bool = False) -> None:
        super().__init__(message, hint, hopeless=hopeless)
        self.credentials = credentials


def proxy_for(host: str) -> Proxy | None:
    """The proxy to use for a host; None where there is none, or the host is excepted.

    Raises:
        RelayError: what is set is no HTTP proxy; nothing of it is repeated, it may hold a password.
    """
    # On Linux the environment says all; asking costs an import of many things.
    if sys.platform == "linux" and not any(name.lower() in _NAMES for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass

    settings = getproxies()
    text = settings.get("https") or settings.get("all")
    if not text or proxy_bypass(host):
        return None
    return parse_proxy(text)


def parse_proxy(text: str) -> Proxy:
    """Read a proxy's URL; the scheme may be missing, and then is http.

    Raises:
        RelayError: it is none that can be used; nothing of it is repeated.
    """
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
        name = None if parts.username is None else unquote(parts.username, errors="strict")
        password = unquote(parts.password or "", errors="strict")
    except ValueError:
        raise _unusable("is no URL") from None
    if parts.scheme != "http":
        raise _unusable("is not an HTTP proxy")
    if not host or any(not "!" <= letter <= "~" for letter in host):
        raise _unusable("names no host")
    # A colon would end the name early, a control would end the line.
    if name is not None and (":" in name or any(ord(letter) < 32 for letter in name + password)):
        raise _unusable("has a name or password that Basic authentication cannot carry")
    return Proxy(host, port or 80, name, password)


async def tunnel(proxy: Proxy, host: str, port: int) -> socket.socket:
    """A connection through a proxy.

    Args:
        proxy: to ask.
        host: of the relay; its name is resolved by the proxy.
        port: of the relay.

    Raises:
        ProxyRefusedError: the proxy says no.
        RelayError: it is absent, or is none.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            sock = await connect_tcp(proxy.host, proxy.port)
            try:
                status = await _ask(sock, proxy, host, port)
                if 200 <= status < 300:
                    return sock
                raise _refusal(proxy, status)
            except BaseException:
                sock.close()
                raise
    except TimeoutError:
        raise RelayError(f"the proxy does not answer within {ANSWER_SECONDS:g} s", _HINT) from None
    except ProtocolViolation as exc:
        raise RelayError(f"what answers there is no HTTP proxy: {exc.message}", _HINT) from exc
    except OSError as exc:
        raise RelayError(f"the proxy cannot be used: {reason_of(exc)}", _HINT) from exc


async def _ask(sock: socket.socket, proxy: Proxy, host: str, port: int) -> int:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, connect_request(host, port, proxy.name, proxy.password))
    answer = ConnectAnswer()
    while True:
        data = await loop.sock_recv(sock, _READ)
        if not data:
            raise ProtocolViolation("it closed the connection")
        status = answer.receive(data)
        if status is not None:
            return status


def _refusal(proxy: Proxy, status: int) -> RelayError:
    # Some, tinyproxy for one, say that they do not take it as a web server would.
    if status in (401, 407) and proxy.name is None:
        return ProxyRefusedError(
            f"the proxy wants a name and a password ({status})",
            "set HTTPS_PROXY to http://NAME:PASSWORD@HOST:PORT; only Basic authentication is spoken",
            hopeless=True,
        )
    if status in (401, 407):
        return ProxyRefusedError(
            f"the proxy does not take the name and password ({status})",
            "correct them in HTTPS_PROXY; only Basic authentication is spoken",
            hopeless=True,
            credentials=True,
        )
    if status in (403, 405):
        return ProxyRefusedError(
            f"the proxy does not let this host and port through ({status})",
            "use a relay on port 443, or ask whoever runs the proxy",
        )
    return ProxyRefusedError(
        f"the proxy answers {status}", "see that the relay runs, and that the proxy can reach its host and port"
    )


def _unusable(why: str) -> RelayError:
    return RelayError(f"what HTTPS_PROXY is set to {why}", _HINT)
