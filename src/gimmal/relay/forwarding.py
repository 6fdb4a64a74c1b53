"""Moving a link's bytes between its two legs (docs/spec/relay.md, section 7).

Each readable direction moves at most one chunk a turn, so that the event loop shares the relay among all links.
With ``os.splice`` the bytes never enter this process; without it they pass through one shared buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable

from gimmal.relay.chunks import Chunks, Pipe
from gimmal.relay.limits import RelayLimits

_NO_SPLICE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


class Direction:
    """Bytes of one leg to the other."""

    __slots__ = (
        "_chunks",
        "_left",
        "_link",
        "_loop",
        "_pipe",
        "_reserved",
        "_sink",
        "_source",
        "ended",
        "forwarded",
        "moved_at",
        "waiting",
    )

    def __init__(self, link: ForwardedLink, source: socket.socket, sink: socket.socket) -> None:
        self._link = link
        self._chunks = link.chunks
        self._loop = link.loop
        self._source = source
        self._sink = sink
        self._pipe: Pipe | None = None
        self._reserved = False
        self._left = b""
        self.ended = False
        """The source has sent its last byte and it was passed on."""
        self.waiting = False
        """Bytes are here that the sink does not take."""
        self.forwarded = 0
        """Bytes passed on since the last ``ForwardedLink.take_forwarded``."""
        self.moved_at = link.loop.time()
        """Loop time at which a byte was last passed on."""

    def start(self) -> None:
        """Begin to read."""
        self._loop.add_reader(self._source, self._readable)

    def stop(self) -> None:
        """Stop both handlers and drop what waits."""
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._sink)
        self._left = b""
        self._release()

    def _readable(self) -> None:
        try:
            self._turn()
        except (BlockingIOError, InterruptedError):
            self._release()
        except OSError:
            self._link.close()

    def _turn(self) -> None:
        self._reserved = self._chunks.take(self._link.pair_id)
        if self._reserved and self._chunks.splice and not self._link.plain:
            self._pipe = self._chunks.borrow_pipe()
        if self._pipe is None:
            limit = len(self._chunks.scratch) if self._reserved else self._link.limits.spill
            count = self._source.recv_into(self._chunks.scratch[:limit])
            if count:
                self._pass_on(self._chunks.scratch[:count])
        else:
            try:
                count = self._pipe.fill(self._source.fileno())
            except OSError as exc:
                if exc.errno not in _NO_SPLICE:
                    raise
                # This system cannot splice these sockets: from now on all links go the plain way.
                self._chunks.splice = False
                self._release()
                return
            if count:
                self._drain(self._pipe)
        if count == 0:
            self._end()
        elif not self.waiting:
            self._release()

    def _writable(self) -> None:
        try:
            if self._pipe is not None:
                self._drain(self._pipe)
            else:
                self._pass_on(memoryview(self._left))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._link.close()
            return
        if not self.waiting:
            self._release()
            self._loop.remove_writer(self._sink)
            self._loop.add_reader(self._source, self._readable)

    def _drain(self, pipe: Pipe) -> None:
        while pipe.held:
            try:
                count = pipe.drain(self._sink.fileno())
            except BlockingIOError:
                self._wait()
                return
            self._moved(count)
        self.waiting = False

    def _pass_on(self, data: memoryview) -> None:
        try:
            count = self._sink.send(data)
        except BlockingIOError:
            count = 0
        if count:
            self._moved(count)
        if count < len(data):
            self._left = bytes(data[count:])
            self._wait()
        else:
            self._left = b""
            self.waiting = False

    def _moved(self, count: int) -> None:
        self.forwarded += count
        self.moved_at = self._loop.time()

    def _wait(self) -> None:
        if not self.waiting:
            self.waiting = True
            # The clock of the stall starts when bytes begin to wait, not at the last byte before a pause.
            self.moved_at = self._loop.time()
            self._loop.remove_reader(self._source)
            self._loop.add_writer(self._sink, self._writable)

    def _release(self) -> None:
        if self._pipe is not None:
            self._chunks.return_pipe(self._pipe)
            self._pipe = None
        if self._reserved:
            self._reserved = False
            self._chunks.give_back(self._link.pair_id)

    def _end(self) -> None:
        self._release()
        self._loop.remove_reader(self._source)
        self.ended = True
        self.moved_at = self._loop.time()
        with contextlib.suppress(OSError):
            self._sink.shutdown(socket.SHUT_WR)
        self._link.direction_ended()


class ForwardedLink:
    """Two legs joined.

    Args:
        pair_id: whose link it is.
        legs: two connected, non-blocking sockets behind their tickets; owned from here on.
        chunks: where bytes may wait.
        limits: numbers of the relay.
        on_closed: called once when both legs are closed.
    """

    __slots__ = ("_directions", "_legs", "_on_closed", "chunks", "closed", "limits", "loop", "pair_id", "plain")

    def __init__(
        self,
        pair_id: bytes,
        legs: tuple[socket.socket, socket.socket],
        chunks: Chunks,
        limits: RelayLimits,
        on_closed: Callable[[ForwardedLink], None],
    ) -> None:
        self.pair_id = pair_id
        self.chunks = chunks
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.closed = False
        self._legs = legs
        self._on_closed = on_closed
        # The end of a socket pair holds what TLS or WebSocket gave: splicing needs TCP on both ends.
        self.plain = any(leg.family == socket.AF_UNIX for leg in legs)
        self._directions = (Direction(self, legs[0], legs[1]), Direction(self, legs[1], legs[0]))

    def start(self) -> None:
        """Begin to forward both ways."""
        for direction in self._directions:
            direction.start()

    def take_forwarded(self) -> int:
        """Bytes passed on since the last call."""
        count = 0
        for direction in self._directions:
            count += direction.forwarded
            direction.forwarded = 0
        return count

    def close_if_stuck(self, now: float) -> bool:
        """Close the link if a receiver takes nothing, or it lies half-closed, for too long.

        Args:
            now: loop time.
        """
        stalled = any(
            direction.waiting and now - direction.moved_at > self.limits.stalled_seconds
            for direction in self._directions
        )
        idle = now - max(direction.moved_at for direction in self._directions)
        half_closed = any(direction.ended for direction in self._directions)
        if stalled or (half_closed and idle > self.limits.half_closed_seconds):
            self.close()
            return True
        return False

    def direction_ended(self) -> None:
        """One direction has passed on its last byte."""
        if all(direction.ended for direction in self._directions):
            self.close()

    def close(self) -> None:
        """Close both legs; what waits is dropped. Harmless twice."""
        if self.closed:
            return
        self.closed = True
        for direction in self._directions:
            direction.stop()
        for leg in self._legs:
            leg.close()
        self._on_closed(self)
