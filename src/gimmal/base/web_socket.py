"""One end of a WebSocket (RFC 6455) that carries a stream of bytes: no socket, no clock.

The frames are the work of the library ``websockets``, in its form without I/O; here are the limits, and what of
WebSocket is not used at all: text, extensions, subprotocols. Masks and the key of the request are random, drawn by the
library, and hide nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from websockets.protocol import Protocol

MESSAGE_MAX = 16_384
"""Bytes of a message, both ways."""

HANDSHAKE_MAX = 8_192
"""Bytes of a request or response."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")

# The library would log what it carries.
_SILENT = logging.getLogger("gimmal.websocket")
_SILENT.disabled = True


class WebSocketMachine:
    """Bytes from the far end in, payload out; payload in, bytes for the far end out.

    No exception but a bug of ours leaves it: what breaks a rule sets ``failure``.
    """

    __slots__ = ("_handshake", "_open", "_output", "_protocol", "ended", "failure")

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._open = False
        self._output = bytearray()
        self._handshake = bytearray()
        self.ended = False
        """Nothing follows: the far end has said Close, or ``failure`` says why."""
        self.failure: str | None = None
        """What was wrong, in words for a person."""

    @property
    def opened(self) -> bool:
        """Request and response are through."""
        return self._open

    def receive(self, data: bytes) -> list[bytes]:
        """Take bytes from the far end; ``opened``, ``ended`` and ``data_to_send`` may have changed.

        Returns:
            Payload, in order.
        """
        if self.ended:
            return []
        if not self._open:
            self._handshake += data
            if not self._may_go_on():
                return []
        self._protocol.receive_data(data)
        payload = self._take_events()
        self._check()
        self._collect()
        return payload

    def send(self, data: bytes) -> None:
        """Frame payload; ``data_to_send`` has the result."""
        if not self._open or self.ended:
            return
        for start in range(0, len(data), MESSAGE_MAX):
            self._protocol.send_binary(data[start : start + MESSAGE_MAX])
        self._collect()

    def close(self) -> None:
        """Say Close."""
        from websockets.protocol import State

        if self._open and self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._collect()

    def data_to_send(self) -> bytes:
        """Bytes for the far end since the last call."""
        output = bytes(self._output)
        self._output = bytearray()
        return output

    def _may_go_on(self) -> bool:
        """Whether what came of the handshake so far is worth parsing; sets ``failure`` where it is not."""
        if len(self._handshake) > HANDSHAKE_MAX and b"\r\n\r\n" not in self._handshake[:HANDSHAKE_MAX]:
            self._fail("it sends more than belongs to the opening of a WebSocket")
        return not self.ended

    def _take_events(self) -> list[bytes]:
        from websockets.frames import Frame, Opcode

        payload = []
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                self._on_handshake(event)
            elif event.opcode is Opcode.TEXT:
                self._fail("it sends text")
            elif event.opcode is Opcode.CLOSE:
                self.ended = True
            elif event.opcode in (Opcode.BINARY, Opcode.CONT) and event.data and not self.ended:
                payload.append(bytes(event.data))
        return payload

    def _on_handshake(self, event: object) -> None:
        raise NotImplementedError

    def _check(self) -> None:
        if self._protocol.handshake_exc is not None:
            self._fail("it does not speak WebSocket")
        elif self._protocol.parser_exc is not None:
            self._fail("it breaks the rules of WebSocket")

    def _collect(self) -> None:
        # Until the handshake is through the library may only say no, which a stranger is not told.
        written = b"".join(self._protocol.data_to_send())
        if self._open:
            self._output += written

    def _opened(self) -> None:
        self._open = True
        self._handshake = bytearray()

    def _fail(self, reason: str) -> None:
        if self.failure is None:
            self.failure = reason
        self.ended = True


class WebSocketClient(WebSocketMachine):
    """The end that asks; its request is to be sent at once.

    Args:
        host: of the URL, without brackets.
        port: of the URL.
        path: what to ask for.
    """

    __slots__ = ()

    def __init__(self, host: str, port: int, path: str) -> None:
        from websockets.client import ClientProtocol
        from websockets.uri import WebSocketURI

        protocol = ClientProtocol(WebSocketURI(True, host, port, path, ""), max_size=MESSAGE_MAX, logger=_SILENT)
        super().__init__(protocol)
        protocol.send_request(protocol.connect())
        self._output += b"".join(protocol.data_to_send())

    def _may_go_on(self) -> bool:
        # Not left to the library: it would wait for the page that says no, however long.
        status = _STATUS.match(self._handshake)
        if status is not None and status[1] != b"101":
            self._fail(f"it answers {status[1].decode()}")
        elif status is None and len(self._handshake) >= len(b"HTTP/1.1 101 "):
            self._fail("it does not speak WebSocket")
        return super()._may_go_on()

    def _on_handshake(self, event: object) -> None:
        if self._protocol.handshake_exc is None:
            self._opened()


class WebSocketServer(WebSocketMachine):
    """The end that is asked; it answers 101 or nothing.

    Args:
        paths: that may be asked for.
    """

    __slots__ = ("_paths", "forwarded", "path")

    def __init__(self, paths: Collection[str]) -> None:
        from websockets.server import ServerProtocol

        super().__init__(ServerProtocol(max_size=MESSAGE_MAX, logger=_SILENT))
        self._paths = paths
        self.path = ""
        """What was asked for, once ``opened``."""
        self.forwarded = ""
        """For whom the sender says that he asks (the end of X-Forwarded-For); not to be believed of all."""

    def _on_handshake(self, event: object) -> None:
        from websockets.http11 import Request
        from websockets.server import ServerProtocol

        assert isinstance(event, Request)
        assert isinstance(self._protocol, ServerProtocol)
        if event.path not in self._paths:
            self._fail("it asks for something else")
            return
        response = self._protocol.accept(event)
        if response.status_code != 101:
            self._fail("it does not ask for a WebSocket")
            return
        self._protocol.send_response(response)
        self.path = event.path
        self.forwarded = ",".join(event.headers.get_all("X-Forwarded-For")).rpartition(",")[2].strip()
        self._opened()
