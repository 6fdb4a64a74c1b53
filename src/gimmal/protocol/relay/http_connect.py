"""Asking an HTTP proxy for a tunnel (CONNECT, RFC 9110, section 9.3.6): what is sent, and reading the answer."""

from __future__ import annotations

import base64
import re

from gimmal.base.errors import ProtocolViolation

ANSWER_MAX = 16_384
"""Bytes of a proxy's answer."""

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [\x09\x20-\x7e\x80-\xff]*)?")
_END = b"\r\n\r\n"


def connect_request(host: str, port: int, name: str | None = None, password: str = "") -> bytes:
    """What to send to a proxy.

    Args:
        host: name or address without brackets, of a relay's URL.
        port: of a relay's URL.
        name: for Basic authentication; None sends none.
        password: for Basic authentication.
    """
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if name is not None:
        credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    return "\r\n".join((*lines, "", "")).encode()


class ConnectAnswer:
    """Reads the answer to a CONNECT; nothing of the tunnel may come before this side has spoken."""

    def __init__(self) -> None:
        self._read = bytearray()

    def receive(self, data: bytes) -> int | None:
        """Take bytes from the proxy.

        Returns:
            The status, 100 to 599, once the answer is whole; what follows it is of no interest unless it is 2xx. None
            before.

        Raises:
            ProtocolViolation: this is no answer to a CONNECT.
        """
        self._read += data
        line, found, _ = self._read.partition(b"\r\n")
        if not found:
            if len(self._read) > ANSWER_MAX or not _may_begin(self._read):
                raise ProtocolViolation("it does not speak HTTP")
            return None
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise ProtocolViolation("it does not speak HTTP")
        status = int(match[1])
        if status >= 300:
            # Whatever page comes with it need not be waited for.
            return status
        head, found, rest = self._read.partition(_END)
        if len(head) > ANSWER_MAX:
            raise ProtocolViolation("its answer has no end")
        if not found:
            return None
        if status < 200:
            # Something is under way, the answer follows.
            self._read = bytearray()
            return self.receive(bytes(rest)) if rest else None
        if rest:
            raise ProtocolViolation("it sends bytes that nobody asked for")
        return status


def _may_begin(data: bytearray) -> bool:
    wanted = b"HTTP/1."
    return data[: len(wanted)] == wanted[: len(data)]
