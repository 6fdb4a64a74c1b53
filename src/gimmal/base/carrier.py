"""Lets a stream look like a socket: whoever holds the far end of a socket pair need not know what carries its bytes.

Links of a half and forwarding in the relay are built on sockets. Where their bytes travel inside TLS or WebSocket they
get one end of a socket pair; this moves the bytes between the other end and the stream, as much at a time as is
read there.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from gimmal.base.socket_stream import READ, Stream

_STALLED_SECONDS = 60.0


class Carrier:
    """Owns a stream and one end of a socket pair until either is over.

    The end of one direction ends both, once what came before it has been passed on.

    Args:
        stream: ready; its bytes are this one's from now on.
        near: non-blocking end of the pair; owned from here on.
        on_closed: called once when all is over.
    """

    __slots__ = ("_blocked", "_ending", "_expiry", "_held", "_left", "_loop", "_lost", "_near", "_on_closed", "_stream")

    def __init__(self, stream: Stream, near: socket.socket, on_closed: Callable[[Carrier], None] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._stream = stream
        self._near: socket.socket | None = near
        self._on_closed = on_closed
        self._left = b""
        self._blocked = False
        """The holder does not read, and the stream is paused."""
        self._held = False
        """The far end does not read, and neither do we from the holder."""
        self._ending = False
        """The holder has sent its last byte."""
        self._lost = False
        self._expiry: asyncio.TimerHandle | None = None

    def start(self, first: bytes = b"") -> None:
        """Begin.

        Args:
            first: bytes already taken from the stream.
        """
        assert self._near is not None
        stream = self._stream
        stream.on_drained = self._drained
        stream.hand_over(self)
        self._loop.add_reader(self._near, self._readable)
        if stream.is_over:
            self.stream_lost(None)
            return
        if first:
            self.stream_data(first)
        if not self._blocked:
            stream.resume()

    def close(self) -> None:
        """End all at once. Harmless twice."""
        self._left = b""
        self._stream.abort()
        self._finish()

    def stream_ready(self) -> None:
        """See ``StreamOwner``; the stream is ready before it comes here."""

    def stream_data(self, data: bytes) -> None:
        """See ``StreamOwner``."""
        self._left += data
        if not self._blocked:
            self._pass_on()

    def stream_lost(self, failure: Exception | None) -> None:
        """See ``StreamOwner``."""
        self._lost = True
        if self._near is not None:
            self._loop.remove_reader(self._near)
        if not self._left:
            self._finish()

    def _pass_on(self) -> None:
        if self._near is None:
            return
        try:
            count = self._near.send(self._left)
        except (BlockingIOError, InterruptedError):
            count = 0
        except OSError:
            self.close()  # the holder has gone
            return
        self._left = self._left[count:]
        if self._left and not self._blocked:
            self._blocked = True
            self._stream.pause()
            self._loop.add_writer(self._near, self._writable)

    def _writable(self) -> None:
        self._pass_on()
        if self._left or self._near is None:
            return
        self._blocked = False
        self._loop.remove_writer(self._near)
        if self._lost:
            self._finish()
        else:
            self._stream.resume()

    def _readable(self) -> None:
        assert self._near is not None
        try:
            data = self._near.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._stream.write(data)
        if self._near is None or self._lost:
            return
        if not data:
            self._loop.remove_reader(self._near)
            self._end_of_sending()
        elif self._stream.unsent:
            self._held = True
            self._loop.remove_reader(self._near)
            self._expire()

    def _end_of_sending(self) -> None:
        if not self._stream.unsent:
            self._stream.close()
        else:
            self._ending = True
            self._expire()

    def _expire(self) -> None:
        """The far end must take what waits: while it does not, nobody sees whether the holder is still there."""
        self._expiry = self._loop.call_later(_STALLED_SECONDS, self._stream.abort)

    def _drained(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._near is None:
            return
        if self._held:
            self._held = False
            self._loop.add_reader(self._near, self._readable)
        elif self._ending:
            self._stream.close()

    def _finish(self) -> None:
        near, self._near = self._near, None
        if near is None:
            return
        if self._expiry is not None:
            self._expiry.cancel()
        self._loop.remove_reader(near)
        self._loop.remove_writer(near)
        near.close()
        if self._on_closed is not None:
            self._on_closed(self)


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, both non-blocking.

    Raises:
        OSError: no descriptors are left.
    """
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    near.setblocking(False)
    far.setblocking(False)
    return near, far
