"""WebSocket above a stream, as a stream of bytes itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gimmal.base.errors import GimmalError, ProtocolViolation
from gimmal.base.socket_stream import SocketStream, StreamOwner
from gimmal.base.web_socket import WebSocketMachine


class WebStream:
    """See ``socket_stream.Stream``.

    Args:
        lower: TLS, or plain bytes where TLS ended elsewhere; this stream's from here on.
        machine: of this end.
        owner: hears of everything. ``stream_ready`` is the end of the WebSocket's handshake.
        on_secured: called when the stream below is ready, before a byte of WebSocket is sent; what it raises ends the
            stream and is told to the owner.
    """

    __slots__ = ("_held", "_loop", "_lower", "_machine", "_on_secured", "_owner", "_paused", "_ready")

    def __init__(
        self,
        lower: SocketStream,
        machine: WebSocketMachine,
        owner: StreamOwner,
        on_secured: Callable[[], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._lower = lower
        self._machine = machine
        self._owner: StreamOwner | None = owner
        self._on_secured = on_secured
        self._held: list[bytes] = []
        self._paused = False
        self._ready = False
        lower.hand_over(self)

    @property
    def is_over(self) -> bool:
        """See ``Stream``."""
        return self._owner is None or self._lower.is_over

    @property
    def unsent(self) -> int:
        """See ``Stream``."""
        return self._lower.unsent

    @property
    def on_drained(self) -> Callable[[], None] | None:
        """See ``Stream``."""
        return self._lower.on_drained

    @on_drained.setter
    def on_drained(self, call: Callable[[], None] | None) -> None:
        self._lower.on_drained = call

    def hand_over(self, owner: StreamOwner) -> None:
        """See ``Stream``."""
        if self._owner is not None:
            self._owner = owner

    def write(self, data: bytes) -> None:
        """See ``Stream``; nothing may be written before ``stream_ready``."""
        if not self.is_over and data:
            self._machine.send(data)
            self._lower.write(self._machine.data_to_send())

    def pause(self) -> None:
        """See ``Stream``."""
        self._paused = True
        self._lower.pause()

    def resume(self) -> None:
        """See ``Stream``."""
        self._paused = False
        if self._held:
            # In the order of arrival, and not from within this call.
            self._loop.call_soon(self._go_on)
        else:
            self._lower.resume()

    def close(self) -> None:
        """See ``Stream``."""
        if not self.is_over:
            self._machine.close()
            self._lower.write(self._machine.data_to_send())
            self._lower.close()

    def abort(self) -> None:
        """See ``Stream``."""
        self._lower.abort()

    def stream_ready(self) -> None:
        """See ``StreamOwner``: the stream below is ready."""
        if self._on_secured is not None:
            try:
                self._on_secured()
            except GimmalError as exc:
                self._end(exc)
                return
        self._lower.write(self._machine.data_to_send())

    def stream_data(self, data: bytes) -> None:
        """See ``StreamOwner``: bytes of the stream below."""
        payload = self._machine.receive(data)
        self._lower.write(self._machine.data_to_send())
        if self._machine.opened and not self._ready:
            self._ready = True
            if self._owner is not None:
                self._owner.stream_ready()
        self._held += payload
        if not self._paused:
            self._hand_out()
        if self._machine.ended and not self._held:
            self._end_in_order()

    def stream_lost(self, failure: Exception | None) -> None:
        """See ``StreamOwner``: the stream below is over."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.stream_lost(failure)

    def _go_on(self) -> None:
        self._hand_out()
        if not self._may_go_on():
            return
        if self._machine.ended:
            self._end_in_order()
        else:
            self._lower.resume()

    def _may_go_on(self) -> bool:
        return not self._paused and self._owner is not None

    def _hand_out(self) -> None:
        while self._held and self._may_go_on():
            assert self._owner is not None
            self._owner.stream_data(self._held.pop(0))

    def _end_in_order(self) -> None:
        reason = self._machine.failure
        self._end(ProtocolViolation(reason) if reason else None)

    def _end(self, failure: Exception | None) -> None:
        owner, self._owner = self._owner, None
        self._lower.close()
        if owner is not None:
            owner.stream_lost(failure)
