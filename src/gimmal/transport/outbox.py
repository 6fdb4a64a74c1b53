"""What a link has sealed and not yet written, and who waits for room in it."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable

from gimmal.transport.buffers import BufferPool, RecordBuffer

QUEUE_HIGH = 2 << 20
"""Bytes queued on a link above which senders of bulk wait."""

SEND_VIEWS_MAX = 64
"""Queued records written by one system call."""


class Outbox:
    """Writes sealed records to a socket in the order in which they were sealed.

    Args:
        connection: connected, non-blocking socket; not owned.
        pool: gets the buffers of records that were written.
        on_empty: called whenever everything has been written.
        on_failed: called with the error when the socket takes nothing more.
    """

    def __init__(
        self,
        connection: socket.socket,
        pool: BufferPool,
        on_empty: Callable[[], None],
        on_failed: Callable[[OSError], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = connection
        self._descriptor = connection.fileno()
        self._pool = pool
        self._on_empty = on_empty
        self._on_failed = on_failed
        self._queue: deque[tuple[memoryview, RecordBuffer | None]] = deque()
        self._flush_due = False
        self._writing = False
        self._closed = False
        self._waiters: deque[asyncio.Future[None]] = deque()
        self.queued = 0
        """Bytes that wait."""
        self.sent = 0
        """Bytes written so far."""

    def __len__(self) -> int:
        """Records that wait."""
        return len(self._queue)

    @property
    def has_room(self) -> bool:
        """Whether a sender of bulk need not wait."""
        return self.queued < QUEUE_HIGH

    @property
    def waited_for(self) -> bool:
        """Whether somebody waits for a turn."""
        return bool(self._waiters)

    def append(self, view: memoryview, owner: RecordBuffer | None) -> None:
        """Queue a sealed record; ``owner`` goes to the pool once it is written."""
        self._queue.append((view, owner))
        self.queued += len(view)
        if self._writing:
            return
        if owner is not None:
            self.flush()
        elif not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush_soon)

    def flush(self) -> None:
        """Write now what the socket takes."""
        if not self._writing and not self._closed:
            self._write()

    async def wait_turn(self) -> None:
        """Wait for room, in the order of asking; returns at once where nobody will ever be woken."""
        if self._closed:
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            else:
                self.wake_next()  # the turn that was given goes to the next
            raise

    def _flush_soon(self) -> None:
        self._flush_due = False
        self.flush()

    def _write(self) -> None:
        try:
            while self._queue and not self._closed:
                if len(self._queue) == 1:
                    count = self._socket.send(self._queue[0][0])
                else:
                    views = [view for view, _owner in self._first_queued()]
                    count = self._socket.sendmsg(views)
                self.sent += count
                self.queued -= count
                self._drop_sent(count)
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._descriptor, self._write)
            if self.queued < QUEUE_HIGH:
                self.wake_next()
            return
        except OSError as exc:
            self._on_failed(exc)
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._descriptor)
        self.wake_next()
        self._on_empty()

    def _first_queued(self) -> list[tuple[memoryview, RecordBuffer | None]]:
        return [self._queue[index] for index in range(min(len(self._queue), SEND_VIEWS_MAX))]

    def _drop_sent(self, count: int) -> None:
        while count:
            view, owner = self._queue[0]
            if count < len(view):
                self._queue[0] = (view[count:], owner)
                return
            count -= len(view)
            self._queue.popleft()
            if owner is not None:
                self._pool.give(owner)

    def wake_next(self) -> None:
        """Give the next in the row its turn."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def close(self) -> None:
        """Write nothing more; whoever waits is woken, what was queued goes to the pool."""
        self._closed = True
        self._loop.remove_writer(self._descriptor)
        for _view, owner in self._queue:
            if owner is not None:
                self._pool.give(owner)
        self._queue.clear()
        self.queued = 0
        # Who owns this outbox is freed with its last user, not when the garbage collector finds the two.
        self._on_empty, self._on_failed = _nothing, _nothing
        while self._waiters:
            self.wake_next()


def _nothing(*_: object) -> None:
    """For an outbox that is closed."""
